//! The optional remark: what was redacted in a JSON object, written into the object itself.

use super::output::{Finding, Redacted};
use super::pointer::pointer_at;
use crate::rules::RuleDef;

/// Adds `"_logwarden":[["rule","/path"],...]` before the closing brace of each changed line that is a JSON object.
pub(super) fn add(out: &mut Redacted, rules: &[RuleDef]) {
    let old = std::mem::take(&mut out.bytes);
    let mut next = 0;
    let mut at = 0usize;
    for line in crate::line::lines(&old) {
        let end = at + line.len();
        let count = out.findings[next..].iter().take_while(|f| (f.start as usize) < end).count();
        let found = &mut out.findings[next..next + count];
        next += count;
        let moved = out.bytes.len() as i64 - at as i64;
        let text = line.trim_ascii_end();
        let object = text.trim_ascii_start().starts_with(b"{") && text.ends_with(b"}") && text.len() > 2;
        if count == 0 || !object {
            out.bytes.extend_from_slice(line);
        } else {
            out.bytes.extend_from_slice(&line[..text.len() - 1]);
            out.bytes.extend_from_slice(br#","_logwarden":["#);
            for (n, f) in found.iter().enumerate() {
                let path = pointer_at(text, f.start as usize - at).unwrap_or_default();
                let pair = [rules[usize::from(f.rule.0)].id.as_str(), path.as_str()];
                let quoted: Vec<String> = pair.iter().map(|s| quote(s)).collect();
                let comma = if n > 0 { "," } else { "" };
                out.bytes.extend_from_slice(format!("{comma}[{}]", quoted.join(",")).as_bytes());
            }
            out.bytes.extend_from_slice(b"]}");
            out.bytes.extend_from_slice(&line[text.len()..]);
        }
        found.iter_mut().for_each(|f| shift(f, moved));
        at = end;
    }
}

fn shift(f: &mut Finding, by: i64) {
    let to = |x: u32| (i64::from(x) + by) as u32;
    (f.start, f.end, f.written) = (to(f.start), to(f.end), (to(f.written.0), to(f.written.1)));
}

/// A JSON string.
fn quote(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if (c as u32) < 0x20 => out.push_str(&format!("\\u{:04x}", c as u32)),
            c => out.push(c),
        }
    }
    out + "\""
}
