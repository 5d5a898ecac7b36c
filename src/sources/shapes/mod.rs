//! Pure: bodies as shippers send them in, lines out.
//!
//! Four doors: lines of our own, OTLP, Loki's push and Elasticsearch's bulk. What arrives as a line leaves as that line,
//! byte for byte. What arrives as a record becomes one line of JSON; a record whose text is itself a JSON object keeps
//! that object at the top, with what the shipper knew about it in one member more.

mod bulk;
mod decode;
mod error;
mod gather;
mod json;
mod loki;
mod ndjson;
mod otlp;
mod protobuf;
mod shape;

pub use decode::{Coding, decode};
pub use error::ShapeError;
pub use gather::{OVER_LIMIT, Part, Taken};
pub use shape::{Shape, take};
