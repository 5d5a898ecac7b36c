//! Running processes: signals, waiting with a limit, single lines.

use std::io::Read;
use std::ops::{Deref, DerefMut};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

/// Waits for `child`, at most `limit`.
pub fn wait(child: &mut Child, limit: Duration) -> Option<i32> {
    let end = Instant::now() + limit;
    while Instant::now() < end {
        if let Some(status) = child.try_wait().unwrap() {
            return Some(status.code().unwrap_or(-1));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    None
}

/// Waits until `count` has reached `want`, as long as it grows: a slow machine may take its time.
pub fn grows_to(want: u64, count: impl Fn() -> u64) -> bool {
    let (mut last, mut since) = (count(), Instant::now());
    while last < want && since.elapsed() < Duration::from_secs(20) {
        std::thread::sleep(Duration::from_millis(50));
        let now = count();
        if now > last {
            (last, since) = (now, Instant::now());
        }
    }
    last >= want
}

/// Sends a signal, named as `kill` names it: `-TERM`.
pub fn signal(child: &Child, name: &str) {
    assert!(Command::new("kill").args([name, &child.id().to_string()]).status().unwrap().success());
}

/// Reads until a whole line is there.
pub fn read_line(from: &mut impl Read) -> String {
    let mut line = Vec::new();
    let mut byte = [0];
    while from.read(&mut byte).unwrap() == 1 {
        line.push(byte[0]);
        if byte[0] == b'\n' {
            break;
        }
    }
    String::from_utf8(line).unwrap()
}

/// A child that does not outlive a test that fails.
pub struct Running(pub Child);

impl Deref for Running {
    type Target = Child;

    fn deref(&self) -> &Child {
        &self.0
    }
}

impl DerefMut for Running {
    fn deref_mut(&mut self) -> &mut Child {
        &mut self.0
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // one that has ended is only waited for
        let _ended = self.0.kill();
        let _reaped = self.0.wait();
    }
}
