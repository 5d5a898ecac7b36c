//! Shapes that stand by themselves: e-mail addresses, credentials in URLs, tokens behind a scheme or an option,
//! values in lists behind their name, and elements between tags.

use super::bytes::{ALNUM, IDENT, TOKEN, before, byte, is, skip, skip_back};
use super::names::Class;
use super::scan::{Scan, rank};
use super::value::{self, is_placeholder, looks_secret};

/// Longest local part and longest domain of an address (RFC 5321, 4.5.3.1).
const LOCAL: usize = 64;
const DOMAIN: usize = 255;

impl Scan<'_> {
    /// An `@` at `p`: the end of a URL's user part, or the middle of an e-mail address.
    pub(super) fn at_sign(&mut self, p: usize) {
        if !self.userinfo(p) {
            self.email(p);
        }
    }

    fn email(&mut self, p: usize) {
        let text = self.text;
        let local_byte =
            |b: u8| is(b, ALNUM) || matches!(b, b'.' | b'_' | b'%' | b'+' | b'-' | b'!' | b'#' | b'=') || b >= 0x80;
        let mut start = skip_back(text, p, LOCAL, local_byte);
        if let Some(n) = text[start..p].iter().rposition(|b| *b == b'=') {
            start += n + 1;
        }
        let start = skip(&text[..p], start, |b| !is(b, ALNUM) && b != b'_' && b < 0x80);
        let end = skip(&text[..(p + 1 + DOMAIN).min(text.len())], p + 1, |b| {
            is(b, ALNUM) || matches!(b, b'.' | b'-') || b >= 0x80
        });
        let end = skip_back(text, end, 4, |b| matches!(b, b'.' | b'-')).max(p + 1);
        let Some(dot) = text[p + 1..end].iter().rposition(|b| *b == b'.') else { return };
        let top = &text[p + 1 + dot + 1..end];
        const UNITS: [&[u8]; 10] =
            [b"service", b"socket", b"slice", b"mount", b"timer", b"target", b"device", b"scope", b"js", b"png"];
        let plausible = start < p
            && dot > 0
            && (2..=24).contains(&top.len())
            && top.iter().all(|b| b.is_ascii_alphabetic() || *b >= 0x80)
            && !UNITS.contains(&top)
            && &text[start..p] != b"git";
        if plausible {
            self.hit(start, end, self.set.builtin.email, rank::PERSONAL);
        }
    }

    /// `scheme://user:password@host`, `scheme://token@host`. True when `p` ends a URL's user part.
    fn userinfo(&mut self, p: usize) -> bool {
        let text = self.text;
        let host = byte(text, p + 1);
        if !is(host, ALNUM) && !matches!(host, b'[' | b'/' | b'{' | b'$' | b'(') {
            return false;
        }
        let start = skip_back(text, p, 512, |b| {
            !matches!(b, b' ' | b'\t' | b'\n' | b'\r' | b'"' | b'\'' | b'<' | b'>' | b'`' | b'\\')
        });
        let Some(n) = memchr::memmem::rfind(&text[start..p], b"://") else { return false };
        let user = start + n + 3;
        let info = &text[user..p];
        if info.is_empty() {
            return false;
        }
        let Some(colon) = memchr::memchr(b':', info) else {
            if info.contains(&b'/') {
                return false;
            }
            if info.len() >= 16 && looks_secret(info) {
                self.hit(user, p, self.set.builtin.url_token, rank::SHAPE);
            }
            return true;
        };
        if info[..colon].contains(&b'/') || (host == b'/' && !info.contains(&b'@')) {
            return false;
        }
        let password = &info[colon + 1..];
        if !is_placeholder(password) && !password.starts_with(b"$") {
            self.hit(user + colon + 1, p, self.set.builtin.url_password, rank::SHAPE);
        }
        // `https://<token>:x-oauth-basic@host`: the user part is the secret.
        if colon >= 16 && looks_secret(&info[..colon]) {
            self.hit(user, user + colon, self.set.builtin.url_token, rank::SHAPE);
        }
        true
    }

    /// A word behind a blank: `Bearer x`, `--password x`, `password is x`.
    pub(super) fn behind_word(&mut self, w: usize) {
        let text = self.text;
        let gap = skip_back(text, w, 3, |b| matches!(b, b' ' | b'\t' | b'+'));
        let start = skip_back(text, gap, 48, |b| is(b, IDENT));
        let word = &text[start..gap];
        if word.len() < 2 {
            return;
        }
        let token_end = |extra: &[u8]| skip(text, w, |b| is(b, TOKEN) || extra.contains(&b));
        match word {
            [b'-', ..] => self.option(start, gap, w),
            _ if word.eq_ignore_ascii_case(b"bearer") => {
                let token = &text[w..token_end(b"=")];
                if looks_secret(token) || (token.len() >= 16 && token.iter().any(u8::is_ascii_digit)) {
                    self.hit(w, w + token.len(), self.set.builtin.bearer, rank::SHAPE);
                }
            }
            _ if word.eq_ignore_ascii_case(b"basic") => {
                let token = &text[w..token_end(b"=")];
                if crate::rules::validate(crate::rules::Validator::BasicAuth, token) {
                    self.hit(w, w + token.len(), self.set.builtin.basic, rank::SHAPE);
                }
            }
            b"is" | b"was" | b"as" | b"to" => {
                let name_end = skip_back(text, start, 2, |b| b == b' ');
                self.apposition(name_end, w, true);
            }
            // `password hunter2x9`: only a value with a digit near its start is worth the look.
            _ if text[w..].iter().take(12).any(u8::is_ascii_digit) => self.apposition(gap, w, false),
            _ => {}
        }
    }

    /// `--password x` and `-p x` where the long name is sensitive.
    fn option(&mut self, start: usize, name_end: usize, w: usize) {
        let name = skip(self.text, start, |b| b == b'-');
        if name - start != 2 || name >= name_end {
            return;
        }
        let end = value::after(self.text, w, false, false).map_or(w, |v| v.end);
        let class = self.shared.names.get(&self.set.names, self.text, name, name_end).class;
        let found = &self.text[w..end];
        match class {
            Class::Strong(r) if !is_placeholder(found) => self.hit(w, end, r, rank::STRONG_FIELD),
            Class::Weak(r) if self.weak_fits(r, found) => self.hit(w, end, r, rank::WEAK_FIELD),
            _ => {}
        }
    }

    /// `--user name:password` and `-u name:password`, with the colon at `p` and the name from `start` on.
    pub(super) fn user_option(&mut self, start: usize, p: usize) {
        let text = self.text;
        let quoted = matches!(before(text, start), b'"' | b'\'');
        let name = start - usize::from(quoted);
        let blank = skip_back(text, name, 3, |b| matches!(b, b' ' | b'='));
        if blank == name || !(text[..blank].ends_with(b"--user") || text[..blank].ends_with(b" -u")) {
            return;
        }
        let inner = matches!(byte(text, p + 1), b'"' | b'\'');
        let from = p + 1 + usize::from(inner);
        let end = skip(text, from, |b| !matches!(b, b' ' | b'\t' | b'\n' | b'"' | b'\'' | b'\\'));
        if !is_placeholder(&text[from..end]) {
            self.hit(start, end, self.set.builtin.basic, rank::SHAPE);
        }
    }

    /// `password x` and `the password is x`: a value beside its name; `stated` when a verb stands between.
    fn apposition(&mut self, name_end: usize, w: usize, stated: bool) {
        let text = self.text;
        let one = skip_back(text, name_end, 48, |b| is(b, IDENT));
        let two = if before(text, one) == b' ' { skip_back(text, one - 1, 48, |b| is(b, IDENT)) } else { one };
        for from in [two, one] {
            if from >= name_end {
                continue;
            }
            let Class::Strong(r) = self.shared.names.get(&self.set.names, text, from, name_end).class else {
                continue;
            };
            let end = value::after(text, w, false, false).map_or(w, |v| v.end);
            let found = &text[w..end];
            if !value::is_prose(found) && (looks_secret(found) || stated && found.iter().any(u8::is_ascii_digit)) {
                return self.hit(w, end, r, rank::WEAK_FIELD);
            }
        }
    }

    /// A word right behind a quote: `["x-api-key","abc"]`, `("STRIPE_TOKEN", "abc")`, `["--password", "x"]`.
    pub(super) fn in_list(&mut self, w: usize) {
        let text = self.text;
        let quote = before(text, w);
        let end = skip(text, w, |b| is(b, IDENT));
        if byte(text, end) != quote || end - w > 64 {
            return;
        }
        let comma = skip(text, end + 1, |b| b == b' ');
        if byte(text, comma) != b',' {
            return;
        }
        let open = skip(text, comma + 1, |b| b == b' ');
        if !matches!(byte(text, open), b'"' | b'\'') {
            return;
        }
        // Most often what follows is the next name of an object: then the word was a value.
        let next = skip(text, open + 1, |b| is(b, IDENT));
        if byte(text, next) == quote && byte(text, next + 1) == b':' {
            return;
        }
        let v = value::quoted(text, open, byte(text, open));
        if matches!(byte(text, skip(text, v.end + 1, |b| b == b' ')), b':' | b'=') {
            return;
        }
        let class = self.shared.names.get(&self.set.names, text, w, end).class;
        let mut start = v.start;
        if let Some(n) = value::scheme_len(&text[start..v.end]) {
            start += n;
        }
        let found = &text[start..v.end];
        if found.starts_with(b"/") {
            // A list of names and paths, not of names and values.
            return;
        }
        match class {
            Class::Strong(r) if !is_placeholder(found) => self.hit(start, v.end, r, rank::STRONG_FIELD),
            Class::Weak(r) if self.weak_fits(r, found) => self.hit(start, v.end, r, rank::WEAK_FIELD),
            _ => {}
        }
    }

    /// A word right behind a `>`: `<password>x</password>`.
    pub(super) fn element(&mut self, w: usize) {
        let text = self.text;
        let tag = skip_back(text, w - 1, 64, |b| is(b, IDENT));
        if before(text, tag) != b'<' || tag == w - 1 {
            return;
        }
        let end = skip(text, w, |b| !matches!(b, b'<' | b'\n' | b'"' | b'\\'));
        let class = self.shared.names.get(&self.set.names, text, tag, w - 1).class;
        let found = &text[w..end];
        match class {
            Class::Strong(r) if !is_placeholder(found) => self.hit(w, end, r, rank::STRONG_FIELD),
            Class::Weak(r) if self.weak_fits(r, found) => self.hit(w, end, r, rank::WEAK_FIELD),
            _ => {}
        }
    }
}
