//! One file on its way through a replay: read and redacted ahead by threads of its own while its events are counted.

use std::io::{self, Read};
use std::path::PathBuf;
use std::thread::JoinHandle;

use crate::event::{Event, Reader};
use crate::pipeline::Crew;
use crate::redact::{Redacted, RedactedLine, Redactor};
use crate::sources::{Framer, Piece, READ_BYTES};
use crate::units::Timestamp;

/// A file with its reader.
pub struct Lane {
    /// Where it is.
    pub path: PathBuf,
    reader: Reader,
    desk: Desk,
    /// Redacted pieces that were not looked at yet.
    round: std::vec::IntoIter<Redacted>,
    /// Buffers of those that were.
    spare: Vec<Redacted>,
    /// It was read from before: of many files that are merged, only those at hand are read ahead.
    wanted: bool,
}

/// Where the file is being read.
enum Desk {
    /// Here, when somebody asks.
    Here(Box<Hands>),
    /// On a thread, which gives it back when the next round is redacted.
    Ahead(JoinHandle<Box<Hands>>),
    /// It has ended or failed.
    Closed,
}

/// What reads and redacts.
struct Hands {
    input: Box<dyn Read + Send>,
    framer: Framer,
    ended: bool,
    crew: Crew,
    spare: Vec<Vec<u8>>,
    redacted: Vec<Redacted>,
    result: io::Result<()>,
}

impl Hands {
    /// Redacts the next pieces, at most `most`.
    fn round(&mut self, most: usize) {
        let mut pieces = Vec::new();
        self.result = self.gather(most, &mut pieces);
        let views: Vec<_> = pieces.iter().map(|p: &Piece| (&p.bytes[..], p.withheld)).collect();
        self.crew.redact_into(&views, &mut self.redacted);
        self.spare.extend(pieces.into_iter().map(|p| p.bytes));
    }

    fn gather(&mut self, most: usize, pieces: &mut Vec<Piece>) -> io::Result<()> {
        while pieces.len() < most {
            match self.piece()? {
                Some(piece) => pieces.push(piece),
                None => break,
            }
        }
        Ok(())
    }

    /// The next piece; `None` at the end.
    fn piece(&mut self) -> io::Result<Option<Piece>> {
        let mut spare = self.spare.pop().unwrap_or_default();
        loop {
            match self.framer.take(spare) {
                Ok(piece) => return Ok(Some(piece)),
                Err(back) => spare = back,
            }
            if self.ended {
                return Ok(self.framer.finish(spare));
            }
            let room = self.framer.room();
            let before = room.len();
            self.input.by_ref().take(READ_BYTES as u64).read_to_end(room)?;
            self.ended = room.len() == before;
        }
    }
}

impl Lane {
    /// The lane of a file that was opened as `input`, redacted on at most `threads` threads.
    pub fn new(
        path: PathBuf,
        input: Box<dyn Read + Send>,
        reader: Reader,
        redactor: &Redactor,
        threads: usize,
    ) -> Self {
        let hands = Hands {
            input,
            framer: Framer::new(),
            ended: false,
            crew: Crew::new(redactor, threads),
            spare: Vec::new(),
            redacted: Vec::new(),
            result: Ok(()),
        };
        let (desk, round) = (Desk::Here(Box::new(hands)), Vec::new().into_iter());
        Self { path, reader, desk, round, spare: Vec::new(), wanted: false }
    }

    /// Shows every event of the next piece; `false` when there is none.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn events(&mut self, now: Timestamp, mut see: impl FnMut(&Event<'_>, RedactedLine<'_>)) -> io::Result<bool> {
        if self.round.len() == 0 {
            self.refill()?;
        }
        let Some(redacted) = self.round.next() else { return Ok(false) };
        for line in redacted.lines() {
            if let Some(event) = self.reader.read(line, now) {
                see(&event, line);
            }
        }
        self.spare.push(redacted);
        Ok(true)
    }

    /// Takes the round that is ready, and has the next one made.
    fn refill(&mut self) -> io::Result<()> {
        let mut hands = match std::mem::replace(&mut self.desk, Desk::Closed) {
            Desk::Here(mut hands) => {
                hands.round(1);
                hands
            }
            Desk::Ahead(thread) => thread.join().map_err(|_| io::Error::other("the thread that read it failed"))?,
            Desk::Closed => return Ok(()),
        };
        let redacted = std::mem::replace(&mut hands.redacted, std::mem::take(&mut self.spare));
        self.round = redacted.into_iter();
        std::mem::replace(&mut hands.result, Ok(()))?;
        if self.round.len() == 0 {
            return Ok(());
        }
        self.desk = if self.wanted {
            let most = hands.crew.round();
            let work = move || {
                hands.round(most);
                hands
            };
            Desk::Ahead(std::thread::Builder::new().name("replay".to_owned()).spawn(work)?)
        } else {
            Desk::Here(hands)
        };
        self.wanted = true;
        Ok(())
    }
}
