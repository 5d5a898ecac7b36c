//! All keys that are watched, with a bound on their number.

use std::hash::BuildHasher;

use super::id::{KeyHash, KeyId};
use super::state::KeyState;
use super::words::ByHash;

/// Share of the bound that is freed at once when it is reached.
const FREED: usize = 20;

/// Uses and hours after which a key is no passer-by: it is kept before all that are.
const SETTLED_HOURS: u32 = 2;

/// Keys in one piece of memory; more keys make more pieces, so that nothing is ever copied to make room.
const PIECE: usize = 1024;

/// Keys whose memory is fetched together.
pub const NEAR: usize = 16;

/// A key and its memory.
pub struct Slot {
    /// The key.
    pub id: KeyId,
    /// Its memory.
    pub state: KeyState,
    /// Its policy, by position; for the monitor.
    pub policy: u32,
    /// Kinds of alerts that are open about it, one bit each; for the monitor.
    pub open: u64,
    dirty: bool,
    live: bool,
}

/// The live keys, and which of them changed since they were last stored.
pub struct Keys {
    pieces: Vec<Vec<Slot>>,
    index: ByHash<u64, u32>,
    hash: KeyHash,
    free: Vec<u32>,
    dirty: Vec<u32>,
    gone: Vec<KeyId>,
    len: usize,
    max: usize,
    evicted: u64,
}

impl Keys {
    /// An empty table for at most `max` keys (at least 16).
    pub fn new(max: usize) -> Self {
        Self {
            pieces: Vec::new(),
            index: ByHash::default(),
            hash: KeyHash::default(),
            free: Vec::new(),
            dirty: Vec::new(),
            gone: Vec::new(),
            len: 0,
            max: max.max(16),
            evicted: 0,
        }
    }

    /// Where a key is, or where it would be entered.
    fn find(&self, id: &KeyId) -> Result<u32, u64> {
        let mut hash = self.hash.hash_one(id);
        while let Some(&at) = self.index.get(&hash) {
            if self.at(at).id == *id {
                return Ok(at);
            }
            // Two keys with one 64-bit hash: the next number.
            hash = hash.wrapping_add(1);
        }
        Err(hash)
    }

    /// Reads a little of each of these keys, so that the processor fetches their memory side by side before it is needed:
    /// with many keys each is a walk to main memory. Step by step, since what waits for one thing cannot ask for the next.
    pub fn warm<'k>(&self, ids: impl Iterator<Item = &'k KeyId>) {
        let (mut hashes, mut places, mut n) = ([0u64; NEAR], [u32::MAX; NEAR], 0);
        for (id, hash) in ids.zip(&mut hashes) {
            *hash = self.hash.hash_one(id);
            n += 1;
        }
        for (hash, place) in hashes[..n].iter().zip(&mut places) {
            *place = self.index.get(hash).copied().unwrap_or(u32::MAX);
        }
        let near = || places[..n].iter().filter(|p| **p != u32::MAX).map(|p| self.at(*p));
        let own: u64 = near().map(|slot| slot.open ^ slot.state.touch()).fold(0, u64::wrapping_add);
        let far: u64 = near().map(|slot| slot.state.touch_far()).fold(0, u64::wrapping_add);
        std::hint::black_box((own, far));
    }

    /// The place of a key.
    pub fn place(&self, id: &KeyId) -> Option<u32> {
        self.find(id).ok()
    }

    /// The key at a place that [`Keys::place`] or [`Keys::enter`] gave.
    pub fn at(&self, place: u32) -> &Slot {
        &self.pieces[place as usize / PIECE][place as usize % PIECE]
    }

    /// The key at a place, to be changed.
    pub fn at_mut(&mut self, place: u32) -> &mut Slot {
        let slot = &mut self.pieces[place as usize / PIECE][place as usize % PIECE];
        if !slot.dirty {
            slot.dirty = true;
            self.dirty.push(place);
        }
        slot
    }

    /// Notes kinds of alerts that are open about a key; it does not count as changed.
    pub fn mark_open(&mut self, place: u32, kinds: u64) {
        self.pieces[place as usize / PIECE][place as usize % PIECE].open |= kinds;
    }

    /// The state of a key.
    pub fn get(&self, id: &KeyId) -> Option<&KeyState> {
        self.place(id).map(|at| &self.at(at).state)
    }

    /// The place of a key, made by `new` when it is not known. When the table is full, the keys seen longest ago make
    /// room: first those that were never used over more than two hours, so that an attacker who mints keys cannot push
    /// out the true ones.
    pub fn enter(&mut self, id: &KeyId, new: impl FnOnce() -> KeyState) -> u32 {
        let mut hash = match self.find(id) {
            Ok(at) => return at,
            Err(hash) => hash,
        };
        if self.len >= self.max {
            self.evict();
            hash = match self.find(id) {
                Ok(at) => return at,
                Err(hash) => hash,
            };
        }
        let at = self.put(hash, *id, new());
        self.at_mut(at);
        at
    }

    fn put(&mut self, hash: u64, id: KeyId, state: KeyState) -> u32 {
        let slot = Slot { id, state, policy: u32::MAX, open: 0, dirty: false, live: true };
        self.len += 1;
        let at = match self.free.pop() {
            Some(at) => {
                self.pieces[at as usize / PIECE][at as usize % PIECE] = slot;
                at
            }
            None => {
                if self.pieces.last().is_none_or(|p| p.len() == PIECE) {
                    self.pieces.push(Vec::with_capacity(PIECE));
                }
                let pieces = self.pieces.len();
                let last = &mut self.pieces[pieces - 1];
                last.push(slot);
                ((pieces - 1) * PIECE + last.len() - 1) as u32
            }
        };
        self.index.insert(hash, at);
        at
    }

    fn evict(&mut self) {
        let worth = |s: &KeyState| (s.active_hours() >= SETTLED_HOURS, s.last_seen);
        let mut all: Vec<_> = self.places().map(|(at, slot)| (worth(&slot.state), slot.id, at)).collect();
        let n = (self.max / FREED).max(1).min(all.len());
        all.select_nth_unstable(n - 1);
        let mut leaving: Vec<u32> = all[..n].iter().map(|(.., at)| *at).collect();
        leaving.sort_unstable();
        for at in leaving {
            let slot = &mut self.pieces[at as usize / PIECE][at as usize % PIECE];
            self.gone.push(slot.id);
            (slot.live, slot.dirty) = (false, false);
            slot.state = KeyState::new("", slot.state.first_seen);
            self.free.push(at);
        }
        self.len -= n;
        self.evicted += n as u64;
        // Removing from the index one by one would break the chains of equal hashes.
        let mut index = ByHash::with_capacity_and_hasher(self.len + n, Default::default());
        for (at, slot) in self.places() {
            let mut hash = self.hash.hash_one(slot.id);
            while index.contains_key(&hash) {
                hash = hash.wrapping_add(1);
            }
            index.insert(hash, at);
        }
        self.index = index;
        let pieces = &self.pieces;
        self.dirty.retain(|at| pieces[*at as usize / PIECE][*at as usize % PIECE].dirty);
    }

    /// Puts a stored state back; it does not count as changed.
    pub fn restore(&mut self, id: KeyId, state: KeyState) {
        if self.len < self.max
            && let Err(hash) = self.find(&id)
        {
            self.put(hash, id, state);
        }
    }

    /// A key goes on under another id with all that is remembered of it, unless that id is known already.
    pub fn rename(&mut self, before: &KeyId, now: KeyId) {
        let (Ok(at), Err(hash)) = (self.find(before), self.find(&now)) else { return };
        // The old entry of the index stays as a step of its chain; it leads to another id, which is no answer.
        self.index.insert(hash, at);
        self.gone.push(*before);
        self.at_mut(at).id = now;
    }

    /// Number of keys.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Keys that had to make room so far.
    pub fn evicted(&self) -> u64 {
        self.evicted
    }

    /// All keys with their places, in no order.
    pub fn places(&self) -> impl Iterator<Item = (u32, &Slot)> {
        (0u32..).zip(self.pieces.iter().flatten()).filter(|(_, slot)| slot.live)
    }

    /// All keys, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&KeyId, &KeyState)> {
        self.places().map(|(_, slot)| (&slot.id, &slot.state))
    }

    /// The keys that went since the last call, each with empty bytes. What [`Keys::take_dirty`] gives belongs behind
    /// them: a key that went and came back has its row behind that of its going.
    pub fn take_gone(&mut self) -> Vec<(String, Vec<u8>)> {
        let mut rows = Vec::with_capacity(self.gone.len() + self.dirty.len());
        rows.extend(self.gone.drain(..).map(|id| (id.to_string(), Vec::new())));
        rows
    }

    /// Adds what changed of at most `most` keys as (key, bytes); whether there is more to take.
    pub fn take_dirty(&mut self, most: usize, rows: &mut Vec<(String, Vec<u8>)>) -> bool {
        let rest = self.dirty.len().saturating_sub(most);
        for at in self.dirty.drain(rest..) {
            let slot = &mut self.pieces[at as usize / PIECE][at as usize % PIECE];
            slot.dirty = false;
            rows.push((slot.id.to_string(), slot.state.to_bytes()));
        }
        rest > 0
    }
}

#[cfg(test)]
mod tests {
    use crate::units::Tz;

    use super::*;
    use crate::event::Text;
    use crate::units::Timestamp;
    use crate::window::{Clockwork, Counts, Facts, Slice, bucket};

    /// All that changed, two keys at a time.
    fn changed(keys: &mut Keys) -> Vec<(String, Vec<u8>)> {
        let mut rows = keys.take_gone();
        while keys.take_dirty(2, &mut rows) {}
        rows
    }

    #[test]
    fn a_renamed_key_keeps_its_memory() {
        let mut keys = Keys::new(100);
        let id = |n: u8| KeyId::named("key", Text::plain(&[b'a' + n]));
        let (old, new, other) = (id(1), id(2), id(3));
        keys.enter(&old, || KeyState::new("API_KEY", Timestamp(5_000_000)));
        changed(&mut keys);
        keys.rename(&old, new);
        keys.rename(&other, new);
        assert!(keys.get(&old).is_none() && keys.len() == 1);
        assert_eq!(keys.get(&new).unwrap().first_seen, Timestamp(5_000_000));
        let rows = changed(&mut keys);
        assert_eq!(rows.len(), 2);
        assert!(rows.contains(&(old.to_string(), Vec::new())), "the old row goes");
        // Renaming to a key that is there changes nothing; the old id can be used again.
        keys.enter(&old, || KeyState::new("API_KEY", Timestamp(9_000_000)));
        keys.rename(&old, new);
        assert_eq!((keys.len(), keys.get(&old).unwrap().first_seen), (2, Timestamp(9_000_000)));
    }

    #[test]
    fn minted_keys_push_out_each_other_and_not_the_true_ones() {
        let mut keys = Keys::new(1000);
        let t = Timestamp::from_secs(1_777_636_800);
        let clock = Clockwork::new(Tz::UTC, 0);
        let id = |space: &str, n: u32| KeyId::named(space, Text::plain(n.to_string().as_bytes()));
        for n in 0..500 {
            let at = keys.enter(&id("TRUE", n), || KeyState::new("K", t));
            let s = &mut keys.at_mut(at).state;
            for hour in 0..5 {
                let counts = Counts { uses: 1, ..Counts::default() };
                let slice = Slice { bucket: bucket(t) + hour * 12, counts, ..Slice::default() };
                s.advance(slice.bucket, &clock);
                s.add(&slice, &[], &[], (t, t), &clock, &mut Facts::default());
            }
        }
        let late = t.plus(std::time::Duration::from_secs(6 * 3600));
        for n in 0..20_000 {
            keys.enter(&id("RANDOM", n), || KeyState::new("K", late));
        }
        assert!(keys.len() <= 1000);
        assert!(keys.evicted() > 15_000);
        assert!((0..500).all(|n| keys.get(&id("TRUE", n)).is_some()));
        let rows = changed(&mut keys);
        assert!(rows.iter().any(|(_, bytes)| bytes.is_empty()) && rows.iter().any(|(_, bytes)| !bytes.is_empty()));
        assert!(changed(&mut keys).is_empty());
    }
}
