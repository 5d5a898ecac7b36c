//! The worker of `exec`: the process that redacts. When it dies, the supervisor starts another and nobody notices.

use std::collections::VecDeque;
use std::io::{self, BufReader, BufWriter, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::exit::Exit;
use super::wire::{Answer, Greeting, STREAMS, Task, answer, answered, ask, asked};
use crate::pipeline::Chunk;
use crate::redact::{PseudonymKey, Redacted, Redactor};
use crate::sources::TOO_LONG;
use crate::telemetry;

/// The hidden verb under which the program starts itself.
pub const VERB: &str = "exec-worker";

/// A chunk on which so many workers died by themselves is withheld.
const TRIES: u32 = 3;

/// How long until a worker that cannot be started is tried again.
const AGAIN: Duration = Duration::from_millis(500);

/// How much of what went before is shown to a new worker, so that it knows an open key block when it is in one.
const MEMORY: usize = 256 << 10;

/// The worker's whole life.
pub fn run() -> anyhow::Result<Exit> {
    telemetry::guard_process();
    let (mut from, mut to) = (BufReader::new(io::stdin().lock()), BufWriter::new(io::stdout().lock()));
    let Greeting { secret, strip } = Greeting::receive(&mut from)?;
    let redactor = Redactor::new(PseudonymKey::new(0, &secret));
    telemetry::start_log(io::stderr(), &redactor, "warn", true);
    let mut chunks = strip.map(|strip| Chunk::new(&redactor, strip));
    let (mut bytes, mut out) = (Vec::new(), Redacted::default());
    while let Some((stream, task)) = asked(&mut from, &mut bytes)? {
        chunks[stream].redact(&bytes, (task == Task::Withhold).then_some(TOO_LONG), &mut out);
        if task != Task::Remember {
            answer(&mut to, &out)?;
        }
    }
    Ok(Exit::OK)
}

/// Keeps a worker alive and talks to it.
pub struct Supervisor {
    greeting: Greeting,
    live: Mutex<Option<Live>>,
}

struct Live {
    child: Child,
    to: BufWriter<ChildStdin>,
    from: BufReader<ChildStdout>,
    /// By stream: whether it was shown what went before.
    knows: [bool; STREAMS],
}

/// What went before on one stream. Raw bytes: never printed, never written.
#[derive(Default)]
pub struct Past {
    chunks: VecDeque<Vec<u8>>,
    bytes: usize,
}

/// No worker survives this chunk.
pub struct Deadly;

impl Supervisor {
    /// Starts a worker at once, so that it is ready when the first line comes.
    pub fn new(greeting: Greeting) -> Self {
        let live = Live::start(&greeting).ok();
        Self { greeting, live: Mutex::new(live) }
    }

    /// Has a chunk redacted, by as many workers as it takes.
    pub fn redact(
        &self,
        stream: usize,
        withhold: bool,
        bytes: &[u8],
        past: &Past,
        into: &mut Answer,
    ) -> Result<(), Deadly> {
        let mut deaths = 0;
        let mut told = false;
        loop {
            let mut live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
            if live.is_none() {
                match Live::start(&self.greeting) {
                    Ok(new) => *live = Some(new),
                    Err(error) => {
                        if !std::mem::replace(&mut told, true) {
                            tracing::error!("no worker can be started: {error}; the command waits until one can");
                        }
                        std::thread::sleep(AGAIN);
                        continue;
                    }
                }
            }
            let Some(worker) = live.as_mut() else { continue };
            let task = if withhold { Task::Withhold } else { Task::Redact };
            if worker.ask(stream, task, bytes, past, into).is_ok() {
                return Ok(());
            }
            let killed = live.take().is_some_and(Live::was_killed);
            tracing::warn!("the worker has died; another one goes on where it was");
            deaths += u32::from(!killed);
            if deaths >= TRIES {
                return Err(Deadly);
            }
        }
    }
}

impl Live {
    fn start(greeting: &Greeting) -> io::Result<Self> {
        // the file itself, also when another version has taken its place meanwhile
        let mut command = Command::new("/proc/self/exe");
        // a group of its own: what the terminal sends to ours is for the command, and the worker reads to the end
        command.arg0("logwarden").arg(VERB).stdin(Stdio::piped()).stdout(Stdio::piped()).process_group(0);
        let mut child = command.spawn()?;
        let (Some(to), Some(from)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(io::Error::other("it has no pipes"));
        };
        let mut live = Self { child, to: BufWriter::new(to), from: BufReader::new(from), knows: [false; STREAMS] };
        // one that has died already is noticed at the first chunk
        let _dead = greeting.send(&mut live.to).and_then(|()| live.to.flush());
        Ok(live)
    }

    fn ask(&mut self, stream: usize, task: Task, bytes: &[u8], past: &Past, into: &mut Answer) -> io::Result<()> {
        if !std::mem::replace(&mut self.knows[stream], true) {
            for chunk in &past.chunks {
                ask(&mut self.to, stream, Task::Remember, chunk)?;
            }
        }
        ask(&mut self.to, stream, task, bytes)?;
        answered(&mut self.from, into)
    }

    /// Whether somebody ended it, and not a fault of its own.
    fn was_killed(mut self) -> bool {
        drop(self.to);
        // one that answers nonsense has no more to say
        let _ended = self.child.kill();
        let status = self.child.wait().ok();
        const KILL: i32 = 9;
        const TERM: i32 = 15;
        status.and_then(|status| status.signal()).is_some_and(|signal| matches!(signal, KILL | TERM))
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        if let Some(live) = self.live.get_mut().unwrap_or_else(PoisonError::into_inner).take() {
            let Live { mut child, to, .. } = live;
            // it ends with its input
            drop(to);
            let _reaped = child.wait();
        }
    }
}

impl Past {
    /// Remembers a chunk, and forgets the oldest; a buffer that is free now comes back.
    pub fn remember(&mut self, chunk: Vec<u8>) -> Option<Vec<u8>> {
        self.bytes += chunk.len();
        self.chunks.push_back(chunk);
        let mut spare = None;
        while self.bytes > MEMORY && self.chunks.len() > 1 {
            spare = self.chunks.pop_front();
            self.bytes -= spare.as_ref().map_or(0, Vec::len);
        }
        spare
    }
}
