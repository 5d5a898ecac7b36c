//! The `[geoip]` section: the operator's own databases of where addresses are.

use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::alert::Geo;

/// Databases in the MaxMind DB format. None is part of logwarden; MaxMind, DB-IP, IPinfo and others publish them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct GeoipConfig {
    /// Files: any of city, country and autonomous system (ASN). They are read at the start and at each reload.
    #[cfg_attr(test, schemars(example = ["/var/lib/GeoIP/GeoLite2-City.mmdb", "/var/lib/GeoIP/GeoLite2-ASN.mmdb"]))]
    pub databases: Vec<PathBuf>,
}

impl GeoipConfig {
    /// Reads the databases; `None` when none is named.
    ///
    /// # Errors
    /// Names the file that cannot be read or is no such database.
    pub fn read(&self) -> Result<Option<Arc<Geo>>, GeoipError> {
        if self.databases.is_empty() {
            return Ok(None);
        }
        let read = |path: &PathBuf| std::fs::read(path).map_err(|e| GeoipError::Read(path.clone(), e));
        let files = self.databases.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        let geo = Geo::new(files).map_err(|(at, why)| GeoipError::Form(self.databases[at].clone(), why))?;
        Ok(Some(Arc::new(geo)))
    }
}

/// Why databases cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum GeoipError {
    /// A file that cannot be read.
    #[error("geoip.databases: cannot read {path}: {source}", path = .0.display(), source = .1)]
    Read(PathBuf, std::io::Error),
    /// A file that is no such database.
    #[error("geoip.databases: {path} is no MaxMind DB file: {why}", path = .0.display(), why = .1)]
    Form(PathBuf, String),
}
