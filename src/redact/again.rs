//! The second look: a line that was changed is looked through once more as it would go out.
//!
//! A check that reads the same bytes as before comes to the same end, and what it found then is gone. So only what stands
//! near a replacement goes through the first pass and the glance anew; the places beyond, which passed both before, are
//! moved to where they stand now. All these places are checked, but of the strings that hold escapes only those are
//! decoded in which something was replaced. A test holds this against looking at whole lines.

use std::ops::Range;

use super::bytes::{IDENT, TOKEN, begins_json, is, skip, skip_back};
use super::calm::{Calm, Look};
use super::index::Index;
use super::output::{Finding, Redacted};
use super::scan::{Hit, Scan, Shared};
use super::set::{Prefixes, RuleSet};
use super::survey;

/// How far the first pass and the glance look: ahead of a place, in bytes, beside the token that begins there and the
/// literals of the rules; behind one, beside the name that ends there.
const AHEAD: usize = 18;
const BEHIND: usize = 20;

/// How much of a token or a name they look at, in bytes.
const RUN: usize = 68;

/// What a second look needs; kept for the next one.
#[derive(Default)]
pub(super) struct Again {
    /// The places in the changed lines as they would go out.
    index: Index,
    /// The places near replacements, in `texts`.
    near: Index,
    /// What stands near the replacements, one piece behind the other.
    texts: Vec<u8>,
    lines: Vec<Line>,
    pieces: Vec<Piece>,
    /// Where in `texts` a check may begin: in the pieces, and not in the middle of a label.
    places: Vec<Range<u32>>,
}

/// A changed line as it would go out, and its findings, by number.
struct Line {
    start: usize,
    end: usize,
    first: usize,
    next: usize,
}

/// Part of a changed line: `len` bytes at `start`, which were seen at `from` of the chunk or of `texts`.
#[derive(Clone, Copy)]
pub(super) struct Piece {
    pub(super) start: usize,
    pub(super) len: usize,
    pub(super) from: usize,
    pub(super) near: bool,
}

/// Adds to `hits` what must still go from the changed lines of `out`, in places of `out`. `chunk` is what came in and
/// `seen` what was seen of it, `looks` what was read of it closely.
pub(super) fn look_again(
    set: &RuleSet,
    shared: &mut Shared,
    (chunk, seen, looks): (&[u8], &Index, &[Look]),
    out: &Redacted,
    hits: &mut Vec<Hit>,
) {
    let mut again = std::mem::take(&mut shared.again);
    again.plan(out, &set.prefixes, Calm::new(chunk, looks, set.brackets));
    if again.lines.is_empty() {
        shared.again = again;
        return;
    }
    let survey = survey::best();
    (survey.build)(&mut again.near, &again.texts, &set.prefixes.openings);
    again.near.keep(&again.places);
    survey.sieve(&mut again.near, &again.texts, set, &mut shared.names);
    again.index.compose(out.bytes.len(), seen, &again.near, &again.pieces);
    #[cfg(test)]
    tests::compare(set, shared, out, &again);
    let mut s = Scan::new(set, shared, &out.bytes, &again.index, hits, (0, false));
    s.key_blocks();
    let mut rest = again.index.cursor();
    for line in &again.lines {
        let found = &out.findings[line.first..line.next];
        s.text = &out.bytes[..line.end];
        s.start = line.start;
        s.replaced = strings_are_the_same(chunk, out, line.start, found).then_some(found);
        #[cfg(test)]
        if tests::WHOLE.get() {
            s.replaced = None;
        }
        s.line(&mut rest);
    }
    shared.again = again;
}

/// Whether the line at `start`, in which this was found, is cut into strings as it was when it came in.
fn strings_are_the_same(chunk: &[u8], out: &Redacted, start: usize, found: &[Finding]) -> bool {
    let raw = found.first().map_or(0, |f| f.raw_start as usize - (f.written.0 as usize - start));
    begins_json(chunk, raw) == begins_json(&out.bytes, start)
        && found.iter().all(|f| memchr::memchr(b'"', &chunk[f.raw_start as usize..f.raw_end as usize]).is_none())
}

impl Again {
    /// Cuts the changed lines of `out` into what stands near a replacement and what does not.
    fn plan(&mut self, out: &Redacted, prefixes: &Prefixes, mut calm: Calm<'_>) {
        self.lines.clear();
        self.pieces.clear();
        self.texts.clear();
        self.places.clear();
        let mut first = 0;
        while let Some(f) = out.findings.get(first) {
            let start = memchr::memrchr(b'\n', &out.bytes[..f.written.0 as usize]).map_or(0, |n| n + 1);
            let behind = f.written.1 as usize;
            let end = memchr::memchr(b'\n', &out.bytes[behind..]).map_or(out.bytes.len(), |n| behind + n);
            let here = out.findings[first..].iter().take_while(|f| (f.written.0 as usize) < end).count();
            let next = first + here.max(1);
            let found = &out.findings[first..next];
            let at_rest = calm.is_at_rest(out, (start, end), found);
            #[cfg(test)]
            let at_rest = at_rest && !tests::WHOLE.get();
            if !at_rest {
                #[cfg(test)]
                tests::LOOKED.set(tests::LOOKED.get() + 1);
                self.lines.push(Line { start, end, first, next });
                self.cut(out, start, end, found, prefixes);
            }
            first = next;
        }
        let mut found = out.findings.iter().peekable();
        for piece in self.pieces.iter_mut().filter(|p| p.near) {
            let end = piece.start + piece.len;
            let (from, to) = seen_from(&out.bytes, piece.start, end, prefixes.longest);
            piece.from = self.texts.len() + (piece.start - from);
            let place = |at: usize| (piece.from + at - piece.start) as u32;
            let mut start = piece.start;
            // Those of lines at rest stand before it.
            while found.next_if(|f| (f.written.1 as usize) <= start).is_some() {}
            while let Some(f) = found.next_if(|f| (f.written.0 as usize) < end) {
                let plain = f.plain;
                #[cfg(test)]
                let plain = plain && !tests::WHOLE.get();
                if plain {
                    self.places.push(place(start)..place(f.start as usize + 1));
                    start = f.end as usize;
                }
            }
            self.places.push(place(start)..place(end.max(start)));
            self.texts.extend_from_slice(&out.bytes[from..to]);
            self.texts.push(b'\n');
        }
    }

    /// Cuts one line, with the newlines on both sides of it.
    fn cut(&mut self, out: &Redacted, start: usize, end: usize, found: &[Finding], prefixes: &Prefixes) {
        let stop = (end + 1).min(out.bytes.len());
        let mut at = start.saturating_sub(1);
        // From the output to the input, which may be longer.
        let mut shift = found.first().map_or(0, |f| f.raw_start.wrapping_sub(f.written.0));
        let first = self.pieces.len();
        for f in found {
            let (from, to) = look_different(&out.bytes, f, prefixes);
            #[cfg(test)]
            let (from, to) = if tests::WHOLE.get() { (0, stop) } else { (from, to) };
            let (from, to) = (from.max(at), to.min(stop));
            if from > at {
                self.kept(at, from, shift);
            }
            match self.pieces[first..].last_mut() {
                Some(last) if last.near => last.len = to - last.start,
                _ => self.pieces.push(Piece { start: from, len: to - from, from: 0, near: true }),
            }
            at = to;
            shift = f.raw_end.wrapping_sub(f.written.1);
        }
        if at < stop {
            self.kept(at, stop, shift);
        }
    }

    fn kept(&mut self, start: usize, end: usize, shift: u32) {
        let from = (start as u32).wrapping_add(shift) as usize;
        self.pieces.push(Piece { start, len: end - start, from, near: false });
    }
}

/// The places around a replacement that may look different for its sake.
fn look_different(bytes: &[u8], f: &Finding, prefixes: &Prefixes) -> (usize, usize) {
    let (start, end) = (f.written.0 as usize, f.written.1 as usize);
    // A literal that goes on into a label has a bracket in it.
    let literal = if bytes[start] == b'[' { prefixes.bracketed } else { prefixes.longest };
    let ahead = AHEAD.max(literal);
    let from = skip_back(bytes, start, RUN, |b| is(b, TOKEN)).min(start.saturating_sub(ahead));
    let name = skip(&bytes[..bytes.len().min(end + RUN)], end, |b| is(b, IDENT));
    (from, (name + 3).max(end + BEHIND))
}

/// What is seen from the places `start..end`.
fn seen_from(bytes: &[u8], start: usize, end: usize, longest: usize) -> (usize, usize) {
    let from = skip_back(bytes, start.saturating_sub(BEHIND), RUN, |b| is(b, IDENT));
    let to = (end + AHEAD.max(longest)).min(bytes.len());
    let to = skip(&bytes[..bytes.len().min(to + RUN)], to, |b| is(b, TOKEN));
    (from.saturating_sub(1), to)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::sync::LazyLock;

    use proptest::prelude::*;

    use super::super::config::RedactConfig;
    use super::super::engine::Redactor;
    use super::super::tag::PseudonymKey;
    use super::*;

    thread_local! {
        /// This thread looks at changed lines as a whole.
        pub(super) static WHOLE: Cell<bool> = const { Cell::new(false) };
        /// How many changed lines this thread has looked at again.
        pub(super) static LOOKED: Cell<usize> = const { Cell::new(0) };
    }

    /// All that the first pass and the glance see in a changed line, but for what they see in the middle of labels, is
    /// among what was put together. Only what they see
    /// in the line itself counts: a digit of the next one, say, makes a place worth a look, and no check reads so far.
    pub(super) fn compare(set: &RuleSet, shared: &mut Shared, out: &Redacted, again: &Again) {
        // At the ends of a text the glance sees too little to judge.
        const PAD: usize = 128;
        let lists = |index: &Index| {
            let Index { assigns, rares, escapes, prefixes, secretive, spaced, numbers, .. } = index;
            [assigns, rares, escapes, prefixes, secretive, spaced, numbers].map(|list| list.as_slice().to_vec())
        };
        let runs = |index: &Index, at| [&index.tokens, &index.idents, &index.digits].map(|runs| runs.window(at) & 1);
        let put = lists(&again.index);
        assert!(put.iter().all(|list| list.is_sorted()));
        for line in &again.lines {
            let mut fresh = |before: &[u8]| {
                let mut index = Index::default();
                let text = [before, &out.bytes[line.start..line.end], &[b'\n'; PAD]].concat();
                (survey::best().build)(&mut index, &text, &set.prefixes.openings);
                survey::best().sieve(&mut index, &text, set, &mut shared.names);
                index
            };
            let before = &out.bytes[line.start.saturating_sub(PAD)..line.start];
            let (newlines, missing) = ([b'\n'; PAD], PAD - before.len());
            let (behind_others, alone) = (fresh(&[&newlines[..missing], before].concat()), fresh(&newlines));
            let place = |at: u32| (line.start + at as usize).checked_sub(PAD);
            for (n, (put, (behind_others, alone))) in
                put.iter().zip(lists(&behind_others).iter().zip(lists(&alone))).enumerate()
            {
                let seen = alone.into_iter().filter(|at| behind_others.binary_search(at).is_ok());
                let label = |at| move |f: &Finding| (f.start as usize) < at && at < f.end as usize && f.plain;
                let found = &out.findings[line.first..line.next];
                for at in seen.filter_map(place).filter(|at| *at > 20 && (line.start..line.end).contains(at)) {
                    let text = out.bytes[line.start..line.end].escape_ascii();
                    let known = put.binary_search(&(at as u32)).is_ok() || found.iter().any(label(at));
                    assert!(known, "list {n} lacks {} of {text}", at - line.start);
                }
            }
            for at in line.start.saturating_sub(1)..(line.end + 1).min(out.bytes.len()) {
                let text = out.bytes.escape_ascii();
                assert_eq!(runs(&behind_others, at + PAD - line.start), runs(&again.index, at), "{at} of {text}");
            }
        }
    }

    fn redactor(config: &str) -> Redactor {
        let config: RedactConfig = toml::from_str(config).unwrap();
        Redactor::configured(PseudonymKey::new(0, b"k"), &[], &config).unwrap()
    }

    static PLAIN: LazyLock<Redactor> = LazyLock::new(|| redactor(""));
    static OTHER: LazyLock<Redactor> = LazyLock::new(|| {
        redactor(
            "allow_values = ['hunter2']\nstrategies = { PASSWORD = 'drop', PIN = 'drop', EMAIL = 'tag', CARD = 'mask', PHONE = 'keep' }",
        )
    });

    /// Both ways give the same bytes.
    fn check(redactor: &Redactor, text: &str) -> Result<(), TestCaseError> {
        let with = |whole: bool| {
            WHOLE.set(whole);
            let out = redactor.worker().redact_line(text.as_bytes());
            WHOLE.set(false);
            out.escape_ascii().to_string()
        };
        prop_assert_eq!(with(false), with(true), "of {}", text);
        Ok(())
    }

    const PIECES: [&str; 94] = [
        "hunter2",
        "a1b2c3d4e5f6g7h8",
        "jane@example.com",
        "+1 415 555 0132",
        "4111111111111111",
        "4111 1111 1111 1111",
        "Bearer abcDEF123456ghiJKL789",
        "Basic Y2xpZW50LTc6czNjcjN0LUVYQU1QTEU=",
        "ghp_A1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q7r8",
        "AKIAQ3EGRIFSKZ5TUZ2A",
        "postgres://u:pa55w0rd@db:5432/x",
        "https://a1b2c3d4e5f6g7h8:x@h",
        "219-09-9999",
        "-----BEGIN RSA PRIVATE KEY-----",
        "MIIEowIBAAKCAQEA",
        "-----END RSA PRIVATE KEY-----",
        "password",
        "\"password\":",
        "\"pin\":",
        "\"token\":\"",
        "\"name\":\"",
        "\"value\":\"",
        "token=",
        "password is ",
        "api key ",
        "stripe ",
        "--password ",
        "--user ",
        "<password>",
        "</password>",
        "(\"secret\", \"",
        "[\"x-api-key\",\"",
        "aws_secret_access_key",
        "twilio",
        "[PASSWORD]",
        "[API_KEY:0123456789abcd]",
        "[",
        "]",
        ":",
        "=",
        "{",
        "}",
        "\"",
        "\"",
        "\",\"",
        "\\",
        "\\\"",
        "\\n",
        "%40",
        "%22",
        "&quot;",
        "\\u0022",
        " ",
        " ",
        ",",
        "'",
        "@",
        "/",
        ".",
        "-",
        "_",
        "x",
        "7",
        "1234",
        "1234567890",
        "word",
        "Camel1Case",
        "some_long_name_of_a_field_here",
        "eyJhbGciOiJIUzI1NiJ9",
        "[112,97,115,115,61,120,121,122,49]",
        "null",
        "\n",
        "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
        "f3A9Zq3vT8yLmN4pR7sW2xK9cB5dF6gH1jQ0uE4iO7aS3dG6hJ9kL2zX5cV8bN1mQ4wE7rT0yU3iO6pA9s",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkphbmUifQ.q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQ",
        "sk-proj-",
        "xoxb-",
        "AIzaSy",
        "a_name_that_goes_on_for_longer_than_anybody_would_like_to_read_or_to_write_password",
        "....................................................................................",
        "\u{1b}[33m",
        "\u{1b}(B",
        "contrase\u{f1}a=",
        "\u{5bc6}\u{7801}:",
        "u:p@tcp(",
        "a;Password=x y;b=",
        "={a;b}",
        "authorization: Digest x=\"",
        "set-cookie:[ 'a', '",
        "string(7) \"",
        "<password a=",
        "it's",
        "a:[b c] ",
        "${",
    ];

    proptest! {
        #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]
        #[test]
        fn a_look_near_replacements_sees_what_a_look_at_whole_lines_sees(
            pieces in prop::collection::vec(prop::sample::select(&PIECES[..]), 1..30),
            json in any::<bool>(),
        ) {
            let text = if json { format!("{{\"a\":\"{}\"}}", pieces.concat()) } else { pieces.concat() };
            check(&PLAIN, &text)?;
            check(&OTHER, &text)?;
        }
    }

    /// Whole values between delimiters, as most secrets stand in logs.
    const VALUES: [&str; 26] = [
        "\"password\":\"hunter2\"",
        "\"password\":\"abc def=\"",
        "\"secret\":\"wordonlywordonly\"",
        "\"authorization\":\"Bearer abcDEF123456ghiJKL789\"",
        "\"Authorization\": \"Basic Y2xpZW50LTc6czNjcjN0LUVYQU1QTEU=\"",
        "\"email\":\"jane@example.com\"",
        "\"token\":\"a1b2c3d4e5f6g7h8\"",
        "\"x\":\"ghp_A1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q7r8\"",
        "\"pin\":1234",
        "\"name\":\"password\",\"value\":\"hunter2\"",
        "\"tags\":[\"a\",\"token\",\"b\"]",
        "\"msg\":\"password is hunter2 and\"",
        "\"url\":\"https://x.example/a?api_key=a1b2c3d4e5f6g7h8&b=1\"",
        "\"log\":\"{\\\"api_key\\\":\\\"a1b2c3d4e5f6g7h8\\\"}\"",
        "password=hunter2",
        "token=a1b2c3d4e5f6g7h8",
        "Bearer abcDEF123456ghiJKL789",
        "authorization: Bearer abcDEF123456ghiJKL789",
        "--password hunter2",
        "-u bob:hunter2",
        "api key a1b2c3d4e5f6g7h8",
        "key sk-proj-",
        "415 555 0132",
        "4111 1111 1111",
        "jane@example.com",
        "postgres://u:pa55w0rd@db:5432/x",
    ];
    const BETWEEN: [&str; 14] =
        [",", ",", ",", " ", " ", "&", "\":\"", "\": ", " key\":\"", "; ", " 12 ", "=", "\n", "' : "];

    proptest! {
        #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]
        #[test]
        fn lines_said_to_be_at_rest_are(
            pieces in prop::collection::vec(
                (prop::sample::select(&VALUES[..]), prop::sample::select(&BETWEEN[..]), prop::sample::select(&PIECES[..]), 0..5u8),
                1..9,
            ),
            json in any::<bool>(),
        ) {
            let mut text = String::from(if json { "{" } else { "" });
            for (value, between, other, n) in &pieces {
                text += value;
                text += between;
                if *n == 0 {
                    text += other;
                    text += between;
                }
            }
            check(&PLAIN, &text)?;
            check(&OTHER, &text)?;
        }
    }

    #[test]
    fn most_lines_are_at_rest() {
        let rests = |text: &str| {
            // Twice, since what a name means is known from the second time on.
            let mut worker = PLAIN.worker();
            worker.redact_line(text.as_bytes());
            LOOKED.set(0);
            worker.redact_line(text.as_bytes());
            LOOKED.get() == 0
        };
        for text in [
            r#"{"level":30,"user":{"email":"jane@example.com","password":"hunter2"},"msg":"ok"}"#,
            r#"{"status":200,"headers":{"authorization":"Bearer abcDEF123456ghiJKL789","accept":"*/*"}}"#,
            r#"203.0.113.7 - - [01/May/2026:12:00:07 +0000] "GET /v1/items?page=2&api_key=a1B2c3D4e5F6g7H8 HTTP/1.1" 200"#,
            "ts=2026-05-01T12:00:07Z level=info msg=done token=a1B2c3D4e5F6g7H8",
            "url=postgres://app:pa55w0rd@db.internal:5432/orders",
            r#"{"log":"{\"password\":\"hunter2\",\"a\":1}\n","stream":"stdout"}"#,
        ] {
            assert!(rests(text), "{text}");
        }
        for text in [r#"{"pin":1234}"#, "4111 1111 1111 1111", r#"{"name":"password","value":"hunter2"}"#] {
            assert!(!rests(text), "{text}");
        }
    }

    /// A digit of the next line makes the last word of this one worth a look, and comes with a replacement.
    #[test]
    fn so_it_is_where_the_next_line_changes_too() {
        const JWT: &str =
            "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkphbmUifQ.q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQ";
        check(&PLAIN, &format!("token=\"pin\":4111 1111 1111 1111api key stripe ,\n{JWT}")).unwrap();
        let hash = "0123456789abcdef".repeat(4);
        check(&PLAIN, &format!("{{\"a\":\"Bearer abcDEF123456ghiJKL789,\n {hash}\"password\":\"}}")).unwrap();
    }

    /// No line is at rest for a rule that reads labels.
    #[test]
    fn so_it_is_where_a_keyword_goes_on_into_a_label() {
        let pack = "pack = 'mine'\n[[rule]]\nid = 'mine-key'\ntype = 'MINE_KEY'\ndescription = 'x'\n\
            keywords = ['password]']\npattern = '[a-j0-9]{10}'\nexamples = ['password] «a1b2c3d4e5» x']\n";
        let config = RedactConfig::default();
        let user = [("mine.toml".to_owned(), pack.to_owned())];
        let redactor = Redactor::configured(PseudonymKey::new(0, b"k"), &user, &config).unwrap();
        check(&redactor, "password=hunter2 a1b2c3d4e5 x").unwrap();
        let out = redactor.worker().redact_line(b"password=hunter2 a1b2c3d4e5 x");
        assert_eq!(out.escape_ascii().to_string(), "password=[PASSWORD] [MINE_KEY] x");
    }

    #[test]
    fn so_it_is_where_more_is_read_than_is_noted() {
        LOOKED.set(0);
        PLAIN.worker().redact_line("token=a1b2c3d4e5f6g7h8\n".repeat(20_000).as_bytes());
        assert!(LOOKED.get() >= 20_000);
    }

    #[test]
    fn so_it_is_for_the_examples_of_all_rules() {
        let examples = PLAIN.rules().iter().flat_map(|r| r.examples.iter().chain(&r.negatives));
        let bare: Vec<String> = examples.map(|e| e.replace(['«', '»', '\n'], "")).collect();
        let mut found = Redacted::default();
        PLAIN.worker().redact(bare.join("\n").as_bytes(), &mut found);
        assert!(found.findings().len() > 1000, "{}", found.findings().len());
        for (n, e) in bare.iter().enumerate() {
            let next = &bare[(n + 1) % bare.len()];
            let inner = e.replace('\\', "").replace('"', "\\\"");
            for text in [
                format!("{e}{next}"),
                format!("x={e}&{next} {e}"),
                format!(
                    "{{\"password\":\"{inner}\",\"log\":\"{{\\\"a\\\":\\\"{inner}\\\"}}\",\"b\":\"jane@example.com {inner}\"}}"
                ),
            ] {
                check(&PLAIN, &text).unwrap();
                check(&OTHER, &text).unwrap();
            }
        }
    }
}
