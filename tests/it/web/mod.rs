//! The operators' window: health, metrics, API and page of the running service.

mod api;
mod kit;
mod prometheus;
