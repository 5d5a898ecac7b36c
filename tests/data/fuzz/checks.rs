//! What must hold for every input: used by the fuzz targets and by the test that replays the committed inputs.

use logwarden::redact::{Redacted, Redactor};
use logwarden::rules::{PackError, load_pack};

/// Redacts `input` and says which promise of the redactor does not hold.
#[allow(dead_code, reason = "each fuzz target uses one of the two")]
pub fn lines(redactor: &Redactor, input: &[u8]) -> Result<(), String> {
    let (mut once, mut twice) = (Redacted::default(), Redacted::default());
    redactor.worker().redact(input, &mut once);
    redactor.worker().redact(once.bytes(), &mut twice);
    let newlines = |bytes: &[u8]| bytes.iter().filter(|b| **b == b'\n').count();
    if newlines(input) != newlines(once.bytes()) {
        return Err(format!("{} newlines became {}", newlines(input), newlines(once.bytes())));
    }
    if once.bytes() != twice.bytes() {
        let at = once.bytes().iter().zip(twice.bytes()).take_while(|(a, b)| a == b).count();
        return Err(format!("the second time differs from byte {at} on: {}", shown(once.bytes(), at)));
    }
    let pairs = input.split(|b| *b == b'\n').zip(once.bytes().split(|b| *b == b'\n'));
    for (n, (before, after)) in pairs.enumerate() {
        if is_json(before) && !is_json(after) {
            return Err(format!("line {n} was JSON and is not any more: {}", shown(after, 0)));
        }
    }
    Ok(())
}

/// Reads `text` as a pack and says which promise of the rule compiler does not hold.
#[allow(dead_code, reason = "each fuzz target uses one of the two")]
pub fn pack(text: &str) -> Result<(), String> {
    let Err(refused) = load_pack("some-pack.toml", text) else { return Ok(()) };
    let told = refused.to_string();
    if !told.starts_with("some-pack.toml:") {
        return Err(format!("a refusal does not name the pack: {told}"));
    }
    match refused {
        PackError::Syntax { line, .. } | PackError::Rule { line, .. } => {
            let lines = text.split('\n').count();
            if (1..=lines).contains(&line) { Ok(()) } else { Err(format!("line {line} of {lines}: {told}")) }
        }
        PackError::Fields { class, .. } if class.is_empty() => Err(format!("a refusal without a class: {told}")),
        PackError::Fields { .. } => Ok(()),
    }
}

fn is_json(line: &[u8]) -> bool {
    serde_json::from_slice::<serde::de::IgnoredAny>(line).is_ok()
}

fn shown(bytes: &[u8], at: usize) -> String {
    let from = at.saturating_sub(40);
    String::from_utf8_lossy(&bytes[from..bytes.len().min(from + 160)]).into_owned()
}
