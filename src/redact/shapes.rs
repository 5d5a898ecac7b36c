//! Shapes that stand by themselves: e-mail addresses, credentials in URLs, tokens behind a scheme or an option,
//! values in lists behind their name, and elements between tags.

use super::bytes::{ALNUM, TOKEN, before, byte, is, skip, skip_back, work};
use super::calm::Kind;
use super::colours::behind_colour;
use super::judge::{self, is_placeholder, looks_secret};
use super::names::Class;
use super::scan::{Hit, Scan, rank};
use super::value;

/// Longest local part and longest domain of an address (RFC 5321, 4.5.3.1).
const LOCAL: usize = 64;
const DOMAIN: usize = 255;

/// How far what a tag or a command line says is looked for, in bytes.
const SIGHT: usize = 256;

/// Longest word that is looked at before a value, in bytes.
const WORD: usize = 48;

impl Scan<'_> {
    /// An `@` at `p`: the end of a URL's user part, or the middle of an e-mail address.
    pub(super) fn at_sign(&mut self, p: usize) {
        let first = self.hits.len();
        let (mut from, to) = (p.saturating_sub(2 * SIGHT), p + DOMAIN);
        if !self.data_source(p) && !self.userinfo(p, &mut from) {
            self.email(p);
        }
        match self.hits[first..] {
            // A label in its place is no password.
            [Hit { start, end, rule, .. }] if end as usize == p && rule == self.set.builtin.url_password => {
                self.looked(p, (from, start as usize), Kind::Judged);
                self.looked(p, (start as usize, p), Kind::Value);
                self.looked(p, (p, to), Kind::Judged);
            }
            _ => self.looked(p, (from, to), Kind::Judged),
        }
    }

    /// `user:password@tcp(host:3306)/name`, as Go's drivers for SQL have it. True when `p` ends the password.
    fn data_source(&mut self, p: usize) -> bool {
        let text = self.text;
        let network = skip(&text[..text.len().min(p + 8)], p + 1, |b| is(b, ALNUM));
        if byte(text, network) != b'(' || !matches!(&text[p + 1..network], b"" | b"tcp" | b"tcp4" | b"tcp6" | b"unix") {
            return false;
        }
        let start = skip_back(text, p, SIGHT, |b| {
            !matches!(b, b' ' | b'\t' | b'\n' | b'\r' | b'"' | b'\'' | b'<' | b'>' | b'`' | b'\\')
        });
        // Where it begins must be in sight.
        if p - start == SIGHT {
            return false;
        }
        let Some(colon) = memchr::memchr(b':', &text[start..p]) else { return false };
        let from = start + colon + 1;
        if is_placeholder(&text[from..p]) || text[from..p].starts_with(b"//") {
            return false;
        }
        self.hit(from, p, self.set.builtin.url_password, rank::SHAPE);
        true
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
        let start = behind_colour(&text[..p], start);
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

    /// `scheme://user:password@host`, `scheme://token@host`. True when `p` ends a URL's user part. Where what was looked at
    /// begins is put into `from`, when that is known.
    fn userinfo(&mut self, p: usize, from: &mut usize) -> bool {
        let text = self.text;
        let host = byte(text, p + 1);
        if !is(host, ALNUM) && !matches!(host, b'[' | b'/' | b'{' | b'$' | b'(') {
            return false;
        }
        // Behind an `@` without a scheme before it, only what has come since is looked at.
        let most = if self.no_scheme < p { (p - self.no_scheme + 2).min(2 * SIGHT) } else { 2 * SIGHT };
        let start = skip_back(text, p, most, |b| {
            !matches!(b, b' ' | b'\t' | b'\n' | b'\r' | b'"' | b'\'' | b'<' | b'>' | b'`' | b'\\')
        });
        work(p - start);
        if most > p - start {
            *from = start.saturating_sub(1);
        }
        let Some(n) = memchr::memmem::rfind(&text[start..p], b"://") else {
            self.no_scheme = p;
            return false;
        };
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
        // `https://host:8443/path@x`, `jdbc:sqlserver://host:1433;x=y@z`: a port and more, not a password.
        let port = skip(password, 0, |b| b.is_ascii_digit());
        if (1..=5).contains(&port) && matches!(password.get(port), Some(b'/' | b';' | b'?')) {
            return false;
        }
        if !is_placeholder(password) && !password.starts_with(b"$") {
            self.hit(user + colon + 1, p, self.set.builtin.url_password, rank::SHAPE);
        }
        // `https://<token>:x-oauth-basic@host`: the user part is the secret.
        if colon >= 16 && looks_secret(&info[..colon]) {
            self.hit(user, user + colon, self.set.builtin.url_token, rank::SHAPE);
        }
        true
    }

    /// An authorization scheme at `w`: `Bearer x`, `basic x`.
    pub(super) fn scheme(&mut self, w: usize) {
        let text = self.text;
        let gap = self.index.idents.end(w);
        let word = &text[w..gap];
        let bearer = word.eq_ignore_ascii_case(b"bearer");
        if !bearer && !word.eq_ignore_ascii_case(b"basic") {
            return;
        }
        let from = skip(text, gap, |b| matches!(b, b' ' | b'\t' | b'+'));
        if !(gap + 1..=gap + 3).contains(&from) {
            return;
        }
        let token = &text[from..skip(text, from, |b| is(b, TOKEN) || b == b'=')];
        self.looked(w, (from, from + token.len()), Kind::Value);
        if bearer && (token.len() >= 16 && token.iter().any(u8::is_ascii_digit) || looks_secret(token)) {
            self.hit(from, from + token.len(), self.set.builtin.bearer, rank::SHAPE);
        } else if !bearer && crate::rules::validate(crate::rules::Validator::BasicAuth, token) {
            self.hit(from, from + token.len(), self.set.builtin.basic, rank::SHAPE);
        }
    }

    /// A word behind a blank that is long or has a digit close by: `password is x`, `password x`.
    pub(super) fn behind_word(&mut self, w: usize) {
        let text = self.text;
        let gap = skip_back(text, w, 3, |b| matches!(b, b' ' | b'\t'));
        let verb = matches!(text[..gap], [.., b'i' | b'a', b's'] | [.., b't', b'o']);
        if !(verb || self.may_name(gap)) {
            return;
        }
        let start = self.word_before(gap);
        self.looked(w, (start.saturating_sub(2 * WORD), self.limit(w)), Kind::Judged);
        match &text[start..gap] {
            [] | [_] => {}
            b"is" | b"was" | b"as" | b"to" => {
                let name_end = skip_back(text, start, 2, |b| b == b' ');
                self.apposition(name_end, w, true);
            }
            _ => self.apposition(gap, w, false),
        }
    }

    /// Start of the word that ends before `end`, or what of it is in reach.
    fn word_before(&self, end: usize) -> usize {
        self.index.idents.start(end, WORD).max(end.saturating_sub(WORD))
    }

    /// `--password x`, with the first dash at `p`.
    pub(super) fn option(&mut self, p: usize) {
        let text = self.text;
        if byte(text, p + 1) != b'-' {
            return;
        }
        let end = self.index.idents.end(p);
        let w = skip(text, end, |b| matches!(b, b' ' | b'\t'));
        if !(end + 1..=end + 3).contains(&w) || !is(byte(text, w), ALNUM) {
            return;
        }
        let class = self.shared.names.get(&self.set.names, text, p + 2, end).class;
        if !matches!(class, Class::Strong(_) | Class::Weak(_)) {
            return;
        }
        let end = value::after(text, w, false, false).map_or(w, |v| v.end);
        self.looked(p, (w, end), Kind::Value);
        self.looked(p, (end, end + WORD), Kind::Judged);
        self.named(class, w, end);
    }

    /// The value at `start..end` has a name of this class beside it.
    fn named(&mut self, class: Class, start: usize, end: usize) {
        let found = &self.text[start..end];
        match class {
            Class::Strong(r) if !is_placeholder(found) => self.hit(start, end, r, rank::STRONG_FIELD),
            Class::Weak(r) if self.weak_fits(r, found) => self.hit(start, end, r, rank::WEAK_FIELD),
            _ => {}
        }
    }

    /// `--user name:password` and `-u name:password`, with the colon at `p` and the name from `start` on.
    pub(super) fn user_option(&mut self, start: usize, p: usize) {
        let text = self.text;
        let quoted = matches!(before(text, start), b'"' | b'\'');
        let name = start - usize::from(quoted);
        let blank = skip_back(text, name, 3, |b| matches!(b, b' ' | b'='));
        let apart = blank < name && (text[..blank].ends_with(b"--user") || text[..blank].ends_with(b" -u"));
        // `curl -uname:password`
        let glued = !quoted && text[start..p].starts_with(b"-u") && {
            let before = &text[self.start.max(start.saturating_sub(SIGHT))..start];
            memchr::memmem::find(before, b"curl ").is_some()
        };
        if !apart && !glued {
            return;
        }
        self.looked_around(p);
        let start = if glued { start + 2 } else { start };
        let inner = matches!(byte(text, p + 1), b'"' | b'\'');
        let from = p + 1 + usize::from(inner);
        let end = skip(text, from, |b| !matches!(b, b' ' | b'\t' | b'\n' | b'"' | b'\'' | b'\\'));
        if !is_placeholder(&text[from..end]) {
            self.hit(start, end, self.set.builtin.basic, rank::SHAPE);
        }
    }

    /// Whether the word that ends before `end` can be the name of a secret: few words end as those do.
    #[inline(always)]
    fn may_name(&self, end: usize) -> bool {
        let Some(last) = end.checked_sub(3).and_then(|at| self.text[at..end].first_chunk()) else { return false };
        self.set.names.may_end(*last)
    }

    /// `password x` and `the password is x`: a value beside its name; `stated` when a verb stands between.
    fn apposition(&mut self, name_end: usize, w: usize, stated: bool) {
        let text = self.text;
        if !self.may_name(name_end) {
            return;
        }
        let one = self.word_before(name_end);
        let two = if before(text, one) == b' ' { self.word_before(one - 1) } else { one };
        for from in [two, one] {
            if from >= name_end {
                continue;
            }
            let Class::Strong(r) = self.shared.names.get(&self.set.names, text, from, name_end).class else {
                continue;
            };
            let end = value::after(text, w, false, false).map_or(w, |v| v.end);
            let found = &text[w..end];
            if !judge::is_prose(found) && (stated && found.iter().any(u8::is_ascii_digit) || looks_secret(found)) {
                return self.hit(w, end, r, rank::WEAK_FIELD);
            }
        }
    }

    /// A list that opens at `p`: `["x-api-key","abc"]`, `("STRIPE_TOKEN", "abc")`, `["--password", "x"]`.
    pub(super) fn list(&mut self, p: usize) {
        let text = self.text;
        let quote = byte(text, p + 1);
        if !matches!(quote, b'"' | b'\'') {
            return;
        }
        self.looked_around(p);
        // A list inside an element of another is looked at a little way only, so that the work stays in proportion.
        let most = if p < self.list_until { 2 } else { usize::MAX };
        let mut open = p + 1;
        for _ in 0..most {
            let name = open + 1;
            let end = self.index.idents.end(name);
            let close = if byte(text, end) == quote { end } else { value::quoted(text, open, quote).end };
            self.list_until = self.list_until.max(close);
            let comma = skip(text, close + 1, |b| b == b' ');
            let next = skip(text, comma + 1, |b| matches!(b, b' ' | b'\t'));
            if byte(text, comma) != b',' || byte(text, next) != quote {
                return;
            }
            if close == end && end - name <= 64 {
                self.list_pair(name, end, next);
            }
            open = next;
        }
    }

    /// A name at `name..end` in a list, with the next element, a string, at `open`.
    fn list_pair(&mut self, name: usize, end: usize, open: usize) {
        let text = self.text;
        let class = self.shared.names.get(&self.set.names, text, name, end).class;
        if !matches!(class, Class::Strong(_) | Class::Weak(_)) {
            return;
        }
        let v = value::quoted(text, open, byte(text, open));
        if matches!(byte(text, skip(text, v.end + 1, |b| b == b' ')), b':' | b'=') {
            return;
        }
        let start = v.start + judge::scheme_len(&text[v.start..v.end]).unwrap_or(0);
        // A list of names and paths is not one of names and values.
        if !text[start..v.end].starts_with(b"/") {
            self.named(class, start, v.end);
        }
    }

    /// An element that opens at `p`: `<password>x</password>`.
    pub(super) fn element(&mut self, p: usize) {
        let text = self.text;
        let tag = p + 1;
        let name = self.index.idents.end(tag);
        // Attributes may follow the name.
        let attributes = if byte(text, name) == b' ' { &text[..text.len().min(name + SIGHT)] } else { &text[..name] };
        let close = skip(attributes, name, |b| !matches!(b, b'<' | b'>' | b'\n'));
        if byte(text, close) != b'>' || name == tag || name - tag > 64 || text[close - 1] == b'/' {
            return;
        }
        self.looked(p, (p, close + 1), Kind::Judged);
        let class = self.shared.names.get(&self.set.names, text, tag, name).class;
        if !matches!(class, Class::Strong(_) | Class::Weak(_)) {
            return;
        }
        self.looked_around(p);
        let w = close + 1;
        let end = skip(&text[..self.limit(w)], w, |b| !matches!(b, b'<' | b'\n' | b'"' | b'\\'));
        self.named(class, w, end);
    }
}
