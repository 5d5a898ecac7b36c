//! The key of the chain: a file of its own, or a credential of the service manager.

use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::error::AuditError;

/// The file's name in the state directory.
pub const KEY_FILE: &str = "audit.key";

/// The credential that wins over the file (`LoadCredential=logwarden-audit-key:/path`).
pub const AUDIT_CREDENTIAL: &str = "logwarden-audit-key";

/// Fewer characters are refused.
const MIN_SECRET: usize = 16;

/// The key of the chain. Never printed; wiped when dropped.
#[derive(Clone)]
pub struct AuditKey(Hmac<Sha256>);

impl AuditKey {
    /// A key from its secret bytes.
    pub fn new(secret: &[u8]) -> Self {
        match Hmac::<Sha256>::new_from_slice(secret) {
            Ok(mac) => Self(mac),
            Err(_) => unreachable!("HMAC takes keys of every length"),
        }
    }

    /// The key of the installation whose state is in `dir`: the credential, else the file. `None` when there is neither.
    ///
    /// # Errors
    /// When it is there and cannot be read, is readable by others, or is too short.
    pub fn find(dir: &Path) -> Result<Option<Self>, AuditError> {
        let credentials = std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
        if let Some(credential) = credentials.map(|c| c.join(AUDIT_CREDENTIAL))
            && let Some(key) = Self::read(&credential)?
        {
            return Ok(Some(key));
        }
        Self::read(&dir.join(KEY_FILE))
    }

    /// The same; the file is made (mode 0600) when there is none.
    ///
    /// # Errors
    /// As [`AuditKey::find`], and when the file cannot be made.
    pub fn find_or_make(dir: &Path) -> Result<Self, AuditError> {
        if let Some(key) = Self::find(dir)? {
            return Ok(key);
        }
        let path = dir.join(KEY_FILE);
        make(dir, &path).map_err(AuditError::io(&path))?;
        Self::read(&path)?.ok_or_else(|| AuditError::io(&path)(io::ErrorKind::NotFound.into()))
    }

    /// The key in a file; `None` when there is no such file.
    ///
    /// # Errors
    /// When it cannot be read, is readable by others, or is too short.
    pub fn read(path: &Path) -> Result<Option<Self>, AuditError> {
        let problem = |problem: &str| AuditError::Key { path: path.display().to_string(), problem: problem.to_owned() };
        let mode = match fs::metadata(path) {
            Ok(meta) => meta.permissions().mode(),
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(AuditError::io(path)(e)),
        };
        if mode & 0o007 != 0 {
            return Err(problem("every user can read or change it; run chmod 600 on it"));
        }
        let text = fs::read(path).map(Zeroizing::new).map_err(AuditError::io(path))?;
        let secret = text.trim_ascii();
        if secret.len() < MIN_SECRET {
            return Err(problem("it has fewer than 16 characters; restore it from a backup"));
        }
        Ok(Some(Self::new(secret)))
    }

    /// The code of `bytes` under this key.
    pub(super) fn mac(&self, bytes: &[u8]) -> [u8; 32] {
        let mut mac = self.0.clone();
        mac.update(bytes);
        mac.finalize().into_bytes().into()
    }
}

/// Writes a random key beside the file and puts it in place in one step; one that is there stays.
fn make(dir: &Path, path: &Path) -> io::Result<()> {
    let mut random = Zeroizing::new([0u8; 40]);
    getrandom::fill(&mut random[..]).map_err(io::Error::from)?;
    let (secret, unique) = random.split_at(32);
    let mut text = Zeroizing::new(String::with_capacity(65));
    for byte in secret {
        let _writing_to_a_string_cannot_fail = write!(text, "{byte:02x}");
    }
    text.push('\n');
    let unique = unique.iter().fold(0u64, |n, b| n << 8 | u64::from(*b));
    let temporary = dir.join(format!("{KEY_FILE}.{unique:016x}"));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    let linked = match fs::hard_link(&temporary, path) {
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => Err(e),
        _ => Ok(()),
    };
    fs::remove_file(&temporary)?;
    linked?;
    File::open(dir)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_made_once_private_and_stays() {
        let dir = tempfile::tempdir().unwrap();
        assert!(AuditKey::find(dir.path()).unwrap().is_none());
        let first = AuditKey::find_or_make(dir.path()).unwrap();
        assert_eq!(AuditKey::find_or_make(dir.path()).unwrap().mac(b"x"), first.mac(b"x"));
        let path = dir.path().join(KEY_FILE);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing is left beside it");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o604)).unwrap();
        assert!(AuditKey::find(dir.path()).err().unwrap().to_string().contains("chmod 600"));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&path, "short").unwrap();
        assert!(AuditKey::find(dir.path()).err().unwrap().to_string().contains(KEY_FILE));
    }
}
