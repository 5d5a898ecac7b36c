//! All keys that are watched, with a bound on their number.

use std::collections::{HashMap, HashSet};

use super::id::KeyId;
use super::state::KeyState;

/// Share of the bound that is freed at once when it is reached.
const FREED: usize = 20;

/// Uses and hours after which a key is no passer-by: it is kept before all that are.
const SETTLED_HOURS: u32 = 2;

/// The live keys, and which of them changed since they were last stored.
pub struct Keys {
    states: HashMap<KeyId, KeyState>,
    dirty: HashSet<KeyId>,
    max: usize,
    evicted: u64,
}

impl Keys {
    /// An empty table for at most `max` keys (at least 16).
    pub fn new(max: usize) -> Self {
        Self { states: HashMap::new(), dirty: HashSet::new(), max: max.max(16), evicted: 0 }
    }

    /// The state of a key.
    pub fn get(&self, id: &KeyId) -> Option<&KeyState> {
        self.states.get(id)
    }

    /// The state of a key, made by `new` when it is not known; it counts as changed. When the table is full, the keys
    /// seen longest ago make room: first those that were never used over more than two hours, so that an attacker who
    /// mints keys cannot push out the true ones.
    pub fn touch(&mut self, id: &KeyId, new: impl FnOnce() -> KeyState) -> &mut KeyState {
        if self.states.len() >= self.max && !self.states.contains_key(id) {
            self.evict();
        }
        self.dirty.insert(*id);
        self.states.entry(*id).or_insert_with(new)
    }

    fn evict(&mut self) {
        let worth = |s: &KeyState| (s.active_hours() >= SETTLED_HOURS, s.last_seen);
        let mut all: Vec<_> = self.states.iter().map(|(id, s)| (worth(s), *id)).collect();
        let n = (self.max / FREED).max(1).min(all.len());
        all.select_nth_unstable(n - 1);
        for (_, id) in &all[..n] {
            self.states.remove(id);
            self.dirty.insert(*id);
        }
        self.evicted += n as u64;
    }

    /// Puts a stored state back; it does not count as changed.
    pub fn restore(&mut self, id: KeyId, state: KeyState) {
        if self.states.len() < self.max {
            self.states.insert(id, state);
        }
    }

    /// Number of keys.
    pub fn len(&self) -> usize {
        self.states.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.states.is_empty()
    }

    /// Keys that had to make room so far.
    pub fn evicted(&self) -> u64 {
        self.evicted
    }

    /// All keys, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&KeyId, &KeyState)> {
        self.states.iter()
    }

    /// What changed since the last call: (key, bytes), empty bytes for a key that is gone.
    pub fn take_dirty(&mut self) -> Vec<(String, Vec<u8>)> {
        let mut ids: Vec<KeyId> = self.dirty.drain().collect();
        ids.sort_unstable();
        let row = |id: KeyId| (id.to_string(), self.states.get(&id).map(KeyState::to_bytes).unwrap_or_default());
        ids.into_iter().map(row).collect()
    }
}

#[cfg(test)]
mod tests {
    use chrono_tz::Tz;

    use super::*;
    use crate::event::Text;
    use crate::units::Timestamp;
    use crate::window::{Counts, bucket};

    #[test]
    fn minted_keys_push_out_each_other_and_not_the_true_ones() {
        let mut keys = Keys::new(1000);
        let t = Timestamp::from_secs(1_777_636_800);
        let id = |space: &str, n: u32| KeyId::named(space, Text::plain(n.to_string().as_bytes()));
        for n in 0..500 {
            let s = keys.touch(&id("TRUE", n), || KeyState::new("K", t));
            for hour in 0..5 {
                s.advance(bucket(t) + hour * 12, Tz::UTC, 0);
                s.add(bucket(t) + hour * 12, Counts { uses: 1, ..Counts::default() }, &[], t);
            }
        }
        let late = t.plus(std::time::Duration::from_secs(6 * 3600));
        for n in 0..20_000 {
            keys.touch(&id("RANDOM", n), || KeyState::new("K", late));
        }
        assert!(keys.len() <= 1000);
        assert!(keys.evicted() > 15_000);
        assert!((0..500).all(|n| keys.get(&id("TRUE", n)).is_some()));
        let rows = keys.take_dirty();
        assert!(rows.iter().any(|(_, bytes)| bytes.is_empty()) && rows.iter().any(|(_, bytes)| !bytes.is_empty()));
        assert!(keys.take_dirty().is_empty());
    }
}
