//! Any bytes through the redactor: see `checks::lines` for what must hold.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use logwarden::redact::{PseudonymKey, Redactor};

#[path = "../../tests/data/fuzz/checks.rs"]
mod checks;

static REDACTOR: LazyLock<Redactor> = LazyLock::new(|| Redactor::new(PseudonymKey::new(1, b"fuzz")));

fuzz_target!(|input: &[u8]| {
    if let Err(broken) = checks::lines(&REDACTOR, input) {
        panic!("{broken}");
    }
});
