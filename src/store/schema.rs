//! The database's shape and how it came to be: one step a version, never edited after a release.

/// Step `n` turns version `n` into `n + 1`. The version stands in SQLite's `user_version`.
pub(super) const STEPS: &[&str] = &[
    "
CREATE TABLE checkpoint (
    source TEXT NOT NULL, stream INTEGER NOT NULL, path TEXT NOT NULL, device INTEGER NOT NULL, inode INTEGER NOT NULL,
    prefix_hash BLOB NOT NULL, prefix_len INTEGER NOT NULL, anchor_hash BLOB NOT NULL, generation INTEGER NOT NULL,
    offset INTEGER NOT NULL, finished INTEGER NOT NULL, updated INTEGER NOT NULL,
    PRIMARY KEY (source, stream)
) WITHOUT ROWID;

CREATE TABLE output (
    sink TEXT NOT NULL PRIMARY KEY, path TEXT NOT NULL, device INTEGER NOT NULL, inode INTEGER NOT NULL,
    length INTEGER NOT NULL, updated INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE key_segment (seq INTEGER PRIMARY KEY AUTOINCREMENT, level INTEGER NOT NULL, body BLOB NOT NULL);

CREATE TABLE alert (
    id TEXT NOT NULL PRIMARY KEY, status TEXT NOT NULL, kind TEXT NOT NULL, fingerprint TEXT NOT NULL, tag TEXT,
    starts_at INTEGER NOT NULL, updated_at INTEGER NOT NULL, body TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX alert_updated ON alert (updated_at);
CREATE INDEX alert_firing ON alert (fingerprint) WHERE status = 'firing';

CREATE TABLE change (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, alert_id TEXT NOT NULL, at INTEGER NOT NULL, what TEXT NOT NULL,
    author TEXT, note TEXT NOT NULL
);
CREATE INDEX change_alert ON change (alert_id, seq);

CREATE TABLE silence (
    id TEXT NOT NULL PRIMARY KEY, matchers TEXT NOT NULL, starts_at INTEGER NOT NULL, ends_at INTEGER NOT NULL,
    author TEXT NOT NULL, comment TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE outbox (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, receiver TEXT NOT NULL, alert_id TEXT NOT NULL, transition TEXT NOT NULL,
    fingerprint TEXT NOT NULL, lane INTEGER NOT NULL, body TEXT NOT NULL, created INTEGER NOT NULL,
    state TEXT NOT NULL DEFAULT 'pending', due INTEGER NOT NULL, leased INTEGER NOT NULL DEFAULT 0,
    attempts INTEGER NOT NULL DEFAULT 0, settled INTEGER, error TEXT,
    UNIQUE (receiver, alert_id, transition)
);
CREATE INDEX outbox_ready ON outbox (receiver, lane DESC, seq) WHERE state = 'pending';
CREATE INDEX outbox_order ON outbox (receiver, fingerprint, seq) WHERE state = 'pending';
CREATE INDEX outbox_alert ON outbox (alert_id);
",
    "
CREATE TABLE audit_pending (
    id INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, what TEXT NOT NULL, alerts TEXT NOT NULL,
    body TEXT NOT NULL
);
CREATE TABLE audit_head (one INTEGER PRIMARY KEY CHECK (one = 1), seq INTEGER NOT NULL, mac TEXT NOT NULL);
CREATE TABLE audit_trail (
    alert_id TEXT NOT NULL, seq INTEGER NOT NULL, at INTEGER NOT NULL, what TEXT NOT NULL, PRIMARY KEY (alert_id, seq)
) WITHOUT ROWID;

CREATE TABLE counter (
    name TEXT NOT NULL, a TEXT NOT NULL, b TEXT NOT NULL, n INTEGER NOT NULL, PRIMARY KEY (name, a, b)
) WITHOUT ROWID;
",
];

/// The version that this program writes.
pub(super) const VERSION: i64 = STEPS.len() as i64;
