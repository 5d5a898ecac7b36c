//! What an outcome means for the message and for its receiver: pure, time and randomness passed in.

use super::outcome::{Failure, Outcome};
use super::retry::{Next, Schedule};
use crate::store::{Leased, Settle};
use crate::units::Timestamp;

/// So many different messages failing in a row mean that the receiver is at fault.
const BREAKER: u32 = 5;

/// How a receiver is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Health {
    /// Nothing is tried before this.
    pub(super) gate: Timestamp,
    /// Attempts in a row that found the receiver down.
    pub(super) down: u32,
    /// Messages in a row that failed by themselves.
    pub(super) failed: u32,
}

impl Health {
    /// Whether the receiver as a whole is at fault, and not one message.
    pub(super) fn is_down(&self) -> bool {
        self.down > 0 || self.failed >= BREAKER
    }

    /// What becomes of `message` after `outcome`, with `random` in 0..1; takes note of how the receiver does.
    pub(super) fn judge(
        &mut self,
        schedule: &Schedule,
        message: &Leased,
        outcome: Outcome,
        random: f64,
        now: Timestamp,
    ) -> Settle {
        match outcome {
            Outcome::Sent(_) => {
                *self = Self::default();
                Settle::Sent
            }
            Outcome::Partly { flaw, .. } => {
                *self = Self::default();
                Settle::SentBut { problem: flaw.error }
            }
            Outcome::Refused(Failure { error, .. }) => {
                self.failed = 0;
                Settle::Dead { error }
            }
            Outcome::Down(Failure { error, asked, .. }) => {
                self.down = self.down.saturating_add(1);
                self.gate = now.plus(schedule.wait(self.down, random, asked));
                if schedule.expired(message.created, now) { Settle::Dead { error } } else { Settle::Release { error } }
            }
            Outcome::Failed(Failure { error, asked, .. }) => {
                self.failed = self.failed.saturating_add(1);
                if let Some(beyond) = self.failed.checked_sub(BREAKER) {
                    self.gate = now.plus(schedule.wait(beyond + 1, random, asked));
                }
                match schedule.next(message.created, message.attempts + 1, random, asked, now) {
                    Next::At(due) => Settle::Retry { due, error },
                    Next::GiveUp => Settle::Dead { error },
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::delivery::outcome::Cause;
    use crate::delivery::sample::alert;
    use crate::store::OutboxRow;

    const NOW: Timestamp = Timestamp::from_secs(1_777_636_800);

    fn judge(health: &mut Health, outcome: Outcome, attempts: u32, at: Timestamp) -> Settle {
        let row = OutboxRow { receiver: "ops".to_owned(), alert: alert() };
        let message = Leased { seq: 1, row, created: NOW, attempts };
        health.judge(&Schedule::new(Duration::from_secs(3_600)), &message, outcome, 1.0, at)
    }

    fn down() -> Outcome {
        Outcome::Down(Failure::new(Cause::Unreachable, "x"))
    }

    fn failed() -> Outcome {
        Outcome::Failed(Failure::new(Cause::Server, "boom"))
    }

    #[test]
    fn a_receiver_that_is_down_costs_no_message_an_attempt_until_its_deadline() {
        let mut health = Health::default();
        assert!(matches!(judge(&mut health, down(), 0, NOW), Settle::Release { .. }));
        assert_eq!(health.gate, NOW.plus(Duration::from_secs(5)));
        let late = NOW.plus(Duration::from_secs(3_600));
        assert!(matches!(judge(&mut health, down(), 0, late), Settle::Dead { .. }));
        assert_eq!(judge(&mut health, Outcome::Sent(String::new()), 0, late), Settle::Sent);
        assert_eq!(health, Health::default());
    }

    #[test]
    fn five_messages_failing_in_a_row_close_the_gate_and_one_does_not() {
        let mut health = Health::default();
        for n in 1..BREAKER {
            assert!(matches!(judge(&mut health, failed(), 2, NOW), Settle::Retry { .. }));
            assert_eq!((health.failed, health.gate), (n, Timestamp(0)));
        }
        judge(&mut health, failed(), 2, NOW);
        assert_eq!(health.gate, NOW.plus(Duration::from_secs(5)));
    }
}
