//! One line about refusals now and then, instead of one for each.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::sources::meter::{Meter, Refusal};

/// How often refusals are summed up.
const SPAN: Duration = Duration::from_secs(10);

/// Tells what was refused since the last time, until it is time to end.
pub(super) async fn sum_up(name: String, meter: Arc<Meter>, mut stop: watch::Receiver<bool>) {
    // The meter outlives a reload.
    let mut told = Refusal::ALL.map(|(why, _)| meter.refused(why));
    let mut ending = false;
    while !ending {
        tokio::select! {
            () = tokio::time::sleep(SPAN) => {}
            changed = stop.changed() => ending = changed.is_err() || *stop.borrow(),
        }
        let mut words = Vec::new();
        for (before, (why, word)) in told.iter_mut().zip(Refusal::ALL) {
            let now = meter.refused(why);
            if now > *before {
                words.push(format!("{} {word}", now - *before));
            }
            *before = now;
        }
        if !words.is_empty() {
            tracing::warn!("source {name}: refused in the last {} s: {}", SPAN.as_secs(), words.join(", "));
        }
    }
}
