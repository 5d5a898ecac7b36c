//! Lines that others send, received by the running service.

mod clients;
mod http;
mod journal;
pub mod kit;
mod loris;
mod slow;
mod socket;
