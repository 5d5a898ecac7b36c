//! What `scan` holds back for people: the same rule in the same field of a file, again and again.

use std::collections::BTreeMap;

/// How many findings of one rule in one field of a file are shown.
const SHOWN: u64 = 3;

/// Most pairs of rule and field of a file that are counted; what is beyond is shown each time.
const MOST: usize = 1_000;

/// The findings of one file so far.
#[derive(Default)]
pub struct Fold {
    seen: BTreeMap<(String, Option<String>), Seen>,
}

/// A rule in a field.
struct Seen {
    kind: String,
    n: u64,
    last: u64,
}

impl Fold {
    /// Counts a finding of `rule`, of type `kind`, in `field` of line `line`; says whether it is shown.
    pub fn shows(&mut self, rule: &str, kind: &str, field: Option<&str>, line: u64) -> bool {
        let key = (rule.to_owned(), field.map(str::to_owned));
        if self.seen.len() >= MOST && !self.seen.contains_key(&key) {
            return true;
        }
        let seen = self.seen.entry(key).or_insert_with(|| Seen { kind: kind.to_owned(), n: 0, last: line });
        (seen.n, seen.last) = (seen.n + 1, line);
        seen.n <= SHOWN
    }

    /// What was not shown, in words, one line a rule and field; and begins anew.
    pub fn rest(&mut self) -> Vec<String> {
        let held = std::mem::take(&mut self.seen).into_iter().filter(|(_, seen)| seen.n > SHOWN);
        held.map(|((rule, field), seen)| {
            let field = field.map(|f| format!(" in {f}")).unwrap_or_default();
            format!("and {} more of {} {rule}{field}, the last in line {}", seen.n - SHOWN, seen.kind, seen.last)
        })
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_are_shown_and_the_rest_is_counted() {
        let mut fold = Fold::default();
        let shown = (1..=9).filter(|line| fold.shows("r", "KEY", Some("/a"), *line)).count();
        assert!(shown == 3 && fold.shows("r", "KEY", Some("/b"), 9) && fold.shows("r", "KEY", None, 9));
        assert_eq!(fold.rest(), ["and 6 more of KEY r in /a, the last in line 9"]);
        assert!(fold.rest().is_empty() && fold.shows("r", "KEY", Some("/a"), 1));
        // Made-up fields cost no memory without end.
        (0..2 * MOST).for_each(|n| assert!(fold.shows("r", "KEY", Some(&format!("/{n}")), 1)));
        assert_eq!(fold.seen.len(), MOST);
    }
}
