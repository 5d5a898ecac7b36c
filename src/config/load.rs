//! Reading the file and its `conf.d`.

use std::fs;
use std::path::{Path, PathBuf};

use super::error::{ConfigError, Problem};
use super::model::Config;
use super::read::typed;
use super::tree::Tree;

/// A configuration file longer than this is refused.
const MAX_BYTES: u64 = 4 << 20;

/// Reads `path` and every `conf.d/*.toml` beside it, in the order of their names, as one configuration.
///
/// # Errors
/// [`ConfigError`] with every problem that was found: files that cannot be read, syntax, unknown keys, wrong types, and
/// names that lead nowhere.
pub fn load(path: &Path) -> Result<Config, ConfigError> {
    let texts = files(path)?.into_iter().map(|file| read(&file).map(|text| (file, text)));
    parse(texts.collect::<Result<_, _>>()?)
}

/// The files that [`load`] reads for `path`.
///
/// # Errors
/// [`ConfigError`] when `conf.d` is there and cannot be listed.
pub fn files(path: &Path) -> Result<Vec<PathBuf>, ConfigError> {
    let dir = path.parent().unwrap_or(Path::new("")).join("conf.d");
    let entries = match fs::read_dir(&dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(vec![path.to_owned()]),
        Err(error) => return Err(whole_file(&dir, &error)),
    };
    let mut parts = Vec::new();
    for entry in entries {
        let part = entry.map_err(|error| whole_file(&dir, &error))?.path();
        let hidden = part.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if part.extension().is_some_and(|e| e == "toml") && !hidden {
            parts.push(part);
        }
    }
    parts.sort();
    parts.insert(0, path.to_owned());
    Ok(parts)
}

/// Reads a configuration from texts with the names of their files, the main file first.
///
/// # Errors
/// As [`load`].
pub fn parse(files: Vec<(PathBuf, String)>) -> Result<Config, ConfigError> {
    let tree = Tree::parse(files).map_err(|problems| ConfigError { problems })?;
    let config: Config = typed(&tree).map_err(|problems| ConfigError { problems })?;
    let problems = super::checks::check(&config, &tree);
    if problems.is_empty() { Ok(config) } else { Err(ConfigError { problems }) }
}

fn read(path: &Path) -> Result<String, ConfigError> {
    let size = fs::metadata(path).map_err(|error| whole_file(path, &error))?.len();
    if size > MAX_BYTES {
        let why = std::io::Error::other(format!("{size} bytes are too many for a configuration (at most {MAX_BYTES})"));
        return Err(whole_file(path, &why));
    }
    let bytes = fs::read(path).map_err(|error| whole_file(path, &error))?;
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let line = error.as_bytes()[..at].iter().filter(|b| **b == b'\n').count() + 1;
        whole_file(path, &std::io::Error::other(format!("line {line} is not UTF-8 text")))
    })
}

fn whole_file(path: &Path, error: &std::io::Error) -> ConfigError {
    let help = match error.kind() {
        std::io::ErrorKind::NotFound => Some("`logwarden init` writes a commented one to begin with".to_owned()),
        std::io::ErrorKind::PermissionDenied => Some("the user that runs logwarden must be able to read it".to_owned()),
        _ => None,
    };
    let message = format!("cannot read the configuration: {error}");
    Problem { file: path.to_owned(), line: 0, col: 1, len: 1, source: String::new(), message, help }.into()
}
