//! What the API shows of the service itself: status, sources, redactions.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::face::{Face, get};
use crate::sources::Refusal;
use crate::units::Timestamp;

/// The thread that writes may be silent for this long before we are not well.
const SILENT: Duration = Duration::from_secs(30);

/// Field paths that are shown.
const MOST_FIELDS: usize = 1_000;

/// Whether we are alive: nothing is stuck.
pub(super) fn is_alive(face: &Face) -> bool {
    face.now().since(face.board.last_beat()) < SILENT
}

/// What keeps us from doing our work, in words of our own.
pub(super) fn not_ready(face: &Face) -> Vec<String> {
    let mut why: Vec<String> =
        face.board.troubles().into_iter().map(|(what, _)| format!("{what} cannot be written")).collect();
    if !is_alive(face) {
        why.push("the thread that writes does not answer".to_owned());
    }
    why
}

/// Numbers that change all the time; also what goes to those who listen.
pub(super) fn now(face: &Face) -> Value {
    let numbers = face.board.numbers();
    let c = &face.counters;
    json!({
        "at": face.now(),
        "lines": get(&c.lines),
        "bytes": get(&c.bytes),
        "bytes_out": get(&c.bytes_out),
        "events": get(&c.events),
        "redactions": face.redactions(),
        "withheld": c.withheld_by_reason().iter().map(|(_, n)| n).sum::<u64>(),
        "lag_bytes": face.lag(),
        "keys": numbers.monitor.keys,
        "alerts_firing": numbers.monitor.firing,
        "alert_changes": numbers.alert_changes,
        "ready": not_ready(face).is_empty(),
    })
}

/// `/api/v1/status`
pub(super) fn status(face: &Face, history: &[Value]) -> Value {
    let numbers = face.board.numbers();
    let m = numbers.monitor;
    let c = &face.counters;
    let within = |share| c.latency_within(share).map(|d| d.as_secs_f64());
    let reload = face.reloads.last();
    let withheld: BTreeMap<_, _> = c.withheld_by_reason().into_iter().collect();
    let mut alerts: BTreeMap<String, u64> = BTreeMap::new();
    for (kind, _, n) in face.store.alert_counts().unwrap_or_default() {
        *alerts.entry(kind).or_default() += n;
    }
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "host": face.host,
        "started_at": face.started,
        "now": now(face),
        "not_ready": not_ready(face),
        "troubles": face.board.troubles().into_iter().map(|(what, since)| json!({"what": what, "since": since})).collect::<Vec<_>>(),
        "reload": {
            "successful": reload.successful,
            "at": (reload.at != Timestamp(0)).then_some(reload.at),
        },
        "withheld": withheld,
        "latency_s": {"p50": within(0.5), "p90": within(0.9), "p99": within(0.99), "max": within(1.0)},
        "events": {"late": m.late, "ahead": m.ahead, "untimed": m.untimed, "newest": numbers.newest},
        "keys": {"tracked": m.keys, "evicted": m.evicted},
        "alerts": {"firing": m.firing, "told_by_kind": alerts},
        "receivers": receivers(face),
        "history": history,
    })
}

fn receivers(face: &Face) -> Vec<Value> {
    let (queues, sent) = (face.store.queues().unwrap_or_default(), (face.sent)());
    let counts = face.store.notification_counts().unwrap_or_default();
    let count = |name: &str, outcome: &str| {
        counts.iter().find(|(receiver, of, _)| receiver == name && of == outcome).map_or(0, |(_, _, n)| *n)
    };
    let one = |r: &super::face::ReceiverFace| {
        let queue = queues.iter().find(|q| q.receiver == r.name);
        let since_start = sent.iter().find(|c| c.receiver == r.name).cloned().unwrap_or_default();
        let causes: BTreeMap<_, _> = since_start.causes.into_iter().collect();
        json!({
            "name": r.name,
            "type": r.kind,
            "sent": count(&r.name, "sent"),
            "failed": count(&r.name, "failed"),
            "given_up": count(&r.name, "dead"),
            "causes": causes,
            "pending": queue.map_or(0, |q| q.pending),
            "digest": queue.map_or(0, |q| q.digest),
            "dead": queue.map_or(0, |q| q.dead),
            "oldest": queue.and_then(|q| q.oldest),
            "error": queue.and_then(|q| q.error.clone()),
            "flaw": queue.and_then(|q| q.flaw.clone()),
        })
    };
    face.receivers.iter().map(one).collect()
}

/// `/api/v1/sources`
pub(super) fn sources(face: &Face) -> Value {
    let one = |(n, s): (usize, &super::face::SourceFace)| {
        let (c, m) = (&s.counters, &s.meter);
        let refused: BTreeMap<_, _> =
            Refusal::ALL.iter().map(|(why, word)| (*word, m.refused(*why))).filter(|(_, n)| *n > 0).collect();
        json!({
            "name": s.name,
            "type": s.kind,
            "lines": get(&c.lines),
            "bytes": get(&c.bytes),
            "events": get(&c.events),
            "invalid_json": get(&c.invalid_json),
            "redactions": c.redactions().map(|(_, n)| n).sum::<u64>(),
            "lag_bytes": get(&m.lag_bytes),
            "generations": get(&m.generations),
            "abandoned_bytes": get(&m.abandoned_bytes),
            "abandonments": get(&m.abandonments),
            "dropped_lines": get(&m.dropped_lines),
            "connections": get(&m.connections),
            "restarts": get(&m.restarts),
            "refused": refused,
            "mappings": face.board.mappings(n),
        })
    };
    json!({ "sources": face.sources.iter().enumerate().map(one).collect::<Vec<_>>() })
}

/// `/api/v1/redactions`
pub(super) fn redactions(face: &Face) -> Value {
    let rule = |n: u16| face.rules.get(usize::from(n));
    let mut rules: Vec<_> = face.counters.redactions().collect();
    rules.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
    let rules = rules.into_iter().filter_map(|(id, n)| {
        let r = rule(id.0)?;
        Some(json!({"rule": r.id, "type": r.kind, "description": r.description, "severity": r.severity, "count": n}))
    });
    let mut by_source: BTreeMap<&str, BTreeMap<&str, u64>> = BTreeMap::new();
    let mut fields: Vec<(u64, &str, String)> = Vec::new();
    for s in &face.sources {
        let counts = s.counters.redactions().filter_map(|(id, n)| Some((&*rule(id.0)?.id, n))).collect();
        by_source.insert(&s.name, counts);
        fields.extend(s.counters.by_field().into_iter().map(|(field, n)| (n, &*s.name, field)));
    }
    fields.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| (a.1, &a.2).cmp(&(b.1, &b.2))));
    fields.truncate(MOST_FIELDS);
    let fields = fields.into_iter().map(|(n, source, field)| json!({"source": source, "field": field, "count": n}));
    json!({
        "rules": rules.collect::<Vec<_>>(),
        "by_source": by_source,
        "fields": fields.collect::<Vec<_>>(),
        "withheld": face.counters.withheld_by_reason().into_iter().collect::<BTreeMap<_, _>>(),
    })
}
