//! Files that hold a key of ours: read only when they are private, written whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::units::push_hex;

/// Why a key file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// What the system said.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Its mode lets everybody in.
    #[error("every user can read or change it; run chmod 600 on it, and use a new key")]
    Open,
}

/// Where the service manager put the credential `name` (systemd's `LoadCredential=`), when it gave us any.
pub fn credential(name: &str) -> Option<PathBuf> {
    Some(PathBuf::from(std::env::var_os("CREDENTIALS_DIRECTORY")?).join(name))
}

/// What the file at `path` holds; `None` when there is none.
///
/// # Errors
/// When it cannot be read, or users outside its group can.
pub fn read(path: &Path) -> Result<Option<Zeroizing<Vec<u8>>>, FileError> {
    let mode = match fs::metadata(path) {
        Ok(meta) => meta.permissions().mode(),
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(e.into()),
    };
    if mode & 0o007 != 0 {
        return Err(FileError::Open);
    }
    Ok(Some(Zeroizing::new(fs::read(path)?)))
}

/// Writes `text` beside the file (mode 0600), syncs, and puts it in place in one step; without `replace` a file that is
/// there stays. Makes the directory when there is none.
///
/// # Errors
/// When the system refuses any of it.
pub fn write(path: &Path, text: &[u8], replace: bool) -> io::Result<()> {
    let Some(dir) = path.parent() else { return Err(io::ErrorKind::InvalidInput.into()) };
    fs::create_dir_all(dir)?;
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{:016x}", getrandom::u64()?));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
    file.write_all(text)?;
    file.sync_all()?;
    if replace {
        fs::rename(&beside, path)?;
    } else {
        let linked = fs::hard_link(&beside, path);
        fs::remove_file(&beside)?;
        linked.or_else(|e| if e.kind() == io::ErrorKind::AlreadyExists { Ok(()) } else { Err(e) })?;
    }
    File::open(dir)?.sync_all()
}

/// A random secret of 256 bits, in 64 hex digits.
///
/// # Errors
/// When the system gives no randomness.
pub fn random_hex() -> io::Result<Zeroizing<String>> {
    let mut random = Zeroizing::new([0u8; 32]);
    getrandom::fill(&mut random[..])?;
    // Room for all of it at once, so that growing leaves no copy behind.
    let mut text = Zeroizing::new(String::with_capacity(64));
    push_hex(&mut text, &random[..]);
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_file_is_private_whole_and_not_overwritten_by_chance() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("new/x.key");
        assert!(read(&path).unwrap().is_none());
        write(&path, b"first", false).unwrap();
        write(&path, b"second", false).unwrap();
        assert_eq!(read(&path).unwrap().unwrap().as_slice(), b"first");
        write(&path, b"third", true).unwrap();
        assert_eq!(read(&path).unwrap().unwrap().as_slice(), b"third");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(dir.path().join("new")).unwrap().count(), 1, "nothing is left beside it");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o604)).unwrap();
        assert!(matches!(read(&path), Err(FileError::Open)));
    }

    #[test]
    fn random_secrets_differ() {
        let (a, b) = (random_hex().unwrap(), random_hex().unwrap());
        assert_eq!((a.len(), b.len()), (64, 64));
        assert_ne!(a, b);
    }
}
