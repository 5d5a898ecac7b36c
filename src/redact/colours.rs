//! Text coloured for a terminal: what a secret is stays the same whatever colour it has.
//!
//! A line with control sequences is looked through without them, and what is found is mapped back to the bytes as written.

use std::ops::Range;

use super::bytes::{before, byte, skip, skip_back};
use super::calm::Kind;
use super::scan::{DEPTH, Scan};

/// Begins a control sequence.
pub(super) const ESCAPE: u8 = 0x1b;

/// How it is written where control characters may not be: by rsyslog, by `cat -v`, in scripts.
const WRITTEN: [&[u8]; 4] = [b"#033", b"^[", b"\\033", b"\\e"];

/// Longest control sequence that is left out, in bytes.
const SEQUENCE: usize = 64;

impl Scan<'_> {
    /// Looks through the line without its control sequences. False when there are none; all of them begin at one of
    /// `places`.
    pub(super) fn without_colours(&mut self, places: &[u32]) -> bool {
        let (text, start) = (self.text, self.start);
        if self.depth >= DEPTH || !places.iter().any(|p| may_begin(text, *p as usize)) {
            return false;
        }
        let mut view = self.shared.views.pop().unwrap_or_default();
        let sequences = places.iter().filter_map(|p| sequence(text, *p as usize));
        let sequences = sequences.filter(|s| s.start >= start).map(|s| s.start - start..s.end - start);
        let any = view.leave_out(&text[start..], sequences);
        if any {
            self.looked(start, (start, text.len()), Kind::Decoded);
            self.inner(&view, start, false);
        }
        self.shared.views.push(view);
        any
    }
}

/// Whether a control sequence may begin with the byte at `at`, or with what is written before the bracket there.
#[inline(always)]
pub(super) fn may_begin(text: &[u8], at: usize) -> bool {
    text[at] == ESCAPE
        || text[at] == b'[' && matches!(before(text, at), b'3' | b'[' | b'e') && escape_before(text, at).is_some()
}

/// Start of the escape that is written before the bracket at `at`.
fn escape_before(text: &[u8], at: usize) -> Option<usize> {
    WRITTEN.iter().find(|w| text[..at].ends_with(w)).map(|w| at - w.len())
}

/// The control sequence that begins with the byte at `at`, or with what is written before the bracket there: one that
/// sets colours or moves the cursor (ECMA-48, 5.4), or one that chooses a set of letters (ECMA-35, 14.3), as `tput sgr0`
/// writes it.
fn sequence(text: &[u8], at: usize) -> Option<Range<usize>> {
    let (start, open) = if text[at] == ESCAPE { (at, at + 1) } else { (escape_before(text, at)?, at) };
    let text = &text[..text.len().min(open + SEQUENCE)];
    match byte(text, open) {
        b'[' => {
            let parameters = skip(text, open + 1, |b| matches!(b, 0x30..=0x3f));
            let end = skip(text, parameters, |b| matches!(b, b' '..=b'/'));
            matches!(byte(text, end), b'@'..=b'~').then_some(start..end + 1)
        }
        b'(' | b')' if byte(text, open + 1).is_ascii_alphanumeric() => Some(start..open + 2),
        _ => None,
    }
}

/// Where the word at `start` begins without the end of a colour before it, as in `[31mname`; the byte that begins the
/// sequence may be written in any way.
pub(super) fn behind_colour(text: &[u8], start: usize) -> usize {
    let m = skip(text, start, |b| b.is_ascii_digit());
    let digits = skip_back(text, start, 3, |b| b.is_ascii_digit());
    let opened = digits > 0 && matches!(text[digits - 1], b'[' | b';');
    if opened && byte(text, m) == b'm' && m - start <= 3 && m > digits { m + 1 } else { start }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequences_end_where_the_standard_says() {
        for (text, len) in [
            ("\x1b[0mx", 4),
            ("\x1b[mx", 3),
            ("\x1b[38;5;208mx", 11),
            ("\x1b[2K", 4),
            ("\x1b[?25h", 6),
            ("\x1b(B", 3),
            ("\x1b]8;;http://a.example\x1b\\", 0),
            ("\x1b[3", 0),
            ("\x1b", 0),
            ("[0m", 0),
            ("#033[0mx", 7),
            ("^[[1;31mx", 8),
            ("\\e[0m", 5),
        ] {
            let at = if text.starts_with('\x1b') { 0 } else { text.rfind('[').unwrap() };
            let found = sequence(text.as_bytes(), at).map_or(0, |s| s.end);
            assert_eq!(found, len, "{}", text.escape_debug());
        }
    }

    #[test]
    fn a_word_begins_behind_the_colour() {
        for (text, at, want) in
            [("[33mx@y", 1, 4), ("[1;33mx@y", 3, 6), ("[mx@y", 1, 1), ("[33x@y", 1, 1), (" 33mx", 1, 1)]
        {
            assert_eq!(behind_colour(text.as_bytes(), at), want, "{text}");
        }
    }
}
