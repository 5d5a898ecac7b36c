//! How far a long scan has come, for somebody who watches.

use std::cell::Cell;
use std::io::{IsTerminal, Read};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// How long a scan takes before a bar is worth its line.
const PATIENCE: Duration = Duration::from_secs(1);

/// A bar on stderr: only on a terminal, only when it takes long.
pub struct Progress {
    bar: ProgressBar,
    begun: Instant,
    /// A terminal is there and the bar has not been shown.
    waits: Cell<bool>,
}

impl Progress {
    /// A bar that ends at `bytes`.
    pub fn new(bytes: u64) -> Self {
        let bar = ProgressBar::with_draw_target(Some(bytes), ProgressDrawTarget::hidden());
        let style = ProgressStyle::with_template("{bar:40} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left");
        if let Ok(style) = style {
            bar.set_style(style);
        }
        Self { bar, begun: Instant::now(), waits: Cell::new(std::io::stderr().is_terminal()) }
    }

    /// `read`, with what is read of it counted.
    pub fn counting<R: Read>(&self, read: R) -> impl Read + use<R> {
        self.bar.wrap_read(read)
    }

    /// Does what writes to the terminal without the bar in its way.
    pub fn aside<T>(&self, write: impl FnOnce() -> T) -> T {
        self.bar.suspend(write)
    }

    /// Shows the bar when it is time for it.
    pub fn tick(&self) {
        if self.waits.get() && self.begun.elapsed() > PATIENCE {
            self.waits.set(false);
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
        }
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
