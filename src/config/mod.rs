//! The configuration file: each room's own section, composed and checked.
//!
//! [`load`] reads one TOML file and the `conf.d/*.toml` beside it, and either gives a [`Config`] that can run or a
//! [`ConfigError`] that names every problem with its file, line and column and the way out.

mod checks;
mod error;
mod geoip;
mod load;
mod model;
mod plain;
mod read;
mod reference;
mod rules;
mod show;
mod suggest;
mod tree;

pub use error::{ConfigError, Problem};
pub use geoip::{GeoipConfig, GeoipError};
pub use load::{files, load, parse};
pub use model::Config;
pub use read::{MOST_PROBLEMS, mistake};
pub use reference::{reference, schema};
pub use rules::{RulesConfig, RulesError};
pub use show::{from_table, show, to_table};
pub use suggest::nearest;
