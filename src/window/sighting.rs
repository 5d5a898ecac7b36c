//! What a key was used for and how: endpoints, models, origins and the like, counted per key.

use super::id::mix;
use super::words::Word;
use crate::units::Timestamp;

/// Different things kept per key and tally; of more, an even choice is kept.
const MAX: u16 = 48;

/// A side of a use that can be compared with earlier uses or with a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Aspect {
    /// Method and path, ids replaced by `*`.
    Endpoint,
    /// Language model.
    Model,
    /// Web page that called, as scheme, host and port.
    Origin,
    /// Region that served.
    Region,
    /// Environment: `prod`, `staging`.
    Environment,
    /// Service that wrote the line.
    Service,
    /// A browser.
    Browser,
    /// Without TLS.
    Plaintext,
    /// Country of the client, from the operator's database.
    Country,
    /// Autonomous system of the client, from the operator's database.
    System,
}

impl Aspect {
    /// All of them, in order of declaration.
    pub const ALL: [Self; 10] = [
        Self::Endpoint,
        Self::Model,
        Self::Origin,
        Self::Region,
        Self::Environment,
        Self::Service,
        Self::Browser,
        Self::Plaintext,
        Self::Country,
        Self::System,
    ];

    /// How many of them are remembered per key.
    pub fn remembered(self) -> usize {
        match self {
            Self::Endpoint => 16,
            Self::Model => 8,
            Self::Browser | Self::Plaintext => 1,
            _ => 6,
        }
    }
}

/// One thing and how often it was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// Which side of the use.
    pub aspect: Aspect,
    /// What it was.
    pub word: Word,
    /// First event time.
    pub first: Timestamp,
    /// Last event time.
    pub last: Timestamp,
    /// Number of uses.
    pub uses: u32,
}

#[derive(Clone, Copy, Debug)]
struct Node {
    sighting: Sighting,
    next: u32,
}

/// The sightings of one key within [`Sightings`].
#[derive(Clone, Copy, Debug)]
pub struct Chain {
    head: u32,
    len: u16,
}

impl Default for Chain {
    fn default() -> Self {
        Self { head: u32::MAX, len: 0 }
    }
}

/// The sightings of all keys of a tally, in one place, so that a key costs no memory of its own.
#[derive(Clone, Debug, Default)]
pub struct Sightings(Vec<Node>);

impl Sightings {
    /// Adds a sighting to a key's.
    pub fn note(&mut self, chain: &mut Chain, new: Sighting) {
        let mut at = chain.head;
        while let Some(node) = self.0.get_mut(at as usize) {
            let old = &mut node.sighting;
            if (old.word, old.aspect) == (new.word, new.aspect) {
                old.first = old.first.min(new.first);
                old.last = old.last.max(new.last);
                old.uses = old.uses.saturating_add(new.uses);
                return;
            }
            at = node.next;
        }
        if chain.len < MAX {
            self.0.push(Node { sighting: new, next: chain.head });
            (chain.head, chain.len) = (self.0.len() as u32 - 1, chain.len + 1);
            return;
        }
        // Keeping the smallest of a fixed hash keeps the same ones in whatever order they come.
        let spread = |s: &Sighting| (mix(s.word.0), s.aspect);
        let mut largest = chain.head;
        let mut at = chain.head;
        while let Some(node) = self.0.get(at as usize) {
            if spread(&node.sighting) > spread(&self.0[largest as usize].sighting) {
                largest = at;
            }
            at = node.next;
        }
        if let Some(node) = self.0.get_mut(largest as usize).filter(|n| spread(&new) < spread(&n.sighting)) {
            node.sighting = new;
        }
    }

    /// A key's sightings, in no order.
    pub fn of(&self, chain: Chain) -> impl Iterator<Item = &Sighting> {
        let mut at = chain.head;
        std::iter::from_fn(move || {
            let node = self.0.get(at as usize)?;
            at = node.next;
            Some(&node.sighting)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_ones_are_kept_in_any_order() {
        let at = Timestamp::from_secs(1_777_636_800);
        let one = |n: u64| Sighting { aspect: Aspect::Endpoint, word: Word(n), first: at, last: at, uses: 1 };
        let kept = |order: &mut dyn Iterator<Item = u64>| {
            let (mut all, mut chain) = (Sightings::default(), Chain::default());
            order.for_each(|n| all.note(&mut chain, one(n % 100)));
            let mut kept: Vec<_> = all.of(chain).map(|s| (s.word, s.uses)).collect();
            kept.sort();
            kept
        };
        let forth = kept(&mut (0..200));
        assert_eq!((forth.len(), forth[0].1), (48, 2));
        assert_eq!(forth, kept(&mut (0..200).rev()));
        for (i, aspect) in Aspect::ALL.iter().enumerate() {
            assert_eq!(*aspect as usize, i);
        }
    }
}
