//! The integration tests: one binary, a module for each theme. They run the real `logwarden` program.

#![expect(clippy::unwrap_used, reason = "a test may stop where it stands")]

mod alerts;
mod audit;
mod bad_input;
mod cli;
mod config;
mod daemon;
mod delivery;
mod demo;
mod docs;
mod examples;
mod exec;
mod explain;
mod filter;
mod forms;
mod fuzz_corpus;
mod invariants;
mod keys;
mod manual;
mod monitor;
mod package;
mod personal;
mod places;
mod process;
mod proofs;
mod receive;
mod replay;
mod roles;
mod rotation;
mod rules;
mod samples;
mod scan;
mod simulator;
mod sinks;
mod spellings;
mod steady;
mod support;
mod systemd;
mod watching;
mod web;
