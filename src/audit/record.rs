//! One record: how it is written, and how it is read back and proved.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::key::AuditKey;
use crate::units::{Timestamp, hex};

/// What stands before the code at the end of a line.
const MARK: &[u8] = b",\"mac\":\"";

/// A record's `data` longer than this is not kept, in bytes.
const MAX_DATA: usize = 256 << 10;

/// Something that happened.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// When.
    pub at: Timestamp,
    /// What, such as `alert.firing`.
    pub what: String,
    /// The row of the store's queue that it comes from, so that it is written once.
    pub row: i64,
    /// What belongs to it, as a JSON object.
    pub data: Map<String, Value>,
}

/// Number and code of a record: enough to know whether everything up to it is still there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The record's number, from 1.
    pub seq: u64,
    /// Its code.
    pub mac: [u8; 32],
}

impl Head {
    /// Before the first record.
    pub const START: Self = Self { seq: 0, mac: [0; 32] };
}

/// `SEQ:MAC`
impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.seq, hex(&self.mac))
    }
}

/// A head that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is no head of an audit log; write it as `audit verify` prints it, SEQ:MAC with 64 hex digits")]
pub struct HeadError;

impl FromStr for Head {
    type Err = HeadError;

    fn from_str(text: &str) -> Result<Self, HeadError> {
        let (seq, mac) = text.trim().split_once(':').ok_or(HeadError)?;
        Ok(Self { seq: seq.parse().map_err(|_| HeadError)?, mac: unhex(mac).ok_or(HeadError)? })
    }
}

/// A record as it was read.
#[derive(Clone, Debug)]
pub struct Record {
    /// Its number, from 1.
    pub seq: u64,
    /// When it happened.
    pub at: Timestamp,
    /// What happened.
    pub what: String,
    /// The row of the store's queue.
    pub row: i64,
    /// What belongs to it.
    pub data: Map<String, Value>,
    /// The code of the record before.
    pub prev: [u8; 32],
    /// Its own code.
    pub mac: [u8; 32],
}

#[derive(Deserialize)]
struct Line<'a> {
    seq: u64,
    at: Timestamp,
    what: String,
    row: i64,
    #[serde(borrow)]
    data: &'a RawValue,
    prev: &'a str,
    mac: &'a str,
}

impl Record {
    /// The head that this record is.
    pub fn head(&self) -> Head {
        Head { seq: self.seq, mac: self.mac }
    }

    /// What a line (without its break) says, whether it is true or not. `None` when it is no record.
    pub fn parse(line: &[u8]) -> Option<Self> {
        let read: Line<'_> = serde_json::from_slice(line).ok()?;
        let data = serde_json::from_str(read.data.get()).ok()?;
        let (prev, mac) = (unhex(read.prev)?, unhex(read.mac)?);
        Some(Self { seq: read.seq, at: read.at, what: read.what, row: read.row, data, prev, mac })
    }

    /// What a line says, when its code shows that it is as it was written.
    pub fn prove(line: &[u8], key: &AuditKey) -> Option<Self> {
        let record = Self::parse(line)?;
        let end = line.len().checked_sub(MARK.len() + 64 + 2)?;
        let (signed, rest) = line.split_at(end);
        let whole = rest.starts_with(MARK) && rest.ends_with(b"\"}");
        (whole && key.mac(signed) == record.mac).then_some(record)
    }
}

/// The line for `entry` behind `before`, with its break, and the head that it makes.
pub(super) fn write(entry: &Entry, before: Head, key: &AuditKey) -> (String, Head) {
    let seq = before.seq + 1;
    let mut data = Value::Object(entry.data.clone()).to_string();
    if data.len() > MAX_DATA {
        data = json!({ "left_out": format!("{} bytes were too many", data.len()) }).to_string();
    }
    let mut line = format!(
        "{{\"seq\":{seq},\"at\":\"{}\",\"what\":{},\"row\":{},\"data\":{data},\"prev\":\"{}\"",
        entry.at,
        Value::String(entry.what.clone()),
        entry.row,
        hex(&before.mac)
    );
    let mac = key.mac(line.as_bytes());
    line.push_str(",\"mac\":\"");
    line.push_str(&hex(&mac));
    line.push_str("\"}\n");
    (line, Head { seq, mac })
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let text = text.as_bytes();
    if text.len() != 64 || !text.iter().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
        return None;
    }
    let digit = |b: u8| if b.is_ascii_digit() { b - b'0' } else { b - b'a' + 10 };
    let mut out = [0; 32];
    for (byte, pair) in out.iter_mut().zip(text.chunks_exact(2)) {
        *byte = digit(pair[0]) << 4 | digit(pair[1]);
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(data: Value) -> Entry {
        let Value::Object(data) = data else { panic!() };
        Entry { at: Timestamp::from_secs(1_777_636_800), what: "alert.firing".to_owned(), row: 3, data }
    }

    #[test]
    fn what_was_written_comes_back_and_nothing_else_does() {
        let key = AuditKey::new(b"a key of some length");
        let before = Head { seq: 6, mac: [0xab; 32] };
        let (line, head) = write(&entry(json!({"id": "x", "mac": "fake\",\"mac\":\"y"})), before, &key);
        let line = line.trim_end().as_bytes();
        let record = Record::prove(line, &key).unwrap();
        assert_eq!((record.head(), record.prev, record.row), (head, before.mac, 3));
        assert_eq!((record.seq, &*record.what, record.data["id"].as_str()), (7, "alert.firing", Some("x")));
        assert!(Record::prove(line, &AuditKey::new(b"another key of some length")).is_none());
        for at in 0..line.len() {
            let mut edited = line.to_vec();
            edited[at] ^= 1;
            assert!(Record::prove(&edited, &key).is_none(), "{at}");
            assert!(Record::prove(&line[..at], &key).is_none(), "{at}");
        }
        let spaced = String::from_utf8_lossy(line).replacen("{\"seq\"", "{ \"seq\"", 1);
        assert!(Record::prove(spaced.as_bytes(), &key).is_none());
    }

    #[test]
    fn heads_are_read_as_they_are_written() {
        let head = Head { seq: 41, mac: std::array::from_fn(|n| n as u8 * 7) };
        assert_eq!(head.to_string().parse(), Ok(head));
        for bad in ["", "41", "41:ab", "x:", &format!("41:{}", "G".repeat(64))] {
            assert_eq!(bad.parse::<Head>(), Err(HeadError));
        }
    }

    #[test]
    fn what_is_too_long_is_left_out_and_said() {
        let key = AuditKey::new(b"a key of some length");
        let (line, _) = write(&entry(json!({ "x": "y".repeat(MAX_DATA) })), Head::START, &key);
        assert!(line.len() < 500 && Record::prove(line.trim_end().as_bytes(), &key).is_some(), "{line}");
    }
}
