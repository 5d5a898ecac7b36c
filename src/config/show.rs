//! The configuration as it is understood.

use super::error::without_secrets;
use super::model::Config;

/// The whole configuration as TOML: files merged, defaults filled in, secrets hidden.
///
/// # Errors
/// When a value has no TOML form.
pub fn show(config: &Config) -> Result<String, toml::ser::Error> {
    Ok(without_secrets(&toml::to_string(config)?))
}
