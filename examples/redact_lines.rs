//! Redacts standard input line by line and says what went: `cargo run --example redact_lines < examples/logs/app.jsonl`.

use std::io::{self, BufRead, Write};

use logwarden::redact::{PseudonymKey, Redacted, Redactor};

fn main() -> io::Result<()> {
    let redactor = Redactor::new(PseudonymKey::new(0, b"from your secret store"));
    // A worker is one stream: it remembers an open key block and values that it has seen under a name.
    let mut worker = redactor.worker();
    let mut out = Redacted::default();
    let (mut input, mut line) = (io::stdin().lock(), Vec::new());
    while input.read_until(b'\n', &mut line)? > 0 {
        worker.redact(&line, &mut out);
        io::stdout().write_all(out.bytes())?;
        for found in out.findings() {
            writeln!(io::stderr(), "  {} at byte {}", redactor.rule(found.rule).id, found.raw_start)?;
        }
        line.clear();
    }
    Ok(())
}
