//! By what a file is known again.

use std::fs::File;
use std::io;

use rustix::io::Errno;

use crate::sources::lines::{ANCHOR_BYTES, hash128};
use crate::store::Checkpoint;

/// How many of a file's first bytes are hashed at most.
pub(super) const PREFIX_BYTES: usize = 1024;

/// Reads up to `len` bytes at `at`; fewer only at the end of the file.
pub(super) fn read_at(file: &File, at: u64, len: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; len];
    let mut done = 0;
    while done < len {
        match rustix::io::pread(file, &mut bytes[done..], at + done as u64) {
            Ok(0) => break,
            Ok(n) => done += n,
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    bytes.truncate(done);
    Ok(bytes)
}

/// Length and hash of the file's first bytes as they are now.
pub(super) fn prefix(file: &File) -> io::Result<(u32, [u8; 16])> {
    let bytes = read_at(file, 0, PREFIX_BYTES)?;
    Ok((bytes.len() as u32, hash128(&bytes)))
}

/// Whether the file begins as `known` says.
pub(super) fn begins_as(file: &File, known: &Checkpoint) -> io::Result<bool> {
    let len = (known.prefix_len as usize).min(PREFIX_BYTES);
    let bytes = read_at(file, 0, len)?;
    Ok(bytes.len() == len && hash128(&bytes) == known.prefix_hash)
}

/// When the file's content agrees with `known` up to its offset: the bytes before the offset.
pub(super) fn recognise(file: &File, known: &Checkpoint) -> io::Result<Option<Vec<u8>>> {
    if !begins_as(file, known)? {
        return Ok(None);
    }
    let len = known.offset.min(ANCHOR_BYTES as u64) as usize;
    let recent = read_at(file, known.offset - len as u64, len)?;
    Ok((recent.len() == len && hash128(&recent) == known.anchor_hash).then_some(recent))
}

/// Whether `copy`, of `size` bytes, holds the same bytes as the beginning of `live`: compared are the first bytes and
/// the last ones of the copy.
pub(super) fn is_copy(copy: &File, size: u64, live: &File) -> io::Result<bool> {
    let head = read_at(copy, 0, PREFIX_BYTES)?;
    if head.is_empty() || head != read_at(live, 0, head.len())? {
        return Ok(false);
    }
    let tail_at = size.saturating_sub(PREFIX_BYTES as u64);
    let tail = read_at(copy, tail_at, PREFIX_BYTES)?;
    Ok(tail == read_at(live, tail_at, tail.len())?)
}
