//! A redacting writer for any program that logs with `tracing-subscriber`.

use std::io::{self, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tracing_subscriber::fmt::MakeWriter;

use crate::redact::{RedactingWriter, Redactor};

/// Redacts the log of a program that uses `tracing-subscriber`, on its way into `W`.
///
/// One event is written at a time. Turn colours off: an escape sequence between a field's name and its value hides
/// the name. The writer's own rules about lines are those of [`RedactingWriter`].
///
/// ```
/// use logwarden::redact::{PseudonymKey, Redactor};
/// use logwarden::telemetry::RedactingLog;
///
/// let redactor = Redactor::new(PseudonymKey::new(0, b"from your secret store"));
/// let log = RedactingLog::new(std::io::stderr(), &redactor);
/// let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(log).finish();
/// tracing::subscriber::with_default(subscriber, || {
///     tracing::info!(user = "jane", password = "hunter2", "login"); // ... login user="jane" password="[PASSWORD]"
/// });
/// ```
pub struct RedactingLog<W: Write> {
    out: Mutex<RedactingWriter<W>>,
}

impl<W: Write> RedactingLog<W> {
    /// A log in front of `out`.
    pub fn new(out: W, redactor: &Redactor) -> Self {
        Self { out: Mutex::new(RedactingWriter::new(out, redactor)) }
    }
}

/// The writer of one event; other events wait until it is gone.
pub struct EventWriter<'a, W: Write>(MutexGuard<'a, RedactingWriter<W>>);

impl<W: Write> Write for EventWriter<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl<'a, W: Write + 'a> MakeWriter<'a> for RedactingLog<W> {
    type Writer = EventWriter<'a, W>;

    fn make_writer(&'a self) -> EventWriter<'a, W> {
        // A writer that panicked has lost its own event, not those that follow.
        EventWriter(self.out.lock().unwrap_or_else(PoisonError::into_inner))
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

    fn logged(json: bool) -> String {
        let out = Shared::default();
        let log = RedactingLog::new(out.clone(), &Redactor::new(PseudonymKey::new(0, b"k")));
        let builder = tracing_subscriber::fmt().with_ansi(false).with_writer(log);
        let work =
            || tracing::info!(user = "jane", password = "hunter2 and more", pin = 4711, "mail to a.b@example.com");
        if json {
            tracing::subscriber::with_default(builder.json().finish(), work);
        } else {
            tracing::subscriber::with_default(builder.finish(), work);
        }
        let bytes = out.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn events_are_redacted_in_both_formats() {
        let text = logged(false);
        assert!(text.ends_with("mail to [EMAIL] user=\"jane\" password=\"[PASSWORD]\" pin=[PIN]\n"), "{text}");
        let json: serde_json::Value = serde_json::from_str(&logged(true)).unwrap();
        let fields = &json["fields"];
        assert_eq!(
            (&fields["user"], &fields["password"], &fields["pin"], &fields["message"]),
            (&"jane".into(), &"[PASSWORD]".into(), &"[PIN]".into(), &"mail to [EMAIL]".into())
        );
    }
}
