//! Private keys in PEM form (RFC 7468): on one line with escaped newlines, over several lines, or cut off.

use std::ops::Range;

use super::bytes::{before, byte, is_label, skip, skip_back, work};
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

/// Shortest base64 beside something else on its line that counts as a line of an open block, in bytes.
const BODY: usize = 32;

/// Longest line of a block (RFC 1421 has 64, RFC 2045 76), with room for those that keep to neither, in bytes.
const LINE: usize = 512;

/// Most lines of something else between two lines of a block, where several threads write one log.
const FOREIGN: u8 = 16;

/// A key block whose end has not come yet.
#[derive(Clone, Copy, Default)]
pub(super) struct OpenBlock {
    /// Whether there was a line of its text.
    begun: bool,
    /// Where on the last line its text began, when something stood before it.
    column: Option<u32>,
    /// Lines of something else since.
    foreign: u8,
}

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
        let closed = memchr::memmem::find(sight, END).map(|n| behind_end(&text[..line], body + n));
        let end = closed.unwrap_or_else(|| {
            skip(&text[..line], body, |b| is_body(b) || matches!(b, b'\\' | b'\n' | b'\r' | b' ' | b':' | b','))
        });
        self.hit(start, trim(text, start, end), self.set.builtin.private_key, rank::KEY_BLOCK);
        if closed.is_none() && self.depth == 0 && self.learns && newline.is_some() {
            self.shared.pem_open = Some(OpenBlock::default());
            return (end, newline.map(|n| n + 1));
        }
        (end, None)
    }

    /// Takes the lines from `at` on that belong to the open block. Gives the start of the first line behind it; the block
    /// is open still when that is the end of the text and no line has closed it.
    pub(super) fn open_lines(&mut self, mut at: usize) -> usize {
        let text = self.text;
        self.json = false;
        while let Some(mut open) = self.shared.pem_open
            && at < text.len()
        {
            let end = memchr::memchr(b'\n', &text[at..]).map_or(text.len(), |n| at + n);
            work(end - at);
            // A block ends before the next begins.
            let another = memchr::memmem::find(&text[at..end], BEGIN).is_some();
            let goes_on = match self.line_of_block(&mut open, at, end) {
                Part::Body => {
                    (open.begun, open.foreign) = (true, 0);
                    true
                }
                Part::Foreign => {
                    open.foreign += 1;
                    open.foreign <= FOREIGN
                }
                Part::Nothing => true,
                Part::Last => false,
            };
            self.shared.pem_open = Some(open).filter(|_| goes_on && !another);
            if another {
                return at;
            }
            at = (end + 1).min(text.len());
        }
        at
    }

    /// Takes what of the line `at..end` belongs to the open block.
    fn line_of_block(&mut self, open: &mut OpenBlock, at: usize, end: usize) -> Part {
        let text = self.text;
        let start = skip(&text[..end], at, |b| matches!(b, b' ' | b'\t'));
        let stop = trim(text, start, end);
        let line = &text[start..stop];
        if line.is_empty() || is_label(line) {
            return Part::Nothing;
        }
        if line[0] == b'{' {
            return self.wrapped(*open, start, stop);
        }
        if let Some(n) = memchr::memmem::find(line, END) {
            self.hit(start + n, behind_end(&text[..stop], start + n), self.set.builtin.private_key, rank::KEY_BLOCK);
            return Part::Last;
        }
        let header = line.starts_with(b"Proc-Type:") || line.starts_with(b"DEK-Info:");
        // A short line can be the last of a block, not its first.
        let least = if open.begun && open.foreign == 0 { 1 } else { SHORT };
        let body = line.iter().all(|b| is_body(*b)) && !line.iter().all(u8::is_ascii_digit);
        // What came between makes a short word less likely to be one.
        let known = open.foreign == 0 || is_key_text(line) || is_rest(line) && line.len() >= SHORT;
        if header || line.len() >= least && body && known {
            self.hit(start, stop, self.set.builtin.private_key, rank::KEY_BLOCK);
            return Part::Body;
        }
        // A logger put something before it, and maybe quotes around it.
        let close = skip_back(text, stop, 2, |b| matches!(b, b'"' | b'\'' | b']'));
        let from = skip_back(&text[..close], close, LINE, is_body).max(start);
        // The letters of an escape are no text of the key.
        let escape = if before(text, from) != b'\\' { 0 } else { if byte(text, from) == b'u' { 5 } else { 1 } };
        let from = (from + escape).min(close);
        let piece = &text[from..close];
        let column = Some((from - at) as u32);
        if from > start && (is_key_text(piece) || open.column == column && is_rest(piece)) {
            open.column = column;
            self.hit(from, close, self.set.builtin.private_key, rank::KEY_BLOCK);
            return Part::Body;
        }
        Part::Foreign
    }

    /// A line of a block inside a JSON string, as container runtimes write it.
    fn wrapped(&mut self, open: OpenBlock, mut at: usize, end: usize) -> Part {
        let text = self.text;
        let mut part = Part::Foreign;
        while let Some(n) = memchr::memchr(b'"', &text[at..end]) {
            let quote = at + n;
            let close = quoted_end(text, quote).min(end);
            let mut stop = close;
            while text[quote + 1..stop].ends_with(b"\\n") || text[quote + 1..stop].ends_with(b"\\r") {
                stop -= 2;
            }
            let content = &text[quote + 1..stop];
            let closes = content.starts_with(END);
            let known = open.foreign == 0 || content.len() >= SHORT;
            let rest = open.begun && known && stop < close && is_rest(content);
            if closes || rest || (content.len() >= BODY && content.iter().all(|b| is_body(*b))) {
                self.hit(quote + 1, stop, self.set.builtin.private_key, rank::KEY_BLOCK);
                part = Part::Body;
            }
            if closes {
                return Part::Last;
            }
            at = (close + 1).min(end);
        }
        part
    }
}

/// Where the last line of a block ends that begins at `at`.
fn behind_end(text: &[u8], at: usize) -> usize {
    let title = skip(text, at + END.len(), |b| b.is_ascii_uppercase() || b == b' ');
    skip(text, title, |b| b == b'-')
}

/// What a line is to an open block.
enum Part {
    /// Some of its text.
    Body,
    /// Its end.
    Last,
    /// Empty, or gone already.
    Nothing,
    /// Something else, which came between.
    Foreign,
}

/// Whether this is the text of a key and no word, number or digest: base64 of a usual line's length in both cases.
fn is_key_text(piece: &[u8]) -> bool {
    piece.len() >= BODY
        && piece.iter().any(u8::is_ascii_digit)
        && piece.iter().any(u8::is_ascii_lowercase)
        && piece.iter().any(u8::is_ascii_uppercase)
        && piece.iter().all(|b| is_body(*b))
}

/// Whether this can be the rest of a key's text: base64 of whole bytes that is no word.
fn is_rest(piece: &[u8]) -> bool {
    let word = piece.iter().all(u8::is_ascii_lowercase) || piece.iter().all(u8::is_ascii_digit);
    !piece.is_empty() && piece.len().is_multiple_of(4) && !word && piece.iter().all(|b| is_body(*b))
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
