//! What the themes share: running the program, and saying that a test could not run.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What a finished run left behind.
pub struct Ran {
    /// Exit code; -1 when a signal ended it.
    pub code: i32,
    /// Standard output.
    pub out: Vec<u8>,
    /// Standard error as text.
    pub err: String,
}

impl Ran {
    /// Standard output as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.out).into_owned()
    }
}

/// The program under test, with colours and personal settings out of the way.
pub fn logwarden() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_logwarden"));
    command.env("NO_COLOR", "1").env_remove("LOGWARDEN_PSEUDONYM_KEY").env_remove("RUST_LOG");
    command
}

/// Runs the program with `args` on `input` to its end.
pub fn run(args: &[&str], input: &[u8]) -> Ran {
    run_command(logwarden().args(args), input)
}

/// Runs `command` on `input` to its end.
pub fn run_command(command: &mut Command, input: &[u8]) -> Ran {
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("cannot start");
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    // A program that ends early closes its input; that is its right.
    let feeder = std::thread::spawn(move || {
        let _ = stdin.write_all(&input);
    });
    let done = child.wait_with_output().unwrap();
    feeder.join().unwrap();
    Ran {
        code: done.status.code().unwrap_or(-1),
        out: done.stdout,
        err: String::from_utf8_lossy(&done.stderr).into_owned(),
    }
}

/// The root of the checkout.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Where a program is, looked up in PATH, then in the tests' own Python environment under `target/`.
pub fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/sbin".into(), root().join("target/venv/bin"), root().join("target/tools/bin")])
        .map(|dir| dir.join(program))
        .find(|p| p.is_file())
}

/// Says that a test cannot run here, and why; `tests/run.sh` fails on such a line.
pub fn skip(name: &str, reason: &str) {
    // Straight to the terminal: the test harness hides what a passing test prints.
    // The line break in front: with one thread the harness has already begun the line of the test.
    let _ = writeln!(std::io::stderr(), "\nSKIP: {name}: {reason}");
}
