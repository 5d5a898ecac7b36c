//! The summary of `--stats`.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::redact::Redactor;
use crate::telemetry::Counters;

/// Most fields that are listed.
const FIELDS: usize = 20;

/// Writes what was read, redacted and withheld on stderr.
pub fn print(counters: &Counters, redactor: &Redactor, took: Duration) {
    let text = summary(counters, redactor, took);
    let _ = anstream::stderr().lock().write_all(text.as_bytes());
}

fn summary(counters: &Counters, redactor: &Redactor, took: Duration) -> String {
    let lines = counters.lines.load(Ordering::Relaxed);
    let bytes = counters.bytes.load(Ordering::Relaxed);
    let mut by_rule: BTreeMap<&str, u64> = BTreeMap::new();
    for (rule, n) in counters.redactions() {
        *by_rule.entry(redactor.rule(rule).id.as_str()).or_default() += n;
    }
    let withheld = counters.withheld_by_reason();
    let total: u64 = by_rule.values().sum();
    let seconds = took.as_secs_f64();
    let mut text = format!(
        "lines      {lines}\nbytes      {bytes}\nredactions {total}\nwithheld   {}\nseconds    {seconds:.3}\n",
        withheld.iter().map(|(_, n)| n).sum::<u64>(),
    );
    let mut rules: Vec<_> = by_rule.into_iter().collect();
    rules.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
    for (rule, n) in rules {
        text.push_str(&format!("  redacted {n:>9}  {rule}\n"));
    }
    let mut fields: Vec<_> = counters.by_field().into_iter().collect();
    fields.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    for (field, n) in fields.iter().take(FIELDS) {
        let field: String = field.chars().filter(|c| !c.is_control()).collect();
        text.push_str(&format!("  in field {n:>9}  {field}\n"));
    }
    for (reason, n) in withheld {
        text.push_str(&format!("  withheld {n:>9}  {reason}\n"));
    }
    text
}
