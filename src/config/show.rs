//! The configuration as it is understood.

use serde_json::Value;

use super::error::without_secrets;
use super::model::Config;

/// The whole configuration as TOML: files merged, defaults filled in, secrets hidden.
///
/// # Errors
/// When a value has no TOML form.
pub fn show(config: &Config) -> Result<String, toml::ser::Error> {
    // by way of JSON, which the schema needs anyhow: one serializer for all sections instead of two
    let mut value = serde_json::to_value(config).map_err(<toml::ser::Error as serde::ser::Error>::custom)?;
    without_nulls(&mut value);
    Ok(without_secrets(&toml::to_string(&value)?))
}

/// TOML knows no null: what is not set is not there.
fn without_nulls(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|_, value| !value.is_null());
            map.values_mut().for_each(without_nulls);
        }
        Value::Array(items) => {
            items.retain(|value| !value.is_null());
            items.iter_mut().for_each(without_nulls);
        }
        _ => {}
    }
}
