//! Our own diagnostics: short lines, redacted, and never a flood.

use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;

use crate::redact::{Redacted, Redactor, Worker};

/// How many lines may be written within [`SPAN`]; those over it are counted.
const MOST: u32 = 50;

/// The span of time for [`MOST`].
const SPAN: Duration = Duration::from_secs(10);

/// The variable that chooses what is told, for example `debug` or `logwarden::sources=debug`.
const VARIABLE: &str = "LOGWARDEN_LOG";

/// Sends diagnostics of the whole process to `out` from now on; what is of `level` or above is told. `plain` leaves
/// out time and level, for a command that somebody looks at.
pub fn start_log(out: impl Write + Send + 'static, redactor: &Redactor, level: &str, plain: bool) {
    let wanted = std::env::var(VARIABLE).ok().and_then(|text| text.parse::<Targets>().ok());
    let level = level.parse().unwrap_or(LevelFilter::INFO);
    let filter = wanted.unwrap_or_else(|| Targets::new().with_target("logwarden", level));
    let log = Log {
        gate: Mutex::new(Gate {
            out: Box::new(out),
            worker: redactor.worker(),
            redacted: Redacted::default(),
            since: None,
            written: 0,
            held: 0,
        }),
    };
    let builder = tracing_subscriber::fmt()
        .with_max_level(LevelFilter::TRACE)
        .with_ansi(false)
        .with_target(false)
        .with_writer(log);
    // the first one stays when this is called twice
    let _already_there = if plain {
        tracing::subscriber::set_global_default(builder.without_time().with_level(false).finish().with(filter))
    } else {
        tracing::subscriber::set_global_default(builder.finish().with(filter))
    };
}

struct Log {
    gate: Mutex<Gate>,
}

struct Gate {
    out: Box<dyn Write + Send>,
    worker: Worker,
    redacted: Redacted,
    /// When the present span began.
    since: Option<Instant>,
    /// Lines in this span.
    written: u32,
    /// Lines held back in this span.
    held: u32,
}

impl Gate {
    fn line(&mut self, line: &[u8], now: Instant) {
        if self.since.is_none_or(|since| now.duration_since(since) >= SPAN) {
            if self.held > 0 {
                let _nowhere_to_tell = writeln!(self.out, "logwarden: {} more messages were held back", self.held);
            }
            (self.since, self.written, self.held) = (Some(now), 0, 0);
        }
        if self.written >= MOST {
            self.held += 1;
            return;
        }
        self.written += 1;
        self.worker.redact(line, &mut self.redacted);
        let _nowhere_to_tell = self.out.write_all(b"logwarden: ");
        let _nowhere_to_tell = self.out.write_all(self.redacted.bytes());
    }
}

/// One message; written when it is complete.
struct Message<'a> {
    log: &'a Log,
    text: Vec<u8>,
}

impl Write for Message<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Message<'_> {
    fn drop(&mut self) {
        // of one line each: a name with a newline in it must not look like two messages
        let end = self.text.strip_suffix(b"\n").map_or(self.text.len(), <[u8]>::len);
        self.text[..end].iter_mut().filter(|b| b.is_ascii_control()).for_each(|b| *b = b' ');
        self.log.gate.lock().unwrap_or_else(PoisonError::into_inner).line(&self.text, Instant::now());
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Message<'a>;

    fn make_writer(&'a self) -> Message<'a> {
        Message { log: self, text: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::redact::PseudonymKey;

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_flood_is_held_back_and_counted() {
        let out = Shared::default();
        let worker = Redactor::new(PseudonymKey::random().unwrap()).worker();
        let redacted = Redacted::default();
        let mut gate = Gate { out: Box::new(out.clone()), worker, redacted, since: None, written: 0, held: 0 };
        let start = Instant::now();
        (0..60).for_each(|n| gate.line(format!("message {n}\n").as_bytes(), start));
        gate.line(b"later\n", start + SPAN);
        let text = String::from_utf8(out.0.lock().unwrap().clone()).unwrap();
        assert_eq!(text.lines().count(), MOST as usize + 2);
        assert!(text.ends_with("logwarden: 10 more messages were held back\nlogwarden: later\n"), "{text}");
    }
}
