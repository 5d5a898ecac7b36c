//! Several threads at one stream: its pieces are looked through side by side, remembered values and open key blocks
//! pass from one to the next in order, and what comes out is the same as from one thread.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Condvar, Mutex, PoisonError};

use rayon_core::{ThreadPool, ThreadPoolBuilder};

use super::chunk::FAILED;
use crate::line::lines;
use crate::redact::{Finder, Found, Redacted, Redactor, Stream};

/// Pieces for each hand in one round; a round costs a call to each thread but the first, and a wait for the last piece.
const PIECES: usize = 4;

/// The hands at a stream, and what it has taught so far.
pub struct Crew {
    redactor: Redactor,
    hands: Vec<Finder>,
    /// The threads of all hands but the calling one, from when they are needed first. They stay, and so each stays on the
    /// processor that it was put on.
    others: Option<ThreadPool>,
    stream: Stream,
    slots: Vec<Slot>,
}

/// One piece on its way.
#[derive(Default)]
struct Slot {
    found: Found,
    /// Something went wrong: all lines of the piece are withheld.
    failed: bool,
    redacted: Redacted,
}

impl Crew {
    /// A crew of `hands` threads (at least one), the calling one among them.
    pub fn new(redactor: &Redactor, hands: usize) -> Self {
        let hands = (0..hands.max(1)).map(|_| redactor.finder()).collect();
        Self { redactor: redactor.clone(), hands, others: None, stream: Stream::default(), slots: Vec::new() }
    }

    /// How many pieces one round takes at most.
    pub fn round(&self) -> usize {
        self.hands.len() * PIECES
    }

    /// Forgets the stream: the next piece is the first of another.
    pub fn begin(&mut self) {
        self.stream = Stream::default();
    }

    /// Redacts pieces of whole lines that follow one another in the stream; each comes with why it is withheld, if it
    /// is. Gives one result a piece. A piece on which the redactor fails is withheld, line by line.
    pub fn redact(&mut self, pieces: &[Piece<'_>]) -> impl Iterator<Item = &Redacted> {
        self.work(pieces);
        self.slots[..pieces.len()].iter().map(|slot| &slot.redacted)
    }

    /// The same into buffers of the caller's, one a piece, which are reused.
    pub fn redact_into(&mut self, pieces: &[Piece<'_>], out: &mut Vec<Redacted>) {
        self.work(pieces);
        out.resize_with(pieces.len(), Redacted::default);
        self.slots.iter_mut().zip(out).for_each(|(slot, out)| std::mem::swap(&mut slot.redacted, out));
    }

    fn work(&mut self, pieces: &[Piece<'_>]) {
        let Self { redactor, hands, others, stream, slots } = self;
        if slots.len() < pieces.len() {
            slots.resize_with(pieces.len(), Slot::default);
        }
        let slots = &mut slots[..pieces.len()];
        let bytes: usize = pieces.iter().map(|(bytes, _)| bytes.len()).sum();
        let mut useful = (bytes / SHARE).clamp(1, hands.len());
        if useful > 1 && others.is_none() {
            *others = start(hands.len() - 1);
            if others.is_none() {
                hands.truncate(1);
                useful = 1;
            }
        }
        let heap = Heap { rest: Mutex::new(pieces.iter().zip(&mut *slots).enumerate()), turns: Turns::new(stream) };
        match (others, hands[..useful].split_first_mut()) {
            (Some(pool), Some((first, rest))) if useful > 1 => pool.in_place_scope(|scope| {
                rest.iter_mut().for_each(|hand| scope.spawn(|_| heap.share(hand)));
                heap.share(first);
            }),
            (_, Some((first, _))) => heap.share(first),
            _ => {}
        }
        if slots.iter().any(|slot| slot.failed) {
            hands.iter_mut().for_each(|hand| *hand = redactor.finder());
        }
    }
}

/// Threads for so many hands; when there are none to be had, one hand does it all.
fn start(hands: usize) -> Option<ThreadPool> {
    let named = ThreadPoolBuilder::new().num_threads(hands).thread_name(|n| format!("redact-{}", n + 1));
    named.build().inspect_err(|error| tracing::warn!(%error, "no threads to redact on; one does it all")).ok()
}

/// The pieces of one round, of which each hand takes the next until none is left.
struct Heap<'s, I> {
    rest: Mutex<I>,
    turns: Turns<'s>,
}

impl<'p, I: Iterator<Item = (usize, (&'p Piece<'p>, &'p mut Slot))>> Heap<'_, I> {
    /// One hand's share: to look through a piece and to write it takes no order, to pass on what it teaches does.
    fn share(&self, finder: &mut Finder) {
        loop {
            let next = self.rest.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some((n, ((bytes, withheld), slot))) = next else { return };
            let Slot { found, failed, redacted } = slot;
            *failed = withheld.is_none() && !guarded(|| finder.find(bytes, found));
            self.turns.take(n, |stream| {
                if withheld.is_none() && !*failed {
                    *failed = !guarded(|| finder.recall(bytes, stream, found));
                }
                if *failed {
                    // What was learned of the stream may be broken: begin anew.
                    *stream = Stream::default();
                }
            });
            *failed = *failed || withheld.is_none() && !guarded(|| finder.finish(bytes, found, redacted));
            if let Some(reason) = withheld {
                redacted.withhold(std::iter::once(*bytes), reason);
            } else if *failed {
                redacted.withhold(lines(bytes), FAILED);
            }
        }
    }
}

/// The stream, for one piece after the other.
struct Turns<'s> {
    /// Whose turn it is.
    next: Mutex<(usize, &'s mut Stream)>,
    passed: Condvar,
}

impl<'s> Turns<'s> {
    fn new(stream: &'s mut Stream) -> Self {
        Self { next: Mutex::new((0, stream)), passed: Condvar::new() }
    }

    /// Does `work` when all pieces before the `n`th had their turn.
    fn take(&self, n: usize, work: impl FnOnce(&mut Stream)) {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        while next.0 != n {
            next = self.passed.wait(next).unwrap_or_else(PoisonError::into_inner);
        }
        work(next.1);
        next.0 += 1;
        self.passed.notify_all();
    }
}

/// Whole lines, and why they are withheld, if they are.
pub type Piece<'p> = (&'p [u8], Option<&'static str>);

/// Least bytes for each hand: below that, starting a thread costs more than it saves.
const SHARE: usize = 64 << 10;

/// Whether `work` came to its end.
fn guarded(work: impl FnOnce()) -> bool {
    catch_unwind(AssertUnwindSafe(work)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redact::PseudonymKey;

    /// A stream in which values come back bare, and key blocks go on over many lines.
    fn stream() -> Vec<u8> {
        let mut text = String::new();
        for n in 0..3000u64 {
            let secret = format!("a{}B{:x}z9Q{n}", n * 7919, n.wrapping_mul(0x9e37_79b9_7f4a_7c15));
            text += &format!("{{\"n\":{n},\"password\":\"{secret}\"}}\n");
            text += &format!("{{\"n\":{n},\"msg\":\"retry with {secret} failed\"}}\n");
            if n % 250 == 7 {
                text += "-----BEGIN RSA PRIVATE KEY-----\n";
                (0..40).for_each(|i| text += &format!("{}{i:02}\n", "MIIEpAIBAAKCAQEA7bq3".repeat(3)));
                text += "-----END RSA PRIVATE KEY-----\n";
            }
        }
        text.into_bytes()
    }

    fn pieces(text: &[u8], size: usize) -> Vec<Piece<'_>> {
        let mut rest = text;
        let mut all = Vec::new();
        while !rest.is_empty() {
            let end = rest.len().min(size);
            let end = memchr::memchr(b'\n', &rest[end - 1..]).map_or(rest.len(), |n| end + n);
            let (piece, tail) = rest.split_at(end);
            all.push((piece, None));
            rest = tail;
        }
        all
    }

    #[test]
    fn any_number_of_hands_and_any_cut_give_the_same() {
        let redactor = Redactor::new(PseudonymKey::new(0, b"crew"));
        let text = stream();
        let want = redactor.worker().redact_line(&text);
        let shown = String::from_utf8_lossy(&want);
        assert!(shown.contains("retry with [SECRET] failed") && !shown.contains("MIIEpAIBAAKCAQEA"));
        for (hands, size) in [(1, 70_000), (2, 7000), (3, 50_000), (2, 140_000), (4, 1), (2, usize::MAX)] {
            let mut crew = Crew::new(&redactor, hands);
            let mut got = Vec::new();
            for some in pieces(&text, size.min(text.len())).chunks(crew.round()) {
                crew.redact(some).for_each(|r| got.extend_from_slice(r.bytes()));
            }
            let other = got.split(|b| *b == b'\n').zip(want.split(|b| *b == b'\n')).position(|(a, b)| a != b);
            assert_eq!((other, got.len()), (None, want.len()), "{hands} hands, pieces of {size}: the first other line");
        }
    }

    #[test]
    fn a_withheld_piece_stands_in_its_place() {
        let redactor = Redactor::new(PseudonymKey::new(0, b"crew"));
        let mut crew = Crew::new(&redactor, 2);
        let pieces: [Piece<'_>; 3] = [(b"first\n", None), (b"\n", Some("too long")), (b"last\n", None)];
        let got: Vec<_> = crew.redact(&pieces).map(|r| String::from_utf8_lossy(r.bytes()).into_owned()).collect();
        assert_eq!(got, ["first\n", "{\"logwarden\":\"withheld\",\"reason\":\"too long\"}\n", "last\n"]);
    }
}
