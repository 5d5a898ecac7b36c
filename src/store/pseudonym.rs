//! The pseudonym key: a small file of its own, so that damage to the database never loses it.
//!
//! One line an epoch, newest last: the epoch's number, a space, 64 hex digits. The last line is in use.

use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use zeroize::Zeroizing;

use super::db::StoreError;
use crate::redact::PseudonymKey;

/// The file's name in the state directory.
const FILE: &str = "pseudonym.key";

/// The variable that wins over the file: a secret of at least 16 characters, the same on every machine of a fleet.
pub const PSEUDONYM_VARIABLE: &str = "LOGWARDEN_PSEUDONYM_KEY";

/// Fewer characters in the variable are refused.
const MIN_SECRET: usize = 16;

/// The installation's pseudonym key: from `LOGWARDEN_PSEUDONYM_KEY`, else from its file in `dir`, which is made (mode
/// 0600) when it is absent.
///
/// # Errors
/// When the variable is too short, or the file cannot be made, is readable by others, or does not hold a key.
pub fn pseudonym_key(dir: &Path) -> Result<PseudonymKey, StoreError> {
    let set = std::env::var_os(PSEUDONYM_VARIABLE).filter(|v| !v.is_empty());
    let Some(value) = set else { return from_file(dir) };
    from_text(Zeroizing::new(value.into_encoded_bytes()))
}

fn from_text(value: Zeroizing<Vec<u8>>) -> Result<PseudonymKey, StoreError> {
    if value.len() < MIN_SECRET {
        let problem = format!("it has fewer than {MIN_SECRET} characters; use 32 random ones");
        return Err(StoreError::Pseudonym { path: format!("${PSEUDONYM_VARIABLE}"), problem });
    }
    Ok(PseudonymKey::new(0, &value))
}

/// Begins a new epoch: pseudonyms made from now on differ from those before. Returns the new key; the old ones stay in
/// the file.
///
/// # Errors
/// As [`pseudonym_key`].
pub fn rotate_pseudonym_key(dir: &Path) -> Result<PseudonymKey, StoreError> {
    let path = dir.join(FILE);
    let mut text = read(&path)?.unwrap_or_default();
    let epoch = epochs(&path, &text)?.last().map_or(0, |(n, _)| n.wrapping_add(1) % 32);
    let key = push_random(&mut text, epoch)?;
    write_new(dir, &path, &text, true)?;
    Ok(key)
}

fn from_file(dir: &Path) -> Result<PseudonymKey, StoreError> {
    let path = dir.join(FILE);
    let mut text = match read(&path)? {
        Some(text) => text,
        None => {
            let mut text = Zeroizing::new(String::new());
            push_random(&mut text, 0)?;
            write_new(dir, &path, &text, false)?;
            // Another process may have been faster; its key is the one on disk.
            read(&path)?.unwrap_or(text)
        }
    };
    let newest = epochs(&path, &text)?.pop();
    text.clear();
    let (epoch, secret) =
        newest.ok_or_else(|| problem(&path, "it is empty; restore it, or delete it to begin anew"))?;
    Ok(PseudonymKey::new(epoch, &secret[..]))
}

fn problem(path: &Path, text: &str) -> StoreError {
    StoreError::Pseudonym { path: path.display().to_string(), problem: text.to_owned() }
}

fn read(path: &Path) -> Result<Option<Zeroizing<String>>, StoreError> {
    let failed = |source| StoreError::Io { path: path.display().to_string(), source };
    let mode = match fs::metadata(path) {
        Ok(m) => m.permissions().mode(),
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(failed(e)),
    };
    if mode & 0o007 != 0 {
        return Err(problem(path, "every user can read or change it; run chmod 600 on it, and rotate it"));
    }
    fs::read_to_string(path).map(|t| Some(Zeroizing::new(t))).map_err(failed)
}

type Epoch = (u8, Zeroizing<[u8; 32]>);

fn epochs(path: &Path, text: &str) -> Result<Vec<Epoch>, StoreError> {
    let parse = |line: &str| {
        let (epoch, hex) = line.split_once(' ')?;
        let epoch = epoch.parse().ok().filter(|e| *e < 32)?;
        let hex = (hex.len() == 64 && hex.is_ascii()).then_some(hex)?;
        let mut secret = Zeroizing::new([0u8; 32]);
        for (i, byte) in secret.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).ok()?;
        }
        Some((epoch, secret))
    };
    let bad =
        || problem(path, "it is damaged; restore it from a backup, or delete it to begin anew with new pseudonyms");
    text.lines().map(|line| parse(line).ok_or_else(bad)).collect()
}

fn push_random(text: &mut String, epoch: u8) -> Result<PseudonymKey, StoreError> {
    let mut secret = Zeroizing::new([0u8; 32]);
    let failed = |e: getrandom::Error| StoreError::Io { path: "the system's randomness".to_owned(), source: e.into() };
    getrandom::fill(&mut secret[..]).map_err(failed)?;
    // Room for everything at once, so that no copy of the secret is left behind by growing.
    let mut grown = Zeroizing::new(String::with_capacity(text.len() + 72));
    grown.push_str(text);
    let _writing_to_a_string_cannot_fail = write!(grown, "{epoch} ");
    for byte in secret.iter() {
        let _writing_to_a_string_cannot_fail = write!(grown, "{byte:02x}");
    }
    grown.push('\n');
    std::mem::swap(text, &mut grown);
    Ok(PseudonymKey::new(epoch, &secret[..]))
}

/// Writes beside the file, syncs, and puts it in place in one step; without `replace` a file that is there stays.
fn write_new(dir: &Path, path: &Path, text: &str, replace: bool) -> Result<(), StoreError> {
    let mut unique = [0u8; 8];
    let no_randomness = |e: getrandom::Error| StoreError::Io { path: path.display().to_string(), source: e.into() };
    getrandom::fill(&mut unique).map_err(no_randomness)?;
    let temporary = dir.join(format!("{FILE}.{:016x}", u64::from_le_bytes(unique)));
    let failed = |source| StoreError::Io { path: temporary.display().to_string(), source };
    let write = || {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        if replace {
            fs::rename(&temporary, path)?;
        } else {
            match fs::hard_link(&temporary, path) {
                Err(e) if e.kind() != io::ErrorKind::AlreadyExists => return Err(e),
                _ => fs::remove_file(&temporary)?,
            }
        }
        File::open(dir)?.sync_all()
    };
    std::fs::create_dir_all(dir).and_then(|()| write()).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_made_once_and_stays() {
        let dir = tempfile::tempdir().unwrap();
        let first = from_file(dir.path()).unwrap();
        let again = from_file(dir.path()).unwrap();
        assert_eq!(first.tag(b"x"), again.tag(b"x"));
        assert_eq!(fs::metadata(dir.path().join(FILE)).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing is left beside it");
    }

    #[test]
    fn many_starts_at_once_agree() {
        let dir = tempfile::tempdir().unwrap();
        let tags: Vec<_> = std::thread::scope(|s| {
            let threads: Vec<_> = (0..8).map(|_| s.spawn(|| from_file(dir.path()).unwrap().tag(b"x"))).collect();
            threads.into_iter().map(|t| t.join().unwrap()).collect()
        });
        assert!(tags.windows(2).all(|w| w[0] == w[1]));
    }

    #[test]
    fn rotation_begins_an_epoch_and_keeps_the_old() {
        let dir = tempfile::tempdir().unwrap();
        let old = from_file(dir.path()).unwrap().tag(b"x");
        let new = rotate_pseudonym_key(dir.path()).unwrap().tag(b"x");
        assert_eq!((&old.as_str()[..1], &new.as_str()[..1]), ("0", "1"));
        assert_eq!(from_file(dir.path()).unwrap().tag(b"x"), new);
        assert_eq!(fs::read_to_string(dir.path().join(FILE)).unwrap().lines().count(), 2);
    }

    #[test]
    fn a_key_that_others_can_read_or_that_is_damaged_is_refused_without_showing_it() {
        let dir = tempfile::tempdir().unwrap();
        from_file(dir.path()).unwrap();
        let path = dir.path().join(FILE);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(from_file(dir.path()).err().unwrap().to_string().contains("chmod 600"));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        for bad in ["0 abcdef\n", "", "99 00\n", "0 zz"] {
            fs::write(&path, bad).unwrap();
            let e = from_file(dir.path()).err().unwrap().to_string();
            assert!(e.contains(FILE) && !e.contains("abcdef"), "{e}");
        }
    }

    #[test]
    fn the_variable_needs_enough_characters() {
        assert!(from_text(Zeroizing::new(b"short".to_vec())).is_err());
        let (a, b) = (b"0123456789abcdef".to_vec(), b"0123456789abcdef".to_vec());
        assert_eq!(from_text(Zeroizing::new(a)).unwrap().tag(b"x"), from_text(Zeroizing::new(b)).unwrap().tag(b"x"));
    }
}
