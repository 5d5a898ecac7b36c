//! The systemd journal, as `journalctl` writes it; where we are in it is the cursor that each entry carries.

use std::io::{self, Read};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::config::{JournalStart, JournaldSource};
use super::lines::Piece;
use super::meter::Meter;
use super::positions::Positions;
use super::read::Reading;
use super::stdin::readable;
use crate::line::{Ack, Batch, Pool, SourceId};
use crate::store::Checkpoint;
use crate::units::Timestamp;

/// How long until `journalctl` is started again when it has ended; doubles up to [`LONGEST`] while it brings nothing.
const AGAIN: Duration = Duration::from_secs(1);

/// See [`AGAIN`].
const LONGEST: Duration = Duration::from_secs(30);

/// After so many starts that brought nothing the cursor itself may be to blame.
const TRIES: u32 = 5;

/// The most that is kept of what it says on stderr, in bytes.
const WORDS: u64 = 1024;

/// What a journal source needs from its surroundings.
pub struct JournalSetup {
    /// The source's number.
    pub source: SourceId,
    /// The source's name, for messages.
    pub name: String,
    /// Its section of the configuration.
    pub config: JournaldSource,
    /// Where it stood before.
    pub known: Option<Checkpoint>,
    /// Where to say how far it has come.
    pub positions: Positions,
    /// Used buffers.
    pub pool: Pool<Vec<u8>>,
    /// What is counted.
    pub meter: Arc<Meter>,
}

/// Reads the journal. It is one stream, number 0; its offsets count bytes since the first start.
pub struct Journal {
    setup: JournalSetup,
    /// Behind the last entry that was handed out.
    cursor: Option<String>,
    /// Bytes handed out before the present run of `journalctl`.
    base: u64,
}

/// Takes a batch onwards; `false` when nobody takes batches any more.
type Emit<'a> = dyn FnMut(Batch) -> bool + 'a;

/// How a run of `journalctl` ended.
enum End {
    /// By itself, after so many bytes.
    Itself(u64),
    /// Because we end.
    Stopped,
}

impl Journal {
    /// A journal that has not been looked at yet.
    pub fn new(setup: JournalSetup) -> Self {
        let known = setup.known.clone();
        if known.is_none() {
            setup.positions.identify(setup.source, 0, &Checkpoint::default());
        }
        let cursor = known.as_ref().map(|at| at.path.clone()).filter(|cursor| !cursor.is_empty());
        Self { setup, cursor, base: known.map_or(0, |at| at.offset) }
    }

    /// Follows the journal until `stop` is set or nobody takes batches any more. `clock` gives the time of arrival.
    pub fn run(&mut self, stop: &AtomicBool, clock: fn() -> Timestamp, emit: &mut Emit<'_>) {
        let (mut wait, mut fruitless) = (AGAIN, 0);
        while !stop.load(Ordering::Relaxed) {
            let why = match self.follow(stop, clock, emit) {
                Ok((End::Stopped, _)) => return,
                Ok((End::Itself(bytes), words)) => {
                    if bytes > 0 {
                        (wait, fruitless) = (AGAIN, 0);
                    }
                    fruitless += u32::from(bytes == 0);
                    words
                }
                Err(error) => error.to_string(),
            };
            let command = self.setup.config.command.display();
            tracing::warn!("source {}: {command} has ended ({why}); it is started again", self.setup.name);
            self.setup.meter.restarts.fetch_add(1, Ordering::Relaxed);
            if fruitless >= TRIES && self.cursor.take().is_some() {
                fruitless = 0;
                self.setup.meter.abandon(0);
                tracing::warn!(
                    "source {}: the journal may not hold the last entry any more; reading it from its beginning",
                    self.setup.name
                );
            }
            let until = Instant::now() + wait;
            while Instant::now() < until && !stop.load(Ordering::Relaxed) {
                std::thread::sleep(AGAIN / 20);
            }
            wait = (2 * wait).min(LONGEST);
        }
    }

    /// One run of `journalctl`; gives what it said on stderr too.
    fn follow(
        &mut self,
        stop: &AtomicBool,
        clock: fn() -> Timestamp,
        emit: &mut Emit<'_>,
    ) -> io::Result<(End, String)> {
        let mut child = Ended(self.command().spawn()?);
        let (Some(out), Some(err)) = (child.0.stdout.take(), child.0.stderr.take()) else {
            return Err(io::Error::other("it has no output"));
        };
        let words = std::thread::Builder::new().name("journal-stderr".to_owned()).spawn(move || {
            let mut kept = Vec::new();
            let mut err = err;
            let _unreadable = err.by_ref().take(WORDS).read_to_end(&mut kept);
            let _unreadable = io::copy(&mut err, &mut io::sink());
            String::from_utf8_lossy(&kept).trim().to_owned()
        })?;
        let end = self.read(out, stop, clock, emit);
        drop(child);
        let said = words.join().unwrap_or_default();
        Ok((end?, if said.is_empty() { "without a word".to_owned() } else { said }))
    }

    fn command(&self) -> Command {
        let config = &self.setup.config;
        let mut command = Command::new(&config.command);
        // all: fields over 4 KiB would be left out otherwise
        command.args(["--output=json", "--follow", "--all", "--no-pager"]);
        // every entry of what is asked for has these fields
        let mut fields = Vec::new();
        // Following stops at the present boot otherwise, and leaves out what an earlier one still wrote when we had
        // ended; with it other machines' journals, should there be any, have to be left out.
        if let Some(id) = id("/etc/machine-id") {
            command.arg("--merge");
            fields.push(format!("_MACHINE_ID={id}"));
        }
        match (&self.cursor, config.from) {
            (Some(cursor), _) => command.arg("--no-tail").arg(format!("--after-cursor={cursor}")),
            (None, JournalStart::All) => command.arg("--no-tail"),
            (None, JournalStart::Boot) => {
                // `--boot` does not go with `--merge`; and a unit with ProcSubset=pid cannot read the boot's number
                match id("/proc/sys/kernel/random/boot_id") {
                    Some(id) => fields.push(format!("_BOOT_ID={id}")),
                    None => {
                        command.arg(format!("--since=@{}", booted()));
                    }
                }
                command.arg("--no-tail")
            }
            (None, JournalStart::Now) => command.arg("--lines=0"),
        };
        command.args(config.units.iter().map(|unit| format!("--unit={unit}")));
        command.args(&fields);
        for field in &config.matches {
            command.arg(field);
            // the two sides of an "or" have no field in common
            if field == "+" {
                command.args(&fields);
            }
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn read(
        &mut self,
        out: ChildStdout,
        stop: &AtomicBool,
        clock: fn() -> Timestamp,
        emit: &mut Emit<'_>,
    ) -> io::Result<End> {
        let poll = out.try_clone_fd()?;
        let mut reading = Reading::new(out);
        let mut bytes = 0;
        loop {
            while let Ok(piece) = reading.take(self.setup.pool.take()) {
                bytes = piece.end;
                if !emit(self.batch(piece, clock())) {
                    return Ok(End::Stopped);
                }
            }
            while !readable(&poll)? {
                if stop.load(Ordering::Relaxed) {
                    return Ok(End::Stopped);
                }
            }
            if stop.load(Ordering::Relaxed) {
                return Ok(End::Stopped);
            }
            // what is left then is no whole entry; it comes again behind the cursor
            if !reading.fill()? {
                self.base += bytes;
                return Ok(End::Itself(bytes));
            }
        }
    }

    fn batch(&mut self, piece: Piece, now: Timestamp) -> Batch {
        let offset = self.base + piece.end;
        if let Some(cursor) = last_cursor(&piece.bytes) {
            self.setup.positions.name(self.setup.source, 0, offset, cursor.clone());
            self.cursor = Some(cursor);
        }
        let ack = Ack { source: self.setup.source, stream: 0, offset, anchor: piece.anchor };
        Batch { ack, arrived: now, bytes: piece.bytes, withheld: piece.withheld, last: false }
    }
}

trait CloneFd {
    fn try_clone_fd(&self) -> io::Result<std::os::fd::OwnedFd>;
}

impl CloneFd for ChildStdout {
    fn try_clone_fd(&self) -> io::Result<std::os::fd::OwnedFd> {
        use std::os::fd::AsFd;
        self.as_fd().try_clone_to_owned()
    }
}

/// A child that does not outlive us.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ended_already = self.0.kill();
        let _reaped = self.0.wait();
    }
}

/// A number of 128 bits that a file holds, as the journal writes it: 32 hexadecimal digits.
fn id(path: &str) -> Option<String> {
    let mut text = std::fs::read_to_string(path).ok()?;
    text.retain(|c| c.is_ascii_hexdigit());
    (text.len() == 32).then_some(text)
}

/// When the machine was started, in seconds since 1970.
fn booted() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    i64::try_from(now).unwrap_or(i64::MAX) - rustix::system::sysinfo().uptime - 1
}

/// The cursor of the last entry in `bytes`.
fn last_cursor(bytes: &[u8]) -> Option<String> {
    const NAME: &[u8] = b"\"__CURSOR\"";
    // inside of a string the quotes are escaped, and a value is not followed by a colon
    memchr::memmem::rfind_iter(bytes, NAME).find_map(|at| {
        let rest = bytes[at + NAME.len()..].trim_ascii_start().strip_prefix(b":")?.trim_ascii_start();
        let value = rest.strip_prefix(b"\"")?;
        let end = memchr::memchr(b'"', value)?;
        let cursor = std::str::from_utf8(&value[..end]).ok()?;
        (!cursor.contains(['\\', '\n'])).then(|| cursor.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_cursor_is_found_and_nothing_that_looks_like_one() {
        let of = |text: &str| last_cursor(text.as_bytes());
        assert_eq!(
            of("{\"__CURSOR\":\"s=1;i=2\",\"MESSAGE\":\"x\"}\n{\"__CURSOR\" : \"s=1;i=3\"}\n").as_deref(),
            Some("s=1;i=3")
        );
        let tricky = "{\"__CURSOR\":\"real\",\"MESSAGE\":\"\\\"__CURSOR\\\":\\\"fake\\\" \\\"__CURSOR\"}\n";
        assert_eq!(of(tricky).as_deref(), Some("real"));
        assert_eq!(of("{\"MESSAGE\":\"x\"}\n"), None);
    }
}
