//! What was taken from senders that cannot send again, until it is durable.
//!
//! A disk that fails to sync may have lost what it was given since the last commit. Files, the journal and clients over
//! HTTP can give it again; TCP, Unix sockets and standard input cannot. Their chunks are kept, redacted, until a commit
//! holds them, and are the first that is written after everything was begun anew.

use crate::line::{Pool, SourceId};
use crate::redact::Redacted;
use crate::units::Timestamp;

/// Bytes of chunks that are kept; when a commit takes so long that there are more, the oldest are let go.
const MOST: usize = 64 << 20;

/// A chunk that is written and not durable.
pub(super) struct Held {
    pub source: SourceId,
    pub arrived: Timestamp,
    pub redacted: Redacted,
}

/// The chunks, the oldest first.
pub(super) struct Retained {
    /// By source number: whether its chunks are kept.
    wanted: Vec<bool>,
    chunks: Vec<Held>,
    /// How many of them the commit that is under way holds.
    handed: usize,
    bytes: usize,
    /// Where buffers go that are kept no longer.
    pool: Pool<Redacted>,
    /// Lines that were let go since the last commit, and would be lost with it.
    let_go: u64,
}

impl Retained {
    /// Nothing yet; `wanted` says by source number whose chunks are kept.
    pub(super) fn new(wanted: Vec<bool>, pool: Pool<Redacted>) -> Self {
        Self { wanted, chunks: Vec::new(), handed: 0, bytes: 0, pool, let_go: 0 }
    }

    /// Keeps a chunk that was written, when its source cannot give it again.
    pub(super) fn keep(&mut self, source: SourceId, arrived: Timestamp, redacted: Redacted) {
        if !self.wanted.get(usize::from(source.0)).copied().unwrap_or(false) {
            return self.pool.give(redacted);
        }
        self.bytes += redacted.bytes().len();
        self.chunks.push(Held { source, arrived, redacted });
        let mut over = 0;
        while self.bytes > MOST && over + 1 < self.chunks.len() {
            let oldest = &self.chunks[over].redacted;
            (self.bytes, self.let_go) = (self.bytes - oldest.bytes().len(), self.let_go + oldest.line_count() as u64);
            over += 1;
        }
        self.chunks.drain(..over);
        self.handed = self.handed.saturating_sub(over);
    }

    /// A commit is handed over that holds all chunks; `settled` says that the one before it is done.
    pub(super) fn handed_over(&mut self, settled: bool) {
        if settled {
            for chunk in self.chunks.drain(..self.handed) {
                self.bytes -= chunk.redacted.bytes().len();
                self.pool.give(chunk.redacted);
            }
            self.let_go = 0;
        }
        self.handed = self.chunks.len();
    }

    /// What no commit holds for certain, and how many lines more there were.
    pub(super) fn rest(self) -> (Vec<Held>, u64) {
        (self.chunks, self.let_go)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redact::{PseudonymKey, Redactor};

    #[test]
    fn chunks_are_kept_until_the_commit_that_holds_them_is_done() {
        let mut worker = Redactor::new(PseudonymKey::new(0, b"k")).worker();
        let mut chunk = |text: &str| {
            let mut out = Redacted::default();
            worker.redact(text.as_bytes(), &mut out);
            out
        };
        let mut kept = Retained::new(vec![false, true], Pool::new(4));
        let (file, tcp) = (SourceId(0), SourceId(1));
        let mut keep = |kept: &mut Retained, source, text: &str| kept.keep(source, Timestamp(0), chunk(text));
        keep(&mut kept, tcp, "one\n");
        keep(&mut kept, file, "of a file\n");
        kept.handed_over(true);
        keep(&mut kept, tcp, "two\n");
        // The first commit is not done yet, the second takes all.
        kept.handed_over(false);
        assert_eq!(kept.chunks.len(), 2);
        keep(&mut kept, tcp, "three\n");
        kept.handed_over(true);
        keep(&mut kept, tcp, "four\n");
        let (rest, let_go) = kept.rest();
        let texts: Vec<_> = rest.iter().map(|c| String::from_utf8_lossy(c.redacted.bytes()).into_owned()).collect();
        assert_eq!((texts, let_go), (vec!["three\n".to_owned(), "four\n".to_owned()], 0));
    }

    #[test]
    fn too_much_is_let_go_and_counted() {
        let mut worker = Redactor::new(PseudonymKey::new(0, b"k")).worker();
        let mut kept = Retained::new(vec![true], Pool::new(1));
        let text = format!("{}\n", "x".repeat(1 << 20)).repeat(8);
        for _ in 0..10 {
            let mut out = Redacted::default();
            worker.redact(text.as_bytes(), &mut out);
            kept.keep(SourceId(0), Timestamp(0), out);
        }
        assert!(kept.bytes <= MOST);
        let (rest, let_go) = kept.rest();
        assert_eq!((rest.len(), let_go), (7, 24));
    }
}
