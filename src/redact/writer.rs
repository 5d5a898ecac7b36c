//! The library's face for programs that write their own log: an [`io::Write`] that lets only redacted lines through.

use std::io::{self, ErrorKind, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::engine::{Redactor, Worker};
use super::output::Redacted;
use crate::line::lines;

/// Longest line that is held back until it is complete, in bytes; a longer one is withheld.
const LONGEST: usize = 16 << 20;

/// Most bytes that one call of `write` takes.
const MOST: usize = 256 << 10;

/// Redacts what is written to it, line by line, on its way into `W`.
///
/// A line is passed on when its newline arrives, so that no secret is missed because it came in two pieces. Three
/// things follow from that:
///
/// - `flush` passes on complete lines only, then flushes `W`; the beginning of a line stays where it is.
/// - A last line without a newline is redacted and written by [`into_inner`](Self::into_inner), or when the writer is
///   dropped (where an error cannot be told).
/// - A line over 16 MiB is not held; `{"logwarden":"withheld",...}` is written in its place.
///
/// What is taken counts as written. When `W` fails, what it did not accept is kept and tried again first by the next
/// call, and that call reports the error if it is still there; no line is lost or written twice by trying again.
///
/// ```
/// use std::io::Write;
/// use logwarden::redact::{PseudonymKey, RedactingWriter, Redactor};
///
/// let redactor = Redactor::new(PseudonymKey::new(0, b"from your secret store"));
/// let mut log = RedactingWriter::new(Vec::new(), &redactor);
/// writeln!(log, "login user=jane password=hunter2")?;
/// write!(log, "mail to jane@exam")?;
/// log.flush()?;
/// assert_eq!(log.get_ref().as_slice(), b"login user=jane password=[PASSWORD]\n");
/// write!(log, "ple.com")?;
/// assert!(log.into_inner()?.ends_with(b"mail to [EMAIL]"));
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct RedactingWriter<W: Write> {
    /// Until [`into_inner`](Self::into_inner).
    inner: Option<W>,
    redactor: Redactor,
    worker: Worker,
    /// Bytes of a line whose newline has not come yet.
    held: Vec<u8>,
    /// The line that is arriving is too long: it is skipped up to its newline.
    over: bool,
    /// The last lines that were redacted.
    out: Redacted,
    /// How much of `out` has been accepted by `inner`.
    sent: usize,
}

impl<W: Write> RedactingWriter<W> {
    /// A writer in front of `inner`, as one stream: key blocks over several lines and remembered values are its own.
    pub fn new(inner: W, redactor: &Redactor) -> Self {
        Self {
            inner: Some(inner),
            redactor: redactor.clone(),
            worker: redactor.worker(),
            held: Vec::new(),
            over: false,
            out: Redacted::default(),
            sent: 0,
        }
    }

    /// What is behind the writer.
    pub fn get_ref(&self) -> &W {
        // taken by `into_inner` only, which ends this value
        self.inner.as_ref().unwrap_or_else(|| unreachable!("the inner writer is there until the end"))
    }

    /// Redacts and writes the unfinished last line, if there is one, and gives back what is behind the writer.
    ///
    /// # Errors
    /// When it cannot be written; what is behind the writer is then dropped.
    pub fn into_inner(mut self) -> io::Result<W> {
        let done = self.finish();
        let inner = self.inner.take();
        done?;
        inner.ok_or_else(|| io::Error::other("the inner writer is gone"))
    }

    /// Writes everything, the unfinished last line too.
    fn finish(&mut self) -> io::Result<()> {
        self.push()?;
        if self.over {
            self.withhold(b"");
        } else if !self.held.is_empty() {
            self.redact();
        }
        self.push()
    }

    /// Hands what is redacted to the inner writer; goes on where an error stopped it.
    fn push(&mut self) -> io::Result<()> {
        let Some(inner) = &mut self.inner else { return Ok(()) };
        while let Some(rest) = self.out.bytes().get(self.sent..).filter(|rest| !rest.is_empty()) {
            match inner.write(rest) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(n) => self.sent += n,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }

    /// Redacts what is held. A fault of ours withholds these lines and must not end the program that writes a log.
    fn redact(&mut self) {
        self.sent = 0;
        let (worker, held, out) = (&mut self.worker, &self.held, &mut self.out);
        if catch_unwind(AssertUnwindSafe(|| worker.redact(held, out))).is_err() {
            self.worker = self.redactor.worker();
            self.out.withhold(lines(&self.held), "internal error");
        }
        self.held.clear();
    }

    /// Ends a line that was too long; `ending` is its newline or nothing.
    fn withhold(&mut self, ending: &[u8]) {
        self.sent = 0;
        self.over = false;
        self.out.withhold(std::iter::once(ending), "line over 16 MiB");
    }

    /// Takes bytes from the front of `bytes`; how many.
    fn take(&mut self, bytes: &[u8]) -> usize {
        if self.over {
            let Some(end) = memchr::memchr(b'\n', bytes) else { return bytes.len() };
            self.withhold(b"\n");
            return end + 1;
        }
        // A line on its way is ended on its own, so that its length is the length of what is held.
        let end = if self.held.is_empty() { memchr::memrchr(b'\n', bytes) } else { memchr::memchr(b'\n', bytes) };
        let n = end.map_or(bytes.len(), |end| end + 1);
        if self.held.len() + n > LONGEST {
            self.held = Vec::new();
            self.over = true;
            // of the last piece the newline is left for the next call
            return end.unwrap_or(n);
        }
        self.held.extend_from_slice(&bytes[..n]);
        if end.is_some() {
            self.redact();
        }
        n
    }
}

impl<W: Write> Write for RedactingWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.push()?;
        let mut n = self.take(&bytes[..bytes.len().min(MOST)]);
        if n == 0 && !bytes.is_empty() {
            n = self.take(&bytes[..1]);
        }
        // These bytes are taken now: the next call, which tries again, is the one to report what is wrong.
        let _told_by_the_next_call = self.push();
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.push()?;
        self.inner.as_mut().map_or(Ok(()), Write::flush)
    }
}

impl<W: Write> Drop for RedactingWriter<W> {
    fn drop(&mut self) {
        if self.inner.is_some() {
            let _nobody_to_tell = self.finish();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use super::*;
    use crate::redact::PseudonymKey;

    /// Takes a few bytes at a time, and fails while `broken`.
    #[derive(Clone, Default)]
    struct Sink {
        got: Rc<RefCell<Vec<u8>>>,
        broken: Rc<RefCell<bool>>,
    }

    impl Sink {
        fn text(&self) -> String {
            String::from_utf8(self.got.borrow().clone()).unwrap()
        }
    }

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if *self.broken.borrow() {
                return Err(ErrorKind::StorageFull.into());
            }
            let n = bytes.len().min(7);
            self.got.borrow_mut().extend_from_slice(&bytes[..n]);
            Ok(n)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn writer() -> (Sink, RedactingWriter<Sink>) {
        let sink = Sink::default();
        (sink.clone(), RedactingWriter::new(sink, &Redactor::new(PseudonymKey::new(0, b"k"))))
    }

    const LINES: &str = "a password=hunter2\n\n{\"token\":\"a1b2c3d4e5f6g7\",\"n\":1}\r\nlast: jane@example.com";
    const WANT: &str = "a password=[PASSWORD]\n\n{\"token\":\"[TOKEN]\",\"n\":1}\r\nlast: [EMAIL]";

    #[test]
    fn pieces_of_any_size_give_the_same() {
        for size in [1, 2, 3, 5, 8, 13, 40, 1000] {
            let (sink, mut log) = writer();
            for piece in LINES.as_bytes().chunks(size) {
                log.write_all(piece).unwrap();
                log.flush().unwrap();
            }
            assert!(sink.text().ends_with('\n'), "{size}: the last line has not ended");
            drop(log);
            let got = sink.text();
            let tag = got.find("[TOKEN:").map_or(got.clone(), |at| format!("{}{}", &got[..at + 6], &got[at + 21..]));
            assert_eq!(tag, WANT, "in pieces of {size}");
        }
    }

    #[test]
    fn an_error_loses_nothing_and_repeats_nothing() {
        let (sink, mut log) = writer();
        log.write_all(b"one pin=1234\n").unwrap();
        *sink.broken.borrow_mut() = true;
        log.write_all(b"two pin=1234\n").unwrap();
        assert_eq!(log.write(b"three\n").unwrap_err().kind(), ErrorKind::StorageFull);
        assert_eq!(log.flush().unwrap_err().kind(), ErrorKind::StorageFull);
        *sink.broken.borrow_mut() = false;
        log.write_all(b"three\n").unwrap();
        assert_eq!(sink.text(), "one pin=[PIN]\ntwo pin=[PIN]\nthree\n");
        *sink.broken.borrow_mut() = true;
        log.write_all(b"four").unwrap();
        assert!(log.into_inner().is_err());
    }

    #[test]
    fn a_line_that_is_too_long_is_withheld() {
        const NOTE: &str = "{\"logwarden\":\"withheld\",\"reason\":\"line over 16 MiB\"}";
        let long = vec![b'x'; LONGEST];
        let (sink, mut log) = writer();
        log.write_all(b"before\n").unwrap();
        log.write_all(&long).unwrap();
        log.write_all(b"\nafter\n").unwrap();
        log.write_all(&long).unwrap();
        log.write_all(b"x").unwrap();
        assert!(log.held.is_empty() && log.over);
        drop(log);
        assert_eq!(sink.text(), format!("before\n{NOTE}\nafter\n{NOTE}"));
    }

    #[test]
    fn a_key_block_over_many_calls_goes_whole() {
        let (sink, mut log) = writer();
        writeln!(log, "-----BEGIN RSA PRIVATE KEY-----").unwrap();
        for _ in 0..3 {
            writeln!(log, "MIIEowIBAAKCAQEAy8Dbv8prpJ/0kKhlGeJYozo2t60EG8L0561g13R29LvMR5hy").unwrap();
        }
        writeln!(log, "-----END RSA PRIVATE KEY-----\nnext").unwrap();
        log.flush().unwrap();
        assert!(!sink.text().contains("MIIE") && sink.text().ends_with("next\n"), "{}", sink.text());
    }
}
