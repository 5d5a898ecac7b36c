//! The redactor: compiled rules shared by all threads, and a worker for each stream.

use std::sync::Arc;

use super::output::{Redacted, RuleId};
use super::resolve::{resolve, splice, write_label};
use super::scan::{Hit, Shared, scan};
use super::set::RuleSet;
use super::tag::{PseudonymKey, Tags};
use crate::rules::{Pack, PackError, RuleDef, embedded, load_pack};

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
        // The embedded packs are proved by the tests; one that did not load would be missing there.
        let packs = embedded().iter().filter_map(|(name, text)| load_pack(name, text).ok()).collect();
        Self::with_packs(key, packs)
    }

    /// A redactor with the embedded packs and the user's, given as (file name, text).
    ///
    /// # Errors
    /// The first pack that cannot be used.
    pub fn with_user_packs(key: PseudonymKey, user: &[(String, String)]) -> Result<Self, PackError> {
        let mut packs = Vec::new();
        for (name, text) in embedded() {
            packs.push(load_pack(name, text)?);
        }
        for (name, text) in user {
            packs.push(load_pack(name, text)?);
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

impl Worker {
    /// Redacts `chunk` (whole lines) into `out`, which is cleared first and whose buffers are reused.
    pub fn redact(&mut self, chunk: &[u8], out: &mut Redacted) {
        out.clear();
        self.hits.clear();
        let set = &self.redactor.inner.set;
        scan(set, &mut self.shared, chunk, 0, &mut self.hits);
        resolve(&mut self.hits);
        splice(chunk, &self.hits, |h, bytes| write_label(&set.rules[usize::from(h.rule)].kind, h.tag, bytes), out);
    }

    /// Redacts one text into a new string of bytes; for single lines, not for streams.
    pub fn redact_line(&mut self, line: &[u8]) -> Vec<u8> {
        let mut out = Redacted::default();
        self.redact(line, &mut out);
        out.bytes
    }
}
