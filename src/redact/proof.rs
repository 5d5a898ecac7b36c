//! Rules against their own examples, in the whole redactor.

use std::ops::Range;

use super::engine::Redactor;
use super::output::{Finding, Redacted};
use crate::rules::{Example, RuleDef};

/// What an example says against its rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    /// In words, with the number of the example.
    pub reason: String,
    /// The example as it stands in the pack.
    pub example: String,
}

impl Redactor {
    /// What the examples and negative examples of `rule` say against it, in the company of all rules of this redactor.
    pub fn complaints(&self, rule: &RuleDef) -> Vec<Complaint> {
        let mut out = Vec::new();
        for (n, marked) in rule.examples.iter().enumerate() {
            let Some(example) = Example::parse(marked) else { continue };
            let spans = self.found(example.text.as_bytes());
            let gone = (example.start..example.end).all(|at| spans.iter().any(|(span, _)| span.contains(&at)));
            if !gone {
                let reason = format!("does not take all of the marked part of example {}", n + 1);
                out.push(Complaint { reason, example: marked.clone() });
            }
        }
        for (n, text) in rule.negatives.iter().enumerate() {
            if self.found(text.as_bytes()).iter().any(|(_, id)| *id == rule.id) {
                let reason = format!("fires on negative example {}, which must stay", n + 1);
                out.push(Complaint { reason, example: text.clone() });
            }
        }
        out
    }

    /// What goes from a text, and by which rule.
    fn found(&self, text: &[u8]) -> Vec<(Range<usize>, &str)> {
        let mut redacted = Redacted::default();
        self.worker().redact(text, &mut redacted);
        let span = |f: &Finding| (f.raw_start as usize..f.raw_end as usize, self.rule(f.rule).id.as_str());
        redacted.findings().iter().map(span).collect()
    }
}
