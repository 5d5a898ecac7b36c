//! Looking at the names: which file belongs to which generation.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use super::discover::Candidate;
use super::generation::{Generation, Place};
use super::identity::{is_copy, recognise};
use super::tail::Tail;
use crate::units::Timestamp;

impl Tail {
    /// One look: known files get their present place, unknown ones a generation.
    pub(super) fn look(&mut self, now: Timestamp) {
        // what was truncated must be known before its copy is met
        for n in 0..self.generations.len() {
            match self.generations[n].still_same() {
                Ok(true) => {}
                Ok(false) => self.begin_anew(n, now),
                Err(error) => {
                    let path = self.generations[n].base.clone();
                    self.tell(&path, "cannot read", &error);
                }
            }
        }
        let found = self.patterns.find(self.generations.iter().map(|g| g.base.clone()));
        let by_id: BTreeMap<(u64, u64), &Candidate> = found.iter().map(|c| (c.id, c)).collect();
        for generation in &mut self.generations {
            let there = by_id.get(&generation.id());
            let own_name = there.is_some_and(|c| c.matched && c.path == generation.base);
            match (&generation.place, own_name) {
                (Place::Live(_), false) => {
                    generation.retire();
                    generation.seen = now;
                }
                (Place::Retired(_), true) => generation.unretire(),
                (Place::Finished, _) if there.is_some() => generation.seen = now,
                _ => {}
            }
        }
        let known_bases: BTreeSet<PathBuf> = self.generations.iter().map(|g| g.base.clone()).collect();
        // first those that are known by their inode: only then is it clear what a copy can be a copy of
        for candidate in &found {
            let here = self.generations.iter().any(|g| g.id() == candidate.id && g.file().is_none());
            if here && !self.at_rest(candidate) {
                self.opened(candidate, |tail, file, size| tail.recognised(file, size, candidate, now).map(drop));
            }
        }
        for candidate in &found {
            if !self.at_rest(candidate) {
                self.opened(candidate, |tail, file, size| {
                    tail.consider(file, size, candidate, known_bases.contains(&candidate.base), now)
                });
            }
        }
        self.looked = Some(now);
        self.measure();
    }

    /// Counts what is known and not read yet.
    fn measure(&self) {
        let behind = |g: &Generation| {
            let size = g.file().and_then(|file| rustix::fs::fstat(file).ok())?.st_size.cast_unsigned();
            Some(size.saturating_sub(g.offset()))
        };
        let lag = self.generations.iter().filter_map(behind).sum();
        self.meter.lag_bytes.store(lag, Ordering::Relaxed);
        self.meter.generations.store(self.generations.len() as u64, Ordering::Relaxed);
    }

    /// Whether nothing is to be done about a file: it is open, or was read to its end.
    fn at_rest(&self, candidate: &Candidate) -> bool {
        let latest = self.generations.iter().rfind(|g| g.id() == candidate.id && !matches!(g.place, Place::Void));
        latest.is_some_and(|g| {
            g.file().is_some() || (matches!(g.place, Place::Finished) && g.at.offset == candidate.size)
        })
    }

    /// Opens a file and works with it and its size; what goes wrong is told.
    fn opened(&mut self, candidate: &Candidate, work: impl FnOnce(&mut Self, &File, u64) -> io::Result<()>) {
        let result = File::open(&candidate.path).and_then(|file| {
            let meta = file.metadata()?;
            // renamed between the listing and now: the next look gets it right
            if (meta.dev(), meta.ino()) == candidate.id { work(self, &file, meta.len()) } else { Ok(()) }
        });
        match result {
            Ok(()) => self.recovered(&candidate.path),
            // gone between the listing and now
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => self.tell(&candidate.path, "cannot open", &error),
        }
    }

    /// Goes on with a file that is known by its inode, when its content agrees. A generation in whose place something
    /// else stands now is marked so.
    fn recognised(&mut self, file: &File, size: u64, candidate: &Candidate, now: Timestamp) -> io::Result<bool> {
        let mut same = None;
        for n in (0..self.generations.len()).rev() {
            let known = &self.generations[n];
            if known.file().is_some() || known.id() != candidate.id {
                continue;
            }
            if known.at.offset == 0 {
                // nothing was read of it: it may as well be new, and then it has its place in the order
                self.generations[n].place = Place::Void;
                continue;
            }
            if same.is_none()
                && let Some(recent) = recognise(file, &known.at)?
            {
                same = Some((n, recent));
            } else if matches!(known.place, Place::Missing { replaced: false }) {
                self.generations[n].replaced(now);
            }
        }
        let Some((n, recent)) = same else { return Ok(false) };
        let known = &self.generations[n];
        if !matches!(known.place, Place::Finished) || size > known.at.offset {
            let live = candidate.matched && candidate.path == known.base;
            self.resume(n, file.try_clone()?, candidate, live, &recent, now);
        }
        Ok(true)
    }

    /// A file that is not open: one that is known, the rest or a copy of one that is known, or new.
    fn consider(
        &mut self,
        file: &File,
        size: u64,
        candidate: &Candidate,
        base_known: bool,
        now: Timestamp,
    ) -> io::Result<()> {
        if self.recognised(file, size, candidate, now)? || self.is_known_copy(file, size, candidate, now)? {
            return Ok(());
        }
        // a copy that has only just been begun could become a copy of anything
        if size == 0 && candidate.looks_rotated() {
            return Ok(());
        }
        // what rotation had made before we ever met the file is left alone, now and later
        let since_last_look = self.looked.is_some_and(|looked| candidate.modified >= system_time(looked));
        if !candidate.matched && !base_known && !since_last_look {
            return self.set_aside(file, size, candidate, now);
        }
        if file.metadata()?.permissions().mode() & 0o004 != 0 && self.readable_by_all.insert(candidate.base.clone()) {
            tracing::warn!(
                "source {}: {} can be read by everybody on this machine; it holds what is not redacted yet",
                self.name,
                candidate.path.display(),
            );
        }
        let base = candidate.base.clone();
        let mut generation = Generation::new(self.next_stream, base, candidate.id, 0, file.try_clone()?, now);
        if !(candidate.matched && candidate.path == candidate.base) {
            generation.retire();
        }
        self.begin(generation);
        Ok(())
    }

    /// The copy of a file that is or was being read: it waits, goes on where the original ended, or holds nothing new.
    fn is_known_copy(&mut self, file: &File, size: u64, candidate: &Candidate, now: Timestamp) -> io::Result<bool> {
        for n in 0..self.generations.len() {
            let known = &self.generations[n];
            if !matches!(known.place, Place::Missing { replaced: true }) {
                continue;
            }
            let named_so = candidate.may_come_from(&known.base);
            if let Some(recent) = recognise(file, &known.at)? {
                self.resume(n, file.try_clone()?, candidate, false, &recent, now);
                return Ok(true);
            }
            // made before the last lines that we read came
            if named_so && size < known.at.offset && known.began_as(file, size)? {
                self.generations[n].place = Place::Spent;
                self.set_aside(file, size, candidate, now)?;
                return Ok(true);
            }
        }
        // of a file that is being read: wait until it is clear what becomes of the original
        for known in &self.generations {
            if let Place::Live(live) = &known.place
                && candidate.path != known.base
                && candidate.may_come_from(&known.base)
                && (is_copy(file, size, live)? || !known.still_same()?)
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Remembers a file that needs no reading.
    fn set_aside(&mut self, file: &File, size: u64, candidate: &Candidate, now: Timestamp) -> io::Result<()> {
        let mut generation = Generation::copied(self.next_stream, candidate.base.clone(), candidate.id, file, size)?;
        generation.seen = now;
        let stream = generation.stream;
        self.begin(generation);
        self.positions.finish(self.source, stream, size);
        Ok(())
    }

    fn resume(&mut self, n: usize, file: File, c: &Candidate, live: bool, recent: &[u8], now: Timestamp) {
        let generation = &mut self.generations[n];
        generation.resume(file, c.id, live, recent, now);
        tracing::debug!(stream = generation.stream, offset = generation.offset(), path = %c.path.display(), "goes on");
        self.positions.identify(self.source, generation.stream, &generation.at);
    }
}

fn system_time(t: Timestamp) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_micros(t.0.try_into().unwrap_or(0))
}
