//! The operators' window: health, metrics, API and page of the running service.

mod api;
mod browser;
mod chrome;
pub mod kit;
mod prometheus;
mod top;

pub use prometheus::PROMISED;
