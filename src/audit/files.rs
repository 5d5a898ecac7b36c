//! The files of the log: `audit-YYYYMMDD-SEQ.jsonl`, a new one each day, named after the first record in it.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use chrono::NaiveDate;

use super::error::AuditError;
use super::record::Record;
use crate::units::Timestamp;

/// The directory's name in the state directory.
pub(super) const DIRECTORY: &str = "audit";

/// The longest line that is read, in bytes; longer ones are no record.
const MAX_LINE: u64 = 1 << 20;

/// A file of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) path: PathBuf,
    /// The number of its first record.
    pub(super) first: u64,
    /// The day of its first record.
    pub(super) day: NaiveDate,
    /// Length in bytes.
    pub(super) length: u64,
}

impl Part {
    /// `audit-20260501-00000000000000000001.jsonl`
    pub(super) fn name(&self) -> String {
        self.path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default()
    }
}

/// The day of an instant, in UTC.
pub(super) fn day(at: Timestamp) -> NaiveDate {
    at.to_utc().date_naive()
}

/// The name of the file whose first record is number `first`, written at `at`.
pub(super) fn name(first: u64, at: Timestamp) -> String {
    format!("audit-{}-{first:020}.jsonl", at.to_utc().format("%Y%m%d"))
}

/// The files of the log in the state directory `dir`, in order. None when there is no log yet.
pub(super) fn parts(dir: &Path) -> Result<Vec<Part>, AuditError> {
    let dir = dir.join(DIRECTORY);
    let entries = match fs::read_dir(&dir) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(AuditError::io(&dir)(e)),
    };
    let mut parts = Vec::new();
    for entry in entries {
        let entry = entry.map_err(AuditError::io(&dir))?;
        let name = entry.file_name();
        let Some((day, first)) = name.to_str().and_then(read_name) else { continue };
        let length = match entry.metadata() {
            Ok(meta) if meta.is_file() => meta.len(),
            Ok(_) => continue,
            // removed by its retention meanwhile
            Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
            Err(e) => return Err(AuditError::io(&entry.path())(e)),
        };
        parts.push(Part { path: entry.path(), first, day, length });
    }
    parts.sort_by_key(|p| (p.first, p.day));
    Ok(parts)
}

fn read_name(name: &str) -> Option<(NaiveDate, u64)> {
    let (day, first) = name.strip_prefix("audit-")?.strip_suffix(".jsonl")?.split_once('-')?;
    Some((NaiveDate::parse_from_str(day, "%Y%m%d").ok()?, first.parse().ok().filter(|_| first.len() == 20)?))
}

/// A line of the log.
pub(super) struct Line<'a> {
    pub(super) part: &'a Part,
    /// From 1.
    pub(super) number: u64,
    /// Without its break.
    pub(super) bytes: Vec<u8>,
    /// Whether it ends with a break.
    pub(super) whole: bool,
}

/// Reads the lines of `parts`, one after the other. A file that was removed meanwhile has none.
pub(super) fn each_line<'a>(parts: &'a [Part], mut then: impl FnMut(Line<'a>)) -> Result<(), AuditError> {
    for part in parts {
        let file = match File::open(&part.path) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
            Err(e) => return Err(AuditError::io(&part.path)(e)),
        };
        let mut reader = BufReader::with_capacity(256 << 10, file);
        for number in 1.. {
            let mut bytes = Vec::new();
            let read = read_line(&mut reader, &mut bytes).map_err(AuditError::io(&part.path))?;
            if read == 0 {
                break;
            }
            let whole = bytes.last() == Some(&b'\n');
            if whole {
                bytes.pop();
            }
            then(Line { part, number, bytes, whole });
        }
    }
    Ok(())
}

/// Reads up to and with the next break. Of a line that is too long only the beginning is kept.
fn read_line(reader: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<u64> {
    let mut read = 0;
    loop {
        let buffer = reader.fill_buf()?;
        if buffer.is_empty() {
            return Ok(read);
        }
        let end = memchr::memchr(b'\n', buffer).map(|at| at + 1);
        let n = end.unwrap_or(buffer.len());
        if read < MAX_LINE {
            line.extend_from_slice(&buffer[..n]);
        } else if end.is_some() {
            line.push(b'\n');
        }
        reader.consume(n);
        read += n as u64;
        if end.is_some() {
            return Ok(read);
        }
    }
}

/// Every line of the log in the state directory `dir` that is a record, with the line itself; whether it is true is for
/// [`super::verify`] to say.
///
/// # Errors
/// When the files cannot be read.
pub fn records(dir: &Path, mut then: impl FnMut(Record, &[u8])) -> Result<(), AuditError> {
    each_line(&parts(dir)?, |line| {
        if let Some(record) = Record::parse(&line.bytes) {
            then(record, &line.bytes);
        }
    })
}
