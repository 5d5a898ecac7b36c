//! One life of one file: from its first byte until it is truncated, replaced or read to its end.

use std::fs::File;
use std::io;
use std::path::PathBuf;

use rustix::buffer::spare_capacity;
use rustix::fs::SeekFrom;
use rustix::io::Errno;

use super::identity::{self, PREFIX_BYTES, read_at};
use crate::sources::lines::{ANCHOR_BYTES, Framer, Piece, hash128};
use crate::store::Checkpoint;
use crate::units::Timestamp;

/// A generation and how far it has been read.
pub(super) struct Generation {
    /// Its number within the source; never used twice.
    pub stream: u64,
    /// The matching path at which it was met.
    pub base: PathBuf,
    /// Identity; offset and anchor are those of the framer's start.
    pub at: Checkpoint,
    /// Where it stands.
    pub place: Place,
    /// When it was seen last, or grew last.
    pub seen: Timestamp,
    framer: Framer,
    /// The first bytes, unless the generation comes from the store.
    head: Vec<u8>,
    /// Nothing but zero bytes has been met so far.
    leading: bool,
}

/// Where a generation stands.
pub(super) enum Place {
    /// Open, under its own name.
    Live(File),
    /// Open, renamed or removed; or the copy of one that was truncated.
    Retired(File),
    /// Not open: its file has not been found (`replaced` false), or holds something else now (`replaced`) and a copy may
    /// hold the rest.
    Missing {
        /// Something else stands in its place for certain.
        replaced: bool,
    },
    /// Not open any more, and nothing more is to come.
    Spent,
    /// Read to its end, and said so.
    Finished,
    /// Of no account: its file was replaced before anything was read, so whatever was in it is new wherever it turns up.
    Void,
}

/// What a look at the file gave.
pub(super) enum Step {
    /// Bytes came.
    Read,
    /// There are no more bytes now.
    AtEnd,
    /// The file does not hold what was read from it any more.
    Replaced,
}

impl Generation {
    /// A file that is met for the first time.
    pub(super) fn new(stream: u64, base: PathBuf, id: (u64, u64), number: u32, file: File, now: Timestamp) -> Self {
        let at = Checkpoint {
            path: base.to_string_lossy().into_owned(),
            device: id.0,
            inode: id.1,
            prefix_hash: hash128(b""),
            anchor_hash: hash128(b""),
            generation: number,
            ..Checkpoint::default()
        };
        let framer = Framer::anchored(0, b"");
        Self { stream, base, at, place: Place::Live(file), seen: now, framer, head: Vec::new(), leading: true }
    }

    /// A generation known from the store, its file not found yet.
    pub(super) fn stored(stream: u64, at: Checkpoint, now: Timestamp) -> Self {
        let place = if at.finished { Place::Finished } else { Place::Missing { replaced: false } };
        let framer = Framer::anchored(at.offset, b"");
        let leading = at.offset == 0;
        Self { stream, base: PathBuf::from(&at.path), at, place, seen: now, framer, head: Vec::new(), leading }
    }

    /// The file, while it is open.
    pub(super) fn file(&self) -> Option<&File> {
        match &self.place {
            Place::Live(file) | Place::Retired(file) => Some(file),
            Place::Missing { .. } | Place::Spent | Place::Finished | Place::Void => None,
        }
    }

    /// `st_dev` and `st_ino`.
    pub(super) fn id(&self) -> (u64, u64) {
        (self.at.device, self.at.inode)
    }

    /// Everything before this byte has been handed out.
    pub(super) fn offset(&self) -> u64 {
        self.framer.start()
    }

    /// A file of `size` bytes all of which were read already, from the file it is a copy of.
    pub(super) fn copied(stream: u64, base: PathBuf, id: (u64, u64), file: &File, size: u64) -> io::Result<Self> {
        let mut generation = Self::stored(stream, Checkpoint::default(), Timestamp::default());
        let len = size.min(ANCHOR_BYTES as u64);
        let (prefix_len, prefix_hash) = identity::prefix(file)?;
        generation.at = Checkpoint {
            path: base.to_string_lossy().into_owned(),
            device: id.0,
            inode: id.1,
            prefix_len,
            prefix_hash,
            anchor_hash: hash128(&read_at(file, size - len, len as usize)?),
            offset: size,
            finished: true,
            ..Checkpoint::default()
        };
        (generation.base, generation.place) = (base, Place::Finished);
        Ok(generation)
    }

    /// Whether the file still holds what was read from it.
    pub(super) fn still_same(&self) -> io::Result<bool> {
        let Some(file) = self.file() else { return Ok(true) };
        let mut before = Vec::new();
        self.framer.last_bytes(&mut before);
        let position = self.framer.position();
        let long_enough = rustix::fs::fstat(file)?.st_size.cast_unsigned() >= position;
        Ok(long_enough && read_at(file, position - before.len() as u64, before.len())? == before)
    }

    /// Whether `copy`, of `size` bytes, begins as this generation did, as far as its beginning is known.
    pub(super) fn began_as(&self, copy: &File, size: u64) -> io::Result<bool> {
        if size >= u64::from(self.at.prefix_len) {
            return identity::begins_as(copy, &self.at);
        }
        let len = size as usize;
        Ok(len > 0 && self.head.len() >= len && read_at(copy, 0, len)? == self.head[..len])
    }

    /// Goes on with `file`, which was recognised; `recent` are the bytes before the offset.
    pub(super) fn resume(&mut self, file: File, id: (u64, u64), live: bool, recent: &[u8], now: Timestamp) {
        self.framer = Framer::anchored(self.at.offset, recent);
        self.leading = self.at.offset == 0;
        (self.at.device, self.at.inode) = id;
        self.place = if live { Place::Live(file) } else { Place::Retired(file) };
        self.seen = now;
    }

    /// It does not stand under its own name any more.
    pub(super) fn retire(&mut self) {
        if let Place::Live(file) = std::mem::replace(&mut self.place, Place::Finished) {
            self.place = Place::Retired(file);
        }
    }

    /// It stands under its own name again.
    pub(super) fn unretire(&mut self) {
        if let Place::Retired(file) = std::mem::replace(&mut self.place, Place::Finished) {
            self.place = Place::Live(file);
        }
    }

    /// Whether no name leads to the open file any more.
    pub(super) fn deleted(&self) -> bool {
        self.file().is_some_and(|file| rustix::fs::fstat(file).is_ok_and(|stat| stat.st_nlink == 0))
    }

    /// Takes the file away: it holds something else now.
    pub(super) fn replaced(&mut self, now: Timestamp) -> Option<File> {
        self.seen = now;
        let place = if self.at.offset == 0 { Place::Void } else { Place::Missing { replaced: true } };
        match std::mem::replace(&mut self.place, place) {
            Place::Live(file) | Place::Retired(file) => Some(file),
            Place::Missing { .. } | Place::Spent | Place::Finished | Place::Void => None,
        }
    }

    /// Hashes more of the beginning while the file is short; says whether the identity changed.
    pub(super) fn grow_prefix(&mut self) -> io::Result<bool> {
        if self.at.prefix_len as usize >= PREFIX_BYTES {
            return Ok(false);
        }
        let Some(file) = self.file() else { return Ok(false) };
        let head = read_at(file, 0, PREFIX_BYTES)?;
        // truncated just now: that head is another generation's
        if head.len() <= self.at.prefix_len as usize || !self.still_same()? {
            return Ok(false);
        }
        (self.at.prefix_len, self.at.prefix_hash) = (head.len() as u32, hash128(&head));
        self.head = head;
        Ok(true)
    }

    /// Reads once. That the file still holds what was read before is checked *after* reading, so that bytes of
    /// another generation never count as ours.
    pub(super) fn read(&mut self) -> io::Result<Step> {
        let (Place::Live(file) | Place::Retired(file)) = &self.place else { return Ok(Step::AtEnd) };
        let shorter = |than| Ok::<_, Errno>(rustix::fs::fstat(file)?.st_size.cast_unsigned() < than);
        if self.leading && !skip_hole(file, &mut self.framer)? {
            return Ok(if shorter(self.framer.position())? { Step::Replaced } else { Step::AtEnd });
        }
        let mut before = Vec::new();
        self.framer.last_bytes(&mut before);
        let position = self.framer.position();
        let room = self.framer.room();
        let held = room.len();
        let read = loop {
            match rustix::io::pread(file, spare_capacity(room), position) {
                Err(Errno::INTR) => {}
                other => break other?,
            }
        };
        let same = read_at(file, position - before.len() as u64, before.len())? == before;
        if !same || (read == 0 && shorter(position)?) {
            room.truncate(held);
            return Ok(Step::Replaced);
        }
        if position == 0 {
            // whatever the file held before the first byte was read counts for nothing
            self.at.prefix_len = 0;
        }
        if self.leading {
            self.leading = !self.framer.skip_zeros();
        }
        Ok(if read == 0 { Step::AtEnd } else { Step::Read })
    }

    /// The next piece of what was read.
    pub(super) fn take(&mut self, spare: Vec<u8>) -> Result<Piece, Vec<u8>> {
        let piece = self.framer.take(spare)?;
        self.note(&piece);
        Ok(piece)
    }

    /// A last line without its newline.
    pub(super) fn take_partial(&mut self, spare: Vec<u8>) -> Option<Piece> {
        let piece = self.framer.finish(spare)?;
        self.note(&piece);
        Some(piece)
    }

    fn note(&mut self, piece: &Piece) {
        (self.at.offset, self.at.anchor_hash) = (piece.end, piece.anchor);
    }
}

/// Moves over a hole at the start; `false` when there is nothing else.
fn skip_hole(file: &File, framer: &mut Framer) -> io::Result<bool> {
    let position = framer.position();
    match rustix::fs::seek(file, SeekFrom::Data(position)) {
        Ok(data) => {
            framer.skip_to(data);
            Ok(true)
        }
        // nothing but a hole up to the end, or already there
        Err(Errno::NXIO) => Ok(false),
        // not every file system can tell
        Err(_) => Ok(true),
    }
}
