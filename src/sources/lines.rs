//! Pure framing: bytes as they are read in, pieces of whole lines out, and the place each piece ends at.
//!
//! A piece is handed out as soon as it holds a newline, so that a lone line never waits for a full buffer. What
//! follows the last newline moves to the next buffer. Lines are taken whole up to [`MAX_LINE_BYTES`]; a longer one is
//! dropped as it comes, so memory stays bounded, and a piece that says so stands in its place.

use sha2::{Digest, Sha256};

/// How much is read at once, in bytes.
pub const READ_BYTES: usize = 256 << 10;

/// The longest line that is taken whole, in bytes, its newline not counted.
pub const MAX_LINE_BYTES: usize = 16 << 20;

/// Why a line over [`MAX_LINE_BYTES`] is withheld.
pub const TOO_LONG: &str = "line over 16 MiB";

/// How many bytes before a place are remembered, to know the place again.
pub const ANCHOR_BYTES: usize = 64;

/// A buffer that grew past this for a long line is not kept, in bytes.
const KEEP_BYTES: usize = 1 << 20;

/// Some whole lines, or the place of one that is withheld.
pub struct Piece {
    /// Whole lines; for a withheld line only what ended it.
    pub bytes: Vec<u8>,
    /// Why the line is withheld, when it is.
    pub withheld: Option<&'static str>,
    /// The byte behind the piece, counted from the start of the stream.
    pub end: u64,
    /// Hash of the (at most) [`ANCHOR_BYTES`] bytes before `end`.
    pub anchor: [u8; 16],
}

/// Cuts one stream into pieces. Feed it by reading into [`Framer::room`], then take until there is no more.
pub struct Framer {
    /// Read and not handed out; starts at `start`.
    buf: Vec<u8>,
    /// No newline stands before this place in `buf`.
    scanned: usize,
    /// Stream offset of `buf[0]`.
    start: u64,
    /// Inside a line that is too long: everything up to its newline is dropped.
    skipping: bool,
    /// The last bytes before `start`.
    recent: Vec<u8>,
    /// Whether pieces carry an anchor.
    anchored: bool,
}

/// First 128 bits of SHA-256.
pub fn hash128(bytes: &[u8]) -> [u8; 16] {
    let mut out = [0; 16];
    out.copy_from_slice(&Sha256::digest(bytes)[..16]);
    out
}

impl Framer {
    /// A framer at the start of a stream that cannot be read twice: its pieces carry no anchor.
    pub fn new() -> Self {
        Self { buf: Vec::new(), scanned: 0, start: 0, skipping: false, recent: Vec::new(), anchored: false }
    }

    /// A framer at byte `start` of a file; `recent` are the (at most [`ANCHOR_BYTES`]) bytes before it.
    pub fn anchored(start: u64, recent: &[u8]) -> Self {
        Self { start, recent: recent.to_vec(), anchored: true, ..Self::new() }
    }

    /// The buffer to append to, with spare capacity.
    pub fn room(&mut self) -> &mut Vec<u8> {
        let spare = self.buf.capacity() - self.buf.len();
        if spare < READ_BYTES / 2 {
            let tail = self.buf.len();
            self.buf.reserve_exact(READ_BYTES.max(tail).min(MAX_LINE_BYTES));
        }
        &mut self.buf
    }

    /// The stream offset behind everything handed out or dropped.
    pub fn start(&self) -> u64 {
        self.start
    }

    /// The stream offset where the next read belongs.
    pub fn position(&self) -> u64 {
        self.start + self.buf.len() as u64
    }

    /// Whether a line has begun and its newline has not come.
    pub fn has_tail(&self) -> bool {
        self.skipping || !self.buf.is_empty()
    }

    /// Goes on at byte `at`, behind the hole that a sparse file begins with.
    pub fn skip_to(&mut self, at: u64) {
        if self.buf.is_empty() && at > self.start {
            self.recent = vec![0; usize::try_from(at).unwrap_or(ANCHOR_BYTES).min(ANCHOR_BYTES)];
            self.start = at;
        }
    }

    /// Drops zero bytes at the front of what was read; says whether anything else has come.
    pub fn skip_zeros(&mut self) -> bool {
        let zeros = self.buf.iter().position(|&b| b != 0).unwrap_or(self.buf.len());
        let dropped: Vec<u8> = self.buf.drain(..zeros).collect();
        self.remember(&dropped);
        !self.buf.is_empty()
    }

    /// The last (at most [`ANCHOR_BYTES`]) bytes before [`Self::position`], into `into`.
    pub fn last_bytes(&self, into: &mut Vec<u8>) {
        into.clear();
        let tail = self.buf.len().min(ANCHOR_BYTES);
        let before = self.recent.len().min(ANCHOR_BYTES - tail);
        into.extend_from_slice(&self.recent[self.recent.len() - before..]);
        into.extend_from_slice(&self.buf[self.buf.len() - tail..]);
    }

    /// Takes the next piece; `spare` is an old buffer that becomes the next one to read into. When nothing is there
    /// to take, `spare` comes back.
    pub fn take(&mut self, spare: Vec<u8>) -> Result<Piece, Vec<u8>> {
        if self.skipping {
            return self.take_skipped(spare);
        }
        if self.buf.len() > MAX_LINE_BYTES {
            // only the first line can be this long: what follows it came with the last read
            let first = memchr::memchr(b'\n', &self.buf[self.scanned..]).map(|i| i + self.scanned);
            if first.is_none_or(|end| end > MAX_LINE_BYTES) {
                self.skipping = true;
                return self.take_skipped(spare);
            }
        }
        let Some(last) = memchr::memrchr(b'\n', &self.buf[self.scanned..]) else {
            self.scanned = self.buf.len();
            return Err(spare);
        };
        let end = self.scanned + last + 1;
        let mut next = fresh(spare);
        next.extend_from_slice(&self.buf[end..]);
        let mut bytes = std::mem::replace(&mut self.buf, next);
        bytes.truncate(end);
        self.scanned = self.buf.len();
        self.remember(&bytes);
        Ok(self.piece(bytes, None))
    }

    /// Takes what is left when the stream has ended: a line without a newline, or `None`.
    pub fn finish(&mut self, spare: Vec<u8>) -> Option<Piece> {
        if self.skipping {
            self.skipping = false;
            return Some(self.piece(fresh(spare), Some(TOO_LONG)));
        }
        if self.buf.is_empty() {
            return None;
        }
        let bytes = std::mem::replace(&mut self.buf, fresh(spare));
        self.scanned = 0;
        self.remember(&bytes);
        Some(self.piece(bytes, None))
    }

    fn take_skipped(&mut self, spare: Vec<u8>) -> Result<Piece, Vec<u8>> {
        let newline = memchr::memchr(b'\n', &self.buf[self.scanned..]).map(|i| i + self.scanned + 1);
        let dropped = newline.unwrap_or(self.buf.len());
        let head = std::mem::take(&mut self.buf);
        self.remember(&head[..dropped]);
        let mut spare = fresh(spare);
        spare.extend_from_slice(&head[dropped..]);
        self.buf = spare;
        self.scanned = 0;
        let old = fresh(head);
        if newline.is_none() {
            return Err(old);
        }
        self.skipping = false;
        let mut bytes = old;
        bytes.push(b'\n');
        Ok(self.piece(bytes, Some(TOO_LONG)))
    }

    /// Moves `start` behind `bytes`.
    fn remember(&mut self, bytes: &[u8]) {
        self.start += bytes.len() as u64;
        if self.anchored {
            let new = &bytes[bytes.len().saturating_sub(ANCHOR_BYTES)..];
            let over = (self.recent.len() + new.len()).saturating_sub(ANCHOR_BYTES);
            self.recent.drain(..over);
            self.recent.extend_from_slice(new);
        }
    }

    fn piece(&self, bytes: Vec<u8>, withheld: Option<&'static str>) -> Piece {
        let anchor = if self.anchored { hash128(&self.recent) } else { [0; 16] };
        Piece { bytes, withheld, end: self.start, anchor }
    }
}

impl Default for Framer {
    fn default() -> Self {
        Self::new()
    }
}

/// An empty buffer, the old one unless it has grown too big to keep.
fn fresh(mut old: Vec<u8>) -> Vec<u8> {
    old.clear();
    if old.capacity() > KEEP_BYTES || old.capacity() < READ_BYTES { Vec::with_capacity(READ_BYTES) } else { old }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Feeds `reads` one after the other, and gives the pieces as (bytes, withheld, end).
    fn frame(reads: &[&[u8]]) -> Vec<(Vec<u8>, bool, u64)> {
        let mut framer = Framer::anchored(0, b"");
        let mut out = Vec::new();
        let mut spare = Vec::new();
        for read in reads {
            framer.room().extend_from_slice(read);
            loop {
                match framer.take(spare) {
                    Ok(piece) => out.push((piece.bytes, piece.withheld.is_some(), piece.end)),
                    Err(back) => {
                        spare = back;
                        break;
                    }
                }
                spare = Vec::new();
            }
        }
        out.extend(framer.finish(spare).map(|p| (p.bytes, p.withheld.is_some(), p.end)));
        out
    }

    #[test]
    fn whole_lines_go_out_and_the_tail_waits() {
        let got = frame(&[b"a\nb", b"c\n", b"d", b"", b"e"]);
        assert_eq!(got, [(b"a\n".to_vec(), false, 2), (b"bc\n".to_vec(), false, 5), (b"de".to_vec(), false, 7)],);
        assert_eq!(frame(&[]), []);
    }

    #[test]
    fn a_line_at_the_bound_is_taken_and_one_over_it_is_withheld() {
        let whole = [vec![b'x'; MAX_LINE_BYTES], b"\nnext\n".to_vec()].concat();
        let reads: Vec<&[u8]> = whole.chunks(100_000).collect();
        let got = frame(&reads);
        assert_eq!(got.iter().map(|(b, _, _)| b.len()).sum::<usize>(), whole.len());
        assert!(got.iter().all(|(_, withheld, _)| !withheld));

        for over in [1, 200_000, 3 << 20] {
            let long = [b"first\n".to_vec(), vec![b'x'; MAX_LINE_BYTES + over], b"\nnext\n".to_vec()].concat();
            let reads: Vec<&[u8]> = long.chunks(READ_BYTES).collect();
            let got = frame(&reads);
            let want = [
                (b"first\n".to_vec(), false, 6),
                (b"\n".to_vec(), true, long.len() as u64 - 5),
                (b"next\n".to_vec(), false, long.len() as u64),
            ];
            assert_eq!(got, want, "{over} over");
        }
        let endless = vec![b'x'; MAX_LINE_BYTES + 1];
        assert_eq!(frame(&[&endless]), [(b"".to_vec(), true, endless.len() as u64)]);
    }

    #[test]
    fn memory_stays_bounded_on_an_endless_line() {
        let mut framer = Framer::new();
        let read = vec![b'x'; READ_BYTES];
        let mut spare = Vec::new();
        for _ in 0..300 {
            framer.room().extend_from_slice(&read);
            spare = framer.take(spare).err().unwrap();
            assert!(framer.buf.capacity() + spare.capacity() <= 3 * MAX_LINE_BYTES);
        }
        assert!(framer.buf.capacity() <= KEEP_BYTES);
    }

    proptest! {
        #[test]
        fn nothing_is_lost_or_moved(
            text in proptest::collection::vec(prop_oneof![Just(b'\n'), any::<u8>()], 0..400),
            cuts in proptest::collection::vec(0usize..400, 0..8),
        ) {
            let mut cuts: Vec<usize> = cuts.into_iter().map(|c| c.min(text.len())).chain([0, text.len()]).collect();
            cuts.sort_unstable();
            let mut framer = Framer::anchored(0, b"");
            let mut out = Vec::new();
            let mut pieces = Vec::new();
            for pair in cuts.windows(2) {
                framer.room().extend_from_slice(&text[pair[0]..pair[1]]);
                while let Ok(piece) = framer.take(Vec::new()) {
                    prop_assert!(piece.bytes.ends_with(b"\n"));
                    pieces.push(piece);
                }
                let mut last = Vec::new();
                framer.last_bytes(&mut last);
                prop_assert_eq!(&last[..], &text[pair[1].saturating_sub(ANCHOR_BYTES)..pair[1]]);
            }
            pieces.extend(framer.finish(Vec::new()));
            for piece in pieces {
                out.extend_from_slice(&piece.bytes);
                prop_assert_eq!(piece.end as usize, out.len());
                prop_assert_eq!(piece.anchor, hash128(&out[out.len().saturating_sub(ANCHOR_BYTES)..]));
            }
            prop_assert_eq!(out, text);
        }
    }
}
