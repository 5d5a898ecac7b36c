//! What every server of ours shares: listening, who may come in, how long they may take, and how errors are answered.
//!
//! The receivers of log lines and the operators' pages stand on the same code, so that one limit is one piece of code.
//! Nothing here knows what a request is about.

mod access;
mod body;
mod gate;
mod host;
mod http;
mod listen;
mod pace;
mod tls;

pub use access::{Exposed, Token, proves_itself};
pub use body::{BodyError, Budget, Share, read_body};
pub use gate::{Gate, Pass};
pub use host::host_name;
pub use http::{Answer, HEADER_BYTES, HEADER_TIME, answer, refusal, serve};
pub use listen::{Accepted, Server, Sockets, Wire, accept_tcp, accept_unix};
pub use pace::Pace;
pub use tls::{ServerTls, certificates, client_tls, server_tls};
