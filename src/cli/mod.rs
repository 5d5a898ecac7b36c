//! The door for people: the only place that prints; one file a verb.

mod command;
mod entry;
mod exec;
mod exit;
mod filter;
mod lane;
mod signals;
mod stats;
mod style;

pub use entry::main;
