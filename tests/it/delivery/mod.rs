//! Delivery: outbox, mail and webhooks against receivers in this process, and against real ones where they are there.

mod clock;
mod email;
pub mod http;
mod kill;
mod kit;
mod outbox;
mod pace;
mod peers;
mod smtp;
mod tls;
mod trouble;
mod webhook;
