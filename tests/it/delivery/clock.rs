//! A clock that stands still until everybody waits for it, and then jumps to the next moment somebody waits for.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use logwarden::delivery::Clock;
use logwarden::units::Timestamp;
use tokio::sync::Notify;

#[derive(Default)]
struct State {
    now: Timestamp,
    next_id: u64,
    /// Who waits, and until when.
    waiting: BTreeMap<u64, Timestamp>,
}

pub struct SimClock {
    state: Mutex<State>,
    moved: Notify,
}

struct Waiting<'a>(&'a SimClock, u64);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.state.lock().unwrap().waiting.remove(&self.1);
    }
}

impl SimClock {
    pub fn new(now: Timestamp) -> Arc<Self> {
        let state = State { now, ..State::default() };
        Arc::new(Self { state: Mutex::new(state), moved: Notify::new() })
    }

    /// Lets `span` pass while `tasks` tasks live by this clock: each step waits until all of them wait.
    pub async fn pass(&self, span: Duration, tasks: usize) {
        let end = self.now().plus(span);
        while self.step(tasks, end).await {}
    }

    /// Jumps to the next moment somebody waits for, but not beyond `end`; says whether `end` is still ahead.
    pub async fn step(&self, tasks: usize, end: Timestamp) -> bool {
        self.quiet(tasks).await;
        let next = {
            let mut state = self.state.lock().unwrap();
            let next = state.waiting.values().min().copied().unwrap_or(end).clamp(state.now, end);
            state.now = next;
            next
        };
        self.moved.notify_waiters();
        next < end
    }

    /// Returns once `tasks` tasks have waited for a while.
    pub async fn quiet(&self, tasks: usize) {
        let start = std::time::Instant::now();
        let mut calm = 0;
        while calm < 3 {
            let now = self.now();
            let waiting = self.state.lock().unwrap().waiting.values().filter(|t| **t > now).count();
            calm = if waiting >= tasks { calm + 1 } else { 0 };
            assert!(start.elapsed() < Duration::from_secs(60), "{waiting} of {tasks} tasks wait after a minute");
            tokio::time::sleep(Duration::from_micros(300)).await;
        }
    }
}

impl Clock for SimClock {
    fn now(&self) -> Timestamp {
        self.state.lock().unwrap().now
    }

    fn until(&self, at: Timestamp) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(async move {
            let id = {
                let mut state = self.state.lock().unwrap();
                state.next_id += 1;
                let id = state.next_id;
                state.waiting.insert(id, at);
                id
            };
            let _until_dropped = Waiting(self, id);
            loop {
                let moved = self.moved.notified();
                tokio::pin!(moved);
                moved.as_mut().enable();
                if self.now() >= at {
                    return;
                }
                moved.await;
            }
        })
    }
}
