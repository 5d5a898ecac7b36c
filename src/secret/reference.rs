//! Secrets of our own in the configuration: written as references, read late, never printed, wiped when dropped.
//!
//! `"${env:NAME}"` is an environment variable, `"${file:/path}"` a file, `"${cred:NAME}"` a systemd credential
//! (`LoadCredential=`). Anything else is the secret itself.

use std::ffi::OsString;
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

#[cfg(test)]
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

/// The longest secret that is read from a file, in bytes.
pub const MAX_SECRET_BYTES: u64 = 64 << 10;

/// Why a secret could not be had. Names the variable or file, never the value.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The variable is not there.
    #[error("environment variable {0} is not set; set it or use ${{file:/path}}")]
    NoVariable(String),
    /// The variable or file is there, with nothing in it.
    #[error("the secret in {0} is empty")]
    Empty(String),
    /// Not text.
    #[error("the secret in {0} is not valid UTF-8")]
    NotText(String),
    /// The file cannot be read.
    #[error("cannot read the secret file {path}: {source}")]
    File {
        /// The file.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is no secret.
    #[error("the secret file {0} is larger than 64 KiB; is it the right file?")]
    TooLong(String),
    /// Not started by systemd with this credential.
    #[error(
        "credential {0} was asked for, but $CREDENTIALS_DIRECTORY is not set; add LoadCredential={0}:/path to the unit"
    )]
    NoCredentials(String),
    /// A reference that we do not know.
    #[error("unknown kind of secret reference; write ${{env:NAME}}, ${{file:/path}} or ${{cred:NAME}}")]
    Reference,
}

/// A secret value of the configuration, or where to find it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Place);

#[derive(Clone, PartialEq, Eq)]
enum Place {
    Env(String),
    File(PathBuf),
    Cred(String),
    Literal(Zeroizing<String>),
}

impl Secret {
    /// Reads a reference, or takes the text as the secret itself.
    ///
    /// # Errors
    /// [`SecretError::Reference`] for `${...}` of a kind that we do not know or with nothing in it.
    pub fn parse(text: &str) -> Result<Self, SecretError> {
        let Some(inner) = text.strip_prefix("${").and_then(|t| t.strip_suffix('}')) else {
            return Ok(Self(Place::Literal(Zeroizing::new(text.to_owned()))));
        };
        let (kind, name) = inner.split_once(':').ok_or(SecretError::Reference)?;
        let plain = !name.is_empty() && !name.contains(['\0', '\n', '=']);
        match kind {
            "env" if plain => Ok(Self(Place::Env(name.to_owned()))),
            "file" if plain => Ok(Self(Place::File(PathBuf::from(name)))),
            "cred" if plain && !name.contains('/') && name != ".." => Ok(Self(Place::Cred(name.to_owned()))),
            _ => Err(SecretError::Reference),
        }
    }

    /// The value, wiped when dropped. One trailing line break of a file is not part of it.
    ///
    /// # Errors
    /// When the variable or file is absent, unreadable, empty, too long or not UTF-8.
    pub fn resolve(&self) -> Result<Zeroizing<String>, SecretError> {
        self.resolve_in(&|name| std::env::var_os(name))
    }

    /// What is unsafe about the place, if anything: a file that every user of the machine can read.
    pub fn warning(&self) -> Option<String> {
        let path = self.path(&|name| std::env::var_os(name)).ok()??;
        let mode = std::fs::metadata(&path).ok()?.permissions().mode();
        (mode & 0o004 != 0).then(|| {
            let path = path.display();
            format!(
                "the secret file {path} can be read by every user (mode {:03o}); run chmod o-r {path}",
                mode & 0o777
            )
        })
    }

    fn path(&self, env: &dyn Fn(&str) -> Option<OsString>) -> Result<Option<PathBuf>, SecretError> {
        match &self.0 {
            Place::File(path) => Ok(Some(path.clone())),
            Place::Cred(name) => {
                let dir = env("CREDENTIALS_DIRECTORY").ok_or_else(|| SecretError::NoCredentials(name.clone()))?;
                Ok(Some(Path::new(&dir).join(name)))
            }
            Place::Env(_) | Place::Literal(_) => Ok(None),
        }
    }

    fn resolve_in(&self, env: &dyn Fn(&str) -> Option<OsString>) -> Result<Zeroizing<String>, SecretError> {
        if let Some(path) = self.path(env)? {
            return read(&path);
        }
        match &self.0 {
            Place::Literal(value) => Ok(value.clone()),
            Place::Env(name) => {
                let value = env(name).ok_or_else(|| SecretError::NoVariable(name.clone()))?;
                let value = value.into_string().map_err(|_| SecretError::NotText(format!("${name}")))?;
                if value.is_empty() { Err(SecretError::Empty(format!("${name}"))) } else { Ok(Zeroizing::new(value)) }
            }
            Place::File(_) | Place::Cred(_) => Err(SecretError::Reference),
        }
    }
}

fn read(path: &Path) -> Result<Zeroizing<String>, SecretError> {
    let name = || path.display().to_string();
    let failed = |source| SecretError::File { path: name(), source };
    let mut bytes = Zeroizing::new(Vec::with_capacity(4096));
    File::open(path).map_err(failed)?.take(MAX_SECRET_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > MAX_SECRET_BYTES {
        return Err(SecretError::TooLong(name()));
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| SecretError::NotText(name()))?;
    let text = text.strip_suffix('\n').unwrap_or(text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    if text.is_empty() { Err(SecretError::Empty(name())) } else { Ok(Zeroizing::new(text.to_owned())) }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = Zeroizing::new(String::deserialize(d)?);
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// References are written as they were read; a secret that stands in the file itself is written as `***`.
impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Place::Env(name) => s.collect_str(&format_args!("${{env:{name}}}")),
            Place::File(path) => s.collect_str(&format_args!("${{file:{}}}", path.display())),
            Place::Cred(name) => s.collect_str(&format_args!("${{cred:{name}}}")),
            Place::Literal(_) => s.serialize_str("***"),
        }
    }
}

#[cfg(test)]
impl JsonSchema for Secret {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Secret".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "A secret: ${env:NAME}, ${file:/path}, ${cred:NAME}, or the secret itself."
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn secret(text: &str) -> Secret {
        Secret::parse(text).unwrap()
    }

    fn env(name: &str) -> Option<OsString> {
        match name {
            "SMTP_PASSWORD" => Some("hunter2".into()),
            "BLANK" => Some("".into()),
            _ => None,
        }
    }

    #[test]
    fn a_variable_is_read_late_and_named_when_absent() {
        assert_eq!(secret("${env:SMTP_PASSWORD}").resolve_in(&env).unwrap().as_str(), "hunter2");
        let absent = secret("${env:NOPE}").resolve_in(&env).unwrap_err().to_string();
        assert!(absent.contains("NOPE"), "{absent}");
        assert!(matches!(secret("${env:BLANK}").resolve_in(&env), Err(SecretError::Empty(_))));
    }

    #[test]
    fn a_file_loses_one_line_break_only() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pw");
        for (bytes, want) in [("s3\n", "s3"), ("s3\r\n", "s3"), ("s3\n\n", "s3\n"), (" s3 ", " s3 ")] {
            fs::write(&path, bytes).unwrap();
            assert_eq!(secret(&format!("${{file:{}}}", path.display())).resolve().unwrap().as_str(), want);
        }
        fs::write(&path, "\n").unwrap();
        let e = secret(&format!("${{file:{}}}", path.display())).resolve().unwrap_err().to_string();
        assert!(e.contains("pw") && e.contains("empty"), "{e}");
    }

    #[test]
    fn errors_name_the_file_and_never_hold_the_value() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pw");
        fs::write(&path, b"topsecret\xff").unwrap();
        let e = secret(&format!("${{file:{}}}", path.display())).resolve().unwrap_err();
        assert!(e.to_string().contains("pw") && !format!("{e} {e:?}").contains("topsecret"));
        fs::write(&path, vec![b'x'; 70 << 10]).unwrap();
        assert!(matches!(secret(&format!("${{file:{}}}", path.display())).resolve(), Err(SecretError::TooLong(_))));
        assert!(matches!(secret("${file:/nowhere/pw}").resolve(), Err(SecretError::File { .. })));
    }

    #[test]
    fn a_world_readable_file_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pw");
        fs::write(&path, "s3").unwrap();
        let s = secret(&format!("${{file:{}}}", path.display()));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(s.warning(), None);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(s.warning().unwrap().contains("644"));
    }

    #[test]
    fn a_credential_lies_in_the_directory_that_systemd_names() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("smtp"), "s3\n").unwrap();
        let found = |name: &str| (name == "CREDENTIALS_DIRECTORY").then(|| dir.path().as_os_str().to_owned());
        assert_eq!(secret("${cred:smtp}").resolve_in(&found).unwrap().as_str(), "s3");
        assert!(matches!(secret("${cred:smtp}").resolve_in(&env), Err(SecretError::NoCredentials(_))));
        assert!(Secret::parse("${cred:../smtp}").is_err());
    }

    #[test]
    fn nothing_prints_a_secret() {
        let s: Secret = serde_json::from_str("\"hunter2\"").unwrap();
        assert_eq!(s.resolve().unwrap().as_str(), "hunter2");
        assert_eq!(format!("{s:?}"), "Secret(..)");
        assert_eq!(serde_json::to_string(&s).unwrap(), "\"***\"");
        assert_eq!(serde_json::to_string(&secret("${env:A}")).unwrap(), "\"${env:A}\"");
        for bad in ["${env:}", "${vault:x}", "${x}"] {
            assert!(serde_json::from_str::<Secret>(&format!("\"{bad}\"")).is_err(), "{bad}");
        }
    }
}
