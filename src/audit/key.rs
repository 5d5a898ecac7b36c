//! The key of the chain: a file of its own, or a credential of the service manager.

use std::io;
use std::path::Path;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::error::AuditError;
use crate::secret::{self, FileError};

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
        let credential = secret::credential(AUDIT_CREDENTIAL).map(|path| Self::read(&path)).transpose()?;
        credential.flatten().map_or_else(|| Self::read(&dir.join(KEY_FILE)), |key| Ok(Some(key)))
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
        let text = secret::random_hex().map_err(AuditError::io(&path))?;
        secret::write(&path, text.as_bytes(), false).map_err(AuditError::io(&path))?;
        // Another process may have been faster; its key is the one on disk.
        Self::read(&path)?.ok_or_else(|| AuditError::io(&path)(io::ErrorKind::NotFound.into()))
    }

    /// The key in a file; `None` when there is no such file.
    ///
    /// # Errors
    /// When it cannot be read, is readable by others, or is too short.
    pub fn read(path: &Path) -> Result<Option<Self>, AuditError> {
        let problem = |problem: String| AuditError::Key { path: path.display().to_string(), problem };
        let text = secret::read(path).map_err(|error| match error {
            FileError::Io(source) => AuditError::io(path)(source),
            FileError::Open => problem(error.to_string()),
        })?;
        let Some(text) = text else { return Ok(None) };
        let secret = text.trim_ascii();
        if secret.len() < MIN_SECRET {
            return Err(problem(format!("it has fewer than {MIN_SECRET} characters; restore it from a backup")));
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

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

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
