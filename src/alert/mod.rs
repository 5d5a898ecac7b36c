//! From numbers to words: detectors, the life of an alert, silences.

mod object;

pub use object::{Alert, AlertKey, Evidence, Links, RunbookStep, Severity, Status, Urgency};
