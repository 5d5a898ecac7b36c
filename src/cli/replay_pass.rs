//! One pass of `replay` over its files, with the settings as they are and with others.

use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::Context;

use super::exit::{Exit, Failure};
use super::reading;
use super::replay_lane::Lane;
use super::style::plain;
use super::unpack::unpacked;
use crate::alert::{Alert, CalendarConfig, DetectConfig, KeyConfig, Monitor, Replay, Report, Watch};
use crate::config::{Config, from_table, mistake, to_table};
use crate::event::{Reader, SourceId};
use crate::net::host_name;
use crate::redact::Redactor;
use crate::units::Timestamp;

/// Most threads that redact one file.
const THREADS: usize = 4;

/// What the detectors are told.
#[derive(Clone, Default, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Settings {
    pub detect: DetectConfig,
    pub calendars: std::collections::BTreeMap<String, CalendarConfig>,
    pub keys: std::collections::BTreeMap<String, KeyConfig>,
}

impl Settings {
    /// The sections of a configuration.
    pub fn of(config: &Config) -> Self {
        Self { detect: config.detect.clone(), calendars: config.calendars.clone(), keys: config.keys.clone() }
    }

    /// The same with one value changed, given as `detect.KIND.SETTING=VALUE`.
    ///
    /// # Errors
    /// When there is no such setting, or the value is none for it.
    pub fn with(&self, change: &str) -> Result<Self, Failure> {
        let usage = |text: String| Failure::new(Exit::USAGE, text);
        let (path, value) =
            change.split_once('=').ok_or_else(|| usage(format!("`{change}` has no `=`; write KEY=VALUE")))?;
        let value = value.trim();
        // A bare word is a string: `page`, `30m`.
        let value = toml::from_str::<toml::Table>(&format!("v = {value}"))
            .ok()
            .and_then(|mut table| table.remove("v"))
            .unwrap_or_else(|| toml::Value::String(value.to_owned()));
        let mut table = to_table(self).map_err(|e| usage(e.to_string()))?;
        let mut steps: Vec<&str> = path.trim().split('.').collect();
        let last = steps.pop().unwrap_or_default();
        let mut at = &mut table;
        for step in steps {
            let below = at.entry(step).or_insert_with(|| toml::Value::Table(toml::Table::new()));
            at = below.as_table_mut().ok_or_else(|| usage(format!("`{path}`: `{step}` holds no settings")))?;
        }
        at.insert(last.to_owned(), value);
        let wrong = |e: String| {
            let message = e.split("\nin `").next().unwrap_or_default().trim();
            usage(format!("{change}: {}", mistake(message)))
        };
        let new: Self = from_table(table).map_err(wrong)?;
        if new.section_count(path) {
            return Ok(new);
        }
        Err(usage(format!("`{path}` is none of `detect`, `calendars` and `keys`")))
    }

    fn section_count(&self, path: &str) -> bool {
        ["detect.", "calendars.", "keys."].iter().any(|section| path.trim().starts_with(section))
    }
}

/// What one set of settings gave.
pub struct Outcome {
    pub report: Report,
    /// All episodes, in order of their beginning.
    pub alerts: Vec<Alert>,
}

/// Reads every file once and gives an outcome for each of `settings`.
pub fn pass(
    files: &[PathBuf],
    config: &Config,
    settings: &[Settings],
    redactor: &Redactor,
    charts: bool,
) -> anyhow::Result<Vec<Outcome>> {
    let (sources, mut lanes) = lanes(files, config, redactor)?;
    let geo = config.geoip.read().map_err(|e| Failure::new(Exit::CONFIG, e.to_string()))?;
    let mut replays = Vec::new();
    for settings in settings {
        let Settings { detect, calendars, keys } = settings.clone();
        let watch = Watch {
            detect,
            calendars,
            keys,
            geo: geo.clone(),
            sources: sources.clone(),
            host: host_name().unwrap_or_default(),
        };
        let mut replay = Replay::new(Monitor::new(watch, redactor)?, lanes.len());
        if charts {
            replay = replay.with_charts();
        }
        replays.push((replay, Vec::new()));
    }
    let now = Timestamp::from(chrono::Utc::now());
    while let Some(n) = replays.first().and_then(|(replay, _)| replay.next()) {
        let lane = &mut lanes[n];
        let more = lane.events(now, |event, line| replays.iter_mut().for_each(|(r, _)| r.add(n, event, line)));
        if !more.with_context(|| format!("cannot read {}", shown(&lane.path)))? {
            replays.iter_mut().for_each(|(replay, _)| replay.end(n));
        }
        for (replay, alerts) in &mut replays {
            alerts.append(&mut replay.advance());
        }
    }
    let outcome = |(replay, mut alerts): (Replay, Vec<Alert>)| {
        let report = replay.finish();
        alerts.extend(report.alerts.iter().cloned());
        alerts.sort_by(|a, b| (a.starts_at, &a.id).cmp(&(b.starts_at, &b.id)));
        Outcome { report, alerts }
    };
    Ok(replays.into_iter().map(outcome).collect())
}

/// The names of the sources that the files are of, and a lane for each file.
fn lanes(files: &[PathBuf], config: &Config, redactor: &Redactor) -> anyhow::Result<(Vec<String>, Vec<Lane>)> {
    let roles = config.roles()?;
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get().min(THREADS));
    let mut sources: Vec<String> = Vec::new();
    let lane = |path: &PathBuf| {
        let (name, mut reading) = reading::of_file(config, path);
        let n = sources.iter().position(|known| *known == name).unwrap_or_else(|| {
            sources.push(name);
            sources.len() - 1
        });
        let source = u16::try_from(n).map_err(|_| Failure::new(Exit::USAGE, "more than 65,535 sources"))?;
        reading.source = SourceId(source);
        let file = File::open(path).with_context(|| format!("cannot open {}", shown(path)))?;
        let input = unpacked(file).with_context(|| format!("cannot read {}", shown(path)))?;
        let reader = Reader::new(&roles, reading)?;
        Ok(Lane::new(path.clone(), input, reader, redactor, threads))
    };
    let lanes = files.iter().map(lane).collect::<anyhow::Result<_>>()?;
    Ok((sources, lanes))
}

fn shown(path: &Path) -> String {
    plain(&path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_setting_is_changed_by_its_name() {
        let usual = Settings::default();
        let new = usual.with("detect.volume_spike.score_60m=14").unwrap();
        assert_eq!(new.detect.volume_spike.score_60m, 14.0);
        let new = usual.with("detect.key_dormant.silence = 30d").unwrap();
        assert_eq!(new.detect.key_dormant.silence.as_secs(), 30 * 86_400);
        let new = usual.with("keys.b.models=[\"small\"]").unwrap();
        assert_eq!(new.keys["b"].models, ["small"]);
        for bad in [
            "detect.volume_spike.scroe=1",
            "detect.volume_spike",
            "detect.volume_spike.enabled=perhaps",
            "state.dir=/x",
        ] {
            assert!(usual.with(bad).is_err(), "{bad}");
        }
    }
}
