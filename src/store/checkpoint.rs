//! How far each input has been read, and how much of each output is promised.

use rusqlite::{Connection, Row, params};

use super::db::{Store, StoreError};
use crate::units::Timestamp;

/// One stream of one source, by names that outlive the process.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamKey {
    /// The source's name in the configuration.
    pub source: String,
    /// The number that the source gave the stream when it first met it; never used twice within a source.
    pub stream: u64,
}

/// How far a stream has been read, and by what to know its file again.
///
/// A file is never known by its path. It is the same file when device, inode, the hash of its first bytes and the
/// hash of the bytes just before the offset all agree; otherwise it is a new generation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checkpoint {
    /// Where the file was seen last, for people; it identifies nothing. For the journal the cursor of its entry at
    /// `offset`, by which it is found again.
    pub path: String,
    /// Device number (`st_dev`).
    pub device: u64,
    /// Inode number (`st_ino`).
    pub inode: u64,
    /// First 128 bits of SHA-256 over the first `prefix_len` bytes.
    pub prefix_hash: [u8; 16],
    /// How many bytes `prefix_hash` covers: grows with the file, at most 1024.
    pub prefix_len: u32,
    /// First 128 bits of SHA-256 over the (at most) 64 bytes before `offset`.
    pub anchor_hash: [u8; 16],
    /// How often the file under this identity began anew (truncation); starts at 0.
    pub generation: u32,
    /// Everything before this byte is safely in the output. Always just behind a newline that was emitted.
    pub offset: u64,
    /// No more bytes can come: the file is gone or retired, and was read to its end.
    pub finished: bool,
}

/// How much of an output file is promised; on start it is cut back to this length.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OutputMark {
    /// The file's path.
    pub path: String,
    /// Device number (`st_dev`).
    pub device: u64,
    /// Inode number (`st_ino`).
    pub inode: u64,
    /// Committed length in bytes.
    pub length: u64,
}

pub(super) fn put(db: &Connection, key: &StreamKey, at: &Checkpoint, now: Timestamp) -> Result<(), StoreError> {
    db.prepare_cached("INSERT OR REPLACE INTO checkpoint VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)")?
        .execute(params![
            key.source,
            key.stream.cast_signed(),
            at.path,
            at.device.cast_signed(),
            at.inode.cast_signed(),
            at.prefix_hash,
            at.prefix_len,
            at.anchor_hash,
            at.generation,
            at.offset.cast_signed(),
            at.finished,
            now.0
        ])?;
    Ok(())
}

pub(super) fn forget(db: &Connection, key: &StreamKey) -> Result<(), StoreError> {
    db.prepare_cached("DELETE FROM checkpoint WHERE source = ?1 AND stream = ?2")?
        .execute(params![key.source, key.stream.cast_signed()])?;
    Ok(())
}

pub(super) fn put_output(db: &Connection, sink: &str, mark: &OutputMark, now: Timestamp) -> Result<(), StoreError> {
    db.prepare_cached("INSERT OR REPLACE INTO output VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?.execute(params![
        sink,
        mark.path,
        mark.device.cast_signed(),
        mark.inode.cast_signed(),
        mark.length.cast_signed(),
        now.0
    ])?;
    Ok(())
}

impl Store {
    /// Every stream that is not forgotten, with its last committed position.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn checkpoints(&self) -> Result<Vec<(StreamKey, Checkpoint)>, StoreError> {
        let db = self.lock();
        let mut query = db.prepare_cached(
            "SELECT source, stream, path, device, inode, prefix_hash, prefix_len, anchor_hash, generation, offset, finished
             FROM checkpoint ORDER BY source, stream",
        )?;
        let unsigned = |r: &Row<'_>, i: usize| r.get::<_, i64>(i).map(i64::cast_unsigned);
        let rows = query.query_map([], |r| {
            let key = StreamKey { source: r.get(0)?, stream: unsigned(r, 1)? };
            let at = Checkpoint {
                path: r.get(2)?,
                device: unsigned(r, 3)?,
                inode: unsigned(r, 4)?,
                prefix_hash: r.get(5)?,
                prefix_len: r.get(6)?,
                anchor_hash: r.get(7)?,
                generation: r.get(8)?,
                offset: unsigned(r, 9)?,
                finished: r.get(10)?,
            };
            Ok((key, at))
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The committed length of every output file, by sink name.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn outputs(&self) -> Result<Vec<(String, OutputMark)>, StoreError> {
        let db = self.lock();
        let mut query = db.prepare_cached("SELECT sink, path, device, inode, length FROM output ORDER BY sink")?;
        let unsigned = |r: &Row<'_>, i: usize| r.get::<_, i64>(i).map(i64::cast_unsigned);
        let rows = query.query_map([], |r| {
            let mark = OutputMark {
                path: r.get(1)?,
                device: unsigned(r, 2)?,
                inode: unsigned(r, 3)?,
                length: unsigned(r, 4)?,
            };
            Ok((r.get(0)?, mark))
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}
