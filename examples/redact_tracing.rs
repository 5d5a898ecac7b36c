//! A program that logs with `tracing`, redacted: `cargo run --example redact_tracing`.

use std::io;

use logwarden::redact::{PseudonymKey, Redactor};
use logwarden::telemetry::RedactingLog;

fn main() {
    let redactor = Redactor::new(PseudonymKey::new(0, b"from your secret store"));
    let log = RedactingLog::new(io::stderr(), &redactor);
    // Without colours: they would stand between a field's name and its value.
    tracing_subscriber::fmt().json().with_ansi(false).with_writer(log).init();

    tracing::info!(user = "jane", password = "hunter2", "login");
    tracing::warn!(url = "postgres://app:s3cr3t-pass@db/items", "cannot connect");
    tracing::info!("mail sent to jane@example.com");
}
