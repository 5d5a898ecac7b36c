//! Where redacted lines go.
