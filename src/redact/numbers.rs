//! Numbers that are personal by their shape: payment cards, US social security numbers, telephone numbers.

use super::bytes::{ALNUM, before, byte, is};
use super::calm::Kind;
use super::scan::{Scan, rank};
use crate::rules::{Validator, validate};

/// Most groups and bytes of a grouped number.
const GROUPS: usize = 8;
const BYTES: usize = 40;

/// A number as written: groups of digits with one separator between them.
struct Grouped {
    lens: [u8; GROUPS],
    ends: [usize; GROUPS],
    seps: [u8; GROUPS],
    count: usize,
}

impl Grouped {
    /// Reads the number that begins at `start`.
    fn read(text: &[u8], start: usize) -> Self {
        let mut g = Self { lens: [0; GROUPS], ends: [start; GROUPS], seps: [0; GROUPS], count: 0 };
        let mut at = start;
        while g.count < GROUPS && at - start < BYTES {
            let from = at;
            while byte(text, at).is_ascii_digit() && at - from < 40 {
                at += 1;
            }
            if at == from {
                break;
            }
            g.lens[g.count] = (at - from) as u8;
            g.ends[g.count] = at;
            g.seps[g.count] = byte(text, at);
            g.count += 1;
            match byte(text, at) {
                b')' if byte(text, at + 1) == b' ' && byte(text, at + 2).is_ascii_digit() => at += 2,
                b' ' | b'-' | b'.' | b')' if byte(text, at + 1).is_ascii_digit() => at += 1,
                b' ' if byte(text, at + 1) == b'(' && byte(text, at + 2).is_ascii_digit() => at += 2,
                _ => break,
            }
        }
        g
    }

    fn lens(&self) -> &[u8] {
        &self.lens[..self.count]
    }

    /// Whether the first `n` groups are all joined by `sep`.
    fn joined_by(&self, n: usize, sep: u8) -> bool {
        self.seps[..n - 1].iter().all(|s| *s == sep)
    }
}

impl Scan<'_> {
    /// A digit run at `n` that is long or stands in a long grouped number.
    pub(super) fn number(&mut self, n: usize) {
        let text = self.text;
        let previous = before(text, n);
        let g = Grouped::read(text, n);
        let from = n.saturating_sub(1 + usize::from(previous == b'+'));
        self.looked(n, (from, g.ends[g.count.saturating_sub(1)] + 4), Kind::Judged);
        if self.card(n, &g) || self.ssn(n, &g, previous) || self.phone(n, &g, previous) {
            return;
        }
        // Numbers that need a word beside them.
        let digits: usize = g.lens().iter().map(|l| usize::from(*l)).sum();
        let date = g.count >= 3 && g.lens[0] == 4 && g.lens[1] == 2 && g.lens[2] == 2;
        if (7..=26).contains(&digits) && !date && !matches!(previous, b'"' | b':' | b'=') {
            self.behind_keyword(n, 8);
        }
    }

    fn card(&mut self, n: usize, g: &Grouped) -> bool {
        let text = self.text;
        // The groups of a card: all fours but the last, or American Express's 4-6-5, or no groups at all.
        let take = match g.lens() {
            [l, ..] if (13..=19).contains(l) => 1,
            [4, 4, 4, 4, 3, ..] => 5,
            [4, 4, 4, 4, ..] => 4,
            [4, 6, 5, ..] | [4, 6, 4, ..] => 3,
            _ => return false,
        };
        let sep = g.seps[0];
        let end = g.ends[take - 1];
        let uniform = take == 1 || (matches!(sep, b' ' | b'-' | b'.') && g.joined_by(take, sep));
        let open = is(byte(text, end), ALNUM) || (byte(text, end) == b'.' && byte(text, end + 1).is_ascii_digit());
        // A bare number is a card in a sentence; behind `=` or `/` it is an id unless its name says otherwise.
        let id = take == 1 && matches!(before(text, n), b'=' | b'/' | b':' | b'-' | b'[' | b',' | b'#' | b'{');
        // A line that is nothing but a number may be JSON.
        let alone = take == 1 && n == self.start && end == text.len();
        if !uniform || open || id || alone || !validate(Validator::Card, &text[n..end]) {
            return false;
        }
        self.hit(n, end, self.set.builtin.card, rank::SHAPE);
        true
    }

    fn ssn(&mut self, n: usize, g: &Grouped, previous: u8) -> bool {
        let text = self.text;
        let [3, 2, 4, ..] = g.lens() else { return false };
        let end = g.ends[2];
        let sep = g.seps[0];
        let closed = !is(byte(text, end), ALNUM) && !matches!(previous, b'+' | b'-' | b'/') && g.count == 3;
        if !closed || !matches!(sep, b'-' | b' ') || !g.joined_by(3, sep) || !validate(Validator::Ssn, &text[n..end]) {
            return false;
        }
        self.hit(n, end, self.set.builtin.ssn, rank::SHAPE);
        true
    }

    /// E.164 with its `+`, or North American grouping 3-3-4 with an optional country code and parentheses.
    fn phone(&mut self, n: usize, g: &Grouped, previous: u8) -> bool {
        let text = self.text;
        let builtin = self.set.builtin.phone;
        if previous == b'+' && (n < 2 || !is(text[n - 2], ALNUM)) {
            let mut digits = 0usize;
            let mut take = 0;
            for (i, l) in g.lens().iter().enumerate() {
                if digits + usize::from(*l) > 15 {
                    break;
                }
                digits += usize::from(*l);
                take = i + 1;
            }
            if (8..=15).contains(&digits) && text[n] != b'0' && take > 0 && !is(byte(text, g.ends[take - 1]), ALNUM) {
                let start = if n >= 2 && text[n - 2] == b'(' { n - 2 } else { n - 1 };
                self.hit(start, g.ends[take - 1], builtin, rank::SHAPE);
                return true;
            }
            return false;
        }
        let (first, take) = match g.lens() {
            [3, 3, 4] => (0, 3),
            [1, 3, 3, 4] if text[n] == b'1' => (1, 4),
            _ => return false,
        };
        let end = g.ends[take - 1];
        let area = if first == 0 { n } else { g.ends[1] - 3 };
        let separated =
            matches!(g.seps[first], b'-' | b'.' | b' ' | b')') && matches!(g.seps[first + 1], b'-' | b'.' | b' ');
        let bracket = previous == b'(';
        let plain_spaces = g.seps[first] == b' ' && g.seps[first + 1] == b' ' && !bracket;
        let closed =
            !is(byte(text, end), ALNUM) && !matches!(byte(text, end), b'_' | b'/') && !matches!(previous, b'/' | b'-');
        if !separated || !closed || text[area] < b'2' || (plain_spaces && matches!(previous, b':' | b',' | b'=')) {
            return false;
        }
        self.hit(n - usize::from(bracket), end, builtin, rank::SHAPE);
        true
    }
}
