//! Reading a redacted line as an event: which field holds the key, the address, the status, the time.
//!
//! A line is walked once, without building a tree. Fields are found by what is set in `[event]`, by the fingerprint of
//! known software (`rules/schemas/*.toml`), and by name with a check of the value, in this order. A caller is known by
//! the pseudonym of its credential, which only the redactor can have written: text that merely looks like a label never
//! makes a key, unless the source is marked `trusted_labels`.
//!
//! Lines of one logger are alike but for their values: the road through them (`trail`) and what their fields may mean
//! (`plan`) are worked out once for each shape of line, and only values are checked in each (`picks`).
//!
//! Redaction never depends on this room: it sits behind the privacy wall and sees redacted lines only.

mod access;
mod attack;
mod build;
mod config;
mod endpoint;
mod ends;
mod explain;
mod join;
mod model;
mod nested;
mod paths;
mod picks;
mod plan;
mod reader;
mod role;
mod scan;
mod schema;
mod tables;
mod text;
mod time;
mod trail;
mod value;
mod walk;

pub use config::{EventConfig, EventError, Identity};
pub use endpoint::endpoint;
pub use explain::{Explanation, RoleFound};
pub use model::{Clock, Event, KeyRef, Secret};
pub use reader::{MAX_AHEAD, Reader, SourceReading};
pub use role::{Role, Unit};
pub use tables::Roles;
pub use text::{Bytes, Text};

pub use crate::line::SourceId;
