//! What of the monitor outlives the process: one row per key, per episode, and one of its own.

use serde::{Deserialize, Serialize};

use super::episode::{Episode, fingerprint};
use super::fleet::Fleet;
use super::kind::KINDS;
use super::monitor::{Between, EpisodeId, Monitor, SOME};
use super::origin::Origin;
use super::storm::Storm;
use crate::units::Timestamp;
use crate::window::{KeyId, KeyState, Word};

/// Row of the monitor's own state among the stored rows; no key is called so.
const OWN_ROW: &str = "!monitor";

/// Row of the addresses that were refused lately.
const CROWD_ROW: &str = "!crowd";

/// Prefix of the rows of sources.
const SOURCE_ROW: &str = "!source/";

/// Prefix of the rows of names; their word in hex follows.
const WORD_ROW: &str = "!word/";

/// Prefix of the rows of episodes.
const EPISODE_ROW: &str = "!alert/";

/// An episode as stored.
#[derive(Serialize, Deserialize)]
struct StoredEpisode {
    kind: String,
    key: Option<String>,
    policy: String,
    episode: Episode,
}

/// The monitor's own state as stored.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct StoredSelf {
    newest: Option<Timestamp>,
    fleet: Fleet,
    storm: Storm,
    fed: Option<Timestamp>,
    silence_at: Option<i64>,
}

/// The word whose name a row holds; `None` for other rows.
pub fn stored_word(row: &str) -> Option<Word> {
    u64::from_str_radix(row.strip_prefix(WORD_ROW)?, 16).ok().map(Word)
}

impl Monitor {
    /// What changed since the last call, as (row, bytes); empty bytes mean that the row is gone. Call it right after
    /// [`Monitor::tick`], when nothing is pending.
    pub fn dirty(&mut self) -> Vec<(String, Vec<u8>)> {
        self.dirty_with(&mut |_| {})
    }

    /// The same; `between` is called as by [`Monitor::tick_with`].
    pub fn dirty_with(&mut self, between: Between<'_>) -> Vec<(String, Vec<u8>)> {
        let mut rows = self.keys.take_gone();
        while self.keys.take_dirty(SOME, &mut rows) {
            between(self);
        }
        let mut changed: Vec<EpisodeId> = self.changed.drain().collect();
        changed.sort_unstable();
        for id in changed {
            let tag = id.key.as_ref().map_or("", KeyId::name);
            let row = format!("{EPISODE_ROW}{}", fingerprint(id.kind.name(), tag, &id.policy));
            let bytes = self.episodes.get(&id).map(|episode| {
                let key = id.key.map(|k| k.to_string());
                let stored =
                    StoredEpisode { kind: id.kind.name().to_owned(), key, policy: id.policy, episode: episode.clone() };
                serde_json::to_vec(&stored).unwrap_or_default()
            });
            rows.push((row, bytes.unwrap_or_default()));
        }
        if std::mem::take(&mut self.moved) {
            let own = StoredSelf {
                newest: self.newest,
                fleet: self.fleet.clone(),
                storm: self.storm.clone(),
                fed: self.fed,
                silence_at: self.silence_at,
            };
            rows.push((OWN_ROW.to_owned(), serde_json::to_vec(&own).unwrap_or_default()));
        }
        if std::mem::take(&mut self.crowd.changed) {
            rows.push((CROWD_ROW.to_owned(), serde_json::to_vec(&self.crowd).unwrap_or_default()));
        }
        for name in std::mem::take(&mut self.sources.changed) {
            let bytes = self.sources.all.get(&name).map(Origin::to_bytes).unwrap_or_default();
            rows.push((format!("{SOURCE_ROW}{name}"), bytes));
        }
        for word in std::mem::take(&mut self.new_words) {
            let name = self.words.get(word).unwrap_or_default();
            rows.push((format!("{WORD_ROW}{:016x}", word.0), name.as_bytes().to_vec()));
        }
        rows
    }

    /// Takes up what [`Monitor::dirty`] gave in an earlier life. Rows that cannot be read are passed over and counted
    /// in the result: those keys are learned anew.
    pub fn restore(&mut self, rows: impl IntoIterator<Item = (String, Vec<u8>)>) -> usize {
        let mut unread = 0;
        for (row, bytes) in rows {
            let done = if row == OWN_ROW {
                self.restore_self(&bytes)
            } else if row.starts_with(EPISODE_ROW) {
                self.restore_episode(&bytes)
            } else if row == CROWD_ROW {
                serde_json::from_slice(&bytes).map(|crowd| self.crowd = crowd).is_ok()
            } else if let Some(name) = row.strip_prefix(SOURCE_ROW) {
                let origin = Origin::from_bytes(&bytes);
                origin.map(|origin| self.sources.all.insert(name.to_owned(), origin)).is_some()
            } else if let Some(word) = stored_word(&row) {
                self.words.keep(word, &bytes);
                true
            } else {
                let state = KeyId::parse(&row).zip(KeyState::from_bytes(&bytes));
                state.map(|(id, state)| self.keys.restore(id, state)).is_some()
            };
            unread += usize::from(!done);
        }
        for id in self.episodes.keys().filter(|id| id.policy.is_empty()) {
            if let Some(place) = id.key.and_then(|key| self.keys.place(&key)) {
                self.keys.mark_open(place, 1 << id.kind as u32);
            }
        }
        unread
    }

    fn restore_self(&mut self, bytes: &[u8]) -> bool {
        let Ok(own) = serde_json::from_slice::<StoredSelf>(bytes) else { return false };
        (self.newest, self.fleet, self.storm, self.fed) = (own.newest, own.fleet, own.storm, own.fed);
        self.silence_at = own.silence_at;
        true
    }

    fn restore_episode(&mut self, bytes: &[u8]) -> bool {
        let Ok(stored) = serde_json::from_slice::<StoredEpisode>(bytes) else { return false };
        let Some(kind) = KINDS.iter().find(|k| k.name == stored.kind) else { return false };
        let key = stored.key.as_deref().map(KeyId::parse);
        if key == Some(None) {
            return false;
        }
        let id = EpisodeId { kind: kind.kind, key: key.flatten(), policy: stored.policy };
        self.episodes.insert(id, stored.episode);
        true
    }
}
