//! The `logwarden` command: parse, run, exit code.

fn main() {}
