//! Any text as a rule pack: see `checks::pack` for what must hold.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../tests/data/fuzz/checks.rs"]
mod checks;

fuzz_target!(|text: &str| {
    if let Err(broken) = checks::pack(text) {
        panic!("{broken}");
    }
});
