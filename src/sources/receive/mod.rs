//! Lines that others send: over HTTP, TCP and Unix sockets.
//!
//! A receiver frames what it gets into batches and hands them in, waiting while the service is behind. Over HTTP the
//! answer is yes only once the lines are committed.

mod http;
mod inlet;
mod receipts;
mod route;
mod socket;
mod tally;

pub use http::HttpReceiver;
pub use inlet::Inlet;
pub use receipts::Receipts;
pub use socket::{SocketReceiver, TOKEN_PREFIX};
