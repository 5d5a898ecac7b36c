//! A walk over JSON that builds nothing: each scalar is shown to a visitor with its place, then forgotten.
//!
//! Broken and truncated JSON is walked as far as it makes sense. Objects and arrays deeper than [`MAX_DEPTH`] are
//! passed over.

use super::ends::{bare_end, string_end};
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
#[derive(Clone, Copy)]
pub(super) struct Leaf {
    /// The number of its place.
    pub at: u32,
    /// First byte of the value in the text walked.
    pub start: usize,
    /// Byte behind the value.
    pub end: usize,
    /// What it is.
    pub kind: Kind,
    /// Whether a string holds a backslash.
    pub escaped: bool,
}

/// Receives the scalars in order of place.
pub(super) trait Visit {
    /// Whether a scalar that ends at `end` is to be looked at whatever its place.
    fn wants(&self, end: usize, escaped: bool) -> bool;

    /// One that is.
    fn look(&mut self, leaf: &Leaf, spot: &Spot);

    /// One whose place may be of interest; also the first of a walk. It was looked at before, when it was to be.
    fn note(&mut self, leaf: &Leaf);
}

/// Shows a scalar; `known` says whether its place may be of interest.
#[inline(always)]
fn show(visit: &mut impl Visit, leaf: &Leaf, known: bool, paths: &Paths) {
    if visit.wants(leaf.end, leaf.escaped) {
        visit.look(leaf, paths.get(leaf.at));
    }
    if known {
        visit.note(leaf);
    }
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
            let leaf = Leaf { at: node.at, start: step.start, end: step.end, kind, escaped: step.escaped };
            show(walk.visit, &leaf, node.known, paths);
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
        let known = std::mem::take(&mut walk.fresh) | self.paths.get(at).is_known();
        show(walk.visit, &Leaf { at, start, end, kind, escaped }, known, &self.paths);
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
            let known = std::mem::take(&mut fresh) | self.paths.get(last).is_known();
            show(visit, &Leaf { at: last, start, end, kind, escaped: false }, known, &self.paths);
        }
    }
}

fn bare_kind(first: u8) -> Kind {
    if matches!(first, b'0'..=b'9' | b'-') { Kind::Num } else { Kind::Word }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Seen(Vec<(String, String, String)>);

    struct On<'a>(&'a [u8], &'a mut Seen);

    impl Visit for On<'_> {
        fn wants(&self, _: usize, _: bool) -> bool {
            true
        }

        fn look(&mut self, leaf: &Leaf, spot: &Spot) {
            let s = |b: &[u8]| String::from_utf8_lossy(b).into_owned();
            self.1.0.push((s(&spot.path), s(&spot.norm), s(&self.0[leaf.start..leaf.end])));
        }

        fn note(&mut self, _: &Leaf) {}
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
