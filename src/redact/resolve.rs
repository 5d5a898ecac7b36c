//! From hits to edits: overlapping hits become one, and the edits are spliced into the original bytes.

use super::config::Strategy;
use super::output::{Finding, Redacted, RuleId};
use super::scan::Hit;
use super::tag::PseudonymKey;

/// Sorts `hits` and joins those that overlap: the union goes, under the label of the surest (then the longest).
pub(super) fn resolve(hits: &mut Vec<Hit>) {
    if hits.len() < 2 {
        return;
    }
    hits.sort_unstable_by_key(Hit::order);
    let mut kept = 0;
    for i in 1..hits.len() {
        let next = hits[i];
        let last = &mut hits[kept];
        if next.start >= last.end {
            kept += 1;
            hits[kept] = next;
            continue;
        }
        let surer = (next.rank, next.end - next.start) > (last.rank, last.end - last.start);
        let quote = last
            .quote
            .filter(|_| last.end >= next.end)
            .or(next.quote.filter(|_| next.start == last.start && next.end >= last.end));
        let (start, end) = (last.start, last.end.max(next.end));
        // The shallower reading says how the span is written.
        let numeric = last.numeric && next.numeric;
        let depth = last.depth.min(next.depth);
        let best = if surer { next } else { *last };
        *last = Hit { start, end, quote, numeric, depth, ..best };
    }
    hits.truncate(kept + 1);
}

/// Writes `chunk`, whose lines end at `lines`, with each hit replaced by its label into `out`.
pub(super) fn splice(
    chunk: &[u8],
    lines: &[u32],
    hits: &[Hit],
    label: impl Fn(&Hit, &mut Vec<u8>),
    out: &mut Redacted,
) {
    let mut at = 0usize;
    let mut line = 0;
    for h in hits {
        let (start, end) = (h.start as usize, h.end as usize);
        line += lines[line..].iter().take_while(|end| **end < h.start).count();
        out.bytes.extend_from_slice(&chunk[at..start]);
        let from = out.bytes.len();
        let quote = h.quote.map_or(&[][..], |(a, b)| &chunk[a as usize..b as usize]);
        out.bytes.extend_from_slice(quote);
        label(h, &mut out.bytes);
        out.bytes.extend_from_slice(quote);
        if h.numeric {
            spell_as_numbers(&mut out.bytes, from);
        }
        out.findings.push(Finding {
            rule: RuleId(h.rule),
            line: line as u32,
            start: (from + quote.len()) as u32,
            end: (out.bytes.len() - quote.len()) as u32,
            raw_start: h.start,
            raw_end: h.end,
            written: (from as u32, out.bytes.len() as u32),
            plain: is_plain(&out.bytes[from + quote.len()..out.bytes.len() - quote.len()]),
            depth: h.depth,
            tag: h.tag,
        });
        at = end;
    }
    out.bytes.extend_from_slice(&chunk[at..]);
}

fn is_plain(replacement: &[u8]) -> bool {
    let label = matches!(replacement, [b'[', .., b']']) && replacement.len() <= 64;
    label && !replacement.contains(&b'*')
}

/// Writes what stands for `value`: `[TYPE]`, `[TYPE:tag]` or `[TYPE:****1111]`.
pub(super) fn write_label(
    kind: &str,
    h: &Hit,
    strategy: Strategy,
    value: &[u8],
    key: &PseudonymKey,
    out: &mut Vec<u8>,
) {
    let tag = match strategy {
        Strategy::Tag => Some(h.tag.unwrap_or_else(|| key.tag(value))),
        Strategy::Label => h.tag,
        _ => None,
    };
    if h.null {
        return out.extend_from_slice(b"null");
    }
    out.push(b'[');
    out.extend_from_slice(kind.as_bytes());
    if let Some(tag) = tag {
        out.push(b':');
        out.extend_from_slice(tag.as_str().as_bytes());
    }
    if let Strategy::Mask(keep) = strategy {
        // Never more than a quarter of the value, and only characters that a label may hold.
        let keep = usize::from(keep).min(value.len() / 4);
        let last = value.iter().rev().filter(|b| b.is_ascii_alphanumeric()).take(keep).copied();
        let mut last: Vec<u8> = last.collect();
        last.reverse();
        out.extend_from_slice(b":****");
        out.extend_from_slice(&last);
    }
    out.push(b']');
}

/// Turns what was written from `from` on into a comma-separated list of its byte values.
fn spell_as_numbers(out: &mut Vec<u8>, from: usize) {
    let text = out.split_off(from);
    for (i, b) in text.iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        out.extend_from_slice(b.to_string().as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hit(start: u32, end: u32, rank: u8) -> Hit {
        Hit { start, end, rule: u16::from(rank), rank, depth: 0, numeric: false, null: false, quote: None, tag: None }
    }

    #[test]
    fn overlaps_become_one_with_the_surest_label() {
        let mut hits = vec![hit(10, 20, 5), hit(0, 4, 1), hit(15, 30, 9), hit(4, 6, 2), hit(12, 14, 7)];
        resolve(&mut hits);
        let got: Vec<_> = hits.iter().map(|h| (h.start, h.end, h.rank)).collect();
        assert_eq!(got, [(0, 4, 1), (4, 6, 2), (10, 30, 9)]);
    }

    #[test]
    fn a_whole_scalar_keeps_its_quotes() {
        let mut hits = vec![Hit { quote: Some((0, 1)), ..hit(10, 20, 5) }, hit(12, 16, 9)];
        resolve(&mut hits);
        assert_eq!((hits[0].quote, hits[0].rank), (Some((0, 1)), 9));
    }
}
