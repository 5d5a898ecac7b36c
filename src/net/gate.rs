//! How many may be in at once, and who has to go when it is full.
//!
//! A full house does not turn an honest client away: when a new one comes from an address that holds fewer connections
//! than another, the connection of the greediest address that has waited longest goes. So whoever opens many connections
//! and is slow on all of them only ever loses to whoever opens few.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::Notify;

/// Counts connections, together and by address. Cloned handles share one count.
#[derive(Clone)]
pub struct Gate {
    table: Arc<Mutex<Table>>,
    total: usize,
    each: usize,
}

#[derive(Default)]
struct Table {
    next: u64,
    open: HashMap<u64, Open>,
    by_address: HashMap<u128, usize>,
}

struct Open {
    address: u128,
    /// Since when the client owes us something; `None` while we owe it an answer.
    waiting: Option<Instant>,
    leave: Arc<Notify>,
}

/// One connection that is in; it is out when this is dropped.
pub struct Pass {
    gate: Gate,
    id: u64,
    leave: Arc<Notify>,
}

impl Gate {
    /// At most `total` connections, at most `each` from one address (of IPv6, one /64).
    pub fn new(total: usize, each: usize) -> Self {
        Self { table: Arc::default(), total, each }
    }

    /// Lets a connection from `address` in, perhaps at the cost of another one; `None` when it may not come in.
    pub fn enter(&self, address: IpAddr, now: Instant) -> Option<Pass> {
        let address = network(address);
        let mut table = self.lock();
        let mine = table.by_address.get(&address).copied().unwrap_or(0);
        if mine >= self.each || (table.open.len() >= self.total && !table.make_room(mine)) {
            return None;
        }
        let (id, leave) = (table.next, Arc::new(Notify::new()));
        table.next += 1;
        table.open.insert(id, Open { address, waiting: Some(now), leave: Arc::clone(&leave) });
        *table.by_address.entry(address).or_default() += 1;
        Some(Pass { gate: self.clone(), id, leave })
    }

    /// How many are in.
    pub fn inside(&self) -> usize {
        self.lock().open.len()
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    /// Sends one away from an address that holds more than `mine` connections; `false` when there is none.
    fn make_room(&mut self, mine: usize) -> bool {
        let held = |open: &Open| self.by_address.get(&open.address).copied().unwrap_or(0);
        let waiting = self.open.iter().filter_map(|(id, open)| Some((held(open), open.waiting?, *id)));
        let greediest = waiting.filter(|(held, ..)| *held > mine);
        let Some((.., id)) = greediest.max_by(|a, b| a.0.cmp(&b.0).then(b.1.cmp(&a.1))) else { return false };
        if let Some(open) = self.remove(id) {
            open.leave.notify_one();
        }
        true
    }

    fn remove(&mut self, id: u64) -> Option<Open> {
        let open = self.open.remove(&id)?;
        if let Some(count) = self.by_address.get_mut(&open.address) {
            *count -= 1;
            if *count == 0 {
                self.by_address.remove(&open.address);
            }
        }
        Some(open)
    }
}

impl Pass {
    /// The client has sent all of a request; until [`Pass::waits`] it is not sent away.
    pub fn owed(&self) {
        self.set(None);
    }

    /// The client has its answer and may send the next request.
    pub fn waits(&self, now: Instant) {
        self.set(Some(now));
    }

    fn set(&self, waiting: Option<Instant>) {
        if let Some(open) = self.gate.lock().open.get_mut(&self.id) {
            open.waiting = waiting;
        }
    }

    /// Ends when the connection has to go.
    pub async fn sent_away(&self) {
        self.leave.notified().await;
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        self.gate.lock().remove(self.id);
    }
}

/// One client as we count: an IPv4 address, or the /64 that an IPv6 host can choose its addresses in.
pub(super) fn network(address: IpAddr) -> u128 {
    match address.to_canonical() {
        IpAddr::V4(v4) => u128::from(v4.to_bits()),
        IpAddr::V6(v6) => v6.to_bits() & (u128::MAX << 64) | 1 << 63,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn ip(n: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, n])
    }

    #[test]
    fn an_address_has_its_share_and_no_more() {
        let gate = Gate::new(100, 3);
        let now = Instant::now();
        let mut passes: Vec<_> = (0..3).map(|_| gate.enter(ip(1), now).unwrap()).collect();
        assert!(gate.enter(ip(1), now).is_none());
        assert!(gate.enter(ip(2), now).is_some());
        passes.pop();
        assert!(gate.enter(ip(1), now).is_some());
        let v6: [IpAddr; 2] = ["2001:db8::1".parse().unwrap(), "2001:db8::ffff:1".parse().unwrap()];
        let _held: Vec<_> = (0..3).map(|n| gate.enter(v6[n % 2], now).unwrap()).collect();
        assert!(gate.enter(v6[1], now).is_none());
    }

    #[tokio::test]
    async fn the_greediest_makes_room_and_a_newcomer_with_as_many_does_not_get_in() {
        let gate = Gate::new(4, 10);
        let start = Instant::now();
        let at = |s| start + Duration::from_secs(s);
        let greedy: Vec<_> = (0..3).map(|n| gate.enter(ip(1), at(n)).unwrap()).collect();
        greedy[0].owed();
        let other = gate.enter(ip(2), at(3)).unwrap();
        // the oldest of the greedy one that is not owed an answer
        let newcomer = gate.enter(ip(3), at(4)).unwrap();
        greedy[1].sent_away().await;
        assert_eq!(gate.inside(), 4);
        assert!(gate.enter(ip(1), at(5)).is_none());
        let another = gate.enter(ip(4), at(6)).unwrap();
        greedy[2].sent_away().await;
        // all hold one now: whoever has one already does not get another, whoever has none comes before the oldest
        assert!(gate.enter(ip(4), at(7)).is_none());
        let last = gate.enter(ip(5), at(7)).unwrap();
        other.sent_away().await;
        greedy[0].waits(at(8));
        drop((greedy, other, newcomer, another, last));
        assert_eq!(gate.inside(), 0);
        assert!(gate.lock().by_address.is_empty());
    }
}
