//! The whole hot path of one chunk, pure: raw lines in, redacted lines and a tally out.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::escapes::Escapes;
use crate::event::Reader;
use crate::line::lines;
use crate::redact::{NearMiss, Redacted, Redactor, Worker};
use crate::units::Timestamp;
use crate::window::Tally;

/// Why the lines of a chunk on which the redactor failed are withheld.
pub const FAILED: &str = "internal error";

/// Redacts the chunks of one stream, in order.
pub struct Chunk {
    redactor: Redactor,
    worker: Worker,
    escapes: Option<Escapes>,
    teller: Option<Teller>,
}

/// Reads redacted lines as events.
pub struct Teller {
    reader: Reader,
}

impl Teller {
    /// What `reader` says of the lines of one stream.
    pub fn new(reader: Reader) -> Self {
        Self { reader }
    }

    /// Adds what the redacted lines say about keys to `tally`. Nothing that happens here touches the lines.
    pub fn tally(&mut self, out: &Redacted, arrived: Timestamp, tally: &mut Tally) {
        tally.rename(out.renamed());
        let read = catch_unwind(AssertUnwindSafe(|| {
            for line in out.lines() {
                if let Some(event) = self.reader.read(line, arrived) {
                    tally.add(&event, line);
                }
            }
        }));
        if let Some(news) = self.reader.news() {
            // One line of configuration sets it right: `roles = { status = "/pointer" }` in [event].
            tracing::info!("{news}; `logwarden explain` says why");
        }
        if read.is_err() {
            tracing::error!("some lines could not be read as events; they are redacted, but not watched");
        }
    }
}

impl Chunk {
    /// The hot path for one stream; `strip` takes terminal escapes out of the lines first, so that what a terminal
    /// would join is matched joined.
    pub fn new(redactor: &Redactor, strip: bool) -> Self {
        let escapes = strip.then(Escapes::default);
        Self { redactor: redactor.clone(), worker: redactor.worker(), escapes, teller: None }
    }

    /// The same, reading the redacted lines as events too.
    pub fn watching(self, reader: Reader) -> Self {
        Self { teller: Some(Teller::new(reader)), ..self }
    }

    /// What reads its redacted lines as events, to be done elsewhere.
    pub(super) fn take_teller(&mut self) -> Option<Teller> {
        self.teller.take()
    }

    /// The same, noting what nearly matches.
    pub fn observing(mut self) -> Self {
        self.worker.observe();
        self
    }

    /// What nearly matched in the bytes that were redacted last.
    pub fn near_misses(&mut self) -> Vec<NearMiss> {
        self.worker.near_misses()
    }

    /// Redacts `bytes` into `out`. A line on which the redactor fails is withheld, never passed on.
    pub fn redact(&mut self, bytes: &[u8], withheld: Option<&'static str>, out: &mut Redacted) {
        if let Some(reason) = withheld {
            return out.withhold(std::iter::once(bytes), reason);
        }
        let bytes = self.escapes.as_mut().map_or(bytes, |escapes| escapes.strip(bytes));
        let worker = &mut self.worker;
        if !guarded(bytes, out, |bytes, out| worker.redact(bytes, out)) {
            // what the worker knew about the stream may be broken: begin anew
            self.worker = self.redactor.worker();
        }
    }

    /// Adds what the redacted lines say about keys to `tally`. Nothing that happens here touches the lines.
    pub fn tally(&mut self, out: &Redacted, arrived: Timestamp, tally: &mut Tally) {
        if let Some(teller) = &mut self.teller {
            teller.tally(out, arrived, tally);
        }
    }
}

/// Runs `redact`; when it panics, every line of the chunk is withheld. Says whether all went well.
fn guarded(bytes: &[u8], out: &mut Redacted, redact: impl FnOnce(&[u8], &mut Redacted)) -> bool {
    let done = catch_unwind(AssertUnwindSafe(|| redact(bytes, out))).is_ok();
    if !done {
        out.withhold(lines(bytes), FAILED);
    }
    done
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redact::PseudonymKey;

    #[test]
    fn a_panic_lets_nothing_raw_through() {
        let redactor = Redactor::new(PseudonymKey::random().unwrap());
        let mut worker = redactor.worker();
        let mut out = Redacted::default();
        let raw = b"first\r\nsecond\nlast";
        let went_well = guarded(raw, &mut out, |bytes, out| {
            worker.redact(bytes, out);
            panic!("in the middle of it");
        });
        assert!(!went_well);
        let withheld = r#"{"logwarden":"withheld","reason":"internal error"}"#;
        assert_eq!(String::from_utf8_lossy(out.bytes()), format!("{withheld}\r\n{withheld}\n{withheld}"));
        assert_eq!(out.withheld().len(), 3);
        assert!(guarded(raw, &mut out, |bytes, out| worker.redact(bytes, out)));
        assert_eq!(out.bytes(), raw);
    }

    #[test]
    fn a_line_that_was_not_taken_whole_is_replaced() {
        let mut chunk = Chunk::new(&Redactor::new(PseudonymKey::random().unwrap()), false);
        let mut out = Redacted::default();
        chunk.redact(b"\n", Some("line over 16 MiB"), &mut out);
        assert_eq!(out.bytes(), b"{\"logwarden\":\"withheld\",\"reason\":\"line over 16 MiB\"}\n");
        chunk.redact(b"clean\n", None, &mut out);
        assert_eq!(out.bytes(), b"clean\n");
    }
}
