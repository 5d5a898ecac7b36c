//! Where bytes come in: standard input, child processes, files, the journal, and what others send.
//!
//! A source frames what it reads into [`crate::line::Batch`]es of whole lines and stamps their arrival. Nothing here
//! looks into a line; only the receivers for records of other systems take those apart, to make lines of them.

mod config;
mod file;
mod frames;
mod journal;
mod lines;
mod meter;
mod positions;
mod read;
mod receive;
mod shapes;
mod stdin;

pub use config::{
    Door, FileSource, Framing, HttpSource, JournalStart, JournaldSource, Lines, SourceConfig, StdinSource, TcpSource,
    UnixSource, WhenSlow,
};
pub use file::{Tail, TailSetup, Watch};
pub use journal::{Journal, JournalSetup};
pub use lines::{ANCHOR_BYTES, Framer, MAX_LINE_BYTES, Piece, READ_BYTES, TOO_LONG, hash128};
pub use meter::{Meter, Refusal};
pub use positions::{Changed, Positions};
pub use read::Reading;
pub use receive::{HttpReceiver, Inlet, Receipts, SocketReceiver, TOKEN_PREFIX};
pub use shapes::OVER_LIMIT;
pub use stdin::StdinReader;
