//! Updates as they happen (server-sent events), and the last hour of them for who comes later.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::body::Bytes;
use serde_json::Value;
use tokio::sync::{mpsc, watch};

use super::api;
use super::face::Face;

/// How often numbers go out.
const BEAT: Duration = Duration::from_secs(1);

/// Every so many of them are remembered,
const KEPT: u32 = 5;

/// up to so many: one hour.
const REMEMBERED: usize = 720;

/// Most who listen at once.
const LISTENERS: usize = 64;

/// See the module.
pub(super) struct Live {
    history: Mutex<VecDeque<Value>>,
    now: watch::Sender<Bytes>,
    listeners: Arc<AtomicUsize>,
}

impl Live {
    pub(super) fn new() -> Self {
        Self { history: Mutex::default(), now: watch::Sender::new(Bytes::new()), listeners: Arc::default() }
    }

    /// The last hour, oldest first.
    pub(super) fn history(&self) -> Vec<Value> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// Looks at the numbers until `stop` becomes true.
    pub(super) async fn run(&self, face: &Face, mut stop: watch::Receiver<bool>) {
        let mut beat = tokio::time::interval(BEAT);
        beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut n = 0;
        while !*stop.borrow() {
            tokio::select! {
                _ = beat.tick() => {}
                changed = stop.changed() => if changed.is_err() { return },
            }
            let now = api::now(face);
            if self.now.receiver_count() > 0 {
                self.now.send_replace(Bytes::from(format!("event: now\ndata: {now}\n\n")));
            }
            if n % KEPT == 0 {
                let mut history = self.history.lock().unwrap_or_else(PoisonError::into_inner);
                if history.len() == REMEMBERED {
                    history.pop_front();
                }
                history.push_back(now);
            }
            n += 1;
        }
    }

    /// A stream of updates that ends with `stop`; `None` when too many listen.
    pub(super) fn listen(&self, mut stop: watch::Receiver<bool>) -> Option<mpsc::Receiver<Bytes>> {
        let place = Place::take(&self.listeners)?;
        let mut now = self.now.subscribe();
        let (send, stream) = mpsc::channel(2);
        tokio::spawn(async move {
            let _place = place;
            // something at once, so that the client knows that it is connected
            let mut next = Bytes::from_static(b"retry: 2000\n\n");
            loop {
                // a client that does not read is not waited for: the next update replaces this one
                if let Err(mpsc::error::TrySendError::Closed(_)) = send.try_send(next) {
                    return;
                }
                tokio::select! {
                    changed = now.changed() => if changed.is_err() { return },
                    _ = stop.wait_for(|stop| *stop) => return,
                    () = send.closed() => return,
                }
                next = now.borrow_and_update().clone();
            }
        });
        Some(stream)
    }
}

/// The place of one who listens.
struct Place(Arc<AtomicUsize>);

impl Place {
    fn take(listeners: &Arc<AtomicUsize>) -> Option<Self> {
        let place = Self(Arc::clone(listeners));
        let before = listeners.fetch_add(1, Ordering::Relaxed);
        (before < LISTENERS).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn listeners_are_bounded_and_give_their_place_back() {
        let live = Live::new();
        let (stop, stopped) = watch::channel(false);
        let mut all: Vec<_> = (0..LISTENERS).map(|_| live.listen(stopped.clone()).unwrap()).collect();
        assert!(live.listen(stopped.clone()).is_none());
        assert_eq!(all[0].recv().await.unwrap(), "retry: 2000\n\n");
        live.now.send_replace(Bytes::from_static(b"x"));
        assert_eq!(all[0].recv().await.unwrap(), "x");
        stop.send_replace(true);
        for stream in &mut all {
            while stream.recv().await.is_some() {}
        }
        tokio::task::yield_now().await;
        assert_eq!(live.listeners.load(Ordering::Relaxed), 0);
    }
}
