//! The thread that writes what was redacted, keeps the clock, and decides what is committed together.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use super::clock::now;
use super::committer::{Committer, Moment};
use super::notify::notify;
use super::outputs::Output;
use super::watcher::Watcher;
use crate::line::Ack;
use crate::pipeline::{Done, Pools};
use crate::sinks::SinkError;
use crate::sources::Positions;
use crate::store::StreamKey;
use crate::telemetry::Counters;

/// How often what was written is committed.
const GROUP: Duration = Duration::from_millis(50);

/// How long a sender waits before its lines are committed; what others sent meanwhile is committed with them.
const PROMPT: Duration = Duration::from_millis(5);

/// How often the monitor looks at the clock.
const TICK: Duration = Duration::from_secs(1);

/// How long until a write that failed is tried again.
const AGAIN: Duration = Duration::from_millis(200);

/// What the keeper works with.
pub(super) struct Keeper {
    pub done: Receiver<Done>,
    pub outputs: Vec<Output>,
    /// Names by source number.
    pub sources: Vec<String>,
    pub positions: Positions,
    /// By source number: whether senders wait for the commit.
    pub answers: Vec<bool>,
    /// What of theirs is written and not committed.
    pub written: Vec<Ack>,
    pub watcher: Watcher,
    pub committer: Committer,
    pub counters: Arc<Counters>,
    pub pools: Pools,
    /// Set when nothing may be waited for any more.
    pub hurry: Arc<AtomicBool>,
}

impl Keeper {
    /// Works until all sources have ended and everything is committed.
    ///
    /// # Errors
    /// Why it cannot go on.
    pub(super) fn run(mut self) -> anyhow::Result<()> {
        let mut beat = Beat { committed: Instant::now(), ticked: Instant::now(), told: Instant::now() };
        // the lengths of the outputs before the first byte is added
        self.commit(true);
        let ended = loop {
            let soon = self.committer.busy() || !self.written.is_empty();
            let wait = if soon { PROMPT } else { GROUP };
            match self.done.recv_timeout(wait) {
                Ok(done) => {
                    if let Err(error) = self.write(done, &mut beat) {
                        break Err(error);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break Ok(()),
            }
            self.beat(&mut beat);
            if self.committer.failed() {
                break Ok(());
            }
        };
        self.commit(true);
        self.committer.finish()?;
        match ended {
            Err(SinkError::Closed) | Ok(()) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn write(&mut self, done: Done, beat: &mut Beat) -> Result<(), SinkError> {
        for n in 0..self.outputs.len() {
            let mut told = false;
            while let Err(error) = self.outputs[n].write(done.ack.source, &done.redacted) {
                if matches!(error, SinkError::Closed) || self.hurry.load(Ordering::Relaxed) {
                    return Err(error);
                }
                if !std::mem::replace(&mut told, true) {
                    tracing::error!("{error}; nothing more is read until it works again");
                }
                std::thread::sleep(AGAIN);
                // no commit now: part of a chunk may be written, and its source is not done
                beat.alive();
            }
            if told {
                tracing::warn!("writing works again");
            }
        }
        self.counters.add(done.read, &done.redacted);
        self.counters.latency(now().since(done.arrived), done.redacted.line_count() as u64);
        self.positions.confirm(done.ack);
        if self.answers.get(usize::from(done.ack.source.0)).copied().unwrap_or(false) {
            self.written.push(done.ack);
        }
        self.watcher.absorb(done.tally);
        self.pools.redacted.give(done.redacted);
        Ok(())
    }

    fn beat(&mut self, beat: &mut Beat) {
        beat.alive();
        let group = if self.written.is_empty() { GROUP } else { PROMPT };
        if beat.committed.elapsed() >= group && !self.committer.busy() {
            beat.committed = Instant::now();
            let look = self.watcher.light() || beat.ticked.elapsed() >= TICK;
            if look {
                beat.ticked = Instant::now();
            }
            self.commit(look);
        }
    }

    /// Hands everything up to now to the committer; `look` says whether the monitor looks at it first.
    fn commit(&mut self, look: bool) {
        let answers = std::mem::take(&mut self.written);
        let mut moment = Moment { now: now(), answers, ..Moment::default() };
        if look {
            let seen = self.watcher.look(moment.now);
            (moment.key_state, moment.alerts, moment.outbox) = (seen.key_state, seen.alerts, seen.outbox);
        }
        for (file, mark) in self.outputs.iter_mut().filter_map(Output::take_dirty) {
            moment.syncs.push(file);
            moment.outputs.push(mark);
        }
        let changed = self.positions.changed();
        let key = |(source, stream): (crate::line::SourceId, u64)| {
            let source = self.sources.get(usize::from(source.0)).cloned().unwrap_or_default();
            StreamKey { source, stream }
        };
        moment.checkpoints = changed.checkpoints.into_iter().map(|(id, at)| (key(id), at)).collect();
        moment.forget = changed.forgotten.into_iter().map(key).collect();
        if !moment.is_empty() {
            self.committer.commit(moment);
        }
    }
}

/// When things were done last.
struct Beat {
    committed: Instant,
    ticked: Instant,
    told: Instant,
}

impl Beat {
    /// Tells the service manager now and then that we are alive.
    fn alive(&mut self) {
        if self.told.elapsed() >= TICK {
            self.told = Instant::now();
            notify("WATCHDOG=1");
        }
    }
}
