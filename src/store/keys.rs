//! What was learned about each key, as a log of segments: every commit appends its changed keys as one blob, and small
//! segments are folded into larger ones, so that a commit never rewrites keys that did not change.
//!
//! A segment is a run of entries: key length (u32), body length (u32), seconds of the change (i64), all little endian,
//! then key and body. A later entry wins; an empty body forgets the key.

use std::collections::BTreeMap;
use std::time::Duration;

use rusqlite::{Connection, params};

use super::db::{Store, StoreError};
use crate::units::Timestamp;

/// This many segments of one level are folded into one of the next.
const FOLD: usize = 16;

/// Bytes before key and body.
const HEADER: usize = 16;

pub(super) fn append(db: &Connection, changed: &[(String, Vec<u8>)], now: Timestamp) -> Result<(), StoreError> {
    if changed.is_empty() {
        return Ok(());
    }
    let mut blob = Vec::with_capacity(changed.iter().map(|(k, v)| k.len() + v.len() + HEADER).sum());
    for (key, body) in changed {
        write(&mut blob, key.as_bytes(), body, now.secs())?;
    }
    db.prepare_cached("INSERT INTO key_segment(level, body) VALUES (0, ?1)")?.execute([blob])?;
    fold(db)
}

fn write(blob: &mut Vec<u8>, key: &[u8], body: &[u8], at: i64) -> Result<(), StoreError> {
    for length in [key.len(), body.len()] {
        let length = u32::try_from(length).map_err(|_| StoreError::Encode("a key state over 4 GiB".to_owned()))?;
        blob.extend(length.to_le_bytes());
    }
    blob.extend(at.to_le_bytes());
    blob.extend(key);
    blob.extend(body);
    Ok(())
}

/// One entry of a segment: key, body, seconds of the change.
type Entry<'a> = (&'a [u8], &'a [u8], i64);

fn read(blob: &[u8]) -> impl Iterator<Item = Result<Entry<'_>, StoreError>> {
    let mut rest = blob;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let entry = split(rest);
        rest = entry.map_or(&[], |(_, tail)| tail);
        Some(entry.map(|(e, _)| e).ok_or_else(|| StoreError::Damaged("a key segment is cut short".to_owned())))
    })
}

fn split(blob: &[u8]) -> Option<(Entry<'_>, &[u8])> {
    let (key_len, rest) = blob.split_first_chunk::<4>()?;
    let (body_len, rest) = rest.split_first_chunk::<4>()?;
    let (at, rest) = rest.split_first_chunk::<8>()?;
    let (key, rest) = rest.split_at_checked(u32::from_le_bytes(*key_len) as usize)?;
    let (body, rest) = rest.split_at_checked(u32::from_le_bytes(*body_len) as usize)?;
    Some(((key, body, i64::from_le_bytes(*at)), rest))
}

/// Folds the youngest level that is full, and the next if that filled it. Segments of a higher level are older, so
/// sequence order stays age order when the fold takes the highest number of its parts.
fn fold(db: &Connection) -> Result<(), StoreError> {
    for level in 0.. {
        let parts: Vec<(i64, Vec<u8>)> = db
            .prepare_cached("SELECT seq, body FROM key_segment WHERE level = ?1 ORDER BY seq LIMIT ?2")?
            .query_map(params![level, FOLD as i64], |r| Ok((r.get(0)?, r.get(1)?)))?
            .collect::<Result<_, _>>()?;
        let [.., (last, _)] = &parts[..] else { return Ok(()) };
        if parts.len() < FOLD {
            return Ok(());
        }
        let oldest: i64 = db.query_row("SELECT min(seq) FROM key_segment", [], |r| r.get(0))?;
        let blob = merge(parts.iter().map(|(_, b)| &b[..]), parts[0].0 == oldest, i64::MIN)?;
        let mut drop_part = db.prepare_cached("DELETE FROM key_segment WHERE seq = ?1")?;
        for (seq, _) in &parts {
            drop_part.execute([seq])?;
        }
        db.prepare_cached("INSERT INTO key_segment(seq, level, body) VALUES (?1, ?2, ?3)")?.execute(params![
            last,
            level + 1,
            blob
        ])?;
    }
    Ok(())
}

/// The last entry of each key. Forgotten keys are kept as such unless nothing older remains that could bring them back
/// (`oldest`); keys that last changed before `since` (seconds) are left out.
fn merge<'a>(parts: impl Iterator<Item = &'a [u8]>, oldest: bool, since: i64) -> Result<Vec<u8>, StoreError> {
    Ok(merge_and_count(parts, oldest, since)?.0)
}

/// The same, and how many keys were left out because they are old.
fn merge_and_count<'a>(
    parts: impl Iterator<Item = &'a [u8]>,
    oldest: bool,
    since: i64,
) -> Result<(Vec<u8>, usize), StoreError> {
    let mut latest: BTreeMap<&[u8], (&[u8], i64)> = BTreeMap::new();
    for part in parts {
        for entry in read(part) {
            let (key, body, at) = entry?;
            latest.insert(key, (body, at));
        }
    }
    let (mut blob, mut old) = (Vec::new(), 0);
    for (key, (body, at)) in latest {
        if at >= since && !(oldest && body.is_empty()) {
            write(&mut blob, key, body, at)?;
        } else if !body.is_empty() {
            old += 1;
        }
    }
    Ok((blob, old))
}

impl Store {
    /// The last committed state of every key that is not forgotten, as (key id, bytes).
    ///
    /// # Errors
    /// When the database cannot be read or a segment is damaged.
    pub fn key_state(&self) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        let db = self.lock();
        let mut latest: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
        let mut query = db.prepare_cached("SELECT body FROM key_segment ORDER BY seq")?;
        let mut rows = query.query([])?;
        while let Some(row) = rows.next()? {
            for entry in read(row.get_ref(0)?.as_blob().map_err(|e| StoreError::Damaged(e.to_string()))?) {
                let (key, body, _) = entry?;
                latest.insert(key.to_vec(), body.to_vec());
            }
        }
        let named = |(key, body)| match String::from_utf8(key) {
            Ok(key) => Ok((key, body)),
            Err(_) => Err(StoreError::Damaged("a key id is not text".to_owned())),
        };
        latest.into_iter().filter(|(_, body)| !body.is_empty()).map(named).collect()
    }

    /// Forgets keys that have not changed for `keep`, folds all segments into one, and says how many were forgotten.
    ///
    /// # Errors
    /// When the database cannot be read or written.
    pub fn expire_keys(&self, keep: Duration, now: Timestamp) -> Result<usize, StoreError> {
        let mut db = self.lock();
        let tx = db.transaction()?;
        let parts: Vec<Vec<u8>> = tx
            .prepare("SELECT body FROM key_segment ORDER BY seq")?
            .query_map([], |r| r.get(0))?
            .collect::<Result<_, _>>()?;
        let (blob, old) = merge_and_count(parts.iter().map(Vec::as_slice), true, now.minus(keep).secs())?;
        let level = parts.len().checked_ilog(FOLD).unwrap_or(0) + 1;
        tx.execute("DELETE FROM key_segment", [])?;
        tx.execute("INSERT INTO key_segment(level, body) VALUES (?1, ?2)", params![level, blob])?;
        tx.commit()?;
        Ok(old)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Commit;

    fn commit(store: &Store, rows: &[(&str, &[u8])], at: i64) {
        let rows: Vec<_> = rows.iter().map(|(k, v)| ((*k).to_owned(), v.to_vec())).collect();
        store.commit(&Commit { key_state: &rows, now: Timestamp::from_secs(at), ..Commit::default() }).unwrap();
    }

    #[test]
    fn the_last_state_wins_through_any_number_of_folds() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), Timestamp(0)).unwrap();
        let mut want = BTreeMap::new();
        for n in 0..700u32 {
            let (key, forgotten) = (format!("k{}", n * 7 % 40), n % 11 == 3);
            let body = if forgotten { Vec::new() } else { n.to_le_bytes().to_vec() };
            commit(&store, &[(&key, &body)], i64::from(n));
            if forgotten {
                want.remove(&key)
            } else {
                want.insert(key, body)
            };
            if n == 300 {
                store.expire_keys(Duration::from_secs(10_000), Timestamp::from_secs(300)).unwrap();
            }
        }
        assert_eq!(store.key_state().unwrap(), want.into_iter().collect::<Vec<_>>());
        let segments: i64 = store.lock().query_row("SELECT count(*) FROM key_segment", [], |r| r.get(0)).unwrap();
        assert!(segments < 3 * FOLD as i64, "{segments}");
    }

    #[test]
    fn keys_not_seen_for_long_are_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), Timestamp(0)).unwrap();
        commit(&store, &[("old", b"1"), ("seen", b"1")], 100);
        commit(&store, &[("seen", b"2")], 900);
        store.expire_keys(Duration::from_secs(500), Timestamp::from_secs(1_000)).unwrap();
        assert_eq!(store.key_state().unwrap(), [("seen".to_owned(), b"2".to_vec())]);
    }
}
