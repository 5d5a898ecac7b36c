//! Words and tokens: what begins as a rule says, and what stands behind a word of a rule.

use std::ops::Range;

use super::bytes::{ALNUM, IDENT, before, byte, entropy, is, skip};
use super::calm::Kind;
use super::decode;
use super::keywords::Word;
use super::scan::{Scan, is_labelled, rank};
use super::set::{REACH, Span};
use super::sieve::is_assigned;

impl Scan<'_> {
    /// Tries the rules whose literal stands at `w`.
    pub(super) fn vendor(&mut self, w: usize) {
        let set = self.set;
        let line = &self.text[w..self.limit(w)];
        if w < self.vendor_until || is_labelled(self.text, w) {
            return;
        }
        if matches!(line[0], b'b' | b'B') {
            self.scheme(w);
        }
        let len = self.index.tokens.window(w).trailing_ones();
        let mut refused = None;
        for r in set.prefixes.heads.at(line) {
            refused = refused.or(Some(r));
            if !set.patterns[usize::from(r)].fits_token(len) {
                continue;
            }
            self.looked(w, (w, w + line.len()), Kind::Judged);
            if let Some(span) = self.fits(r, line) {
                let (start, end) = (w + span.start, self.glued(w + span.end));
                self.vendor_until = end;
                if span.start > 0 {
                    // Without what stands before it, it is known nowhere else.
                    self.learn(start, end, false);
                }
                return self.hit(start, end, r, rank::VENDOR);
            }
        }
        if let Some(r) = refused {
            self.nearly_prefix(r, w);
        }
    }

    /// Where the word ends that a match ending at `end` breaks off in: what is glued to a secret goes with it.
    fn glued(&self, end: usize) -> usize {
        skip(self.text, end, |b| is(b, ALNUM) || b == b'_')
    }

    /// Whether a rule's pattern, validator and entropy accept the start of `line`.
    pub(super) fn fits(&self, r: u16, line: &[u8]) -> Option<Span> {
        let rule = &self.set.rules[usize::from(r)];
        let span = self.set.patterns[usize::from(r)].at_start(line)?;
        let part = &line[span.start..span.end];
        if rule.entropy.is_some_and(|least| entropy(part) < least) {
            return None;
        }
        if rule.validator.is_some_and(|v| !crate::rules::validate(v, part)) {
            return None;
        }
        Some(span)
    }

    /// A whole token: is it base64 of text, does a keyword stand before it?
    pub(super) fn token(&mut self, w: usize) {
        let (text, tokens) = (self.text, &self.index.tokens);
        let previous = before(text, w);
        if previous == b'.' || is_labelled(self.text, w) {
            return;
        }
        let near = &text[w..tokens.end_near(w, 64)];
        if near.len() >= 24 && previous != b'/' && decode::may_be_text(near) {
            self.base64(w, tokens.end(w));
        }
        if !is_assigned(text, w) {
            self.context(w, near);
        }
    }

    /// Tries the keyword rules on the token at `w`, when it is long enough for one and random enough.
    fn context(&mut self, w: usize, token: &[u8]) {
        // Keys without a prefix are one run of letters, digits, `-` and `_`, password hashes (`$6$salt$hash`, `{SSHA}hash`)
        // have more; anything shorter has to be mostly digits.
        let token = &token[..token.len().min(64)];
        if token.len() < 16 && self.index.digits.count(w, token.len()) < 5 {
            return;
        }
        let previous = before(self.text, w);
        let hash = matches!(previous, b'$' | b'}');
        let core = skip(token, 0, |b| hash || is(b, ALNUM) || matches!(b, b'-' | b'_'));
        // A short number in a path is an id.
        if core < 5 || core < 16 && previous == b'/' {
            return;
        }
        let digits = self.index.digits.count(w, core);
        if digits >= 5 || core >= 20 || core >= 16 && digits > 0 {
            self.behind_keyword(w, token.len());
        }
    }

    /// Tries the keyword rules whose word stands before the token of `len` bytes at `w`.
    pub(super) fn behind_keyword(&mut self, w: usize, len: usize) {
        let from = w.saturating_sub(REACH).max(self.start);
        let mut words = std::mem::take(&mut self.shared.words);
        self.set.names.keywords.find(self.text, from..w, &mut words);
        if !words.is_empty() {
            self.looked(w, (from, self.limit(w)), Kind::Judged);
        }
        let mut refused = None;
        for word in &words {
            if !assignment_like(&self.text[word.end..w]) {
                continue;
            }
            if self.takes(*word, w, &mut refused) {
                refused = None;
                break;
            }
        }
        if let Some((r, word)) = refused {
            self.nearly_keyword(r, &self.text[word], (w, w + len));
        }
        self.shared.words = words;
    }

    /// Takes what stands at `w` when a rule of a keyword accepts it. Notes in `refused` the first rule that did not.
    fn takes(&mut self, word: Word, w: usize, refused: &mut Option<(u16, Range<usize>)>) -> bool {
        let set = self.set;
        let limit = self.limit(w);
        for &r in set.names.keywords.rules(word) {
            refused.get_or_insert((r, word.start..word.end));
            let Some(span) = self.fits(r, &self.text[w..limit]) else { continue };
            if !is(byte(self.text, w + span.whole), ALNUM) {
                self.hit(w + span.start, w + span.end, r, rank::CONTEXT);
                return true;
            }
        }
        false
    }
}

/// Whether what stands between a keyword and a value reads like an assignment or an apposition, not like prose.
fn assignment_like(gap: &[u8]) -> bool {
    gap.iter().all(|b| {
        is(*b, IDENT)
            || matches!(
                b,
                b' ' | b'\t'
                    | b'\n'
                    | b'"'
                    | b'\''
                    | b'`'
                    | b'='
                    | b':'
                    | b'>'
                    | b','
                    | b'('
                    | b'['
                    | b'{'
                    | b'|'
                    | b'\\'
                    | b'/'
                    | b'#'
                    | b'$'
                    | b'&'
            )
    })
}
