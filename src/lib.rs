//! Logwarden: redact secrets and personal data in structured logs, and watch API keys for anomalies.
//!
//! One log line travels through the rooms once, downwards:
//!
//! ```text
//! sources -> line::Batch -> pipeline { redact -> Redacted -> event -> window::Tally } -> sinks
//!                                                              |
//!                              monitor: window -> alert -> store (outbox) -> delivery
//! ```
//!
//! Two walls keep it honest. The *privacy wall*: raw bytes are [`line::RawLine`]s that cannot be printed, and only
//! [`redact`] turns them into [`redact::Redacted`], which is all that the rest of the program accepts. The *clock
//! wall*: time is read where bytes arrive and where the monitor ticks, and is passed on as a [`units::Timestamp`].

pub mod alert;
pub mod audit;
pub mod cli;
pub mod config;
pub mod daemon;
pub mod delivery;
pub mod event;
pub mod line;
pub mod net;
pub mod pipeline;
pub mod redact;
pub mod rules;
pub mod secret;
pub mod sinks;
pub mod sources;
pub mod store;
pub mod telemetry;
pub mod units;
pub mod web;
pub mod window;
