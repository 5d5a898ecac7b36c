//! The door for people: the only place that prints; one file a verb.

mod alerts;
mod check;
mod command;
mod config;
mod entry;
mod exec;
mod exit;
mod explain;
mod filter;
mod format;
mod generate;
mod init;
mod keys;
mod lane;
mod outlet;
mod queue;
mod reading;
mod replay;
mod rules;
mod run;
mod scan;
mod scan_files;
mod scan_near;
mod scan_progress;
mod scan_report;
mod signals;
mod silence;
mod state;
mod stats;
mod style;
mod wire;
mod worker;

pub use entry::main;
