//! The source: which generations there are, and reading them in order.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::discover::Patterns;
use super::generation::{Generation, Place, Step};
use super::watch::{Hint, Watch};
use crate::line::{Ack, Batch, Pool, SourceId};
use crate::sources::config::FileSource;
use crate::sources::lines::Piece;
use crate::sources::meter::Meter;
use crate::sources::positions::Positions;
use crate::store::Checkpoint;
use crate::units::Timestamp;

/// How often the names are looked at when nothing hints at a change.
const LOOK: Duration = Duration::from_secs(1);

/// A file is left for the next one after this many bytes, so that one busy file cannot starve the others.
const TURN_BYTES: u64 = 4 << 20;

/// A renamed file that has not grown for this long is at its end; what a writer still adds is picked up later.
const QUIET: Duration = Duration::from_secs(5);

/// How long the copy of a truncated file is looked for.
const COPY: Duration = Duration::from_secs(60);

/// The same for one that was deleted: its writer can reach it and nobody else can.
const QUIET_DELETED: Duration = Duration::from_secs(60);

/// A file that has not been seen for this long is forgotten.
const FORGET: Duration = Duration::from_secs(3_600);

/// The same for one that was read to its end and is not in its directory any more: its inode may soon be another's.
const FORGET_GONE: Duration = Duration::from_secs(3);

/// Small reads that follow each other faster than this are taken together.
const COALESCE: Duration = Duration::from_millis(2);

/// What a tail needs from its surroundings.
pub struct TailSetup {
    /// The source's number.
    pub source: SourceId,
    /// The source's name, for messages.
    pub name: String,
    /// Its section of the configuration.
    pub config: FileSource,
    /// What is known from before, by stream.
    pub known: Vec<(u64, Checkpoint)>,
    /// Where to say what the streams are.
    pub positions: Positions,
    /// Used buffers.
    pub pool: Pool<Vec<u8>>,
    /// Paths never to read: our own outputs.
    pub outputs: Vec<PathBuf>,
    /// What is counted.
    pub meter: Arc<Meter>,
}

/// Takes a batch onwards; `false` when nobody takes batches any more.
pub(super) type Emit<'a> = dyn FnMut(Batch) -> bool + 'a;

/// Follows the files of one source.
pub struct Tail {
    pub(super) source: SourceId,
    pub(super) name: String,
    pub(super) patterns: Patterns,
    pub(super) positions: Positions,
    pool: Pool<Vec<u8>>,
    /// In the order in which they were met: the oldest is read first.
    pub(super) generations: Vec<Generation>,
    pub(super) next_stream: u64,
    /// When the names were looked at last.
    pub(super) looked: Option<Timestamp>,
    /// Paths of which it was told that everybody can read them.
    pub(super) readable_by_all: BTreeSet<PathBuf>,
    /// What has been told about already.
    told: BTreeSet<(PathBuf, &'static str)>,
    pub(super) meter: Arc<Meter>,
}

impl Tail {
    /// A tail that has not looked at anything yet.
    ///
    /// # Errors
    /// When a pattern cannot be read.
    pub fn new(setup: TailSetup, now: Timestamp) -> Result<Self, glob::PatternError> {
        let patterns = Patterns::new(&setup.config.paths, &setup.config.exclude, setup.outputs)?;
        let next_stream = setup.known.iter().map(|(stream, _)| stream + 1).max().unwrap_or(0);
        let mut generations: Vec<Generation> =
            setup.known.into_iter().map(|(stream, at)| Generation::stored(stream, at, now)).collect();
        generations.sort_by_key(|g| g.stream);
        Ok(Self {
            source: setup.source,
            name: setup.name,
            patterns,
            positions: setup.positions,
            pool: setup.pool,
            generations,
            next_stream,
            looked: None,
            readable_by_all: BTreeSet::new(),
            told: BTreeSet::new(),
            meter: setup.meter,
        })
    }

    /// Follows until `stop` is set or nobody takes batches any more. `clock` gives the time of arrival.
    pub fn run(&mut self, watch: &mut Watch, stop: &Arc<AtomicBool>, clock: fn() -> Timestamp, emit: &mut Emit<'_>) {
        let mut hint = Hint::Names;
        let mut looked = clock();
        while !stop.load(Ordering::Relaxed) {
            let now = clock();
            if hint == Hint::Names || now.since(looked) >= LOOK {
                watch.set(self.patterns.directories());
                self.look(now);
                self.tidy(now, emit);
                looked = now;
            }
            let Some(read) = self.read_all(clock, stop, emit) else { return };
            if read.again {
                hint = Hint::Data;
                continue;
            }
            if read.bytes > 0 {
                std::thread::sleep(COALESCE);
            }
            hint = watch.wait(LOOK);
        }
    }

    /// One look at the names and one round of reading, for tests and for a last round.
    pub fn poll(&mut self, clock: fn() -> Timestamp, emit: &mut Emit<'_>) {
        self.look(clock());
        self.tidy(clock(), emit);
        let never = Arc::new(AtomicBool::new(false));
        while self.read_all(clock, &never, emit).is_some_and(|read| read.again) {}
    }

    /// Reads every open generation, oldest first; `None` when nobody takes batches any more.
    fn read_all(&mut self, clock: fn() -> Timestamp, stop: &AtomicBool, emit: &mut Emit<'_>) -> Option<Round> {
        let mut round = Round::default();
        // paths of which an older generation is not at its end: the newer ones wait
        let mut held: BTreeSet<PathBuf> = BTreeSet::new();
        for n in 0..self.generations.len() {
            if stop.load(Ordering::Relaxed) || held.contains(&self.generations[n].base) {
                continue;
            }
            match self.read_one(n, clock, emit) {
                Ok(Turn::Gone) => return None,
                Ok(Turn::Read { bytes, more }) => {
                    round.bytes += bytes;
                    if more {
                        round.again = true;
                        held.insert(self.generations[n].base.clone());
                    }
                }
                Ok(Turn::Replaced) => {
                    self.begin_anew(n, clock());
                    // the rest may be in a copy by now; that comes before anything newer
                    self.look(clock());
                    round.again = true;
                    return Some(round);
                }
                Err(error) => {
                    let path = self.generations[n].base.clone();
                    self.tell(&path, "cannot read", &error);
                }
            }
        }
        Some(round)
    }

    fn read_one(&mut self, n: usize, clock: fn() -> Timestamp, emit: &mut Emit<'_>) -> io::Result<Turn> {
        let generation = &mut self.generations[n];
        if generation.file().is_none() {
            return Ok(Turn::Read { bytes: 0, more: false });
        }
        let stream = generation.stream;
        let mut bytes = 0;
        let mut more = false;
        loop {
            match generation.read()? {
                Step::Replaced => return Ok(Turn::Replaced),
                Step::AtEnd => break,
                Step::Read => {}
            }
            if generation.grow_prefix()? {
                self.positions.identify(self.source, stream, &generation.at);
            }
            let now = clock();
            generation.seen = now;
            while let Ok(piece) = generation.take(self.pool.take()) {
                bytes += piece.bytes.len() as u64;
                if !emit(batch(self.source, stream, piece, now)) {
                    return Ok(Turn::Gone);
                }
            }
            if bytes >= TURN_BYTES {
                more = true;
                break;
            }
        }
        if !more && matches!(generation.place, Place::Retired(_)) {
            let enough = if generation.deleted() { QUIET_DELETED } else { QUIET };
            if clock().since(generation.seen) >= enough {
                return self.finish(n, clock(), emit);
            }
        }
        Ok(Turn::Read { bytes, more })
    }

    /// A generation is at its end: its last line goes out even without a newline, its file is closed.
    pub(super) fn finish(&mut self, n: usize, now: Timestamp, emit: &mut Emit<'_>) -> io::Result<Turn> {
        let generation = &mut self.generations[n];
        let mut going = true;
        if let Some(piece) = generation.take_partial(self.pool.take()) {
            going = emit(batch(self.source, generation.stream, piece, now));
        }
        let end = Ack {
            source: self.source,
            stream: generation.stream,
            offset: generation.offset(),
            anchor: generation.at.anchor_hash,
        };
        self.positions.finish(self.source, generation.stream, generation.offset());
        generation.place = Place::Finished;
        generation.seen = now;
        let last = Batch { ack: end, arrived: now, bytes: Vec::new(), withheld: None, last: true };
        Ok(if going && emit(last) { Turn::Read { bytes: 0, more: false } } else { Turn::Gone })
    }

    /// The file of a generation was truncated: what is in it now is another generation, from byte 0.
    pub(super) fn begin_anew(&mut self, n: usize, now: Timestamp) {
        let Some(file) = self.generations[n].replaced(now) else { return };
        let (base, id, number) = {
            let old = &self.generations[n];
            (old.base.clone(), old.id(), old.at.generation + 1)
        };
        tracing::info!(
            "source {}: {} was truncated at or after byte {}; reading it from its beginning",
            self.name,
            base.display(),
            self.generations[n].offset(),
        );
        self.begin(Generation::new(self.next_stream, base, id, number, file, now));
    }

    pub(super) fn begin(&mut self, mut generation: Generation) {
        self.next_stream += 1;
        if let Err(error) = generation.grow_prefix() {
            let path = generation.base.clone();
            self.tell(&path, "cannot read", &error);
        }
        tracing::debug!(stream = generation.stream, inode = generation.at.inode, "begins");
        self.positions.identify(self.source, generation.stream, &generation.at);
        self.generations.push(generation);
    }

    /// Gives up waiting for what does not come, and forgets what has not been seen for long.
    pub(super) fn tidy(&mut self, now: Timestamp, emit: &mut Emit<'_>) {
        for n in 0..self.generations.len() {
            let generation = &self.generations[n];
            if matches!(generation.place, Place::Spent) {
                let _nobody_left = self.finish(n, now, emit);
            } else if matches!(generation.place, Place::Missing { replaced: true })
                && now.since(generation.seen) >= COPY
            {
                tracing::warn!(
                    "source {}: no copy of {} as it was before it was truncated was found; lines that came between \
                     the last look and the truncation are lost",
                    self.name,
                    generation.base.display(),
                );
                self.meter.abandon(0);
                let _nobody_left = self.finish(n, now, emit);
            }
        }
        let (source, positions, meter, name) = (self.source, &self.positions, &self.meter, &self.name);
        let open: BTreeSet<(u64, u64)> =
            self.generations.iter().filter(|g| g.file().is_some()).map(Generation::id).collect();
        self.generations.retain(|g| {
            // one whose inode holds a later generation can never be met again
            let superseded = matches!(g.place, Place::Finished) && open.contains(&g.id());
            if superseded || matches!(g.place, Place::Void) {
                positions.forget(source, g.stream);
                return false;
            }
            let gone = matches!(g.place, Place::Finished) && g.base.parent().is_some_and(Path::is_dir);
            let keep = g.file().is_some() || now.since(g.seen) < if gone { FORGET_GONE } else { FORGET };
            if !keep {
                if matches!(g.place, Place::Missing { .. }) {
                    meter.abandon(0);
                    tracing::warn!(
                        "source {name}: {} never came back; what was not read of it is lost",
                        g.base.display()
                    );
                }
                tracing::debug!(stream = g.stream, "is forgotten");
                positions.forget(source, g.stream);
            }
            keep
        });
    }

    /// Says once that something is wrong with a path.
    pub(super) fn tell(&mut self, path: &Path, what: &'static str, error: &io::Error) {
        if self.told.insert((path.to_owned(), what)) {
            tracing::warn!("source {}: {what} {}: {error}; trying again", self.name, path.display());
        }
    }

    /// All is well with a path again.
    pub(super) fn recovered(&mut self, path: &Path) {
        self.told.retain(|(told, _)| told != path);
    }
}

fn batch(source: SourceId, stream: u64, piece: Piece, now: Timestamp) -> Batch {
    let ack = Ack { source, stream, offset: piece.end, anchor: piece.anchor };
    Batch { ack, arrived: now, bytes: piece.bytes, withheld: piece.withheld, last: false }
}

/// What reading one generation gave.
pub(super) enum Turn {
    Read {
        bytes: u64,
        more: bool,
    },
    Replaced,
    /// Nobody takes batches any more.
    Gone,
}

/// What reading all of them gave.
#[derive(Default)]
struct Round {
    bytes: u64,
    again: bool,
}
