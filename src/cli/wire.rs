//! What the supervisor of `exec` and its worker say to each other, over the worker's standard input and output.
//!
//! The supervisor sends a greeting once, then one chunk after the other; the worker answers each whole. So the supervisor
//! always knows what has come back, and a worker that dies takes nothing with it.

use std::io::{self, Read, Write};

use zeroize::Zeroizing;

use crate::redact::{Redacted, RuleId};

/// The first bytes of a greeting; another version of the program would not understand the rest.
const MAGIC: &[u8; 4] = b"LWx1";

/// How many streams a command has: standard output and standard error.
pub const STREAMS: usize = 2;

/// What a worker has to know.
pub struct Greeting {
    /// The secret of the pseudonyms, which outlives the worker.
    pub secret: Zeroizing<Vec<u8>>,
    /// By stream: whether terminal escapes are taken out.
    pub strip: [bool; STREAMS],
}

/// What to do with a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// Redact it.
    Redact = 0,
    /// It stands for a line that could not be taken whole.
    Withhold = 1,
    /// It was redacted before; learn from it what comes of what went before, and answer nothing.
    Remember = 2,
}

/// What came back of a chunk.
#[derive(Default)]
pub struct Answer {
    /// Redacted lines.
    pub bytes: Vec<u8>,
    /// How many.
    pub lines: u64,
    /// How many of them are withheld.
    pub withheld: u64,
    /// Redactions by rule.
    pub redactions: Vec<(RuleId, u64)>,
}

impl Greeting {
    /// Sends it.
    pub fn send(&self, to: &mut impl Write) -> io::Result<()> {
        to.write_all(MAGIC)?;
        to.write_all(&[u8::from(self.strip[0]), u8::from(self.strip[1])])?;
        put(to, &self.secret)
    }

    /// Reads it.
    pub fn receive(from: &mut impl Read) -> io::Result<Self> {
        let mut head = [0; 6];
        from.read_exact(&mut head)?;
        if &head[..4] != MAGIC {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "this is for `logwarden exec` to use"));
        }
        let mut secret = Zeroizing::new(Vec::new());
        get(from, &mut secret)?;
        Ok(Self { secret, strip: [head[4] == 1, head[5] == 1] })
    }
}

/// Sends a chunk of `stream`.
pub fn ask(to: &mut impl Write, stream: usize, task: Task, bytes: &[u8]) -> io::Result<()> {
    to.write_all(&[stream as u8, task as u8])?;
    put(to, bytes)?;
    to.flush()
}

/// Reads a chunk into `bytes`; `None` when there will be no more.
pub fn asked(from: &mut impl Read, bytes: &mut Vec<u8>) -> io::Result<Option<(usize, Task)>> {
    let mut head = [0; 2];
    match from.read_exact(&mut head) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    }
    get(from, bytes)?;
    let task = match head[1] {
        0 => Task::Redact,
        1 => Task::Withhold,
        _ => Task::Remember,
    };
    Ok(Some((usize::from(head[0]).min(STREAMS - 1), task)))
}

/// Sends what became of a chunk.
pub fn answer(to: &mut impl Write, out: &Redacted) -> io::Result<()> {
    let mut counts: Vec<(u16, u32)> = Vec::new();
    for finding in out.findings() {
        match counts.iter_mut().find(|(rule, _)| *rule == finding.rule.0) {
            Some((_, n)) => *n += 1,
            None => counts.push((finding.rule.0, 1)),
        }
    }
    to.write_all(&(out.line_count() as u32).to_le_bytes())?;
    to.write_all(&(out.withheld().len() as u32).to_le_bytes())?;
    to.write_all(&(counts.len() as u32).to_le_bytes())?;
    for (rule, n) in counts {
        to.write_all(&rule.to_le_bytes())?;
        to.write_all(&n.to_le_bytes())?;
    }
    put(to, out.bytes())?;
    to.flush()
}

/// Reads what became of a chunk.
pub fn answered(from: &mut impl Read, into: &mut Answer) -> io::Result<()> {
    into.lines = u64::from(number(from)?);
    into.withheld = u64::from(number(from)?);
    into.redactions.clear();
    for _ in 0..number(from)? {
        let mut rule = [0; 2];
        from.read_exact(&mut rule)?;
        into.redactions.push((RuleId(u16::from_le_bytes(rule)), u64::from(number(from)?)));
    }
    get(from, &mut into.bytes)
}

fn number(from: &mut impl Read) -> io::Result<u32> {
    let mut bytes = [0; 4];
    from.read_exact(&mut bytes)?;
    Ok(u32::from_le_bytes(bytes))
}

fn put(to: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
    to.write_all(&(bytes.len() as u32).to_le_bytes())?;
    to.write_all(bytes)
}

fn get(from: &mut impl Read, into: &mut Vec<u8>) -> io::Result<()> {
    let length = u64::from(number(from)?);
    into.clear();
    if from.take(length).read_to_end(into)? as u64 == length {
        Ok(())
    } else {
        Err(io::ErrorKind::UnexpectedEof.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redact::{PseudonymKey, Redactor};

    #[test]
    fn both_sides_understand_each_other() {
        let mut pipe = Vec::new();
        Greeting { secret: Zeroizing::new(b"key".to_vec()), strip: [true, false] }.send(&mut pipe).unwrap();
        ask(&mut pipe, 1, Task::Redact, b"password=hunter2\nx\n").unwrap();
        let mut from = &pipe[..];
        let greeting = Greeting::receive(&mut from).unwrap();
        assert_eq!((&greeting.secret[..], greeting.strip), (&b"key"[..], [true, false]));
        let mut bytes = Vec::new();
        assert_eq!(asked(&mut from, &mut bytes).unwrap(), Some((1, Task::Redact)));
        assert_eq!(asked(&mut from, &mut Vec::new()).unwrap(), None);
        let mut out = Redacted::default();
        Redactor::new(PseudonymKey::new(0, b"k")).worker().redact(&bytes, &mut out);
        let mut back = Vec::new();
        answer(&mut back, &out).unwrap();
        let mut got = Answer::default();
        for cut in 0..back.len() {
            assert!(answered(&mut &back[..cut], &mut got).is_err(), "{cut}");
        }
        answered(&mut &back[..], &mut got).unwrap();
        assert_eq!((got.bytes.as_slice(), got.lines, got.redactions.len()), (&b"password=[PASSWORD]\nx\n"[..], 2, 1));
        assert!(Greeting::receive(&mut &b"GET / HTTP/1.1\r\n"[..]).is_err());
    }
}
