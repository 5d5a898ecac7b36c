//! Looking at the names: which file belongs to which generation.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::time::SystemTime;

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
        self.mark_replaced(&by_id, now);
        self.passed_over.retain(|id, _| by_id.contains_key(id));
        for candidate in &found {
            let at_rest = self.generations.iter().any(|g| {
                let finished = matches!(g.place, Place::Finished) && g.at.offset == candidate.size;
                g.id() == candidate.id && (g.file().is_some() || finished)
            });
            if at_rest || self.passed_over.get(&candidate.id) == Some(&(candidate.size, candidate.modified)) {
                continue;
            }
            match self.consider(candidate, &found, now) {
                Ok(()) => self.recovered(&candidate.path),
                // gone between the listing and now
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => self.tell(&candidate.path, "cannot open", &error),
            }
        }
    }

    /// Generations from the store in whose place something else stands now. Copies are met only after this is known.
    fn mark_replaced(&mut self, by_id: &BTreeMap<(u64, u64), &Candidate>, now: Timestamp) {
        for generation in &mut self.generations {
            let (Place::Missing { replaced: false }, Some(candidate)) =
                (&generation.place, by_id.get(&generation.id()))
            else {
                continue;
            };
            // one that cannot be opened is told about where it is opened next
            let same = File::open(&candidate.path).and_then(|file| recognise(&file, &generation.at));
            if matches!(same, Ok(None)) {
                generation.replaced(now);
            }
        }
    }

    /// A file that is not open: one that we know, the rest of one that we know, a copy of one that we read, or new.
    fn consider(&mut self, candidate: &Candidate, found: &[Candidate], now: Timestamp) -> io::Result<()> {
        let file = File::open(&candidate.path)?;
        let meta = file.metadata()?;
        if (meta.dev(), meta.ino()) != candidate.id {
            // renamed between the listing and now: the next look gets it right
            return Ok(());
        }
        let own_name = candidate.matched && candidate.path == candidate.base;
        for n in (0..self.generations.len()).rev() {
            let known = &self.generations[n];
            if known.file().is_some() || known.id() != candidate.id {
                continue;
            }
            let Some(recent) = recognise(&file, &known.at)? else { continue };
            if !matches!(known.place, Place::Finished) || meta.len() > known.at.offset {
                let live = own_name && known.base == candidate.base;
                self.resume(n, file, candidate, live, &recent, now);
            }
            return Ok(());
        }
        if self.is_known_copy(&file, meta.len(), candidate, now)? {
            return Ok(());
        }
        if !own_name_or_newer(self, candidate, found) {
            self.passed_over.insert(candidate.id, (candidate.size, candidate.modified));
            return Ok(());
        }
        if meta.permissions().mode() & 0o004 != 0 {
            tracing::warn!(
                "source {}: {} can be read by everybody on this machine; it holds what is not redacted yet",
                self.name,
                candidate.path.display(),
            );
        }
        let mut generation = Generation::new(self.next_stream, candidate.base.clone(), candidate.id, 0, file, now);
        if !own_name {
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
            // what is known of a file that was hardly read could fit any file: then its name must fit too
            if (known.at.offset > 0 || named_so)
                && let Some(recent) = recognise(file, &known.at)?
            {
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
        self.positions.identify(self.source, generation.stream, &generation.at);
    }
}

/// Whether a file that nothing is known about is to be read: it matches, or rotation moved it away after the newest of
/// its line that we know.
fn own_name_or_newer(tail: &Tail, candidate: &Candidate, found: &[Candidate]) -> bool {
    if candidate.matched {
        return true;
    }
    let mut family = tail.generations.iter().filter(|g| g.base == candidate.base).peekable();
    if family.peek().is_none() {
        return false;
    }
    let newest: Option<SystemTime> =
        family.filter_map(|g| found.iter().find(|c| c.id == g.id())).map(|c| c.modified).max();
    newest.is_none_or(|newest| candidate.modified > newest)
}
