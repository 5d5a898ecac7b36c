//! A program that writes its own log through a redacting writer: `cargo run --example redact_writer`.

use std::io::{self, Write};

use logwarden::redact::{PseudonymKey, RedactingWriter, Redactor};

fn main() -> io::Result<()> {
    // The secret makes tags stable: keep it, and the same key has the same tag tomorrow.
    let redactor = Redactor::new(PseudonymKey::new(0, b"from your secret store"));
    let mut log = RedactingWriter::new(io::stdout(), &redactor);

    writeln!(log, "12:00:01 login user=jane password=hunter2")?;
    writeln!(log, r#"{{"level":"info","msg":"mail sent","to":"jane@example.com","attempts":2}}"#)?;
    writeln!(log, "12:00:03 GET https://jane:s3cr3t-pass@db.example.com/items?page=2")?;

    // The last line has no newline: it is written by `into_inner`, or when the writer is dropped.
    write!(log, "12:00:04 authorization: Bearer abcDEF123456ghiJKL789")?;
    writeln!(log.into_inner()?)
}
