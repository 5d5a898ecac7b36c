//! The redactor: compiled rules shared by all threads, and a worker for each stream.

use std::sync::Arc;

use super::output::{Redacted, RuleId};
use super::resolve::{resolve, splice, write_label};
use super::scan::{Hit, Mode, Shared, scan};
use super::set::RuleSet;
use super::tag::{PseudonymKey, Tags};
use crate::rules::{Pack, PackError, RuleDef, load_embedded, load_user_packs};

/// The compiled rules and the installation's pseudonym key; cheap to clone, shared by all workers.
#[derive(Clone)]
pub struct Redactor {
    inner: Arc<Inner>,
}

struct Inner {
    set: RuleSet,
    key: PseudonymKey,
}

impl Redactor {
    /// A redactor with the embedded packs.
    pub fn new(key: PseudonymKey) -> Self {
        Self::with_packs(key, load_embedded())
    }

    /// A redactor with the embedded packs and the user's, given as (file name, text).
    ///
    /// # Errors
    /// The first pack that cannot be used.
    pub fn with_user_packs(key: PseudonymKey, user: &[(String, String)]) -> Result<Self, PackError> {
        let mut packs = load_embedded();
        if !user.is_empty() {
            packs.extend(load_user_packs(user.iter().map(|(name, text)| (name.as_str(), text.as_str())))?);
        }
        Ok(Self::with_packs(key, packs))
    }

    /// A redactor with these packs only.
    pub fn with_packs(key: PseudonymKey, packs: Vec<Pack>) -> Self {
        Self { inner: Arc::new(Inner { set: RuleSet::new(packs), key }) }
    }

    /// The definition behind a finding.
    pub fn rule(&self, id: RuleId) -> &RuleDef {
        &self.inner.set.rules[usize::from(id.0)]
    }

    /// All rules, in the order of [`RuleId`].
    pub fn rules(&self) -> &[RuleDef] {
        &self.inner.set.rules
    }

    /// A worker with its own scratch space and stream state (open PEM block, remembered values).
    pub fn worker(&self) -> Worker {
        let seed = self.inner.key.seed();
        let shared = Shared::new(Tags::new(self.inner.key.clone(), seed), seed);
        Worker { redactor: self.clone(), shared, hits: Vec::new() }
    }
}

/// Redacts the chunks of one stream in order.
pub struct Worker {
    redactor: Redactor,
    shared: Shared,
    hits: Vec<Hit>,
}

/// How often a changed line is looked at again before it is withheld instead.
const ROUNDS: usize = 4;

/// Why a line is withheld whose redaction does not come to rest.
const RESTLESS: &str = "redaction did not settle";

impl Worker {
    /// Redacts `chunk` (whole lines) into `out`, which is cleared first and whose buffers are reused.
    ///
    /// Every line that was changed is scanned again as it would go out, and goes out only when nothing more is found
    /// in it: what is written is at rest, so that redacting it again changes nothing.
    pub fn redact(&mut self, chunk: &[u8], out: &mut Redacted) {
        out.clear();
        self.hits.clear();
        let redactor = self.redactor.clone();
        let set = &redactor.inner.set;
        let label = |h: &Hit, bytes: &mut Vec<u8>| write_label(&set.rules[usize::from(h.rule)].kind, h.tag, bytes);
        scan(set, &mut self.shared, chunk, Mode::First, &mut self.hits);
        resolve(&mut self.hits);
        splice(chunk, &self.hits, label, out);
        for _ in 0..ROUNDS {
            if out.findings.is_empty() || !self.again(set, out, None) {
                return;
            }
            out.clear();
            resolve(&mut self.hits);
            splice(chunk, &self.hits, label, out);
        }
        let mut restless = Vec::new();
        if self.again(set, out, Some(&mut restless)) {
            out.replace_lines(&restless, RESTLESS);
        }
    }

    /// Scans the changed lines of `out` once more; what is found is added to the hits, at its place in the chunk.
    /// True when there was anything. `lines` collects the numbers of the lines in which there was.
    fn again(&mut self, set: &RuleSet, out: &Redacted, mut lines: Option<&mut Vec<u32>>) -> bool {
        let before = self.hits.len();
        let mut next = 0;
        while let Some(f) = out.findings.get(next) {
            let start = memchr::memrchr(b'\n', &out.bytes[..f.start as usize]).map_or(0, |n| n + 1);
            let end =
                memchr::memchr(b'\n', &out.bytes[f.end as usize..]).map_or(out.bytes.len(), |n| f.end as usize + n);
            let first = self.hits.len();
            scan(set, &mut self.shared, &out.bytes[start..end], Mode::Again, &mut self.hits);
            for h in &mut self.hits[first..] {
                h.start = out.origin(h.start + start as u32, next, false);
                h.end = out.origin(h.end + start as u32, next, true);
                h.quote = h.quote.map(|(a, b)| {
                    (out.origin(a + start as u32, next, false), out.origin(b + start as u32, next, true))
                });
            }
            if self.hits.len() > first
                && let Some(lines) = &mut lines
            {
                lines.push(f.line);
            }
            next += out.findings[next..].iter().take_while(|f| (f.start as usize) < end).count();
        }
        self.hits.len() > before
    }

    /// Redacts one text into a new string of bytes; for single lines, not for streams.
    pub fn redact_line(&mut self, line: &[u8]) -> Vec<u8> {
        let mut out = Redacted::default();
        self.redact(line, &mut out);
        out.bytes
    }
}
