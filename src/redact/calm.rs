//! Which changed lines are at rest without a second look.
//!
//! A check that reads the same bytes as before comes to the same end. So a line is at rest when of every replacement two
//! things are known. First, it is *sealed*: delimiters stand on both sides, so that the words, tokens, numbers and names
//! around it begin and end where they did, and nothing else becomes worth a look for its sake. Second, no check that looked
//! closely at something and stays where it is read any of what was replaced, but for a value that was replaced as a whole:
//! a label in its place stands for a value and is left alone. What is only glanced at ends with its word.
//!
//! Strings that were decoded count as what they were written as: what no escape is part of decodes to itself, and so do the
//! delimiters around it, or to delimiters.
//!
//! All else is looked at again (see [`super::again`], whose tests hold this against looking at whole lines).

use super::bytes::{ASSIGN, ESCAPE, GROUP, QUOTE, SPACE, before, byte, is, skip};
use super::decode::{self, View};
use super::output::{Finding, Redacted};
use super::scan::Scan;

/// What a check at `place` read of a chunk: `start..end`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    place: u32,
    start: u32,
    end: u32,
    kind: Kind,
}

/// Most looks that are noted of a chunk; when there are more, all changed lines are looked at again.
const MOST: usize = 1 << 16;

/// What became of the bytes that a check read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// They were judged, and what stands at the place of the check may go with its place.
    Judged,
    /// They are a whole value and were judged as one.
    Value,
    /// They were decoded in a way that says nothing of single bytes.
    Decoded,
}

impl Scan<'_> {
    /// Notes what of the text a check at `place` read closely; what it read beyond the line is no matter.
    #[inline]
    pub(super) fn looked(&mut self, place: usize, (start, end): (usize, usize), kind: Kind) {
        if self.learns && self.shared.looks.len() < MOST {
            let [place, start, end] = [place, start, end].map(|at| at as u32);
            self.shared.looks.push(Look { place, start, end, kind });
        }
    }

    /// Notes that a check at `place` may have read all of its line.
    pub(super) fn looked_around(&mut self, place: usize) {
        self.looked(place, (self.start, self.text.len()), Kind::Judged);
    }
}

/// Looks at a text that was decoded from what stands from `from` on in another become looks at that.
pub(super) fn as_written(looks: &mut [Look], view: &View, from: usize) {
    let (from, len) = (from as u32, view.text.len() as u32);
    for look in looks {
        look.place = view.original(look.place.min(len), look.place + 1).0 + from;
        let (start, end) = view.original(look.start.min(len), look.end.clamp(look.start, len));
        (look.start, look.end) = (start + from, end + from);
    }
}

/// How the lines of an output are gone through, beside the looks at the chunk that it comes from.
pub(super) struct Calm<'c> {
    chunk: &'c [u8],
    /// In the order of their lines.
    looks: &'c [Look],
    /// Nothing is said to be at rest: not all is known, or a rule's literal or keyword may go on into a label.
    silent: bool,
}

impl<'c> Calm<'c> {
    pub(super) fn new(chunk: &'c [u8], looks: &'c [Look], brackets: bool) -> Self {
        Self { chunk, looks, silent: brackets || looks.len() >= MOST }
    }

    /// Whether the next changed line, `start..end` of `out` with all of its findings, is at rest.
    pub(super) fn is_at_rest(&mut self, out: &Redacted, (start, end): (usize, usize), found: &[Finding]) -> bool {
        let (Some(first), Some(last)) = (found.first(), found.last()) else { return true };
        let raw_start = first.raw_start - (first.written.0 - start as u32);
        let raw_end = last.raw_end + (end as u32 - last.written.1);
        let behind = self.looks.iter().take_while(|look| look.place < raw_start).count();
        let count = self.looks[behind..].iter().take_while(|look| look.place < raw_end).count();
        let looks = &self.looks[behind..][..count];
        self.looks = &self.looks[behind + count..];
        !self.silent && looks.iter().all(|look| look.bears(found)) && found.iter().all(|f| self.is_sealed(out, f))
    }

    /// Whether what stands around a replacement looks as it did.
    fn is_sealed(&self, out: &Redacted, f: &Finding) -> bool {
        let value = &self.chunk[f.raw_start as usize..f.raw_end as usize];
        // Quotes and escapes in it had a part in where strings begin and end.
        let whole = memchr::memchr3(b'"', b'\'', b'\\', value).is_none() && !is(before(value, value.len()), ASSIGN);
        let (before, behind) = (&out.bytes[..f.start as usize], &out.bytes[f.end as usize..]);
        f.plain && f.written == (f.start, f.end) && whole && opens(before) && closes(behind)
    }
}

impl Look {
    /// Whether the check that read this comes to the same end when the values of `found` are replaced.
    fn bears(&self, found: &[Finding]) -> bool {
        let covering = found.get(found.partition_point(|f| f.raw_end <= self.place));
        if self.kind != Kind::Decoded && covering.is_some_and(|f| f.raw_start <= self.place) {
            return true;
        }
        let next = found.get(found.partition_point(|f| f.raw_end <= self.start));
        next.is_none_or(|f| {
            f.raw_start >= self.end || self.kind == Kind::Value && (f.raw_start, f.raw_end) == (self.start, self.end)
        })
    }
}

/// Whether what stands before a replacement ends with a delimiter, which no word and no number goes beyond.
fn opens(before: &[u8]) -> bool {
    match before {
        [.., b'"' | b'='] => true,
        [.., b, b' '] => !is(*b, GROUP | SPACE),
        [.., b, b':'] => b.is_ascii_alphabetic(),
        _ => false,
    }
}

/// Bytes behind a replacement in which no name may end that began before it.
const NAME: usize = 20;

/// Whether what stands behind a replacement begins with a delimiter, and no name has the replacement in it.
fn closes(behind: &[u8]) -> bool {
    let (next, quoted) = match behind {
        [] | [b'\n', ..] | [b'\r', b'\n', ..] => return true,
        [b'"', next @ ..] if matches!(next, [] | [b',' | b'}' | b']' | b' ' | b'\n', ..]) => (next, true),
        [b'\\', b'"', next @ ..] if matches!(next, [b',' | b'}' | b']' | b' ' | b'\\', ..]) => (next, true),
        [b'\\', b'n' | b'r' | b't', next @ ..] => (next, false),
        [b' ' | b'&' | b',' | b'@', ..] => (behind, false),
        _ => return false,
    };
    let assigned = |at: usize| {
        let blanks = |b| matches!(b, b' ' | b'\t' | b'|' | b'?' | b']' | b')');
        is(byte(next, skip(&next[..next.len().min(at + NAME)], at, blanks)), ASSIGN)
    };
    if assigned(0) {
        return false;
    }
    // The first quote of its kind may end a string that the replacement is in; no other does.
    let (mut single, mut double) = (false, quoted);
    let (mut at, mut end) = (0, NAME);
    while at < end.min(next.len()) && next[at] != b'\n' {
        match next[at] {
            b if !is(b, QUOTE | ESCAPE) => {}
            b'\\' if matches!(byte(next, at + 1), b'u' | b'U' | b'x') => return false,
            // An escape takes a byte more than what it stands for.
            b'\\' => end += 1,
            b'%' | b'&' if decode::is_escape(next, at) => return false,
            b'%' | b'&' => {}
            quote => {
                let passed = if quote == b'"' { &mut double } else { &mut single };
                if !std::mem::replace(passed, true) && assigned(at + 1) {
                    return false;
                }
            }
        }
        at += 1;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delimiters_seal_and_names_do_not() {
        for (behind, sealed) in [
            ("", true),
            ("\nx", true),
            ("\",\"accept\":\"*/*\"", true),
            ("\"}", true),
            (" HTTP/1.1\" 200", true),
            ("&x=1", true),
            ("x", false),
            ("-1", false),
            ("\":1", false),
            ("\" :1", false),
            ("\"x", false),
            (" = 1", false),
            (" a\":1", false),
            (" a' b\" : 1", false),
            (" a\\u0022:1", false),
            (" a%22:1", false),
            (" a&quot;:1", false),
            ("\\\",\\\"b\\\":1", true),
            ("\\\":1", false),
            ("\\n\",\"stream\":\"stdout\"", true),
            ("\\n\":1", false),
            ("@db.internal:5432/x", true),
        ] {
            assert_eq!(closes(behind.as_bytes()), sealed, "{behind}");
        }
        for (before, sealed) in [
            ("{\"a\":\"", true),
            ("a=", true),
            ("Bearer ", true),
            ("12 ", false),
            (" ", false),
            ("\n ", false),
            ("a:", true),
            ("1:", false),
        ] {
            assert_eq!(opens(before.as_bytes()), sealed, "{before}");
        }
    }
}
