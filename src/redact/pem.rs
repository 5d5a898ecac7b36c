//! Private keys in PEM form (RFC 7468): on one line with escaped newlines, over several lines, or cut off.

use super::bytes::{byte, skip};
use super::scan::{Scan, rank};
use super::value::quoted_end;

const BEGIN: &[u8] = b"-----BEGIN ";
const END: &[u8] = b"-----END ";

/// Longest text between the dashes, in bytes.
const TITLE: usize = 48;

/// Shortest string of base64 in a JSON line that counts as a line of an open block.
const BODY: usize = 32;

impl Scan<'_> {
    /// Finds key blocks, and goes on with one that an earlier line or chunk left open.
    pub(super) fn key_blocks(&mut self) {
        let mut from = 0;
        if self.depth == 0 && self.shared.pem_open {
            from = self.open_lines(0);
        }
        while let Some(n) = memchr::memmem::find(&self.text[from..], BEGIN) {
            let start = from + n;
            let title = &self.text[start + BEGIN.len()..(start + BEGIN.len() + TITLE).min(self.text.len())];
            let dashes = memchr::memmem::find(title, b"-----");
            let secret = dashes.is_some_and(|d| memchr::memmem::find(&title[..d], b"PRIVATE KEY").is_some());
            let Some(d) = dashes.filter(|_| secret) else {
                from = start + BEGIN.len();
                continue;
            };
            from = self.block(start, start + BEGIN.len() + d + 5);
        }
    }

    /// The block that begins at `start` and whose first line ends at `body`. Gives the place to go on from.
    fn block(&mut self, start: usize, body: usize) -> usize {
        let text = self.text;
        let line = if self.depth > 0 {
            text.len()
        } else {
            memchr::memchr(b'\n', &text[body..]).map_or(text.len(), |n| body + n)
        };
        let end = match memchr::memmem::find(&text[body..line], END) {
            Some(n) => {
                let title = body + n + END.len();
                skip(&text[..line], title, |b| b.is_ascii_uppercase() || b == b' ').min(line)
            }
            None => body,
        };
        let end = if end > body {
            skip(&text[..line], end, |b| b == b'-')
        } else {
            skip(&text[..line], body, |b| is_body(b) || matches!(b, b'\\' | b'\n' | b'\r' | b' ' | b':' | b','))
        };
        self.hit(start, trim(text, start, end), self.set.builtin.private_key, rank::KEY_BLOCK);
        if self.depth == 0 && end >= body && memchr::memmem::find(&text[body..line], END).is_none() && line < text.len()
        {
            self.shared.pem_open = true;
            return self.open_lines(line + 1).max(body);
        }
        end.max(body)
    }

    /// Takes the lines from `at` on that belong to an open block. Gives the start of the first line that does not.
    fn open_lines(&mut self, mut at: usize) -> usize {
        let text = self.text;
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
            if header || (!line.is_empty() && line.iter().all(|b| is_body(*b))) {
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
