//! Who is told of what a look gave: routes, silences, and who has an alert in hand already.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::route::Router;
use crate::alert::{Alert, Status};
use crate::store::{OutboxRow, Silence, Store, StoreError};
use crate::units::Timestamp;

/// How often silences over alerts that still hold are looked at.
const REVIEW: Duration = Duration::from_secs(1);

/// Decides which messages alerts become.
pub struct Teller {
    router: Router,
    store: Arc<Store>,
    /// Alerts that hold and that a silence keeps from being told, by id.
    held: BTreeMap<String, Alert>,
    /// When the silences over them were looked at.
    reviewed: Timestamp,
}

impl Teller {
    /// A teller that knows which alerts were held back before a restart.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn new(router: Router, store: &Arc<Store>) -> Result<Self, StoreError> {
        let held = store.untold()?.into_iter().map(|alert| (alert.id.clone(), alert)).collect();
        Ok(Self { router, store: Arc::clone(store), held, reviewed: Timestamp(0) })
    }

    /// The messages about `alerts`, and about those that a silence held back until now. Nobody is told of the beginning
    /// of an alert that is silenced, nor again of one that somebody has in hand, unless it has become more urgent; ends
    /// are told always.
    pub fn messages(&mut self, alerts: &[Alert], now: Timestamp) -> Vec<OutboxRow> {
        let review = !self.held.is_empty() && now.since(self.reviewed) >= REVIEW;
        if alerts.is_empty() && !review {
            return Vec::new();
        }
        let silences = self.silences(now);
        let silent = |alert: &Alert| silences.iter().any(|s| s.covers(alert, now));
        let mut tell = Vec::new();
        for alert in alerts {
            self.held.remove(&alert.id);
            if alert.status == Status::Firing && silent(alert) {
                self.held.insert(alert.id.clone(), alert.clone());
            } else {
                tell.push(alert.clone());
            }
        }
        self.reviewed = now;
        let free: Vec<String> = self.held.values().filter(|a| !silent(a)).map(|a| a.id.clone()).collect();
        tell.extend(free.iter().filter_map(|id| self.held.remove(id)));
        tell.retain(|alert| alert.status == Status::Resolved || !self.in_hand(alert));
        tell.iter().flat_map(|alert| self.router.rows(alert, now)).collect()
    }

    /// The silences now. When they cannot be read, nothing is silent.
    fn silences(&self, now: Timestamp) -> Vec<Silence> {
        self.store.silences(now).unwrap_or_else(|error| {
            tracing::warn!("silences cannot be read, and silence nothing: {error}");
            Vec::new()
        })
    }

    /// Whether somebody has this alert in hand. When that cannot be read, nobody has.
    fn in_hand(&self, alert: &Alert) -> bool {
        self.store.is_in_hand(alert).unwrap_or_else(|error| {
            tracing::warn!("acknowledgements cannot be read, and keep nothing back: {error}");
            false
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::{Severity, Urgency};
    use crate::delivery::sample::alert;
    use crate::store::Commit;

    fn at(s: i64) -> Timestamp {
        Timestamp::from_secs(1_777_636_800 + s)
    }

    struct Desk {
        store: Arc<Store>,
        teller: Teller,
    }

    impl Desk {
        fn new() -> Self {
            let store = Arc::new(Store::in_memory().unwrap());
            let teller = Teller::new(Router::new(&[], ["ops"]), &store).unwrap();
            Self { store, teller }
        }

        fn restart(&mut self) {
            self.teller = Teller::new(Router::new(&[], ["ops"]), &self.store).unwrap();
        }

        /// What a look at `alerts` tells, committed as the service does.
        fn look(&mut self, alerts: &[Alert], s: i64) -> usize {
            let outbox = self.teller.messages(alerts, at(s));
            self.store.commit(&Commit { alerts, outbox: &outbox, now: at(s), ..Commit::default() }).unwrap();
            outbox.len()
        }

        fn silence(&self, from: i64, to: i64) {
            let silence = Silence {
                id: "1".to_owned(),
                matchers: vec!["key=billing-*".parse().unwrap()],
                starts_at: at(from),
                ends_at: at(to),
                author: "ada".to_owned(),
                comment: "load test".to_owned(),
            };
            self.store.silence(&silence).unwrap();
        }
    }

    #[test]
    fn what_a_silence_held_back_is_told_when_it_ends_also_after_a_restart() {
        for restart in [false, true] {
            let mut desk = Desk::new();
            desk.silence(0, 60);
            assert_eq!(desk.look(&[alert()], 30), 0);
            if restart {
                desk.restart();
            }
            assert_eq!(desk.look(&[], 59), 0);
            assert_eq!(desk.look(&[], 60), 1, "the alert still holds");
            assert_eq!(desk.look(&[], 70), 0, "once");
        }
    }

    #[test]
    fn an_end_is_never_silent_and_what_ended_in_silence_is_not_told_later() {
        let mut desk = Desk::new();
        desk.silence(0, 60);
        let over = Alert { status: Status::Resolved, updated_at: at(40), ..alert() };
        desk.look(&[alert()], 30);
        assert_eq!(desk.look(&[over], 40), 1, "the outbox drops it for those who never heard of it");
        assert_eq!(desk.look(&[], 90), 0);
    }

    #[test]
    fn nobody_is_reminded_of_what_is_in_hand_unless_it_grows_worse() {
        let mut desk = Desk::new();
        let mild = Alert { urgency: Urgency::Ticket, severity: Severity::Warning, ..alert() };
        assert_eq!(desk.look(std::slice::from_ref(&mild), 0), 1);
        let again = |s| Alert { updated_at: at(s), ..mild.clone() };
        assert_eq!(desk.look(&[again(3_600)], 3_600), 1, "not in hand: told again");
        desk.store.ack(&mild.id, "ada", "on it", at(4_000)).unwrap();
        assert_eq!(desk.look(&[again(7_200)], 7_200), 0);
        let worse = Alert { urgency: Urgency::Page, ..again(8_000) };
        assert_eq!(desk.look(&[worse], 8_000), 1);
        assert_eq!(desk.look(&[Alert { status: Status::Resolved, ..again(9_000) }], 9_000), 1);
    }
}
