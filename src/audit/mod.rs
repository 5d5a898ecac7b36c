//! What an operator can prove: an append-only log of what this program did, each record tied to the one before it.
//!
//! A record is one JSON object on one line. Its last field, `mac`, is the HMAC-SHA-256 of everything on the line before
//! that field; `prev` is the `mac` of the record before, and `seq` counts without gaps. So a record that was edited
//! does not fit its own `mac`, one that is missing leaves a gap, and one that was moved stands at the wrong number. Only
//! the end needs a witness: the [`Head`], number and `mac` of the last record, which the store keeps in its database,
//! and which can be noted wherever nobody who can write here can.
//!
//! What is recorded, and when, is the business of the rooms above.

mod config;
mod error;
mod files;
mod key;
mod log;
mod record;
mod verify;

pub use config::AuditConfig;
pub use error::AuditError;
pub use files::records;
pub use key::{AUDIT_CREDENTIAL, AuditKey, KEY_FILE};
pub use log::{Appended, AuditLog, Expired};
pub use record::{Entry, Head, HeadError, Record};
pub use verify::{Damage, Finding, Report, verify};
