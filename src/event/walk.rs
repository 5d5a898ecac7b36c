//! A walk over JSON that builds nothing: each scalar is shown to a visitor with its place, then forgotten.
//!
//! Broken and truncated JSON is walked as far as it makes sense. Objects and arrays deeper than [`MAX_DEPTH`] are
//! passed over.

use super::paths::{NONE, Paths, ROOT, Spot};
use super::tables::Tables;
use super::trail::{Form, START, Trail};

/// How deep objects and arrays are entered.
pub(super) const MAX_DEPTH: usize = 64;

/// What a scalar is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A string; the span is the inside of its quotes.
    Str,
    /// A number.
    Num,
    /// `true`, `false`, `null` or anything else without quotes.
    Word,
}

/// One scalar and its place.
pub(super) struct Leaf<'w> {
    /// The number of its place.
    pub at: u32,
    /// Its place.
    pub spot: &'w Spot,
    /// First byte of the value in the text walked.
    pub start: usize,
    /// Byte behind the value.
    pub end: usize,
    /// What it is.
    pub kind: Kind,
    /// Whether a string holds a backslash.
    pub escaped: bool,
    /// Whether its place may be of interest; also the first of a walk.
    pub known: bool,
}

/// Receives the scalars in order of place.
pub(super) trait Visit {
    /// One scalar. Those whose place is of no interest are shown when [`Visit::wants`] says so, and may be otherwise.
    fn leaf(&mut self, leaf: &Leaf<'_>);

    /// Whether a scalar that ends at `end` is of interest although its place is of none.
    fn wants(&self, end: usize, escaped: bool) -> bool;
}

/// An open object or array.
#[derive(Clone, Copy)]
pub(super) struct Frame {
    /// `None` for an object, else the position of the next element.
    index: Option<u32>,
    /// The place of the object or array itself.
    spot: u32,
    /// The place of the last key or element inside.
    last: u32,
}

/// The walker: remembers the places of its stream and the roads that lines take, and nothing else from line to line.
pub(super) struct Walker {
    pub(super) paths: Paths,
    trail: Trail,
    stack: Vec<Frame>,
    /// The element of a list of attributes whose `key` was seen, and where that stands.
    attribute: Option<(u32, usize, usize)>,
}

/// One walk over one text.
struct Walk<'w, V> {
    text: &'w [u8],
    tables: &'w Tables,
    visit: &'w mut V,
    /// Open brackets below [`MAX_DEPTH`].
    too_deep: usize,
    /// Whether nothing was shown yet.
    fresh: bool,
    /// The last value, as far as the road is remembered, and the byte behind it.
    node: u32,
    mark: usize,
}

impl Walker {
    pub(super) fn new() -> Self {
        Self { paths: Paths::new(), trail: Trail::new(), stack: Vec::new(), attribute: None }
    }

    /// Forgets what was remembered when it is too much, only between lines; says whether places have other numbers now.
    pub(super) fn tidy(&mut self) -> bool {
        self.trail.tidy();
        let lost = self.paths.tidy();
        if lost {
            self.trail.clear();
        }
        lost
    }

    /// Walks the JSON value that starts at `at`.
    pub(super) fn walk(&mut self, text: &[u8], at: usize, tables: &Tables, visit: &mut impl Visit) {
        self.stack.clear();
        self.attribute = None;
        let mut walk = Walk { text, tables, visit, too_deep: 0, fresh: true, node: START, mark: at };
        if !self.follow(&mut walk) {
            let behind = usize::from(matches!(self.trail.node(walk.node).form, Form::Element | Form::Member));
            let at = (walk.mark + behind).min(text.len());
            self.explore(&mut walk, at);
        }
    }

    /// Walks as far as the line is like others before it; whether that is to its end.
    fn follow<V: Visit>(&mut self, walk: &mut Walk<'_, V>) -> bool {
        let Self { paths, trail, stack, .. } = self;
        while let Some(step) = trail.step(walk.node, walk.text, walk.mark) {
            let node = trail.node(step.node);
            let kind = match node.form {
                Form::End => return true,
                Form::Bare => bare_kind(walk.text[step.start]),
                Form::Element | Form::Member => Kind::Str,
            };
            if node.known || walk.visit.wants(step.end, step.escaped) {
                let (at, known, start, end, escaped) = (node.at, node.known, step.start, step.end, step.escaped);
                walk.visit.leaf(&Leaf { at, spot: paths.get(at), start, end, kind, escaped, known });
            }
            walk.fresh = false;
            (walk.node, walk.mark) = (step.node, step.end);
        }
        stack.extend_from_slice(trail.stack(walk.node));
        false
    }

    /// Walks on at `at`, and remembers how.
    fn explore<V: Visit>(&mut self, walk: &mut Walk<'_, V>, at: usize) {
        let mut at = at;
        while let Some(&b) = walk.text.get(at) {
            match b {
                b'"' => at = self.string(walk, at + 1),
                b' ' | b'\t' | b'\r' | b'\n' | b',' | b':' => at += 1,
                b'{' | b'[' => {
                    self.open(walk, b == b'[');
                    at += 1;
                }
                b'}' | b']' => {
                    if walk.too_deep > 0 {
                        walk.too_deep -= 1;
                    } else {
                        self.stack.pop();
                    }
                    at += 1;
                    if self.stack.is_empty() {
                        self.trail.add(walk.node, &walk.text[walk.mark..at], (Form::End, NONE, false), &[]);
                        return;
                    }
                }
                _ => at = self.bare(walk, at),
            }
        }
    }

    /// Remembers the way to the value at `start`, unless it hangs on more than the text before it.
    fn remember<V: Visit>(&mut self, walk: &mut Walk<'_, V>, at: u32, start: usize, end: usize, kind: Kind) {
        let gap = &walk.text[walk.mark..start];
        let form = match (kind, self.stack.last().map(|f| f.index)) {
            (Kind::Num | Kind::Word, _) => Form::Bare,
            (Kind::Str, Some(Some(_))) => Form::Element,
            (Kind::Str, _) => Form::Member,
        };
        let colon = || gap.iter().rev().skip(1).find(|b| !b.is_ascii_whitespace()) == Some(&b':');
        walk.node = if form != Form::Member || colon() {
            let known = self.paths.get(at).is_known();
            self.trail.add(walk.node, gap, (form, at, known), &self.stack)
        } else {
            NONE
        };
        walk.mark = end;
    }

    fn open<V: Visit>(&mut self, walk: &mut Walk<'_, V>, array: bool) {
        if walk.too_deep > 0 || self.stack.len() >= MAX_DEPTH {
            walk.too_deep += 1;
            walk.node = NONE;
            return;
        }
        let spot = self.value_spot(walk);
        self.stack.push(Frame { index: array.then_some(0), spot, last: NONE });
    }

    /// The place of the value that comes now: the last key's, or the next element's.
    fn value_spot<V>(&mut self, walk: &Walk<'_, V>) -> u32 {
        let Some(top) = self.stack.last_mut() else { return ROOT };
        if let Some(index) = top.index.as_mut() {
            top.last = self.paths.element(top.spot, top.last, *index, walk.tables);
            *index = index.saturating_add(1);
        }
        top.last
    }

    /// A string at `at` (behind its quote): a key when a colon follows in an object, else a value.
    fn string<V: Visit>(&mut self, walk: &mut Walk<'_, V>, at: usize) -> usize {
        let text = walk.text;
        let (end, escaped) = string_end(text, at);
        let mut next = (end + 1).min(text.len());
        if walk.too_deep > 0 {
            return next;
        }
        if let Some(top) = self.stack.last_mut().filter(|f| f.index.is_none()) {
            while text.get(next).is_some_and(|b| matches!(b, b' ' | b'\t')) {
                next += 1;
            }
            if text.get(next) == Some(&b':') {
                top.last = self.paths.child(top.spot, top.last, &text[at..end], escaped, walk.tables);
                return next + 1;
            }
        }
        self.show(walk, at, end, Kind::Str, escaped);
        next
    }

    fn bare<V: Visit>(&mut self, walk: &mut Walk<'_, V>, at: usize) -> usize {
        let end = bare_end(walk.text, at).max(at + 1);
        if walk.too_deep == 0 {
            self.show(walk, at, end, bare_kind(walk.text[at]), false);
        }
        end
    }

    fn show<V: Visit>(&mut self, walk: &mut Walk<'_, V>, start: usize, end: usize, kind: Kind, escaped: bool) {
        let mut at = self.value_spot(walk);
        if self.in_list() {
            at = self.attribute(walk, at, (start, end), kind, escaped);
            // What it means hangs on values before it.
            walk.node = NONE;
        }
        if walk.node != NONE {
            self.remember(walk, at, start, end, kind);
        }
        let spot = self.paths.get(at);
        let known = std::mem::take(&mut walk.fresh) | spot.is_known();
        walk.visit.leaf(&Leaf { at, spot, start, end, kind, escaped, known });
    }

    /// Whether the value stands in an element of an array, or in its `value` (OpenTelemetry's lists of attributes).
    fn in_list(&self) -> bool {
        let n = self.stack.len();
        n >= 3 && self.stack[n - 1].index.is_none() && (2..=3).any(|up| n >= up && self.stack[n - up].index.is_some())
    }

    /// The place of a value in a list of attributes, `[{"key":"http.method","value":{"stringValue":"GET"}}]`: that of a
    /// field `http.method` of the list. Other values keep theirs.
    fn attribute<V>(&mut self, walk: &Walk<'_, V>, at: u32, span: (usize, usize), kind: Kind, escaped: bool) -> u32 {
        let n = self.stack.len();
        let (element, direct) = if self.stack[n - 2].index.is_some() { (n - 1, true) } else { (n - 2, false) };
        if direct && kind == Kind::Str && !escaped && self.paths.key(at) == b"key" {
            // The name itself says nothing; above all it is no key.
            self.attribute = Some((self.stack[element].spot, span.0, span.1));
            return self.stack[element - 1].spot;
        }
        let Some((of, from, to)) = self.attribute.filter(|(of, ..)| *of == self.stack[element].spot) else { return at };
        let holder = if direct { at } else { self.stack[n - 1].spot };
        if self.paths.key(holder).eq_ignore_ascii_case(b"value") {
            let list = self.stack[element - 1].spot;
            debug_assert_ne!(of, list);
            return self.paths.child(list, NONE, &walk.text[from..to], false, walk.tables);
        }
        at
    }

    /// Shows the `key=value` pairs of a text line (logfmt and its relatives).
    pub(super) fn pairs(&mut self, text: &[u8], tables: &Tables, visit: &mut impl Visit) {
        let (mut from, mut last, mut fresh) = (0, NONE, true);
        while let Some(eq) = memchr::memchr(b'=', &text[from..]).map(|i| from + i) {
            let name = |b: &&u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b'@');
            let len = text[from..eq].iter().rev().take_while(name).count();
            let key = &text[eq - len..eq];
            let mut start = eq + 1;
            let end;
            if text.get(start) == Some(&b'"') {
                start += 1;
                end = memchr::memchr(b'"', &text[start..]).map_or(text.len(), |i| start + i);
                from = (end + 1).min(text.len());
            } else {
                let stop = |b: &u8| b.is_ascii_whitespace() || matches!(b, b',' | b';');
                end = text[start..].iter().position(stop).map_or(text.len(), |i| start + i);
                from = end;
            }
            if key.is_empty() {
                from = from.max(eq + 1);
                continue;
            }
            let value = &text[start..end];
            let dots = value.iter().filter(|b| **b == b'.').count();
            let number = !value.is_empty() && dots < 2 && value.iter().all(|b| b.is_ascii_digit() || *b == b'.');
            let kind = if number { Kind::Num } else { Kind::Str };
            last = self.paths.child(ROOT, last, key, false, tables);
            let spot = self.paths.get(last);
            let known = std::mem::take(&mut fresh) | spot.is_known();
            visit.leaf(&Leaf { at: last, spot, start, end, kind, escaped: false, known });
        }
    }
}

fn bare_kind(first: u8) -> Kind {
    if matches!(first, b'0'..=b'9' | b'-') { Kind::Num } else { Kind::Word }
}

/// The byte behind the number or word that starts at `at`.
pub(super) fn bare_end(text: &[u8], at: usize) -> usize {
    text[at..].iter().position(|b| ENDS[usize::from(*b)]).map_or(text.len(), |i| at + i)
}

/// What ends a number or a word.
const ENDS: [bool; 256] = {
    let mut ends = [false; 256];
    let all = b",}]{[\":\x20\t\r\n";
    let mut i = 0;
    while i < all.len() {
        ends[all[i] as usize] = true;
        i += 1;
    }
    ends
};

/// How far a string is looked through word by word, in bytes.
const SHORT: usize = 32;

/// The place of the first quote or backslash from `from` on.
///
/// Most strings are short: eight bytes are looked at together, first by arithmetic on one word (a byte less one borrows
/// only when it is zero; Mycroft 1987), and only what is longer goes the way that is made for length.
#[inline(always)]
fn quote(text: &[u8], from: usize) -> Option<usize> {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const TOPS: u64 = u64::from_ne_bytes([0x80; 8]);
    let zero = |x: u64| x.wrapping_sub(ONES) & !x;
    let rest = text.get(from..)?;
    for (n, word) in rest.as_chunks().0.iter().take(SHORT / 8).enumerate() {
        let word = u64::from_le_bytes(*word);
        let hits = (zero(word ^ (ONES * b'"' as u64)) | zero(word ^ (ONES * b'\\' as u64))) & TOPS;
        if hits != 0 {
            return Some(from + n * 8 + hits.trailing_zeros() as usize / 8);
        }
    }
    far_quote(rest).map(|at| from + at)
}

/// The same where the first words hold none.
#[inline(never)]
fn far_quote(rest: &[u8]) -> Option<usize> {
    let from = (rest.len() & !7).min(SHORT);
    memchr::memchr2(b'"', b'\\', &rest[from..]).map(|at| from + at)
}

/// The place of the closing quote of the string that starts at `at`, and whether a backslash stands before it.
#[inline(always)]
pub(super) fn string_end(text: &[u8], at: usize) -> (usize, bool) {
    match quote(text, at) {
        Some(end) if text[end] == b'"' => (end, false),
        Some(escape) => (escaped_end(text, escape), true),
        None => (text.len(), false),
    }
}

/// The same of a string whose first backslash stands at `escape`.
#[inline(never)]
fn escaped_end(text: &[u8], escape: usize) -> usize {
    let mut from = escape + 2;
    while let Some(at) = quote(text, from) {
        if text[at] == b'"' {
            return at;
        }
        from = at + 2;
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Seen(Vec<(String, String, String)>);

    struct On<'a>(&'a [u8], &'a mut Seen);

    impl Visit for On<'_> {
        fn leaf(&mut self, leaf: &Leaf<'_>) {
            let s = |b: &[u8]| String::from_utf8_lossy(b).into_owned();
            self.1.0.push((s(&leaf.spot.path), s(&leaf.spot.norm), s(&self.0[leaf.start..leaf.end])));
        }

        fn wants(&self, _: usize, _: bool) -> bool {
            true
        }
    }

    fn walk(text: &str) -> Vec<(String, String, String)> {
        let mut walker = Walker::new();
        let tables = Tables::default();
        let mut again = Seen::default();
        let mut seen = Seen::default();
        walker.walk(text.as_bytes(), 0, &tables, &mut On(text.as_bytes(), &mut seen));
        walker.walk(text.as_bytes(), 0, &tables, &mut On(text.as_bytes(), &mut again));
        assert_eq!(seen.0, again.0, "the second time, places are remembered");
        seen.0
    }

    fn row(a: &str, b: &str, c: &str) -> (String, String, String) {
        (a.to_owned(), b.to_owned(), c.to_owned())
    }

    #[test]
    fn every_scalar_is_shown_with_its_place() {
        let text = r#"{"a":1,"Req":{"URL":"/x\"y","headers":{"X-Api-Key":["k","l"]}},"b.c-d":true,"e/f":null,"g":[{"h":2},[3]]}"#;
        assert_eq!(
            walk(text),
            [
                row("/a", "/a", "1"),
                row("/Req/URL", "/req/url", r#"/x\"y"#),
                row("/Req/headers/X-Api-Key/0", "/req/headers/xapikey", "k"),
                row("/Req/headers/X-Api-Key/1", "/req/headers/xapikey", "l"),
                row("/b.c-d", "/b/cd", "true"),
                row("/e~1f", "/e/f", "null"),
                row("/g/0/h", "/g/h", "2"),
                row("/g/1/0", "/g", "3"),
            ]
        );
    }

    #[test]
    fn escaped_and_repeated_keys_are_read() {
        assert_eq!(
            walk(r#"{"st\u0061tus":1,"status":2}"#),
            [row("/status", "/status", "1"), row("/status", "/status", "2")]
        );
    }

    #[test]
    fn truncated_and_broken_json_is_walked_as_far_as_it_goes() {
        assert_eq!(walk(r#"{"a":"b","c":"trunc"#), [row("/a", "/a", "b"), row("/c", "/c", "trunc")]);
        assert_eq!(walk(r#"{"a":,"b":1}}}{"#).len(), 1);
        for text in ["", "{", "}", "[", "\"", "{\"", "{\"a", "{\"a\":", "nul", ":::", "\\", "{\"a\\"] {
            walk(text);
        }
    }

    #[test]
    fn an_array_and_an_object_may_share_a_name() {
        let mut walker = Walker::new();
        let tables = Tables::default();
        let mut seen = Seen::default();
        for text in [r#"{"a":["x"]}"#, r#"{"a":{"0":"x"}}"#, r#"{"a":["x"]}"#] {
            walker.walk(text.as_bytes(), 0, &tables, &mut On(text.as_bytes(), &mut seen));
        }
        assert_eq!(seen.0, [row("/a/0", "/a", "x"), row("/a/0", "/a/0", "x"), row("/a/0", "/a", "x")]);
        let long = format!("[{}]", "7,".repeat(100_000));
        walker.walk(long.as_bytes(), 0, &tables, &mut On(long.as_bytes(), &mut seen));
        assert_eq!(seen.0.len(), 100_003);
    }

    proptest::proptest! {
        /// Lines that go through one walker after another are walked as by one that remembers nothing.
        #[test]
        fn what_is_remembered_changes_nothing(lines in proptest::collection::vec(proptest::collection::vec(
            proptest::sample::select(vec![
                "{", "}", "[", "]", ",", ":", " ", "\t", "\"a\"", "\"b\":", "\"a\":", "\"\\n\"", "\"key\":\"x\",", "\"value\":",
                "1", "-2.5", "true", "{\"a\":", "\"b\":[", "\"", "\\", "x",
            ]), 0..24), 1..8)) {
            let (tables, mut walker) = (Tables::default(), Walker::new());
            for line in lines.iter().map(|pieces| format!("{{{}", pieces.concat())).flat_map(|l| [l.clone(), l]) {
                let (mut fresh, mut again) = (Seen::default(), Seen::default());
                Walker::new().walk(line.as_bytes(), 0, &tables, &mut On(line.as_bytes(), &mut fresh));
                walker.walk(line.as_bytes(), 0, &tables, &mut On(line.as_bytes(), &mut again));
                proptest::prop_assert_eq!(fresh.0, again.0, "{}", line);
            }
        }
    }

    #[test]
    fn quotes_are_found_wherever_they_stand() {
        for len in 0..80 {
            for at in 0..=len {
                let mut text = vec![b'!'; len];
                text.extend([0xa2, 0xdc, b'x']);
                let want = (at < len).then_some(at);
                if at < len {
                    text[at] = if at % 2 == 0 { b'"' } else { b'\\' };
                }
                assert_eq!(quote(&text, 0), want, "{len} {at}");
                assert_eq!(quote(&text, at.min(len)), want, "{len} {at}");
            }
        }
        assert_eq!((quote(b"", 0), quote(b"\"", 5)), (None, None));
    }

    #[test]
    fn attributes_in_a_list_are_fields() {
        let text = r#"{"attributes":[{"key":"http.method","value":{"stringValue":"GET"}},{"key":"n","value":{"intValue":"5"}},{"key":"a","value":"b"}],"b":[{"key":"x","other":1}]}"#;
        assert_eq!(
            walk(text),
            [
                row("/attributes", "/attributes", "http.method"),
                row("/attributes/http.method", "/attributes/http/method", "GET"),
                row("/attributes", "/attributes", "n"),
                row("/attributes/n", "/attributes/n", "5"),
                row("/attributes", "/attributes", "a"),
                row("/attributes/a", "/attributes/a", "b"),
                row("/b", "/b", "x"),
                row("/b/0/other", "/b/other", "1"),
            ]
        );
    }

    #[test]
    fn places_are_bounded() {
        let mut walker = Walker::new();
        let tables = Tables::default();
        for n in 0..50 {
            let text: String = (0..5_000).map(|i| format!("\"key{n}x{i}\":{i},")).collect();
            let text = format!("{{{text}\"status\":200}}");
            let mut seen = Seen::default();
            walker.paths.tidy();
            walker.walk(text.as_bytes(), 0, &tables, &mut On(text.as_bytes(), &mut seen));
            assert_eq!(seen.0.len(), 5_001);
        }
        assert!(walker.paths.len() < 10_000);
    }

    #[test]
    fn depth_is_bounded_and_what_follows_is_still_seen() {
        let deep = 100_000;
        let text = format!("{{\"a\":{}1{},\"status\":200}}", "[".repeat(deep), "]".repeat(deep));
        assert_eq!(walk(&text), [row("/status", "/status", "200")]);
    }
}
