//! The operator's word on what was found: allowlists and strategies, ready for use.

use std::collections::{BTreeMap, HashSet};
use std::fmt;

use regex::bytes::Regex;

use super::config::{RedactConfig, Strategy};
use super::pointer::pointer_at;
use super::scan::Hit;
use crate::rules::{RuleDef, compile_pattern};

/// Strategies and allowlists, compiled. The default changes nothing and costs nothing.
#[derive(Default)]
pub(super) struct Policy {
    by_rule: Vec<Strategy>,
    by_path: BTreeMap<String, Strategy>,
    allow_values: HashSet<Vec<u8>>,
    allow_patterns: Vec<Regex>,
    allow_paths: Vec<String>,
    /// Whether anything above is set.
    active: bool,
}

/// A mistake in the `[redact]` section.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("redact.{key}{entry}: {reason}")]
pub struct RedactError {
    /// The key within the section.
    pub key: &'static str,
    /// What of it is wrong.
    pub entry: Entry,
    /// What is wrong and what would be right.
    pub reason: String,
}

/// One of several things under a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// The one of this name.
    Name(String),
    /// The one at this place, from 0.
    Place(usize),
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => write!(f, ".{name}"),
            Self::Place(n) => write!(f, "[{n}]"),
        }
    }
}

impl Policy {
    /// Compiles the section for these rules.
    pub(super) fn new(config: &RedactConfig, rules: &[RuleDef]) -> Result<Self, RedactError> {
        let mut by_rule = vec![Strategy::Label; rules.len()];
        let mut by_path = BTreeMap::new();
        let mut named: Vec<(usize, Strategy)> = Vec::new();
        for (name, text) in &config.strategies {
            let wrong = |reason| RedactError { key: "strategies", entry: Entry::Name(name.clone()), reason };
            let strategy: Strategy = text.parse().map_err(wrong)?;
            if name.starts_with('/') {
                by_path.insert(name.clone(), strategy);
            } else if let Some(i) = rules.iter().position(|r| r.id == *name) {
                named.push((i, strategy));
            } else if rules.iter().any(|r| r.kind == *name) {
                let same = rules.iter().enumerate().filter(|(_, r)| r.kind == *name);
                same.for_each(|(i, _)| by_rule[i] = strategy);
            } else {
                let reason = format!("there is no rule and no label type `{name}`; see `logwarden rules list`");
                return Err(wrong(reason));
            }
        }
        named.into_iter().for_each(|(i, strategy)| by_rule[i] = strategy);
        let compile = |(n, p): (usize, &String)| {
            compile_pattern(&format!("(?:{p})\\z")).map_err(|reason| RedactError {
                key: "allow_patterns",
                entry: Entry::Place(n),
                reason,
            })
        };
        let allow_patterns = config.allow_patterns.iter().enumerate().map(compile).collect::<Result<Vec<_>, _>>()?;
        let active = !(config.strategies.is_empty()
            && config.allow_values.is_empty()
            && allow_patterns.is_empty()
            && config.allow_paths.is_empty());
        if let Some((n, path)) = config.allow_paths.iter().enumerate().find(|(_, path)| !path.starts_with('/')) {
            let reason = format!("`{path}` is no JSON pointer: one begins with `/`, as `/user/email` does");
            return Err(RedactError { key: "allow_paths", entry: Entry::Place(n), reason });
        }
        Ok(Self {
            by_rule,
            by_path,
            allow_values: config.allow_values.iter().map(|v| v.clone().into_bytes()).collect(),
            allow_patterns,
            allow_paths: config.allow_paths.clone(),
            active,
        })
    }

    /// Leaves alone what this rule finds.
    pub(super) fn keep(&mut self, rule: usize) {
        self.by_rule[rule] = Strategy::Keep;
        self.active = true;
    }

    /// For each rule whether what it finds is left alone; empty when that is so for none.
    pub(super) fn kept(&self) -> Vec<bool> {
        let all = self.by_rule.iter().map(|s| *s == Strategy::Keep);
        if self.active { all.collect() } else { Vec::new() }
    }

    /// Takes out the hits that are to be left alone.
    pub(super) fn apply(&self, chunk: &[u8], hits: &mut Vec<Hit>, from: usize) {
        if !self.active {
            return;
        }
        let mut kept = from;
        for i in from..hits.len() {
            if !self.leaves(chunk, &hits[i]) {
                hits[kept] = hits[i];
                kept += 1;
            }
        }
        hits.truncate(kept);
    }

    /// Widens the hits that are to be dropped to the JSON values that they stand in. Hits are in order and stay apart: two
    /// that share a quote, which valid JSON does not have, are not widened over it.
    pub(super) fn widen(&self, chunk: &[u8], hits: &mut [Hit]) {
        if !self.active {
            return;
        }
        let mut free = 0;
        for n in 0..hits.len() {
            let before = free;
            let next = hits.get(n + 1).map_or(u32::MAX, |next| next.start);
            let h = &mut hits[n];
            free = h.end;
            if h.null || h.depth > 0 || self.strategy(chunk, h) != Strategy::Drop {
                continue;
            }
            let (start, end) = (h.start as usize, h.end as usize);
            let lead = chunk[..start].strip_suffix(b"\"");
            if h.quote.take().is_some() {
                h.null = true;
            } else if let Some(lead) = lead
                && before < h.start
                && h.end < next
                && chunk.get(end) == Some(&b'"')
                && matches!(lead.trim_ascii_end().last(), Some(b':' | b'[' | b','))
            {
                (h.start, h.end, h.null) = (h.start - 1, h.end + 1, true);
                free = h.end;
            }
        }
    }

    fn leaves(&self, chunk: &[u8], h: &Hit) -> bool {
        let value = &chunk[h.start as usize..h.end as usize];
        self.allow_values.contains(value)
            || self.allow_patterns.iter().any(|p| p.is_match(value))
            || self.strategy(chunk, h) == Strategy::Keep
            || (!self.allow_paths.is_empty()
                && path(chunk, h).is_some_and(|p| {
                    self.allow_paths.iter().any(|a| {
                        p.strip_prefix(a.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
                    })
                }))
    }

    /// What is to be written for a hit.
    pub(super) fn strategy(&self, chunk: &[u8], h: &Hit) -> Strategy {
        if !self.active {
            return Strategy::Label;
        }
        let by_path =
            (!self.by_path.is_empty()).then(|| path(chunk, h).and_then(|p| self.by_path.get(&p).copied())).flatten();
        by_path.unwrap_or(self.by_rule[usize::from(h.rule)])
    }
}

/// The JSON pointer of the field that a hit stands in.
fn path(chunk: &[u8], h: &Hit) -> Option<String> {
    let start = memchr::memrchr(b'\n', &chunk[..h.start as usize]).map_or(0, |n| n + 1);
    let end = memchr::memchr(b'\n', &chunk[start..]).map_or(chunk.len(), |n| start + n);
    pointer_at(&chunk[start..end], h.start as usize - start)
}
