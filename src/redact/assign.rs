//! Names and their values: `"password":"x"`, `token=x`, `api-key: x`, `{"name":"secret","value":"x"}`.

use super::bytes::{ALNUM, IDENT, QUOTE, before, byte, is, is_label, skip, skip_back};
use super::calm::Kind;
use super::decode;
use super::judge;
use super::names::{Class, Name};
use super::scan::{Scan, in_label, rank};
use super::value::{self, Form, Value};

/// Longest name that is looked at, in bytes.
const NAME: usize = 64;

/// What `--user` and blanks before a name take, with room.
const OPTION: usize = 16;

/// How far the value of a field may reach whose name alone does not make it a secret, in bytes.
const SIGHT: usize = 8192;

/// How a name stood in the text.
#[derive(Clone, Copy)]
struct Spelling {
    /// Place of the double quote behind the name, when the value must stay valid JSON.
    quote: Option<(u32, u32)>,
    /// Written as in a sentence: no quotes, and a space behind the colon.
    loose: bool,
    /// Where the name stands.
    name: (usize, usize),
    /// Where the separator stands.
    at: usize,
}

impl<'a> Scan<'a> {
    /// A `:` or `=` at `p` that may follow a name worth knowing.
    pub(super) fn assign(&mut self, p: usize) {
        let text = self.text;
        if p < self.taken {
            return;
        }
        let gap = skip_back(text, p, 4, |b| matches!(b, b' ' | b'\t' | b'|' | b'?' | b']' | b')'));
        if gap < p && text[gap] == b']' && closes_label(text, gap) {
            return;
        }
        let Some(&last) = text[..gap].last() else { return };
        let quoted = matches!(last, b'"' | b'\'' | b'`');
        let (start, end) = if quoted {
            let Some(start) = quoted_name(text, gap - 1, last) else {
                return self.looked(p, (gap.saturating_sub(6 * NAME), p + 1), Kind::Judged);
            };
            self.looked(p, (start - 1, p + 1), Kind::Judged);
            (start, gap - 1)
        } else {
            let start = self.name_start(gap);
            // A word before may belong to the name, or be an option.
            let more = match before(text, start) {
                b' ' => NAME + 1,
                b'"' | b'\'' | b'=' => OPTION,
                _ => 1,
            };
            self.looked(p, (start.saturating_sub(more), p + 1), Kind::Judged);
            if !text[start..gap].iter().any(|b| b.is_ascii_alphabetic() || !b.is_ascii())
                || in_label(text, start, p + 1)
            {
                return;
            }
            // A property of Java: `-Dpassword=x`.
            let property = text[start..gap].starts_with(b"-D");
            (start + if property { 2 } else { 0 }, gap)
        };
        let json = last == b'"' && text[p] == b':';
        let spelling = Spelling {
            quote: json.then_some((gap as u32 - 1, gap as u32)),
            loose: !quoted && text[p] == b':' && byte(text, p + 1) == b' ',
            name: (start, end),
            at: p,
        };
        if json && byte(text, p + 1) == b'[' && byte(text, p + 2).is_ascii_digit() {
            self.looked_around(p);
            self.byte_array(p + 1);
        }
        if !quoted && text[p] == b':' && start > 3 && matches!(text[start - 1], b' ' | b'"' | b'\'' | b'=') {
            self.user_option(start, p);
        }
        let spaced = !quoted && (text[p] == b':' || gap < p);
        let Some(name) = self.name(start, end, quoted, spaced) else { return };
        if name.class == Class::Naming {
            return self.named_pair(p, json);
        }
        if json && self.is_replaced(p) {
            return;
        }
        let inside = !json && self.in_string(p);
        if self.is_settled(p, &name) {
            return;
        }
        if let Some(v) = value::after_known(self.sight(p, &name), p, json, inside, self.bare) {
            if v.form == Form::Bare {
                self.bare = (v.start, v.end);
            }
            let v = if quoted { v } else { value::in_settings(text, start, p, v) };
            self.looked(p, (p + 1, v.start), Kind::Judged);
            if v.form != Form::Quoted {
                // How it ends depends on what follows.
                self.looked(p, (v.end, v.end + NAME), Kind::Judged);
            }
            self.treat(&name, v, spelling);
            if !json && !inside {
                self.more_of_list(&name, v, spelling);
            }
        }
    }

    /// Acts on the strings that follow `v` in a list: `set-cookie: [ 'a=1', 'b=2' ]`.
    fn more_of_list(&mut self, name: &Name, mut v: Value, how: Spelling) {
        let text = self.text;
        let quote = before(text, v.start);
        let open = skip_back(text, v.start.saturating_sub(1), 4, |b| b == b' ');
        if v.form != Form::Quoted || before(text, open) != b'[' || !is(quote, QUOTE) {
            return;
        }
        loop {
            let comma = skip(text, v.end + 1, |b| b == b' ');
            let next = skip(text, comma + 1, |b| b == b' ');
            if byte(text, comma) != b',' || byte(text, next) != quote {
                return;
            }
            v = value::quoted(text, next, quote);
            self.looked_around(how.at);
            self.treat(name, v, how);
        }
    }

    /// Start of the bare name that ends before `end`; it may hold a `$`, and letters of any script.
    fn name_start(&self, end: usize) -> usize {
        let start = self.index.idents.start(end, NAME).max(end.saturating_sub(NAME));
        match before(self.text, start) {
            b'$' => skip_back(self.text, end, NAME, |b| is(b, IDENT) || b == b'$'),
            b if !b.is_ascii() => skip_back(self.text, end, NAME, |b| is(b, IDENT) || !b.is_ascii()),
            _ => start,
        }
    }

    /// Whether the value behind `p` is an object or array that needs no look: gone through already, or under a weak name.
    fn is_settled(&self, p: usize, name: &Name) -> bool {
        let open = skip(self.text, p + 1, |b| b == b' ');
        match byte(self.text, open) {
            b'{' if matches!(name.class, Class::Weak(_)) => true,
            b'{' | b'[' => open < self.tree_until,
            _ => false,
        }
    }

    /// Whether the string behind `p` is a label and nothing else, which was put there.
    fn is_replaced(&self, p: usize) -> bool {
        let Some(found) = self.replaced else { return false };
        let start = skip(self.text, p + 1, |b| b == b' ') + 1;
        let next = found.partition_point(|f| (f.start as usize) < start);
        let label = found.get(next).filter(|f| f.start as usize == start && before(self.text, start) == b'"');
        label.is_some_and(|f| byte(self.text, f.end as usize) == b'"' && f.plain)
    }

    /// The text in which a value behind `p` may end: all of it where any value goes, else a bounded piece.
    fn sight(&self, p: usize, name: &Name) -> &'a [u8] {
        match name.class {
            Class::Strong(_) => self.text,
            _ => &self.text[..(p + SIGHT).min(self.text.len())],
        }
    }

    /// What the name at `start..end` means; `None` when it means nothing. `wide` says that the words before may
    /// belong to it: `API key: x`, `secret token = x`.
    fn name(&mut self, start: usize, end: usize, quoted: bool, wide: bool) -> Option<Name> {
        let text = self.text;
        let raw = &text[start..end];
        if quoted && raw.contains(&b'\\') {
            let mut view = self.shared.views.pop().unwrap_or_default();
            decode::unescape(raw, &mut view);
            let name = self.shared.names.get(&self.set.names, &view.text, 0, view.text.len());
            self.shared.views.push(view);
            return name.matters().then_some(name);
        }
        let name = self.shared.names.get(&self.set.names, text, start, end);
        let found = name.matters().then_some(name);
        if !wide || matches!(name.class, Class::Strong(_) | Class::Personal(_)) {
            return found;
        }
        let strong = name.matters() || raw.len() <= 8;
        if strong && start >= 3 && text[start - 1] == b' ' && text[start - 2].is_ascii_alphanumeric() {
            let before = self.index.idents.start(start - 1, NAME).max((start - 1).saturating_sub(NAME));
            let wide = self.shared.names.get(&self.set.names, text, before, end);
            let more = found.is_none_or(|f| f.rules.len() < wide.rules.len());
            if matches!(wide.class, Class::Strong(_) | Class::Personal(_)) || more && wide.matters() {
                return (wide.class != Class::Naming).then_some(wide);
            }
        }
        found
    }

    /// Acts on a value whose name matters.
    fn treat(&mut self, name: &Name, v: Value, how: Spelling) {
        if v.form != Form::Tree {
            return self.leaf(name, v, how);
        }
        self.looked(how.at, (v.start, v.end), Kind::Judged);
        let object = self.text[v.start] == b'{';
        if v.start < self.tree_until || (object && matches!(name.class, Class::Weak(_))) {
            return;
        }
        self.tree_until = v.end;
        let text = self.text;
        let mut at = v.start;
        while at < v.end {
            match text[at] {
                b'"' => {
                    let close = value::quoted_end(text, at).min(v.end);
                    let behind = skip(text, close + 1, |b| b == b' ');
                    if byte(text, behind) != b':' {
                        self.leaf(name, Value { start: at + 1, end: close, form: Form::Quoted }, how);
                    }
                    at = close + 1;
                }
                b'0'..=b'9' | b'-' => {
                    let end = skip(text, at, |b| is(b, ALNUM) || matches!(b, b'-' | b'+' | b'.')).min(v.end);
                    self.leaf(name, Value { start: at, end, form: Form::Scalar }, how);
                    at = end.max(at + 1);
                }
                _ => at += 1,
            }
        }
    }

    /// Acts on one string, number or bare word.
    fn leaf(&mut self, name: &Name, v: Value, how: Spelling) {
        let text = self.text;
        let (mut start, mut end) = (v.start, v.end);
        while start < end && matches!(text[start], b' ' | b'\t') {
            start += 1;
        }
        while end > start && matches!(text[end - 1], b' ' | b'\t' | b'\r' | b'\n') {
            end -= 1;
        }
        let secretive = matches!(name.class, Class::Strong(_) | Class::Weak(_));
        let scope = if v.form == Form::Bare { self.limit(start) } else { end };
        if secretive
            && self.takes_scheme(name)
            && let Some(n) = judge::scheme_len(&text[start..scope])
        {
            start += n;
            if v.form == Form::Bare {
                end = value::after(text, start, false, false).map_or(start, |x| x.end);
            }
        }
        let value = &text[start..end];
        self.looked(how.at, (v.start, start), Kind::Judged);
        let directory = judge::is_directory(&text[how.name.0..how.name.1], value);
        if value.is_empty() || judge::is_placeholder(value) || judge::is_scheme(value) || directory {
            return self.looked(how.at, (start, end), Kind::Judged);
        }
        let quote = if v.form == Form::Scalar { how.quote } else { None };
        for n in 0..name.rules.len() {
            let Some(r) = self.shared.names.rule(name.rules, n) else { break };
            if let Some((from, to)) = self.rule_value(r, value) {
                self.hit_with(start + from, start + to, r, rank::CONTEXT, quote);
                if from == 0 && to == value.len() {
                    return self.looked(how.at, (start, end), Kind::Value);
                }
            }
        }
        let hit = match name.class {
            Class::Strong(r) if v.form == Form::Bare && self.whole_header(r) => {
                Some((r, rank::STRONG_FIELD, value::header_end(text, start).max(end)))
            }
            Class::Strong(r) if !(how.loose && judge::is_prose(value)) => Some((r, rank::STRONG_FIELD, end)),
            Class::Weak(r)
                if self.weak_fits(r, value) || (how.quote.is_some() && self.is_token_field(name, r, value)) =>
            {
                Some((r, rank::WEAK_FIELD, end))
            }
            Class::Personal(r) if self.personal_fits(r, value, v.form) => Some((r, rank::PERSONAL, end)),
            _ => None,
        };
        self.looked(how.at, (start, hit.map_or(end, |(_, _, end)| end)), Kind::Value);
        if let Some((r, rank, end)) = hit {
            self.hit_with(start, end, r, rank, quote);
        } else if let Class::Weak(r) = name.class {
            self.nearly_field(r, how.name, (start, end));
        }
    }

    /// What of `value` a rule that names the field takes.
    fn rule_value(&self, r: u16, value: &[u8]) -> Option<(usize, usize)> {
        if self.set.patterns[usize::from(r)].is_some() {
            let span = self.fits(r, value)?;
            (!is(byte(value, span.whole), ALNUM)).then_some((span.start, span.end))
        } else {
            let rule = &self.set.rules[usize::from(r)];
            let accepted = rule.validator.is_none_or(|v| crate::rules::validate(v, value));
            (accepted && !rule.fields.is_empty()).then_some((0, value.len()))
        }
    }

    /// Header values that go to the end of the line: cookies, and authorization of an unknown scheme.
    fn whole_header(&self, r: u16) -> bool {
        matches!(self.set.rules[usize::from(r)].kind.as_str(), "COOKIE" | "SET_COOKIE" | "AUTHORIZATION")
    }

    /// Whether a value under a weak name looks like what the name promises.
    pub(super) fn weak_fits(&self, r: u16, value: &[u8]) -> bool {
        match self.set.rules[usize::from(r)].kind.as_str() {
            "TOKEN" | "CREDENTIAL" | "AUTHORIZATION" | "SECRET" => judge::looks_token(value),
            "PASSWORD" => {
                // Up to three digits are a count: `pass=33 fail=0`.
                let count = value.len() <= 3 && value.iter().all(u8::is_ascii_digit);
                !count && !judge::is_prose(value) && value.iter().any(u8::is_ascii_digit) && !value.contains(&b' ')
            }
            _ => judge::looks_secret(value),
        }
    }

    /// A JSON field called just `token`: whatever it holds, unless it is short, is one.
    fn is_token_field(&self, name: &Name, r: u16, value: &[u8]) -> bool {
        name.whole && value.len() >= 8 && self.set.rules[usize::from(r)].kind == "TOKEN"
    }

    /// Whether the name's values begin with an authorization scheme (`Bearer x`), which is kept.
    fn takes_scheme(&self, name: &Name) -> bool {
        let (Class::Strong(r) | Class::Weak(r)) = name.class else { return false };
        !matches!(
            self.set.rules[usize::from(r)].kind.as_str(),
            "PASSWORD" | "SECRET" | "CLIENT_SECRET" | "SECRET_KEY" | "PIN"
        )
    }

    /// Whether a value can be what a personal field holds.
    fn personal_fits(&self, r: u16, value: &[u8], form: Form) -> bool {
        let digits = value.iter().filter(|b| b.is_ascii_digit()).count();
        match self.set.rules[usize::from(r)].kind.as_str() {
            "EMAIL" => value.contains(&b'@') || value.windows(3).any(|w| w.eq_ignore_ascii_case(b"%40")),
            "PHONE" => (7..=15).contains(&digits) && digits * 2 >= value.len(),
            "CARD" | "SSN" | "TAX_ID" | "NATIONAL_ID" | "BANK_ACCOUNT" | "ROUTING_NUMBER" => digits >= 4,
            "IBAN" => value.len() >= 15,
            "IP" | "MAC" => false,
            // Repositories are called so too.
            "NAME" => form != Form::Scalar && !value.contains(&b'/'),
            _ => form != Form::Scalar || digits >= 4,
        }
    }

    /// `{"name":"password","value":"x"}` and `<entry name="password" value="x"/>`: the name's value stands at `p`.
    fn named_pair(&mut self, p: usize, json: bool) {
        let text = self.text;
        let inside = !json && self.in_string(p);
        let near = &text[..(p + SIGHT).min(text.len())];
        if matches!(byte(text, skip(text, p + 1, |b| b == b' ')), b'{' | b'[') {
            return;
        }
        let Some(v) = value::after(near, p, json, inside) else { return };
        self.looked(p, (p + 1, v.end + 1), Kind::Judged);
        if v.form != Form::Quoted || v.end - v.start > NAME || v.end <= v.start {
            return;
        }
        let Some(name) = self.name(v.start, v.end, true, false) else { return };
        if name.class == Class::Naming {
            return;
        }
        let quote = json.then_some((v.end as u32, v.end as u32 + 1));
        let how = Spelling { quote, loose: false, name: (v.start, v.end), at: p };
        self.looked_around(p);
        if let Some(value) = self.sibling_after(v.end + 1, json, inside) {
            self.treat(&name, value, how);
        } else if let Some(value) = sibling_before(text, p) {
            self.treat(&name, value, how);
        }
    }

    /// The value of a following sibling called `value`, at most three siblings on.
    fn sibling_after(&self, mut at: usize, json: bool, inside: bool) -> Option<Value> {
        let text = self.text;
        for _ in 0..3 {
            let open = skip(text, at, |b| matches!(b, b' ' | b',' | b'\t'));
            let quoted = matches!(byte(text, open), b'"' | b'\'');
            let start = open + usize::from(quoted);
            let end = skip(text, start, |b| is(b, IDENT));
            let sep = skip(text, end + usize::from(quoted), |b| b == b' ');
            if end == start || !matches!(byte(text, sep), b':' | b'=') {
                return None;
            }
            let v = value::after(&text[..(sep + SIGHT).min(text.len())], sep, json, inside)?;
            if is_value_name(&text[start..end]) {
                return Some(v);
            }
            at = v.end + usize::from(v.form == Form::Quoted);
        }
        None
    }
}

fn is_value_name(name: &[u8]) -> bool {
    [&b"value"[..], b"val", b"v", b"values", b"content", b"data", b"stringValue", b"Value", b"secret", b"string_value"]
        .contains(&name)
}

/// The string value of a sibling called `value` that stands right before the name whose separator is at `p`.
fn sibling_before(text: &[u8], p: usize) -> Option<Value> {
    let key_open = memchr::memrchr(b'"', &text[..p.checked_sub(1)?])?;
    let comma = skip_back(text, key_open, 8, |b| matches!(b, b' ' | b','));
    if comma == key_open || text.get(comma.checked_sub(1)?) != Some(&b'"') {
        return None;
    }
    let end = comma - 1;
    let floor = end.saturating_sub(512);
    let start = floor + memchr::memrchr(b'"', &text[floor..end])? + 1;
    let sep = skip_back(text, start - 1, 4, |b| matches!(b, b' ' | b':'));
    let name_end = sep.checked_sub(1)?;
    let name_start = skip_back(text, name_end, 16, |b| is(b, IDENT));
    (text[sep..start - 1].contains(&b':') && is_value_name(&text[name_start..name_end])).then_some(Value {
        start,
        end,
        form: Form::Quoted,
    })
}

/// Whether the `]` at `close` ends a label.
fn closes_label(text: &[u8], close: usize) -> bool {
    let start = skip_back(text, close, 80, |b| b != b'[' && b != b'\n');
    start > 0 && text[start - 1] == b'[' && is_label(&text[start - 1..=close])
}

/// Start of the quoted name that ends before the quote at `close`.
fn quoted_name(text: &[u8], close: usize, quote: u8) -> Option<usize> {
    if close == 0 || text[close - 1] == b'\\' {
        return None;
    }
    let fast = skip_back(text, close, NAME, |b| is(b, IDENT));
    if fast > 0 && text[fast - 1] == quote {
        return (fast < close).then_some(fast);
    }
    // Names of six bytes for one letter are written with escapes.
    let floor = close.saturating_sub(6 * NAME);
    let open = floor + memchr::memrchr(quote, &text[floor..close])?;
    let plain = close - open > 1 && !text[open..close].contains(&b'\n') && (open == 0 || text[open - 1] != b'\\');
    plain.then_some(open + 1)
}
