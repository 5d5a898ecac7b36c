//! The whole hot path of one chunk, pure: raw lines in, redacted lines and a tally out.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::escapes::Escapes;
use crate::line::lines;
use crate::redact::{Redacted, Redactor, Worker};

/// Why the lines of a chunk on which the redactor failed are withheld.
pub const FAILED: &str = "internal error";

/// Redacts the chunks of one stream, in order.
pub struct Chunk {
    redactor: Redactor,
    worker: Worker,
    escapes: Option<Escapes>,
}

impl Chunk {
    /// The hot path for one stream; `strip` takes terminal escapes out of the lines first, so that what a terminal
    /// would join is matched joined.
    pub fn new(redactor: &Redactor, strip: bool) -> Self {
        let escapes = strip.then(Escapes::default);
        Self { redactor: redactor.clone(), worker: redactor.worker(), escapes }
    }

    /// Redacts `bytes` into `out`. A line on which the redactor fails is withheld, never passed on.
    pub fn redact(&mut self, bytes: &[u8], withheld: Option<&'static str>, out: &mut Redacted) {
        if let Some(reason) = withheld {
            return out.withhold(std::iter::once(bytes), reason);
        }
        let bytes = self.escapes.as_mut().map_or(bytes, |escapes| escapes.strip(bytes));
        if catch_unwind(AssertUnwindSafe(|| self.worker.redact(bytes, out))).is_err() {
            // what the worker knew about the stream may be broken: begin anew
            self.worker = self.redactor.worker();
            out.withhold(lines(bytes), FAILED);
        }
    }
}
