//! The pseudonym key: a small file of its own, so that damage to the database never loses it.
//!
//! One line an epoch, newest last: the epoch's number, 64 hex digits and, for one that a rotation began, the Unix time of
//! that in seconds. The last line is in use; the one before it helps for [`GRACE_SECONDS`] after a rotation.

use std::io;
use std::path::Path;

use zeroize::Zeroizing;

use super::db::StoreError;
use crate::redact::PseudonymKey;
use crate::secret::{self, FileError};
use crate::units::Timestamp;

/// The file's name in the state directory.
const FILE: &str = "pseudonym.key";

/// How long after a rotation keys that come back are still recognised by their pseudonym of before, in seconds: 30 days.
const GRACE_SECONDS: i64 = 30 * 24 * 3600;

/// The variable that wins over the file: a secret of at least 16 characters, the same on every machine of a fleet.
pub const PSEUDONYM_VARIABLE: &str = "LOGWARDEN_PSEUDONYM_KEY";

/// Fewer characters in the variable are refused.
const MIN_SECRET: usize = 16;

/// The credential of the service manager that wins over the file (`LoadCredential=logwarden-pseudonym-key:/path`).
pub const PSEUDONYM_CREDENTIAL: &str = "logwarden-pseudonym-key";

/// The pseudonym key that the environment gives, if it does: the variable, else the credential.
///
/// # Errors
/// When what is given is too short, or the credential cannot be read.
pub fn pseudonym_variable() -> Result<Option<PseudonymKey>, StoreError> {
    let set = std::env::var_os(PSEUDONYM_VARIABLE).filter(|v| !v.is_empty());
    if let Some(value) = set {
        return from_text(Zeroizing::new(value.into_encoded_bytes()), &format!("${PSEUDONYM_VARIABLE}")).map(Some);
    }
    secret::credential(PSEUDONYM_CREDENTIAL).map_or(Ok(None), |path| given(&path))
}

fn given(path: &Path) -> Result<Option<PseudonymKey>, StoreError> {
    let place = path.display().to_string();
    read(path)?.map(|text| from_text(text, &place)).transpose()
}

/// The installation's pseudonym key: from [`pseudonym_variable`], else from its file in `dir`, which is made (mode
/// 0600) when it is absent. `now` says whether a rotation is still in its time of grace.
///
/// # Errors
/// When the variable is too short, or the file cannot be made, is readable by others, or does not hold a key.
pub fn pseudonym_key(dir: &Path, now: Timestamp) -> Result<PseudonymKey, StoreError> {
    match pseudonym_variable()? {
        Some(key) => Ok(key),
        None => from_file(dir, now),
    }
}

/// What to tell before a state is opened whose pseudonym key is gone: [`pseudonym_key`] will make a new one, and every
/// key will be a stranger. `None` when the key is there, is given otherwise, or there is no state yet.
pub fn lost_pseudonyms(dir: &Path) -> Option<String> {
    let path = dir.join(FILE);
    let lost = dir.join(super::db::DATABASE).exists() && !path.exists() && matches!(pseudonym_variable(), Ok(None));
    lost.then(|| {
        format!(
            "{} is gone and is made anew: every key has a new name from now on, and its history stays with the old one; \
             to keep the names, stop, bring the file back from a backup, and start again",
            path.display()
        )
    })
}

/// A key from the text that stands at `place`; blanks and line ends around it do not count.
fn from_text(value: Zeroizing<Vec<u8>>, place: &str) -> Result<PseudonymKey, StoreError> {
    let value = value.trim_ascii();
    if value.len() < MIN_SECRET {
        let problem = format!("it has fewer than {MIN_SECRET} characters; use 32 random ones");
        return Err(StoreError::Pseudonym { path: place.to_owned(), problem });
    }
    Ok(PseudonymKey::new(0, value))
}

/// Begins a new epoch: pseudonyms made from now on differ from those before. Returns the new key; the old ones stay in
/// the file. A service that runs takes it up at its next start.
///
/// # Errors
/// As [`pseudonym_key`].
pub fn rotate_pseudonym_key(dir: &Path, now: Timestamp) -> Result<PseudonymKey, StoreError> {
    let path = dir.join(FILE);
    let mut text = read(&path)?.unwrap_or_default();
    let epoch = epochs(&path, &text)?.last().map_or(0, |e| e.number.wrapping_add(1) % 32);
    push_random(&path, &mut text, epoch, Some(seconds(now)))?;
    write(&path, &text, true)?;
    Ok(last_two(&path, &text)?.0.key())
}

fn seconds(at: Timestamp) -> i64 {
    at.0 / 1_000_000
}

fn from_file(dir: &Path, now: Timestamp) -> Result<PseudonymKey, StoreError> {
    let path = dir.join(FILE);
    let text = match read(&path)? {
        Some(text) => text,
        None => {
            let mut text = Zeroizing::default();
            push_random(&path, &mut text, 0, None)?;
            write(&path, &text, false)?;
            // Another process may have been faster; its key is the one on disk.
            read(&path)?.unwrap_or(text)
        }
    };
    let (newest, before) = last_two(&path, &text)?;
    let in_grace = newest.began.is_some_and(|began| seconds(now) - began < GRACE_SECONDS);
    Ok(match before.filter(|_| in_grace) {
        Some(before) => newest.key().after(before.key()),
        None => newest.key(),
    })
}

/// The epoch in use and the one before it.
fn last_two(path: &Path, text: &[u8]) -> Result<(Epoch, Option<Epoch>), StoreError> {
    let mut all = epochs(path, text)?;
    let newest = all.pop().ok_or_else(|| problem(path, "it is empty; restore it, or delete it to begin anew"))?;
    Ok((newest, all.pop()))
}

fn problem(path: &Path, text: &str) -> StoreError {
    StoreError::Pseudonym { path: path.display().to_string(), problem: text.to_owned() }
}

fn read(path: &Path) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
    secret::read(path).map_err(|error| match error {
        FileError::Io(source) => failed(path, source),
        FileError::Open => problem(path, &error.to_string()),
    })
}

fn failed(path: &Path, source: io::Error) -> StoreError {
    StoreError::Io { path: path.display().to_string(), source }
}

/// One line of the file.
struct Epoch {
    number: u8,
    secret: Zeroizing<[u8; 32]>,
    /// Unix time of the rotation that began it, in seconds.
    began: Option<i64>,
}

impl Epoch {
    fn key(&self) -> PseudonymKey {
        PseudonymKey::new(self.number, &self.secret[..])
    }
}

fn epochs(path: &Path, text: &[u8]) -> Result<Vec<Epoch>, StoreError> {
    let parse = |line: &str| {
        let (epoch, rest) = line.split_once(' ')?;
        let number = epoch.parse().ok().filter(|e| *e < 32)?;
        let (hex, began) = match rest.split_once(' ') {
            Some((hex, began)) => (hex, Some(began.parse().ok()?)),
            None => (rest, None),
        };
        let hex = (hex.len() == 64 && hex.is_ascii()).then_some(hex)?;
        let mut secret = Zeroizing::new([0u8; 32]);
        for (i, byte) in secret.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).ok()?;
        }
        Some(Epoch { number, secret, began })
    };
    let bad =
        || problem(path, "it is damaged; restore it from a backup, or delete it to begin anew with new pseudonyms");
    std::str::from_utf8(text).map_err(|_| bad())?.lines().map(|line| parse(line).ok_or_else(bad)).collect()
}

/// Adds a line with a random key.
fn push_random(path: &Path, text: &mut Zeroizing<Vec<u8>>, epoch: u8, began: Option<i64>) -> Result<(), StoreError> {
    let key = secret::random_hex().map_err(|e| failed(path, e))?;
    // Room for everything at once, so that no copy of a secret is left behind by growing.
    let mut grown = Zeroizing::new(Vec::with_capacity(text.len() + 96));
    grown.extend_from_slice(text);
    grown.extend_from_slice(epoch.to_string().as_bytes());
    grown.push(b' ');
    grown.extend_from_slice(key.as_bytes());
    if let Some(began) = began {
        grown.extend_from_slice(format!(" {began}").as_bytes());
    }
    grown.push(b'\n');
    *text = grown;
    Ok(())
}

/// Writes the lines of `text`; without `replace` a file that is there stays.
fn write(path: &Path, text: &[u8], replace: bool) -> Result<(), StoreError> {
    secret::write(path, text, replace).map_err(|e| failed(path, e))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const NOW: Timestamp = Timestamp(1_777_636_800_000_000);

    #[test]
    fn the_key_is_made_once_and_stays() {
        let dir = tempfile::tempdir().unwrap();
        let first = from_file(dir.path(), NOW).unwrap();
        let again = from_file(dir.path(), NOW).unwrap();
        assert_eq!(first.tag(b"x"), again.tag(b"x"));
        assert_eq!(fs::metadata(dir.path().join(FILE)).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing is left beside it");
    }

    #[test]
    fn many_starts_at_once_agree() {
        let dir = tempfile::tempdir().unwrap();
        let tags: Vec<_> = std::thread::scope(|s| {
            let threads: Vec<_> = (0..8).map(|_| s.spawn(|| from_file(dir.path(), NOW).unwrap().tag(b"x"))).collect();
            threads.into_iter().map(|t| t.join().unwrap()).collect()
        });
        assert!(tags.windows(2).all(|w| w[0] == w[1]));
    }

    #[test]
    fn rotation_begins_an_epoch_and_keeps_the_old() {
        let dir = tempfile::tempdir().unwrap();
        let old = from_file(dir.path(), NOW).unwrap().tag(b"x");
        let new = rotate_pseudonym_key(dir.path(), NOW).unwrap().tag(b"x");
        assert_eq!((&old.as_str()[..1], &new.as_str()[..1]), ("0", "1"));
        assert_eq!(from_file(dir.path(), NOW).unwrap().tag(b"x"), new);
        assert_eq!(fs::read_to_string(dir.path().join(FILE)).unwrap().lines().count(), 2);
    }

    #[test]
    fn a_key_that_others_can_read_or_that_is_damaged_is_refused_without_showing_it() {
        let dir = tempfile::tempdir().unwrap();
        from_file(dir.path(), NOW).unwrap();
        let path = dir.path().join(FILE);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(from_file(dir.path(), NOW).err().unwrap().to_string().contains("chmod 600"));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let hex = "ab".repeat(32);
        for bad in ["0 abcdef\n", "", "99 00\n", "0 zz", &format!("0 {hex} soon"), &format!("0 {hex} 1 2")] {
            fs::write(&path, bad).unwrap();
            let e = from_file(dir.path(), NOW).err().unwrap().to_string();
            assert!(e.contains(FILE) && !e.contains("abcdef"), "{e}");
        }
    }

    #[test]
    fn a_key_that_is_gone_beside_its_state_is_told() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(lost_pseudonyms(dir.path()), None, "nothing was there before");
        fs::write(dir.path().join("state.db"), "x").unwrap();
        assert!(lost_pseudonyms(dir.path()).unwrap().contains("pseudonym.key is gone"));
        pseudonym_key(dir.path(), NOW).unwrap();
        assert_eq!(lost_pseudonyms(dir.path()), None);
    }

    #[test]
    fn the_variable_needs_enough_characters() {
        assert!(from_text(Zeroizing::new(b"short".to_vec()), "$X").is_err());
        let key = |text: &[u8]| from_text(Zeroizing::new(text.to_vec()), "$X").unwrap().tag(b"x");
        assert_eq!(key(b"0123456789abcdef"), key(b"0123456789abcdef\n"));
    }

    #[test]
    fn a_credential_is_read_when_it_is_there() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(PSEUDONYM_CREDENTIAL);
        assert!(given(&path).unwrap().is_none());
        secret::write(&path, b"0123456789abcdef\n", false).unwrap();
        let want = PseudonymKey::new(0, b"0123456789abcdef").tag(b"x");
        assert_eq!(given(&path).unwrap().unwrap().tag(b"x"), want);
        secret::write(&path, b"short", true).unwrap();
        assert!(given(&path).err().unwrap().to_string().contains(PSEUDONYM_CREDENTIAL));
    }

    #[test]
    fn for_a_time_after_a_rotation_keys_are_known_by_both_names() {
        let dir = tempfile::tempdir().unwrap();
        let line = br#"{"api_key":"lw_live_7Hq2Xv9Rm4Kt8Zb3"}"#;
        let redacted = |key: PseudonymKey| {
            let mut out = crate::redact::Redacted::default();
            crate::redact::Redactor::new(key).worker().redact(line, &mut out);
            (out.findings()[0].tag.unwrap(), out.renamed().to_vec())
        };
        let (old, none) = redacted(from_file(dir.path(), NOW).unwrap());
        assert_eq!(none, []);
        rotate_pseudonym_key(dir.path(), NOW).unwrap();
        let (new, pairs) = redacted(from_file(dir.path(), NOW).unwrap());
        assert_eq!(pairs, [(old, new)]);
        assert_ne!(old, new);
        let later = Timestamp(NOW.0 + GRACE_SECONDS * 1_000_000);
        assert_eq!(redacted(from_file(dir.path(), later).unwrap()), (new, vec![]));
    }
}
