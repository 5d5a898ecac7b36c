//! Batches of whole lines, and the receipts that travel with them.

use crate::units::Timestamp;

/// Which configured source a batch came from; an index into the running configuration's list of sources.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceId(pub u16);

/// A receipt: once a batch is safely written, everything of `stream` before byte `offset` is done.
///
/// A stream is one open file generation, one connection, or the process's own standard input (stream 0). Offsets of
/// one stream only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Ack {
    /// The source that framed the batch.
    pub source: SourceId,
    /// The file generation or connection within the source.
    pub stream: u64,
    /// The byte just behind the batch's last newline, counted from the start of the stream.
    pub offset: u64,
    /// First 128 bits of SHA-256 over the (at most) 64 bytes before `offset`, where the stream can be read again.
    pub anchor: [u8; 16],
}

/// Up to a few hundred KiB of whole lines from one stream, in order.
///
/// Each line ends with `\n` except possibly the last line of the stream (no final newline) or a line that is cut
/// because it is longer than the line bound.
pub struct Batch {
    /// Where the bytes came from and what to confirm once they are written.
    pub ack: Ack,
    /// When the bytes arrived.
    pub arrived: Timestamp,
    /// The lines as they were read.
    pub bytes: Vec<u8>,
    /// When set, the batch stands for one line that could not be taken whole, for this reason: it is to be replaced.
    /// `bytes` is then only what ended the line, a newline or nothing.
    pub withheld: Option<&'static str>,
    /// Nothing follows on this stream.
    pub last: bool,
}

/// One line of a batch without its newline. May hold secrets: it cannot be printed.
#[derive(Clone, Copy)]
pub struct RawLine<'a>(pub &'a [u8]);

/// Cuts `bytes` into lines; each piece keeps its `\n`, and a last piece without one is still a line.
pub fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let end = memchr::memchr(b'\n', rest).map_or(rest.len(), |i| i + 1);
        let (line, tail) = rest.split_at(end);
        rest = tail;
        Some(line)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_keep_every_byte() {
        let bytes = b"a\r\n\n\xff\0b\nlast";
        let got: Vec<&[u8]> = lines(bytes).collect();
        assert_eq!(got, [&b"a\r\n"[..], b"\n", b"\xff\0b\n", b"last"]);
        assert_eq!(got.concat(), bytes);
    }
}
