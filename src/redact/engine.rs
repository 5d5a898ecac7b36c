//! The redactor: compiled rules shared by all threads, and a worker for each stream.

use std::sync::Arc;

use super::output::{Redacted, RuleId};
use super::tag::PseudonymKey;
use crate::rules::RuleDef;

/// The compiled rules and the installation's pseudonym key; cheap to clone, shared by all workers.
#[derive(Clone)]
pub struct Redactor {
    inner: Arc<Inner>,
}

struct Inner {
    rules: Vec<RuleDef>,
    #[expect(dead_code)]
    key: PseudonymKey,
}

impl Redactor {
    /// A redactor with the embedded packs.
    pub fn new(key: PseudonymKey) -> Self {
        Self { inner: Arc::new(Inner { rules: Vec::new(), key }) }
    }

    /// The definition behind a finding.
    pub fn rule(&self, id: RuleId) -> &RuleDef {
        &self.inner.rules[usize::from(id.0)]
    }

    /// All rules, in the order of [`RuleId`].
    pub fn rules(&self) -> &[RuleDef] {
        &self.inner.rules
    }

    /// A worker with its own scratch space and stream state (open PEM block, remembered values).
    pub fn worker(&self) -> Worker {
        Worker { _redactor: self.clone() }
    }
}

/// Redacts the chunks of one stream in order.
pub struct Worker {
    _redactor: Redactor,
}

impl Worker {
    /// Redacts `chunk` (whole lines) into `out`, which is cleared first and whose buffers are reused.
    pub fn redact(&mut self, chunk: &[u8], out: &mut Redacted) {
        out.bytes.clear();
        out.ends.clear();
        out.findings.clear();
        out.withheld.clear();
        out.bytes.extend_from_slice(chunk);
        let mut at = 0;
        for line in crate::line::lines(chunk) {
            at += line.len();
            out.ends.push(at as u32);
        }
    }
}
