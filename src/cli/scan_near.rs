//! What nearly matched in a scan, by shape: how often, and where first.

use std::collections::HashMap;

use serde_json::{Value, json};

use crate::redact::{NearMiss, NearReason, Redactor, RuleId};

/// How many different ones are counted; what comes new after that is not.
const MOST: usize = 10_000;

/// What makes two of them the same.
type Kind = (NearReason, RuleId, String, String);

/// How often one came, and where first.
struct Seen {
    count: u64,
    file: String,
    line: u64,
}

/// Near misses of a whole scan.
pub struct NearMisses {
    limit: usize,
    seen: HashMap<Kind, Seen>,
}

impl NearMisses {
    /// Nothing yet; `limit` of them will be shown.
    pub fn new(limit: usize) -> Self {
        Self { limit, seen: HashMap::new() }
    }

    /// Counts one in a chunk of `file` that begins behind line `before`.
    pub fn add(&mut self, miss: NearMiss, file: &str, before: u64) {
        let line = before + u64::from(miss.line) + 1;
        let kind = (miss.reason, miss.rule, miss.name, miss.shape);
        if let Some(seen) = self.seen.get_mut(&kind) {
            seen.count += 1;
        } else if self.seen.len() < MOST {
            self.seen.insert(kind, Seen { count: 1, file: file.to_owned(), line });
        }
    }

    /// The most frequent ones as objects.
    pub fn shown(&self, redactor: &Redactor) -> Vec<Value> {
        let mut all: Vec<_> = self.seen.iter().collect();
        all.sort_by(|a, b| b.1.count.cmp(&a.1.count).then_with(|| a.0.cmp(b.0)));
        let object = |((reason, rule, name, shape), seen): (&Kind, &Seen)| {
            let rule = redactor.rule(*rule);
            json!({
                "near_miss": match reason {
                    NearReason::WeakField => "weak_field",
                    NearReason::Keyword => "keyword",
                    NearReason::Prefix => "prefix",
                },
                "rule": rule.id,
                "type": rule.kind,
                "name": name,
                "shape": shape,
                "count": seen.count,
                "file": seen.file,
                "line": seen.line,
            })
        };
        all.into_iter().take(self.limit).map(object).collect()
    }
}
