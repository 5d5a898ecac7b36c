//! Where bytes come in: standard input, child processes, files.
//!
//! A source frames what it reads into [`crate::line::Batch`]es of whole lines and stamps their arrival. Nothing here
//! looks into a line.

mod config;
mod file;
mod lines;
mod positions;
mod read;
mod stdin;

pub use config::{FileSource, SourceConfig, StdinSource};
pub use file::{Tail, TailSetup, Watch};
pub use lines::{ANCHOR_BYTES, Framer, MAX_LINE_BYTES, Piece, READ_BYTES, TOO_LONG, hash128};
pub use positions::{Changed, Positions};
pub use read::Reading;
pub use stdin::StdinReader;
