//! How the last reading of the configuration went.

use std::sync::{Arc, Mutex, PoisonError};

use crate::units::Timestamp;

/// The last reading of the configuration; cloned handles share it, and it outlives a reload.
#[derive(Clone, Debug, Default)]
pub struct Reloads(Arc<Mutex<Reload>>);

/// How a reading went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reload {
    /// Whether what was read is what runs.
    pub successful: bool,
    /// When.
    pub at: Timestamp,
}

impl Default for Reload {
    fn default() -> Self {
        Self { successful: true, at: Timestamp(0) }
    }
}

impl Reloads {
    /// Notes how a reading went.
    pub fn note(&self, successful: bool, at: Timestamp) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Reload { successful, at };
    }

    /// The last one.
    pub fn last(&self) -> Reload {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
