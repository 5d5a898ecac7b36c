//! One output and what flows into it: read, redact, write. Where input waits in heaps, several threads redact it.

use std::io::{self, IsTerminal};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::outlet::{Outlet, WhenSlow};
use crate::daemon::{self, Observer};
use crate::event::Reader;
use crate::pipeline::{Chunk, Crew, Teller};
use crate::redact::{Redacted, Redactor};
use crate::sinks::SinkError;
use crate::sources::{Piece, Reading};
use crate::telemetry::Counters;
use crate::window::Tally;

/// An output of the command line with its reused buffers.
pub struct Lane<O: AsFd> {
    redactor: Redactor,
    counters: Arc<Counters>,
    out: Outlet<O>,
    hands: Hands,
    spare: Vec<Vec<u8>>,
}

/// Who redacts.
enum Hands {
    /// Any number of threads.
    Crew(Box<Crew>),
    /// One that takes terminal escapes out of the lines first; its output has its own buffer.
    Stripping(Box<Redacted>),
}

/// A piece smaller than this says that the input has been caught up with, in bytes.
const HEAP: usize = 32 << 10;

/// The observer hears this often, while input waits in heaps.
const LATELY: Duration = Duration::from_millis(50);

/// It hears earlier when this many keys were seen.
const MANY: usize = 4096;

/// Why an input was left before its end.
pub enum Stop {
    /// It cannot be read; others still can.
    Input(io::Error),
    /// Nothing more can be written.
    Output(SinkError),
}

/// What the observer is to hear. Where input waits in heaps it hears of many pieces at once, since what is counted
/// together need not be added up; it has heard everything before anybody waits for more.
struct Watch<'o> {
    observer: &'o Observer,
    teller: Teller,
    tally: Tally,
    told: Instant,
}

impl<'o> Watch<'o> {
    fn new(observer: &'o Observer, reader: Reader) -> Self {
        Self { observer, teller: Teller::new(reader), tally: Tally::default(), told: Instant::now() }
    }

    /// Counts what lines say.
    fn see(&mut self, redacted: &Redacted) {
        self.teller.tally(redacted, daemon::now(), &mut self.tally);
    }

    /// Tells the observer when it is time to.
    fn tell_now_and_then(&mut self) {
        if self.tally.keys.len() >= MANY || self.told.elapsed() >= LATELY {
            self.tell();
        }
    }

    /// Tells the observer everything.
    fn tell(&mut self) {
        self.observer.observe(std::mem::take(&mut self.tally));
        self.told = Instant::now();
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        self.tell();
    }
}

impl<O: AsFd + IsTerminal + Send + 'static> Lane<O> {
    /// A lane into `out`, called `name` in messages, on at most this many threads. Terminal escapes are taken out when
    /// it is a terminal.
    pub fn new(
        redactor: &Redactor,
        counters: &Arc<Counters>,
        out: O,
        name: &'static str,
        when: WhenSlow,
        threads: usize,
    ) -> Self {
        let hands = match out.is_terminal() {
            true => Hands::Stripping(Box::default()),
            false => Hands::Crew(Box::new(Crew::new(redactor, threads))),
        };
        Self {
            redactor: redactor.clone(),
            counters: Arc::clone(counters),
            out: Outlet::new(out, name, when),
            hands,
            spare: Vec::new(),
        }
    }

    /// Writes what still waits for the output.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn finish(&mut self) -> Result<(), SinkError> {
        self.out.finish()
    }

    /// Passes all of `input`, which is one stream; what `watch` reads in it goes to the observer.
    ///
    /// # Errors
    /// [`Stop`] says which side failed.
    pub fn pass(&mut self, input: impl AsFd, watch: Option<(&Observer, Reader)>) -> Result<(), Stop> {
        let mut watch = watch.map(|(observer, reader)| Watch::new(observer, reader));
        let mut stripping = Chunk::new(&self.redactor, true);
        if let Hands::Crew(crew) = &mut self.hands {
            crew.begin();
        }
        let mut reading = Reading::new(input);
        let mut pieces = Vec::new();
        while self.gather(&mut reading, &mut pieces, watch.as_mut()).map_err(Stop::Input)? {
            let Self { counters, out, hands, .. } = self;
            let mut pass = |piece: &Piece, redacted: &Redacted| {
                let lines = redacted.line_count() as u64;
                counters.add(piece.bytes.len(), lines, redacted);
                out.write(redacted.bytes(), lines).map_err(Stop::Output)?;
                watch.iter_mut().for_each(|watch| watch.see(redacted));
                Ok(())
            };
            match hands {
                Hands::Crew(crew) => {
                    let views: Vec<_> = pieces.iter().map(|p: &Piece| (&p.bytes[..], p.withheld)).collect();
                    pieces.iter().zip(crew.redact(&views)).try_for_each(|(piece, redacted)| pass(piece, redacted))?;
                }
                Hands::Stripping(redacted) => {
                    for piece in &pieces {
                        stripping.redact(&piece.bytes, piece.withheld, redacted);
                        pass(piece, redacted)?;
                    }
                }
            }
            watch.iter_mut().for_each(Watch::tell_now_and_then);
            self.spare.extend(pieces.drain(..).map(|piece| piece.bytes));
        }
        Ok(())
    }

    /// Waits for a piece, and takes what waits behind it, as far as it can be redacted side by side. `false` at the end.
    fn gather(
        &mut self,
        reading: &mut Reading<impl AsFd>,
        pieces: &mut Vec<Piece>,
        watch: Option<&mut Watch<'_>>,
    ) -> io::Result<bool> {
        if let Some(watch) = watch {
            match reading.next_ready(self.spare.pop().unwrap_or_default())? {
                Some(first) => pieces.push(first),
                None => watch.tell(),
            }
        }
        if pieces.is_empty() {
            let Some(first) = reading.next(self.spare.pop().unwrap_or_default())? else { return Ok(false) };
            pieces.push(first);
        }
        let round = match &self.hands {
            Hands::Crew(crew) => crew.round(),
            Hands::Stripping(_) => 1,
        };
        while pieces.len() < round && pieces.last().is_some_and(|piece| piece.bytes.len() >= HEAP) {
            // An error shows again when the pieces in hand are through.
            let Ok(Some(piece)) = reading.next_ready(self.spare.pop().unwrap_or_default()) else { break };
            pieces.push(piece);
        }
        Ok(true)
    }
}
