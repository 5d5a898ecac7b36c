//! One alert with everything that happened to it, for people who look back.

use std::fmt::Write as _;

use super::{clean, words};
use crate::alert::{Alert, Status};
use crate::store::{Change, Receipt};

/// The incident as Markdown, ready for a post-mortem: what is known is filled in, what people must add is asked for.
pub fn incident_markdown(alert: &Alert, timeline: &[Change], receipts: &[Receipt]) -> String {
    let mut out = format!("# {}\n\n{}\n", clean::markdown(&words::headline(alert)), prose(&alert.why));
    let mut section = |title: &str, body: String| {
        if !body.is_empty() {
            let _writing_to_a_string_cannot_fail = write!(out, "\n## {title}\n\n{body}\n");
        }
    };
    let facts = words::facts(alert).into_iter().map(|(n, v)| [n.to_owned(), v].to_vec()).collect();
    section("Facts", table(&["what", "value"], facts));
    let figures = words::figures(alert).into_iter().map(|f| vec![f.name.to_owned(), f.text]).collect();
    section("Numbers", table(&["figure", "value"], figures));
    section("Timeline (UTC)", table(&["when", "what", "who", "note"], happened(timeline)));
    section("Messages", table(&["when", "receiver", "what", "result"], sent(receipts)));
    let steps = words::steps(alert);
    let step = |(step, link): &(String, Option<&str>)| {
        let step = clean::markdown(step);
        format!("- [ ] {}", link.map_or(step.clone(), |l| format!("[{step}]({l})")))
    };
    section("What to do", steps.iter().map(step).collect::<Vec<_>>().join("\n"));
    let causes: Vec<String> = alert.likely_causes.iter().map(|c| format!("- {}", prose(c))).collect();
    section("Usual causes", causes.join("\n"));
    let evidence: Vec<String> = words::evidence(alert, 1_000).iter().map(|l| format!("    {l}")).collect();
    section("Evidence (redacted)", evidence.join("\n"));
    if alert.status == Status::Resolved {
        section("Looking back", "- Cause:\n- What helped:\n- What will keep it from happening again:".to_owned());
    }
    out
}

fn prose(text: &str) -> String {
    clean::markdown(&clean::line(text, 1_000))
}

fn happened(timeline: &[Change]) -> Vec<Vec<String>> {
    let row = |c: &Change| {
        let who = c.author.as_deref().unwrap_or("logwarden");
        vec![words::time(c.at), c.what.clone(), clean::line(who, 60), clean::line(&c.note, 300)]
    };
    timeline.iter().map(row).collect()
}

fn sent(receipts: &[Receipt]) -> Vec<Vec<String>> {
    let row = |r: &Receipt| {
        let what = r.transition.split('-').next().unwrap_or_default().to_owned();
        let error = r.error.as_ref().map_or(String::new(), |e| format!(": {e}"));
        let result = match r.state.as_str() {
            "sent" => r.error.as_ref().map_or("sent".to_owned(), |e| format!("sent, but {e}")),
            "dead" => format!("given up{error}"),
            _ => format!("waiting{error}"),
        };
        let when = words::time(r.settled.unwrap_or(r.created));
        vec![when, clean::line(&r.receiver, 60), what, clean::line(&result, 200)]
    };
    receipts.iter().map(row).collect()
}

fn table(heads: &[&str], rows: Vec<Vec<String>>) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let line = |cells: Vec<String>| format!("| {} |", cells.join(" | "));
    let mut lines =
        vec![line(heads.iter().map(|h| (*h).to_owned()).collect()), line(vec!["---".to_owned(); heads.len()])];
    lines.extend(rows.into_iter().map(|r| line(r.iter().map(|c| clean::markdown(c)).collect())));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::sample::{alert, snapshots};
    use crate::units::Timestamp;

    fn history() -> (Vec<Change>, Vec<Receipt>) {
        let at = |s: i64| Timestamp::from_secs(1_777_636_800 + s);
        let change = |s, what: &str, author: Option<&str>, note: &str| Change {
            at: at(s),
            what: what.to_owned(),
            author: author.map(str::to_owned),
            note: note.to_owned(),
        };
        let receipt = |receiver: &str, state: &str, error: Option<&str>| Receipt {
            seq: 1,
            receiver: receiver.to_owned(),
            alert_id: alert().id,
            transition: "firing-1777636860000".to_owned(),
            state: state.to_owned(),
            attempts: 0,
            created: at(60),
            settled: (state == "sent").then(|| at(61)),
            error: error.map(str::to_owned),
            digest: false,
        };
        let timeline =
            vec![change(60, "firing", None, &alert().why), change(300, "acked", Some("ada"), "on it | *now*")];
        (timeline, vec![receipt("ops", "sent", None), receipt("chat", "pending", Some("answered 503"))])
    }

    #[test]
    fn an_incident_in_markdown() {
        let (timeline, receipts) = history();
        snapshots(|| {
            insta::assert_snapshot!("incident_markdown", incident_markdown(&alert(), &timeline, &receipts));
        });
    }
}
