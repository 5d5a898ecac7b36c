//! Silences: alerts of some shape that nobody wants to be told of for a while.

use std::fmt;
use std::str::FromStr;

use rusqlite::params;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::audit;
use super::db::{Store, StoreError};
use crate::alert::{Alert, KINDS};
use crate::units::Timestamp;

/// What a silence looks at: one property and the value it must have; `*` in the value stands for anything.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Matcher {
    field: Field,
    value: String,
}

/// A property of an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Field {
    Kind,
    Key,
    Group,
    Source,
    Fingerprint,
}

const FIELDS: [(&str, Field); 5] = [
    ("kind", Field::Kind),
    ("key", Field::Key),
    ("group", Field::Group),
    ("source", Field::Source),
    ("fingerprint", Field::Fingerprint),
];

/// A matcher that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a matcher; write kind=..., key=... (label, pseudonym or type), group=..., source=... or fingerprint=..."
)]
pub struct MatcherError(String);

impl FromStr for Matcher {
    type Err = MatcherError;

    fn from_str(text: &str) -> Result<Self, MatcherError> {
        let bad = || MatcherError(text.chars().filter(|c| !c.is_control()).take(80).collect());
        let (name, value) = text.split_once('=').ok_or_else(bad)?;
        let (_, field) = FIELDS.iter().find(|(n, _)| *n == name.trim()).ok_or_else(bad)?;
        let value = value.trim();
        if value.is_empty() { Err(bad()) } else { Ok(Self { field: *field, value: value.to_owned() }) }
    }
}

impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = FIELDS.iter().find(|(_, field)| *field == self.field).map_or("", |(name, _)| name);
        write!(f, "{name}={}", self.value)
    }
}

impl Matcher {
    /// The kind that it asks for, when there is no such kind: it would silence nothing, and nobody would notice.
    pub fn unknown_kind(&self) -> Option<&str> {
        let known = || KINDS.iter().any(|kind| like(self.value.as_bytes(), kind.name.as_bytes()));
        (self.field == Field::Kind && !known()).then_some(&*self.value)
    }

    fn fits(&self, alert: &Alert) -> bool {
        let is = |text: &str| like(self.value.as_bytes(), text.as_bytes());
        let is_some = |text: &Option<String>| text.as_deref().is_some_and(is);
        match (self.field, &alert.key) {
            (Field::Kind, _) => is(&alert.kind),
            (Field::Source, _) => is_some(&alert.source),
            (Field::Fingerprint, _) => is(&alert.fingerprint),
            (Field::Key, Some(key)) => is(&key.tag) || is(&key.kind) || is_some(&key.label),
            (Field::Group, Some(key)) => is_some(&key.group),
            (Field::Key | Field::Group, None) => false,
        }
    }
}

/// Whether `text` is of the form `pattern`, where `*` stands for any run of bytes. Takes time proportional to the
/// product of the lengths at worst.
fn like(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        if pattern.get(p) == Some(&b'*') {
            star = Some((p, t));
            p += 1;
        } else if pattern.get(p) == Some(&text[t]) {
            p += 1;
            t += 1;
        } else if let Some((at, from)) = star {
            star = Some((at, from + 1));
            p = at + 1;
            t = from + 1;
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|b| *b == b'*')
}

/// Alerts that nobody is told of for a while. They are still recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Silence {
    /// ULID.
    pub id: String,
    /// All must fit.
    pub matchers: Vec<Matcher>,
    /// From when.
    pub starts_at: Timestamp,
    /// Until when.
    pub ends_at: Timestamp,
    /// Who wants it.
    pub author: String,
    /// Why.
    pub comment: String,
}

impl Silence {
    /// Whether `alert` is not to be told at `now`. A silence without matchers covers nothing.
    pub fn covers(&self, alert: &Alert, now: Timestamp) -> bool {
        (self.starts_at..self.ends_at).contains(&now)
            && !self.matchers.is_empty()
            && self.matchers.iter().all(|m| m.fits(alert))
    }
}

impl Store {
    /// Adds a silence, or changes the one with its id.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn silence(&self, silence: &Silence) -> Result<(), StoreError> {
        let matchers = serde_json::to_string(&silence.matchers).map_err(|e| StoreError::Encode(e.to_string()))?;
        let shown: Vec<String> = silence.matchers.iter().map(ToString::to_string).collect();
        let data = json!({
            "id": silence.id, "matchers": shown, "ends_at": silence.ends_at, "author": silence.author,
            "comment": silence.comment,
        });
        let mut db = self.lock();
        let tx = db.transaction()?;
        tx.execute(
            "INSERT OR REPLACE INTO silence VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![silence.id, matchers, silence.starts_at.0, silence.ends_at.0, silence.author, silence.comment],
        )?;
        audit::note(&tx, silence.starts_at, "silence.added", &[], &data)?;
        tx.commit()?;
        Ok(())
    }

    /// Ends a silence now, because `author` says so; says whether there was one.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn end_silence(&self, id: &str, author: &str, now: Timestamp) -> Result<bool, StoreError> {
        let sql = "UPDATE silence SET ends_at = ?2 WHERE id = ?1 AND ends_at > ?2";
        let mut db = self.lock();
        let tx = db.transaction()?;
        let ended = tx.execute(sql, params![id, now.0])? > 0;
        if ended {
            audit::note(&tx, now, "silence.ended", &[], &json!({ "id": id, "author": author }))?;
        }
        tx.commit()?;
        Ok(ended)
    }

    /// The silences that have not ended by `now`, the one that ends first first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn silences(&self, now: Timestamp) -> Result<Vec<Silence>, StoreError> {
        let db = self.lock();
        let mut query = db.prepare_cached(
            "SELECT id, matchers, starts_at, ends_at, author, comment FROM silence WHERE ends_at > ?1 ORDER BY ends_at, id",
        )?;
        let rows = query.query_map([now.0], |r| {
            let times = (Timestamp(r.get(2)?), Timestamp(r.get(3)?));
            Ok((r.get(0)?, r.get::<_, String>(1)?, times, r.get(4)?, r.get(5)?))
        })?;
        rows.map(|row| {
            let (id, matchers, (starts_at, ends_at), author, comment) = row?;
            let matchers = serde_json::from_str(&matchers).map_err(|e| StoreError::Damaged(e.to_string()))?;
            Ok(Silence { id, matchers, starts_at, ends_at, author, comment })
        })
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_anything() {
        let fits = |p: &str, t: &str| like(p.as_bytes(), t.as_bytes());
        for (p, t) in
            [("billing-*", "billing-prod"), ("*", ""), ("*prod", "a-prod-prod"), ("a*b*c", "a-b-b-c"), ("x", "x")]
        {
            assert!(fits(p, t), "{p} {t}");
        }
        for (p, t) in [("billing-*", "billin"), ("", "x"), ("a*b", "a-b-c"), ("a", "A")] {
            assert!(!fits(p, t), "{p} {t}");
        }
        assert!(!fits(&"*a".repeat(40), &"a".repeat(39)), "and does not take for ever");
    }

    #[test]
    fn a_silence_covers_what_all_its_matchers_fit_while_it_lasts() {
        let body = r#"{"schema":"logwarden.alert/v1","id":"1","status":"firing","kind":"volume_spike","severity":"warning",
            "urgency":"ticket","key":{"type":"API_KEY","tag":"01k7","label":"billing-prod","group":"prod"},"source":null,
            "fingerprint":"5f","starts_at":"2026-05-01T12:00:00Z","ends_at":null,"updated_at":"2026-05-01T12:00:00Z",
            "summary":"","why":"","evidence":{"unit":"","observed":null,"expected":null,"threshold":null,"window_s":null,
            "score":null,"networks":[],"lines":[]},"likely_causes":[],"runbook":[],"count":1,"host":"","links":{"page":null}}"#;
        let alert: Alert = serde_json::from_str(body).unwrap();
        let at = |s: i64| Timestamp::from_secs(1_777_636_800 + s);
        let covers = |text: &[&str], s| {
            let matchers = text.iter().map(|t| t.parse().unwrap()).collect();
            let (id, author, comment) = ("1".to_owned(), "ada".to_owned(), "load test".to_owned());
            Silence { id, matchers, starts_at: at(0), ends_at: at(60), author, comment }.covers(&alert, at(s))
        };
        assert!(covers(&["key=billing-*", "kind=volume_spike"], 59));
        assert!(!covers(&["key=billing-*", "kind=volume_spike"], 60), "it has ended");
        assert!(!covers(&["key=billing-*", "kind=new_ip"], 30), "both must fit");
        assert!(covers(&["group=prod"], 30) && covers(&["key=01k7"], 0) && covers(&["key=API_*"], 0));
        assert!(!covers(&[], 30), "no matcher is no silence");
    }

    #[test]
    fn matchers_are_written_as_they_are_read() {
        for text in ["kind=volume_spike", "key=billing-*", "group=prod", "source=nginx", "fingerprint=5f*"] {
            assert_eq!(text.parse::<Matcher>().unwrap().to_string(), text);
        }
        for bad in ["", "kind", "kind=", "knd=x", "=x"] {
            assert!(bad.parse::<Matcher>().is_err(), "{bad}");
        }
    }
}
