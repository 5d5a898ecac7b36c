//! What nearly matched, for those who tune rules: its shape, never the value. Off unless a worker is asked for it.

use super::bytes::skip;
use super::output::RuleId;
use super::scan::{Hit, Scan};

/// Longest part of a value whose shape is told, in bytes.
const SHAPE: usize = 64;

/// Longest token that is told of as a near miss, in bytes; the rest of a longer one is left out.
const LONGEST: usize = 512;

/// Shortest value worth telling of, in bytes.
const SHORTEST: usize = 8;

/// Why something is nearly a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NearReason {
    /// The name of the field may mean a secret, and the value does not look like one.
    WeakField,
    /// A word of the rule stands before it, and its pattern or check refuses it.
    Keyword,
    /// It begins as the rule says, and its pattern or check refuses it.
    Prefix,
}

/// Something that nearly matched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NearMiss {
    /// Why it is one.
    pub reason: NearReason,
    /// The rule that did not match.
    pub rule: RuleId,
    /// The name of the field with its digits hidden; or the word or prefix, as it stands in the rule.
    pub name: String,
    /// The value with each run of letters and digits written as the kinds in it and its length: `a{2}-Aa9{32}`.
    pub shape: String,
    /// Which line of the chunk, from 0.
    pub line: u32,
    pub(super) start: u32,
    pub(super) end: u32,
}

impl Scan<'_> {
    /// Notes that `value` under the name at `name` is no secret for rule `r`.
    pub(super) fn nearly_field(&mut self, r: u16, name: (usize, usize), value: (usize, usize)) {
        if self.shared.near.is_some() {
            let hidden = self.text[name.0..name.1].iter().map(|b| match b {
                b'0'..=b'9' => '9',
                b'a'..=b'z' | b'A'..=b'Z' | b'_' | b'-' | b'$' => char::from(*b),
                _ => '.',
            });
            let hidden = hidden.collect();
            self.nearly(NearReason::WeakField, r, hidden, value);
        }
    }

    /// Notes that the token at `w`, which begins as rule `r` says, does not go on so.
    pub(super) fn nearly_prefix(&mut self, r: u16, w: usize) {
        if self.shared.near.is_none() {
            return;
        }
        let end = self.index.tokens.end(w).min(w + LONGEST);
        if self.text[w..end].iter().any(u8::is_ascii_digit) {
            let prefixes = &self.set.rules[usize::from(r)].prefixes;
            let prefix = prefixes.iter().find(|p| self.text[w..].starts_with(p.as_bytes()));
            self.nearly(NearReason::Prefix, r, prefix.cloned().unwrap_or_default(), (w, end));
        }
    }

    /// Notes that the token at `w..end` stands behind `keyword` and does not fit rule `r`.
    pub(super) fn nearly_keyword(&mut self, r: u16, keyword: &[u8], (w, end): (usize, usize)) {
        if self.shared.near.is_some() {
            let keyword = String::from_utf8_lossy(keyword).to_ascii_lowercase();
            self.nearly(NearReason::Keyword, r, keyword, (w, end));
        }
    }

    fn nearly(&mut self, reason: NearReason, r: u16, name: String, (start, end): (usize, usize)) {
        if !self.learns || end < start + SHORTEST {
            return;
        }
        let shape = shape(&self.text[start..end]);
        if let Some(near) = &mut self.shared.near {
            let (start, end) = (start as u32, end as u32);
            near.push(NearMiss { reason, rule: RuleId(r), name, shape, line: 0, start, end });
        }
    }
}

/// Takes out what was found after all, and counts the lines of the rest. `hits` are in order and do not overlap.
pub(super) fn settle(near: &mut Vec<NearMiss>, hits: &[Hit], chunk: &[u8]) {
    near.retain(|n| {
        let next = hits.partition_point(|h| h.end <= n.start);
        hits.get(next).is_none_or(|h| h.start >= n.end)
    });
    near.sort_by_key(|n| n.start);
    let (mut line, mut at) = (0, 0);
    for n in near {
        let start = n.start as usize;
        line += memchr::memchr_iter(b'\n', &chunk[at..start]).count() as u32;
        (n.line, at) = (line, start);
    }
}

/// The shape of a value: `a{2}-Aa9{32}`.
fn shape(value: &[u8]) -> String {
    let mut out = String::new();
    let mut at = 0;
    let value = &value[..value.len().min(SHAPE)];
    while at < value.len() {
        let run = skip(value, at, |b| b.is_ascii_alphanumeric());
        if run == at {
            out.push(if value[at].is_ascii_punctuation() || value[at] == b' ' { char::from(value[at]) } else { '?' });
            at += 1;
            continue;
        }
        let has = |kind: fn(&u8) -> bool| value[at..run].iter().any(kind);
        let kinds =
            [('A', has(u8::is_ascii_uppercase)), ('a', has(u8::is_ascii_lowercase)), ('9', has(u8::is_ascii_digit))];
        out.extend(kinds.iter().filter(|(_, there)| *there).map(|(kind, _)| kind));
        out.push_str(&format!("{{{}}}", run - at));
        at = run;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::engine::Redactor;
    use super::super::output::Redacted;
    use super::super::tag::PseudonymKey;
    use super::*;

    #[test]
    fn a_shape_says_kinds_and_lengths() {
        assert_eq!(shape(b"sk-Ab3dEf"), "a{2}-Aa9{6}");
        assert_eq!(shape("K\u{fc}he 12".as_bytes()), "A{1}??a{2} 9{2}");
    }

    #[test]
    fn what_nearly_matched_is_noted_with_its_line_and_what_matched_is_not() {
        let redactor = Redactor::new(PseudonymKey::new(0, b"k"));
        let chunk = b"{\"a\":1}\n{\"cache\":1,\"secret_2_key\":\"x\",\"user_code7\":\"orders-by-day\"}\n\
            {\"user_code7\":\"mn7mXVjgaqfwzF4si0TwAvKoaF8Gz24u\"}\nsk_live_12-not-one-at-all x\n";
        let mut out = Redacted::default();
        let mut worker = redactor.worker();
        worker.redact(chunk, &mut out);
        assert!(worker.near_misses().is_empty());
        worker.observe();
        worker.redact(chunk, &mut out);
        let near = worker.near_misses();
        let told: Vec<_> = near.iter().map(|n| (n.reason, n.name.as_str(), n.shape.as_str(), n.line)).collect();
        assert!(told.contains(&(NearReason::WeakField, "user_code9", "a{6}-a{2}-a{3}", 1)), "{told:?}");
        assert!(near.iter().all(|n| n.line != 2), "{told:?}");
        assert!(near.iter().any(|n| n.reason == NearReason::Prefix && n.name == "sk_live_" && n.line == 3), "{told:?}");
        assert!(worker.near_misses().is_empty());
    }
}
