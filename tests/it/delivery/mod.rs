//! Delivery: outbox, mail and webhooks against receivers in this process, and against real ones where they are there.

mod bad;
mod browser;
mod clock;
mod command;
mod email;
pub mod http;
mod injection;
mod kill;
mod kit;
mod mta;
mod outbox;
mod pace;
mod peers;
mod shapes;
pub mod smtp;
mod template;
pub mod tls;
mod trouble;
mod webhook;
