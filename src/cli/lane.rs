//! One output and what flows into it: read, redact, write, on one thread.

use std::io::{self, IsTerminal};
use std::os::fd::AsFd;
use std::sync::Arc;

use super::outlet::{Outlet, WhenSlow};
use crate::daemon::{self, Observer};
use crate::event::Reader;
use crate::pipeline::Chunk;
use crate::redact::{Redacted, Redactor};
use crate::sinks::SinkError;
use crate::sources::Reading;
use crate::telemetry::Counters;
use crate::window::Tally;

/// An output of the command line with its reused buffers.
pub struct Lane<O: AsFd> {
    redactor: Redactor,
    counters: Arc<Counters>,
    out: Outlet<O>,
    strip: bool,
    redacted: Redacted,
    spare: Vec<u8>,
}

/// Why an input was left before its end.
pub enum Stop {
    /// It cannot be read; others still can.
    Input(io::Error),
    /// Nothing more can be written.
    Output(SinkError),
}

impl<O: AsFd + IsTerminal + Send + 'static> Lane<O> {
    /// A lane into `out`, called `name` in messages. Terminal escapes are taken out when it is a terminal.
    pub fn new(redactor: &Redactor, counters: &Arc<Counters>, out: O, name: &'static str, when: WhenSlow) -> Self {
        Self {
            redactor: redactor.clone(),
            counters: Arc::clone(counters),
            strip: out.is_terminal(),
            out: Outlet::new(out, name, when),
            redacted: Redacted::default(),
            spare: Vec::new(),
        }
    }

    /// Writes what still waits for the output.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn finish(&mut self) -> Result<(), SinkError> {
        self.out.finish()
    }

    /// Passes all of `input`, which is one stream; what `watch` reads in it goes to the observer.
    ///
    /// # Errors
    /// [`Stop`] says which side failed.
    pub fn pass(&mut self, input: impl AsFd, watch: Option<(&Observer, Reader)>) -> Result<(), Stop> {
        let mut chunk = Chunk::new(&self.redactor, self.strip);
        let mut observer = None;
        if let Some((watching, reader)) = watch {
            chunk = chunk.watching(reader);
            observer = Some(watching);
        }
        let mut reading = Reading::new(input);
        loop {
            let spare = std::mem::take(&mut self.spare);
            let Some(piece) = reading.next(spare).map_err(Stop::Input)? else { return Ok(()) };
            chunk.redact(&piece.bytes, piece.withheld, &mut self.redacted);
            self.counters.add(piece.bytes.len(), &self.redacted);
            let lines = self.redacted.line_count() as u64;
            self.out.write(self.redacted.bytes(), lines).map_err(Stop::Output)?;
            if let Some(observer) = observer {
                let mut tally = Tally::default();
                chunk.tally(&self.redacted, daemon::now(), &mut tally);
                observer.observe(tally);
            }
            self.spare = piece.bytes;
        }
    }
}
