//! Pure: telling the lines of a connection apart, by newline or by length (RFC 6587).

use super::config::Framing;
use super::shapes::{OVER_LIMIT, Part};

/// A length of more digits than this is none.
const DIGITS: usize = 9;

/// What is wrong with how a client frames its lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameError {
    /// No length where one should be: nothing after it can be told apart.
    Count,
}

/// The lines of one connection. Read into [`Frames::room`], then [`Frames::take`].
pub struct Frames {
    framing: Framing,
    max: usize,
    buf: Vec<u8>,
    /// Bytes of a frame that is too long, still to be dropped; `usize::MAX` up to the next newline.
    skip: usize,
    too_long: u64,
    error: Option<FrameError>,
}

impl Frames {
    /// Frames of at most `max` bytes.
    pub fn new(framing: Framing, max: usize) -> Self {
        Self { framing, max, buf: Vec::new(), skip: 0, too_long: 0, error: None }
    }

    /// Where to read into.
    pub fn room(&mut self, more: usize) -> &mut Vec<u8> {
        self.buf.reserve(more);
        &mut self.buf
    }

    /// What made the rest unreadable, if anything did.
    pub fn error(&self) -> Option<&'static str> {
        self.error.map(Into::into)
    }

    /// Lines that were too long so far.
    pub fn too_long(&self) -> u64 {
        self.too_long
    }

    /// The whole lines of what was read; at the end of the connection (`last`) also a line without its newline.
    pub fn take(&mut self, last: bool) -> Vec<Part> {
        let mut parts = Vec::new();
        let mut at = 0;
        while self.error.is_none() && at < self.buf.len() {
            if self.framing == Framing::Auto {
                match guess(&self.buf[at..], last) {
                    Some(framing) => self.framing = framing,
                    None => break,
                }
            }
            let step = match self.framing {
                Framing::Octet => self.counted(at, last, &mut parts),
                Framing::Newline | Framing::Auto => self.ended(at, last, &mut parts),
            };
            match step {
                Some(next) => at = next,
                None => break,
            }
        }
        self.buf.drain(..at);
        if self.error.is_some() {
            self.buf.clear();
        }
        parts
    }

    /// One line, or the run of whole lines, from `at`; where it ends, `None` when more must come.
    fn ended(&mut self, at: usize, last: bool, parts: &mut Vec<Part>) -> Option<usize> {
        let rest = &self.buf[at..];
        let newline = memchr::memchr(b'\n', rest);
        if self.skip > 0 {
            self.skip = if newline.is_some() { 0 } else { self.skip };
            return Some(newline.map_or(self.buf.len(), |n| at + n + 1));
        }
        let length = newline.unwrap_or(rest.len());
        if length > self.max {
            self.skip = if newline.is_some() { 0 } else { usize::MAX };
            let end = at + newline.map_or(rest.len(), |n| n + 1);
            self.withhold(parts);
            return Some(end);
        }
        if newline.is_none() && !last {
            return None;
        }
        let end = newline.map_or(rest.len(), |n| n + 1);
        push(parts, &rest[..end], newline.is_none());
        Some(at + end)
    }

    /// One counted frame from `at`. Line breaks inside are written as `\n`, so that a frame stays one line.
    fn counted(&mut self, at: usize, last: bool, parts: &mut Vec<Part>) -> Option<usize> {
        let rest = &self.buf[at..];
        if self.skip > 0 {
            let dropped = self.skip.min(rest.len());
            self.skip -= dropped;
            return Some(at + dropped);
        }
        // some senders end their frames with a newline that they do not count
        if rest[0] == b'\n' {
            return Some(at + 1);
        }
        let Some(blank) = rest.iter().take(DIGITS + 1).position(|b| *b == b' ') else {
            if rest.len() > DIGITS || rest.iter().any(|b| !b.is_ascii_digit()) {
                self.error = Some(FrameError::Count);
            }
            return None;
        };
        let digits = std::str::from_utf8(&rest[..blank]).ok().filter(|d| !d.starts_with('0'));
        let Some(length) = digits.and_then(|d| d.parse::<usize>().ok()) else {
            self.error = Some(FrameError::Count);
            return None;
        };
        let start = at + blank + 1;
        if length > self.max {
            self.withhold(parts);
            self.skip = length;
            return Some(start);
        }
        let end = if last { (start + length).min(self.buf.len()) } else { start + length };
        let frame = self.buf.get(start..end)?;
        let frame = frame.strip_suffix(b"\n").unwrap_or(frame);
        let mut line = Vec::with_capacity(frame.len() + 1);
        for byte in frame {
            match byte {
                b'\n' => line.extend_from_slice(b"\\n"),
                other => line.push(*other),
            }
        }
        push(parts, &line, true);
        Some(end)
    }

    fn withhold(&mut self, parts: &mut Vec<Part>) {
        self.too_long += 1;
        parts.push(Part { bytes: b"\n".to_vec(), withheld: Some(OVER_LIMIT) });
    }
}

fn push(parts: &mut Vec<Part>, line: &[u8], newline: bool) {
    if parts.last().is_none_or(|part| part.withheld.is_some()) {
        parts.push(Part::default());
    }
    let last = parts.len() - 1;
    parts[last].bytes.extend_from_slice(line);
    if newline {
        parts[last].bytes.push(b'\n');
    }
}

/// A connection counts when it begins with a number, a blank and the `<` of a syslog message; `None` while that is open.
fn guess(bytes: &[u8], last: bool) -> Option<Framing> {
    let digits = bytes.iter().take_while(|b| b.is_ascii_digit()).count();
    if digits == 0 || digits > DIGITS || bytes[0] == b'0' {
        return Some(Framing::Newline);
    }
    match (bytes.get(digits), bytes.get(digits + 1)) {
        (Some(b' '), Some(b'<')) => Some(Framing::Octet),
        (Some(b' '), None) | (None, _) if !last => None,
        _ => Some(Framing::Newline),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Feeds `text` in steps of `step` bytes; gives the lines, and whether each is withheld.
    fn frames(framing: Framing, max: usize, text: &[u8], step: usize) -> (Vec<(String, bool)>, bool) {
        let mut frames = Frames::new(framing, max);
        let mut out = Vec::new();
        let mut collect = |parts: Vec<Part>| {
            for part in parts {
                let text = String::from_utf8_lossy(&part.bytes).into_owned();
                out.extend(text.split_inclusive('\n').map(|line| (line.to_owned(), part.withheld.is_some())));
            }
        };
        for chunk in text.chunks(step) {
            frames.room(chunk.len()).extend_from_slice(chunk);
            collect(frames.take(false));
            assert!(frames.buf.len() <= max + 2 * step + 16, "{}", frames.buf.len());
        }
        collect(frames.take(true));
        (out, frames.error().is_some())
    }

    fn plain(lines: &[&str]) -> Vec<(String, bool)> {
        lines.iter().map(|l| ((*l).to_owned(), false)).collect()
    }

    #[test]
    fn lines_end_with_a_newline_or_the_connection() {
        for step in 1..20 {
            let (got, bad) = frames(Framing::Auto, 100, b"{\"a\":1}\r\n\n12 monkeys\nlast", step);
            assert_eq!((got, bad), (plain(&["{\"a\":1}\r\n", "\n", "12 monkeys\n", "last\n"]), false), "{step}");
        }
    }

    #[test]
    fn frames_are_counted() {
        for step in 1..20 {
            let text = b"9 <34>1 abc10 <34>1 a\nbc\n8 <34>last";
            let (got, bad) = frames(Framing::Auto, 100, text, step);
            assert_eq!((got, bad), (plain(&["<34>1 abc\n", "<34>1 a\\nbc\n", "<34>last\n"]), false), "{step}");
        }
        for bad in [&b"9 <34>1 abcx"[..], b"9 <34>1 abc0 x", b"9 <34>1 abc99999999999 x", b"9 <34>1 abc 1"] {
            assert!(frames(Framing::Auto, 100, bad, 3).1, "{}", String::from_utf8_lossy(bad));
        }
        assert!(frames(Framing::Octet, 100, b"text\n", 3).1);
    }

    #[test]
    fn what_is_too_long_leaves_a_withheld_line() {
        let long = "x".repeat(50);
        for step in [1, 7, 100] {
            let text = format!("one\n{long}\ntwo\n{long}");
            let (got, _) = frames(Framing::Newline, 10, text.as_bytes(), step);
            let want = [("one\n", false), ("\n", true), ("two\n", false), ("\n", true)];
            assert_eq!(got, want.map(|(l, w)| (l.to_owned(), w)), "{step}");
            let text = format!("3 one50 {long}3 two");
            let (got, bad) = frames(Framing::Octet, 10, text.as_bytes(), step);
            assert_eq!((got, bad), (want[..3].iter().map(|(l, w)| ((*l).to_owned(), *w)).collect(), false), "{step}");
        }
    }

    proptest! {
        #[test]
        fn steps_do_not_matter(text in proptest::collection::vec(prop_oneof![Just(b'\n'), Just(b' '), b'0'..=b'9', any::<u8>()], 0..120), step in 1usize..50) {
            for framing in [Framing::Newline, Framing::Octet, Framing::Auto] {
                prop_assert_eq!(frames(framing, 20, &text, step), frames(framing, 20, &text, 1));
            }
        }
    }
}
