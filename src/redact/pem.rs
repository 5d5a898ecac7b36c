//! Private keys in PEM form (RFC 7468): on one line with escaped newlines, over several lines, or cut off.

use std::ops::Range;

use super::bytes::{byte, skip, work};
use super::scan::{Scan, rank};
use super::value::quoted_end;

const BEGIN: &[u8] = b"-----BEGIN ";
/// What stands before the first word.
const DASHES: usize = 5;
const END: &[u8] = b"-----END ";

/// Longest text between the dashes, in bytes.
const TITLE: usize = 48;

/// Longest block that is looked for on one line, in bytes.
const LONGEST: usize = 64 << 10;

/// Shortest first line of a block, in bytes.
const SHORT: usize = 16;

/// Shortest string of base64 in a JSON line that counts as a line of an open block.
const BODY: usize = 32;

impl Scan<'_> {
    /// Finds key blocks, and goes on with one that an earlier line left open.
    pub(super) fn key_blocks(&mut self) {
        let streams = self.depth == 0 && self.learns;
        let (text, index) = (self.text, self.index);
        let words = index.prefixes.as_slice().iter().filter_map(|w| (*w as usize).checked_sub(DASHES));
        let mut begins = words.filter(|at| text[*at..].starts_with(BEGIN));
        let mut from = 0;
        let mut line = 0..0;
        let mut open = None;
        let mut next = begins.next();
        loop {
            while next.is_some_and(|at| at < from) {
                next = begins.next();
            }
            if let Some(at) = open.take_if(|at| next.is_none_or(|n| n >= *at)) {
                from = from.max(self.open_lines(at));
                continue;
            }
            let Some(start) = next else { break };
            let title = &self.text[start + BEGIN.len()..(start + BEGIN.len() + TITLE).min(self.text.len())];
            // A line that breaks off in a title begins no block.
            let breaks = memchr::memchr(b'\n', title).filter(|_| self.depth == 0);
            let title = &title[..breaks.unwrap_or(title.len())];
            let dashes = memchr::memmem::find(title, b"-----");
            let secret = dashes.filter(|d| memchr::memmem::find(&title[..*d], b"PRIVATE KEY").is_some());
            from = start + BEGIN.len();
            if let Some(d) = secret {
                line = self.line_around(start, line);
                let (end, next_line) = self.block(start, start + BEGIN.len() + d + 5, &line);
                from = end;
                open = next_line.filter(|_| streams).or(open);
            }
        }
    }

    /// The line in which `at` stands; decoded text is one line. `known` is the line of an earlier place.
    fn line_around(&self, at: usize, known: Range<usize>) -> Range<usize> {
        let text = self.text;
        match at {
            _ if self.depth > 0 => 0..text.len(),
            _ if at < known.end => known,
            _ => {
                work(at - known.end);
                let start = memchr::memrchr(b'\n', &text[known.end..at]).map_or(known.end, |n| known.end + n + 1);
                start..memchr::memchr(b'\n', &text[at..]).map_or(text.len(), |n| at + n)
            }
        }
    }

    /// The block that begins at `start` on `line` and whose title ends at `body`. Gives the place to go on from, and
    /// the start of the next line when the block is not closed on this one.
    fn block(&mut self, start: usize, body: usize, line: &Range<usize>) -> (usize, Option<usize>) {
        let text = self.text;
        self.enter(line.start);
        let newline = (line.end < text.len()).then_some(line.end);
        let line = line.end;
        // A block ends before the next begins.
        let sight = &text[body..line.min(body + LONGEST)];
        let sight = &sight[..memchr::memmem::find(sight, BEGIN).unwrap_or(sight.len())];
        work(sight.len());
        let closed = memchr::memmem::find(sight, END).map(|n| {
            let title = skip(&text[..line], body + n + END.len(), |b| b.is_ascii_uppercase() || b == b' ');
            skip(&text[..line], title, |b| b == b'-')
        });
        let end = closed.unwrap_or_else(|| {
            skip(&text[..line], body, |b| is_body(b) || matches!(b, b'\\' | b'\n' | b'\r' | b' ' | b':' | b','))
        });
        self.hit(start, trim(text, start, end), self.set.builtin.private_key, rank::KEY_BLOCK);
        if closed.is_none() && self.depth == 0 && self.learns && newline.is_some() {
            self.shared.pem_open = true;
            return (end, newline.map(|n| n + 1));
        }
        (end, None)
    }

    /// Takes the lines from `at` on that belong to an open block. Gives the start of the first line that does not.
    pub(super) fn open_lines(&mut self, mut at: usize) -> usize {
        let text = self.text;
        // A short line can be the last of a block, not its first.
        let mut least = SHORT;
        self.json = false;
        while at < text.len() {
            let end = memchr::memchr(b'\n', &text[at..]).map_or(text.len(), |n| at + n);
            let start = skip(&text[..end], at, |b| matches!(b, b' ' | b'\t'));
            let stop = trim(text, start, end);
            let line = &text[start..stop];
            if line.starts_with(END) {
                self.hit(start, stop, self.set.builtin.private_key, rank::KEY_BLOCK);
                self.shared.pem_open = false;
                return end;
            }
            let header = line.starts_with(b"Proc-Type:") || line.starts_with(b"DEK-Info:");
            let body = line.iter().all(|b| is_body(*b)) && !line.iter().all(u8::is_ascii_digit);
            if header || (line.len() >= least && body) {
                least = 1;
                self.hit(start, stop, self.set.builtin.private_key, rank::KEY_BLOCK);
            } else if line.first() == Some(&b'{') {
                if !self.wrapped(start, stop) {
                    self.shared.pem_open = false;
                    return at;
                }
            } else if !line.is_empty() && !super::bytes::is_label(line) {
                self.shared.pem_open = false;
                return at;
            }
            at = (end + 1).min(text.len());
        }
        at
    }

    /// A line of a block inside a JSON string, as container runtimes write it. True when there was one.
    fn wrapped(&mut self, mut at: usize, end: usize) -> bool {
        let text = self.text;
        let mut found = false;
        while let Some(n) = memchr::memchr(b'"', &text[at..end]) {
            let open = at + n;
            let close = quoted_end(text, open).min(end);
            let mut stop = close;
            while text[open + 1..stop].ends_with(b"\\n") || text[open + 1..stop].ends_with(b"\\r") {
                stop -= 2;
            }
            let content = &text[open + 1..stop];
            let closes = content.starts_with(END);
            if closes || (content.len() >= BODY && content.iter().all(|b| is_body(*b))) {
                self.hit(open + 1, stop, self.set.builtin.private_key, rank::KEY_BLOCK);
                found = true;
            }
            if closes {
                return false;
            }
            at = (close + 1).min(end);
        }
        found
    }
}

fn is_body(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=')
}

/// `end` without blanks and escaped newlines before it.
fn trim(text: &[u8], start: usize, mut end: usize) -> usize {
    loop {
        if end > start && matches!(text[end - 1], b' ' | b'\r' | b'\n' | b'\t' | b'\\' | b':' | b',') {
            end -= 1;
        } else if end > start + 1 && byte(text, end - 2) == b'\\' && matches!(text[end - 1], b'n' | b'r') {
            end -= 2;
        } else {
            return end;
        }
    }
}
