//! Alerts: the list, one with its timeline, and the operator's word.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use super::face::Face;
use super::query::Query;
use crate::alert::{Alert, KINDS};
use crate::store::{Matcher, Silence, StoreError, Wanted};
use crate::units::parse_duration;

/// Alerts of one answer.
const MOST: usize = 500;

/// The longest silence.
const LONGEST: Duration = Duration::from_secs(366 * 86_400);

/// Why an operator's word is not taken.
#[derive(Debug, thiserror::Error)]
pub(super) enum ActError {
    /// The body is not what it should be.
    #[error("{0}")]
    Invalid(String),
    /// There is no such alert or silence.
    #[error("there is no such alert or silence")]
    NotFound,
    /// The state.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// `/api/v1/alerts`
pub(super) fn alerts(face: &Face, query: &Query) -> Result<Value, ActError> {
    check(query).map_err(ActError::Invalid)?;
    let (limit, offset) = (query.number("limit", 50, MOST), query.number("offset", 0, usize::MAX));
    let wanted = Wanted {
        status: query.get("status"),
        kind: query.get("kind"),
        severity: query.get("severity"),
        tag: query.get("key"),
    };
    let (matched, shown) = face.store.alert_page(wanted, limit, offset)?;
    let silences = face.store.silences(face.now())?;
    let one = |alert: &Alert| {
        let silenced = silences.iter().any(|s| s.covers(alert, face.now()));
        Ok(with_marks(alert, face.store.was_acked(&alert.id)?, silenced))
    };
    let shown: Vec<Value> = shown.iter().map(one).collect::<Result<_, StoreError>>()?;
    Ok(json!({ "matched": matched, "offset": offset, "alerts": shown }))
}

/// Whether a query asks for what there can be: a slip of the pen must not look like peace.
fn check(query: &Query) -> Result<(), String> {
    query.check_page()?;
    query.check("kind", |v| KINDS.iter().any(|kind| kind.name == v), "a kind of alert")?;
    query.check("severity", |v| ["critical", "warning", "info"].contains(&v), "critical, warning or info")?;
    query.check("status", |v| ["firing", "resolved"].contains(&v), "firing or resolved")
}

fn with_marks(alert: &Alert, in_hand: bool, silenced: bool) -> Value {
    let mut value = serde_json::to_value(alert).unwrap_or_default();
    value["in_hand"] = json!(in_hand);
    value["silenced"] = json!(silenced);
    value
}

/// `/api/v1/alerts/ID`
pub(super) fn alert(face: &Face, id: &str) -> Result<Option<Value>, StoreError> {
    let Some(alert) = face.store.alert(id)? else { return Ok(None) };
    let silenced = face.store.silences(face.now())?.iter().any(|s| s.covers(&alert, face.now()));
    let mut value = with_marks(&alert, face.store.was_acked(&alert.id)?, silenced);
    let timeline = face.store.timeline(&alert.id)?.into_iter();
    value["timeline"] =
        timeline.map(|c| json!({"at": c.at, "what": c.what, "author": c.author, "note": c.note})).collect();
    let receipts = face.store.receipts(&alert.id)?.into_iter().map(|r| {
        json!({
            "receiver": r.receiver, "transition": r.transition, "state": r.state, "attempts": r.attempts,
            "created": r.created, "settled": r.settled, "error": r.error, "digest": r.digest,
        })
    });
    value["told"] = receipts.collect();
    let trail = face.store.audit_trail(&alert.id)?.into_iter();
    value["audit"] = trail.map(|t| json!({"record": t.seq, "at": t.at, "what": t.what})).collect();
    Ok(Some(value))
}

/// `/api/v1/silences`
pub(super) fn silences(face: &Face) -> Result<Value, StoreError> {
    let silences = face.store.silences(face.now())?;
    Ok(json!({ "silences": silences.iter().map(silence_json).collect::<Vec<_>>() }))
}

fn silence_json(s: &Silence) -> Value {
    json!({
        "id": s.id,
        "matchers": s.matchers.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "starts_at": s.starts_at,
        "ends_at": s.ends_at,
        "author": s.author,
        "comment": s.comment,
    })
}

/// What comes with an acknowledgement.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Ack {
    author: String,
    comment: String,
}

/// What a silence is made of.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewSilence {
    matchers: Vec<String>,
    #[serde(rename = "for")]
    length: String,
    #[serde(default)]
    author: String,
    #[serde(default)]
    comment: String,
}

/// A person's words as they are kept: redacted, on one line, not too long.
fn said(face: &Face, text: &str, most: usize) -> String {
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(most).collect();
    let redacted = face.redactor.worker().redact_line(line.trim().as_bytes());
    String::from_utf8_lossy(&redacted).into_owned()
}

fn author(face: &Face, text: &str) -> String {
    let author = said(face, text, 80);
    if author.is_empty() { "page".to_owned() } else { author }
}

fn parse<'a, T: Deserialize<'a> + Default>(body: &'a [u8]) -> Result<T, ActError> {
    if body.trim_ascii().is_empty() { Ok(T::default()) } else { read(body) }
}

/// The parser's own words could quote what was sent; only the place is told.
fn read<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, ActError> {
    serde_json::from_slice(body)
        .map_err(|e| ActError::Invalid(format!("the body cannot be read at line {} column {}", e.line(), e.column())))
}

/// `POST /api/v1/alerts/ID/ack`
pub(super) fn ack(face: &Face, id: &str, body: &[u8]) -> Result<Value, ActError> {
    let said_with: Ack = parse(body)?;
    let alert = face.store.alert(id)?.ok_or(ActError::NotFound)?;
    let (author, comment) = (author(face, &said_with.author), said(face, &said_with.comment, 500));
    face.store.ack(&alert.id, &author, &comment, face.now())?;
    face.board.set_numbers(|n| n.alert_changes += 1);
    Ok(json!({"id": alert.id, "in_hand": true, "author": author, "comment": comment}))
}

/// `POST /api/v1/silences`
pub(super) fn silence(face: &Face, body: &[u8]) -> Result<Value, ActError> {
    let new: NewSilence = read(body)?;
    let invalid = |e: &dyn std::fmt::Display| ActError::Invalid(e.to_string());
    let matchers: Vec<Matcher> = new
        .matchers
        .iter()
        .take(16)
        .map(|m| m.parse::<Matcher>().map_err(|e| invalid(&e)))
        .collect::<Result<_, _>>()?;
    if matchers.iter().any(|m| m.unknown_kind().is_some()) {
        return Err(ActError::Invalid("there is no such kind of alert".to_owned()));
    }
    let length = parse_duration(&new.length).map_err(|e| invalid(&e))?;
    if matchers.is_empty() || length.is_zero() || length > LONGEST {
        return Err(ActError::Invalid("a silence needs a matcher and a length up to 366 days".to_owned()));
    }
    let now = face.now();
    let silence = Silence {
        id: ulid::Ulid::r#gen().to_string(),
        matchers,
        starts_at: now,
        ends_at: now.plus(length),
        author: author(face, &new.author),
        comment: said(face, &new.comment, 500),
    };
    face.store.silence(&silence)?;
    face.board.set_numbers(|n| n.alert_changes += 1);
    Ok(silence_json(&silence))
}

/// `POST /api/v1/silences/ID/end`
pub(super) fn end_silence(face: &Face, id: &str, body: &[u8]) -> Result<Value, ActError> {
    let said_with: Ack = parse(body)?;
    let id = id.to_ascii_uppercase();
    if !face.store.end_silence(&id, &author(face, &said_with.author), face.now())? {
        return Err(ActError::NotFound);
    }
    face.board.set_numbers(|n| n.alert_changes += 1);
    Ok(json!({"id": id, "ended": true}))
}
