//! The operators' window: health, metrics, a JSON API and the page, over HTTP and a Unix socket.
//!
//! Everything here reads; only an acknowledgement and a silence write, and only for who shows the token or may open the
//! socket. What is shown was redacted long before it came here.
//!
//! ```text
//! keeper (owns the monitor) -> Board: numbers, a list of keys while somebody looks, answers about one key
//! counters, meters, store  -> Face -> server: routes, guard -> JSON, metrics, events, the page
//! ```

mod alerts;
mod api;
mod board;
mod body;
mod config;
mod face;
mod guard;
mod keys;
mod live;
mod metrics;
mod order;
mod page;
mod query;
mod route;
mod server;
mod story;

pub use board::{Board, Detail, Field, KeyList, KeyRow, Mapping, Numbers, Used};
pub use config::{HttpConfig, SOCKET_NAME};
pub use face::{Face, ReceiverFace, RuleFace, SourceFace};
pub use server::{Doors, Web};
pub use story::{Entry, Stories};
