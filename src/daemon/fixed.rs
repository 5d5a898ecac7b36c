//! What a reload cannot change: where the state is. Everything that is known stands there, and it is open and locked;
//! another directory would be another installation, with other pseudonyms and inputs that are read from their beginning.

use std::fs;
use std::path::{Path, PathBuf};

use super::service::StartError;
use crate::config::Config;

/// Whether `new` may take the place of `running` without a restart.
///
/// # Errors
/// [`StartError::Fixed`] names what may not.
pub fn may_replace(running: &Config, new: &Config) -> Result<(), StartError> {
    // that there is no place at all is told elsewhere
    let (Some(stays), Some(wanted)) = (running.state.resolve(), new.state.resolve()) else { return Ok(()) };
    if real(&stays) == real(&wanted) {
        return Ok(());
    }
    Err(StartError::Fixed { stays: stays.display().to_string(), wanted: wanted.display().to_string() })
}

/// The directory however it is spelled; one that is not there as it is spelled.
fn real(dir: &Path) -> PathBuf {
    fs::canonicalize(dir).unwrap_or_else(|_| dir.to_owned())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn the_state_stays_where_it_is_however_that_is_spelled() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        fs::create_dir(root.join("state")).unwrap();
        fs::create_dir(root.join("other")).unwrap();
        symlink(root.join("state"), root.join("link")).unwrap();
        let config = |name: &str| {
            let mut config = Config::default();
            config.state.dir = Some(root.join(name));
            config
        };
        for same in ["state", "state/", "./other/../state", "link"] {
            assert!(may_replace(&config("state"), &config(same)).is_ok(), "{same}");
        }
        for new in ["other", "not there yet"] {
            let error = may_replace(&config("state"), &config(new)).unwrap_err();
            assert!(error.is_config());
            let (text, root) = (error.to_string(), root.display());
            assert!(text.contains(&format!("it stays {root}/state")), "{text}");
            assert!(text.contains(&format!("restart to apply {root}/{new}")), "{text}");
        }
    }
}
