//! The privacy wall: raw lines in, [`Redacted`] lines out; nothing else in the program can make a [`Redacted`].
//!
//! Invariants (each has a property test):
//! 1. output differs from input only inside redacted spans;
//! 2. one line in, one line out; valid JSON stays valid JSON;
//! 3. redacting twice changes nothing;
//! 4. every byte sequence is accepted; a line that cannot be handled is withheld, counted, never passed on.

mod again;
mod assign;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod bytes;
mod calm;
mod codes;
mod colours;
mod config;
mod decode;
mod engine;
mod heads;
mod index;
mod inside;
mod judge;
mod keywords;
#[cfg(test)]
mod linear;
mod matcher;
mod memory;
mod names;
mod near;
mod numbers;
mod openings;
mod output;
mod pem;
mod pointer;
mod policy;
mod proof;
mod remark;
mod resolve;
mod rows;
mod runs;
mod scan;
mod set;
mod shapes;
mod sieve;
#[cfg(target_arch = "x86_64")]
mod simd;
mod survey;
mod tag;
mod tile;
mod tokens;
mod value;
mod writer;

pub use config::{RedactConfig, Strategy};
pub use engine::{BuildError, Finder, Found, Redactor, Stream, Worker};
pub use near::{NearMiss, NearReason};
pub use output::{Finding, Redacted, RedactedLine, RuleId};
pub use pointer::pointer_at;
pub use policy::{Entry, RedactError};
pub use proof::Complaint;
pub use survey::use_portable_path;
pub use tag::{PseudonymKey, Tag};
pub use writer::RedactingWriter;
