//! The configuration as it is understood, and the way between its sections and TOML's own values.
//!
//! Sections go by way of JSON, which the schema needs anyhow, and come back through [`super::plain`]: the code that reads
//! and writes each section is there once, and not once more for each format. That is megabytes.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde::ser::Error;
use serde_json::Value;

use super::error::without_secrets;
use super::model::Config;
use super::plain;

/// The whole configuration as TOML: files merged, defaults filled in, secrets hidden.
///
/// # Errors
/// When a value has no TOML form.
pub fn show(config: &Config) -> Result<String, toml::ser::Error> {
    Ok(without_secrets(&toml::to_string(&as_json(config)?)?))
}

/// A section as a table.
///
/// # Errors
/// When a value has no TOML form.
pub fn to_table(section: &impl Serialize) -> Result<toml::Table, toml::ser::Error> {
    toml::Table::try_from(as_json(section)?)
}

/// A section from a table.
///
/// # Errors
/// What serde says about the first mistake.
pub fn from_table<T: DeserializeOwned>(table: toml::Table) -> Result<T, String> {
    plain::read(toml::Value::Table(table)).map_err(|error| error.to_string())
}

fn as_json(section: &impl Serialize) -> Result<Value, toml::ser::Error> {
    let mut value = serde_json::to_value(section).map_err(toml::ser::Error::custom)?;
    without_nulls(&mut value);
    Ok(value)
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
