//! `alerts queue` and `alerts retry`: messages that are not sent.

use std::io::Write;

use owo_colors::OwoColorize;

use super::exit::{Exit, Failure};
use super::format::Format;
use super::style::plain;
use crate::store::{QueueState, Receipt, Store};
use crate::units::Timestamp;

/// Below the list of alerts: which receivers have not got everything. Nothing when all is sent.
pub fn summary(out: &mut impl Write, queues: &[QueueState]) -> std::io::Result<()> {
    let behind = |q: &&QueueState| q.pending + q.digest + q.dead > 0;
    if queues.iter().any(|q| behind(&q)) {
        writeln!(out, "{}", "not sent (logwarden alerts queue shows each):".bold())?;
    }
    for queue in queues.iter().filter(behind) {
        let since = queue.oldest.map(|at| format!(" since {}", at.rfc3339())).unwrap_or_default();
        let parts = [
            (queue.pending > 0).then(|| format!("{} waiting{since}", queue.pending)),
            (queue.digest > 0).then(|| format!("{} for the digest", queue.digest)),
            (queue.dead > 0).then(|| format!("{} given up", queue.dead)),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        let error = queue.error.as_ref().map(|e| format!(": {}", plain(e))).unwrap_or_default();
        writeln!(out, "  {} {}{error}", plain(&queue.receiver).bold(), parts.join(", "))?;
    }
    if queues.iter().any(|q| q.dead > 0) {
        writeln!(out, "  {}", "logwarden alerts retry sends what was given up again".dimmed())?;
    }
    let flawed: Vec<_> = queues.iter().filter_map(|q| Some((&q.receiver, q.flaw.as_ref()?))).collect();
    if !flawed.is_empty() {
        writeln!(out, "{}", "sent, but not as it should be:".bold())?;
    }
    for (receiver, flaw) in flawed {
        writeln!(out, "  {} {}", plain(receiver).bold(), plain(flaw))?;
    }
    Ok(())
}

/// Each message that is not sent.
pub fn list(store: &Store, limit: usize, format: Format) -> anyhow::Result<Exit> {
    let unsent = store.unsent(limit)?;
    let mut out = anstream::stdout().lock();
    for receipt in &unsent {
        match format {
            Format::Json => writeln!(out, "{}", json(receipt))?,
            Format::Text => {
                let error = receipt.error.as_ref().map(|e| format!(": {}", plain(e))).unwrap_or_default();
                writeln!(
                    out,
                    "{}  {}  {} {} {}, {} failed attempts{error}",
                    receipt.alert_id.dimmed(),
                    receipt.created.rfc3339(),
                    plain(&receipt.receiver).bold(),
                    status(receipt),
                    state(receipt),
                    receipt.attempts,
                )?;
            }
        }
    }
    if unsent.is_empty() && format == Format::Text {
        writeln!(out, "everything is sent")?;
    }
    Ok(Exit::OK)
}

/// `waiting`, `digest` or `given up`.
fn state(receipt: &Receipt) -> &'static str {
    match receipt.state.as_str() {
        "dead" => "given up",
        _ if receipt.digest => "held for the digest",
        _ => "waiting",
    }
}

/// `firing` or `resolved`.
fn status(receipt: &Receipt) -> &str {
    receipt.transition.split('-').next().unwrap_or_default()
}

fn json(receipt: &Receipt) -> serde_json::Value {
    let state = match state(receipt) {
        "held for the digest" => "digest",
        "given up" => "dead",
        waiting => waiting,
    };
    serde_json::json!({
        "alert": receipt.alert_id,
        "receiver": receipt.receiver,
        "status": status(receipt),
        "state": state,
        "created_at": receipt.created,
        "failed_attempts": receipt.attempts,
        "error": receipt.error,
    })
}

/// Has them sent again.
pub fn retry(store: &Store, receiver: Option<&str>) -> anyhow::Result<Exit> {
    let queues = store.queues()?;
    if let Some(name) = receiver
        && !queues.iter().any(|q| q.receiver == name)
    {
        let known: Vec<&str> = queues.iter().map(|q| q.receiver.as_str()).collect();
        let help =
            format!("receivers with messages: {}", if known.is_empty() { "none".to_owned() } else { known.join(", ") });
        return Err(Failure::new(Exit::FOUND, format!("there is no message for `{name}`")).help(help).into());
    }
    let (revived, waiting) = store.retry(receiver, Timestamp::from(chrono::Utc::now()))?;
    let mut out = anstream::stdout().lock();
    if revived + waiting == 0 {
        writeln!(out, "nothing to try again: everything is sent")?;
    } else {
        writeln!(
            out,
            "{revived} given up and {waiting} waiting are tried again within 30 s by the running service, else at its next start"
        )?;
    }
    Ok(Exit::OK)
}
