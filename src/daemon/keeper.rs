//! The thread that writes what was redacted, keeps the clock, and decides what is committed together.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::RecvTimeoutError;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::clock::now;
use super::committer::{CommitError, Committer, Moment};
use super::drops::Drops;
use super::lasting::Lasting;
use super::layout::Layout;
use super::notify::notify;
use super::outputs::Output;
use super::pulse::Pulse;
use super::retained::Retained;
use super::watcher::{Seen, Watcher};
use crate::line::Ack;
use crate::pipeline::{Arrived, Clean, Done, Missed, Waiting};
use crate::sinks::SinkError;
use crate::sources::Positions;
use crate::store::StreamKey;
use crate::telemetry::{Counters, lines_and_broken};
use crate::units::Timestamp;

/// How often what was written is committed.
const GROUP: Duration = Duration::from_millis(50);

/// How long a sender waits before its lines are committed; what others sent meanwhile is committed with them.
const PROMPT: Duration = Duration::from_millis(5);

/// How long somebody who asks about a key waits while nothing comes in.
const ASKED: Duration = Duration::from_millis(10);

/// How often the monitor looks at the clock.
const TICK: Duration = Duration::from_secs(1);

/// How long until a write that failed is tried again.
const AGAIN: Duration = Duration::from_millis(200);

/// The same where only the other side has to get ready.
const SHORTLY: Duration = Duration::from_millis(2);

/// A sink may take nothing for this long before somebody is told.
const PATIENCE: Duration = Duration::from_secs(2);

/// What the keeper works with.
pub(super) struct Keeper {
    pub done: Waiting,
    /// What was dropped of what comes from there.
    pub drops: Arc<Drops>,
    pub outputs: Vec<Output>,
    /// Names by source number.
    pub sources: Vec<String>,
    pub positions: Positions,
    /// By source number: whether senders wait for the commit.
    pub answers: Vec<bool>,
    /// What of theirs is written and not committed.
    pub written: Vec<Ack>,
    /// What of those who cannot send again is written and not committed.
    pub retained: Retained,
    /// What a keeper before this one could not make durable.
    pub left: Vec<Done>,
    pub watcher: Watcher,
    pub committer: Committer,
    pub counters: Arc<Counters>,
    /// The same by source number.
    pub by_source: Vec<Arc<Counters>>,
    /// What is laid out for the page, when there is one.
    pub layout: Option<Layout>,
    pub pulse: Pulse,
    /// What the clerk has found wrong with the audit log.
    pub broken: Arc<Mutex<Option<String>>>,
    /// Set when nothing may be waited for any more.
    pub hurry: Arc<AtomicBool>,
}

impl Keeper {
    /// Works until all sources have ended and everything is committed, or it cannot go on, and tells how it went. After
    /// a disk has lost something, what cannot be sent again is left for the next keeper.
    pub(super) fn run(mut self, lasting: &Lasting, tell: impl FnOnce(anyhow::Result<()>)) {
        let result = self.work();
        let anew = matches!(result.as_ref().err().and_then(|e| e.downcast_ref()), Some(CommitError::Sync(_)));
        tell(result);
        if anew {
            // what the sources still hand over, until they have stopped
            let Self { done, mut retained, sources, .. } = self;
            for arrived in done.rest() {
                if let Arrived::Done(done) = arrived {
                    done.chunks
                        .into_iter()
                        .for_each(|clean| retained.keep(clean.ack.source, clean.arrived, clean.redacted));
                }
            }
            lasting.leave(&sources, retained);
        }
    }

    fn work(&mut self) -> anyhow::Result<()> {
        let mut beat = Beat { committed: Instant::now(), ticked: Instant::now(), told: Instant::now() };
        // the lengths of the outputs before the first byte is added
        self.commit(true);
        for left in std::mem::take(&mut self.left) {
            self.write(left, &mut beat)?;
        }
        let ended = loop {
            match self.done.recv_timeout(self.pause()) {
                Ok(Arrived::Done(done)) => {
                    self.pulse.left(done.chunks.len() as u64);
                    if let Err(error) = self.write(*done, &mut beat) {
                        break Err(error);
                    }
                }
                Ok(Arrived::Missed(missed)) => self.missed(*missed),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break self.deliver(&mut beat),
            }
            if let Err(error) = self.beat(&mut beat) {
                break Err(error);
            }
            if self.committer.failed() {
                break Ok(());
            }
        };
        self.drops.tell(Instant::now(), true);
        // where a sink has not taken everything, the last commit stands
        if ended.is_ok() {
            self.commit(true);
        }
        self.committer.finish()?;
        match ended {
            Err(SinkError::Closed) | Ok(()) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Takes over what is known of chunks that were dropped: they count, and are watched all the same.
    fn missed(&mut self, missed: Missed) {
        self.pulse.left(missed.chunks);
        self.watcher.absorb(missed.tally);
    }

    /// Tells of what was dropped: in the log now and then, in an alert when `alert`.
    fn tell_of_drops(&mut self, alert: bool) {
        self.drops.tell(Instant::now(), false);
        if alert {
            self.drops.news().into_iter().for_each(|(source, lines)| self.watcher.lines_dropped(source, lines, now()));
        }
    }

    /// How long to wait for what comes in before something else may be due.
    fn pause(&self) -> Duration {
        if self.committer.busy() || !self.written.is_empty() {
            return PROMPT;
        }
        let asked = self.layout.as_ref().is_some_and(|layout| layout.board().somebody_waits(now()));
        if asked { ASKED } else { GROUP }
    }

    /// Writes chunks, and takes over what they say. Nothing is committed in between: what they say belongs to all of
    /// them.
    fn write(&mut self, done: Done, beat: &mut Beat) -> Result<(), SinkError> {
        let mut written = Ok(());
        for clean in done.chunks {
            if written.is_ok() {
                written = self.write_chunk(&clean, beat);
            }
            // also where it could not be written: the next keeper may be able to
            self.retained.keep(clean.ack.source, clean.arrived, clean.redacted);
        }
        self.watcher.absorb(done.tally);
        written
    }

    fn write_chunk(&mut self, clean: &Clean, beat: &mut Beat) -> Result<(), SinkError> {
        for n in 0..self.outputs.len() {
            let mut trouble = None;
            while let Err(error) = self.outputs[n].write(clean.ack.source, &clean.redacted, now()) {
                // no commit now: part of a chunk may be written, and its source is not done
                self.hold(n, error, &mut trouble, beat)?;
            }
            self.over(n, trouble);
        }
        let mine = self.by_source.get(usize::from(clean.ack.source.0));
        let (lines, broken) = lines_and_broken(&clean.redacted);
        for counters in [Some(&self.counters), mine].into_iter().flatten() {
            counters.add(clean.read, lines, &clean.redacted);
            counters.read_as(clean.events, broken);
        }
        self.counters.latency(now().since(clean.arrived), lines);
        if let Some(layout) = &mut self.layout {
            layout.explain(clean.ack.source, &clean.redacted, clean.arrived);
        }
        self.positions.confirm(clean.ack);
        if self.answers.get(usize::from(clean.ack.source.0)).copied().unwrap_or(false) {
            self.written.push(clean.ack);
        }
        Ok(())
    }

    /// Waits a moment because sink `n` takes nothing, and raises an alert when that goes on.
    fn hold(
        &mut self,
        n: usize,
        error: SinkError,
        trouble: &mut Option<Instant>,
        beat: &mut Beat,
    ) -> Result<(), SinkError> {
        if matches!(error, SinkError::Closed) || self.hurry.load(Ordering::Relaxed) || self.committer.failed() {
            return Err(error);
        }
        beat.alive();
        if let Some(missed) = self.done.missed() {
            self.missed(missed);
        }
        if matches!(error, SinkError::Busy(_)) {
            self.answer();
            std::thread::sleep(SHORTLY);
            return Ok(());
        }
        if trouble.is_none() {
            let but = if self.drops.any() { ", but from sources that may drop lines" } else { "" };
            tracing::error!("{error}; nothing more is read until it works again{but}");
        }
        let since = trouble.get_or_insert_with(Instant::now).elapsed();
        if let Some(layout) = &mut self.layout {
            layout.board().failing(&format!("sink `{}`", self.outputs[n].name), now().minus(since));
            layout.lay(self.watcher.monitor(), now());
        }
        if since >= PATIENCE && beat.ticked.elapsed() >= TICK && !self.committer.busy() {
            beat.ticked = Instant::now();
            let name = format!("sink `{}`", self.outputs[n].name);
            self.tell_of_drops(true);
            self.watcher.output_failing(&name, &error.to_string(), since.as_secs_f64(), now());
            self.commit_alerts();
        }
        std::thread::sleep(AGAIN);
        Ok(())
    }

    fn over(&self, n: usize, trouble: Option<Instant>) {
        if let Some(since) = trouble {
            let (name, took) = (&self.outputs[n].name, since.elapsed().as_secs());
            tracing::warn!("sink {name} can be written again after {took} s; nothing was lost");
            if let Some(layout) = &self.layout {
                layout.board().well(&format!("sink `{name}`"));
            }
        }
    }

    /// Waits until what was written has arrived, where only the other side can say so.
    fn deliver(&mut self, beat: &mut Beat) -> Result<(), SinkError> {
        for n in 0..self.outputs.len() {
            let mut trouble = None;
            loop {
                match self.outputs[n].delivered() {
                    Ok(true) => break,
                    Ok(false) => self.hold(n, SinkError::Busy(String::new()), &mut trouble, beat)?,
                    Err(error) => self.hold(n, error, &mut trouble, beat)?,
                }
            }
            self.over(n, trouble);
        }
        Ok(())
    }

    /// Begins new files where it is time to. Before and after each everything is committed, see
    /// [`crate::sinks::FileSink::rotate`].
    fn rotate(&mut self, beat: &mut Beat) {
        let now = now();
        for n in 0..self.outputs.len() {
            if !self.outputs[n].due(now) {
                continue;
            }
            if !self.commit_and_wait(beat) {
                return;
            }
            self.outputs[n].rotate(now);
            if !self.commit_and_wait(beat) {
                return;
            }
        }
    }

    /// Commits everything up to now; `false` when that may not be waited for.
    fn commit_and_wait(&mut self, beat: &mut Beat) -> bool {
        if !self.settled(beat) {
            return false;
        }
        self.commit(false);
        self.settled(beat)
    }

    /// Waits until the committer is done; `false` when it may not be waited for.
    fn settled(&self, beat: &mut Beat) -> bool {
        while self.committer.busy() {
            if self.hurry.load(Ordering::Relaxed) || self.committer.failed() {
                return false;
            }
            beat.alive();
            self.answer();
            std::thread::sleep(SHORTLY);
        }
        true
    }

    fn beat(&mut self, beat: &mut Beat) -> Result<(), SinkError> {
        if self.pulse.beats(Instant::now()) {
            beat.alive();
        }
        if let Some(layout) = &mut self.layout {
            layout.lay(self.watcher.monitor(), now());
        }
        let group = if self.written.is_empty() { GROUP } else { PROMPT };
        let due = beat.committed.elapsed() >= group && !self.committer.busy();
        let crowded = self.watcher.crowded() && self.settled(beat);
        if due || crowded {
            beat.committed = Instant::now();
            let look = crowded || self.watcher.light() || beat.ticked.elapsed() >= TICK;
            if look {
                beat.ticked = Instant::now();
            }
            self.tell_of_drops(look);
            self.deliver(beat)?;
            self.commit(look);
            self.rotate(beat);
        }
        Ok(())
    }

    /// Answers who asks about keys.
    fn answer(&self) {
        self.layout.iter().for_each(|layout| layout.answer(self.watcher.monitor()));
    }

    /// Has the monitor look, and answers meanwhile who asks about keys.
    fn look(&mut self, now: Timestamp) -> Seen {
        let layout = self.layout.as_ref();
        self.watcher.look(now, |monitor| layout.iter().for_each(|layout| layout.answer(monitor)))
    }

    /// Hands over what the monitor says, and nothing of what was read or written.
    fn commit_alerts(&mut self) {
        let now = now();
        let seen = self.look(now);
        let (key_state, alerts, outbox) = (seen.key_state, seen.alerts, seen.outbox);
        if let Some(layout) = &self.layout {
            layout.told(&alerts);
        }
        let moment = Moment { key_state, alerts, outbox, now, ..Moment::default() };
        if !moment.is_empty() {
            self.committer.commit(moment);
        }
    }

    /// Hands everything up to now to the committer; `look` says whether the monitor looks at it first.
    fn commit(&mut self, look: bool) {
        let answers = std::mem::take(&mut self.written);
        let mut moment = Moment { now: now(), answers, ..Moment::default() };
        if let Some((took, why)) = self.committer.take_outage() {
            self.watcher.output_failing("the state", &why, took.as_secs_f64(), moment.now);
        }
        if let Some(why) = self.broken.lock().unwrap_or_else(PoisonError::into_inner).take() {
            self.watcher.audit_broken(why, moment.now);
        }
        if look {
            let seen = self.look(moment.now);
            (moment.key_state, moment.alerts, moment.outbox) = (seen.key_state, seen.alerts, seen.outbox);
            if let Some(layout) = &self.layout {
                layout.told(&moment.alerts);
            }
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
            self.retained.handed_over(!self.committer.busy());
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
