//! Learning from old files when a source is started for the first time: they are redacted and read as events like any
//! line, and what they say about usual behaviour is kept. Nothing of them is written out, and they raise no alert.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::clock::now;
use super::notify::notify;
use super::service::StartError;
use super::watcher::{WatcherError, watch};
use crate::alert::{Monitor, Replay};
use crate::config::Config;
use crate::event::Reader;
use crate::line::SourceId;
use crate::redact::{Redacted, Redactor, Worker};
use crate::sources::{Framer, Piece, READ_BYTES, SourceConfig};
use crate::store::{Commit, Store};

/// How often the service manager is told that the start takes longer.
const WORD: Duration = Duration::from_secs(5);

/// One old file.
struct Old {
    path: PathBuf,
    input: Box<dyn Read>,
    framer: Framer,
    step: Vec<u8>,
    worker: Worker,
    reader: Reader,
}

/// Learns for every source that wants to and has never been started with this state. `reader` makes what reads the lines
/// of a source.
pub(super) fn learn(
    config: &Config,
    sources: &[String],
    redactor: &Redactor,
    store: &Store,
    reader: &dyn Fn(SourceId) -> Result<Reader, StartError>,
) -> Result<(), StartError> {
    let known: BTreeSet<String> = store.checkpoints()?.into_iter().map(|(key, _)| key.source).collect();
    let mut files = Vec::new();
    for (id, (name, source)) in (0..).map(SourceId).zip(&config.sources) {
        let SourceConfig::File(file) = source else { continue };
        if known.contains(name) {
            continue;
        }
        for path in matching(&file.learn_from, &file.paths) {
            match open(&path) {
                Ok(input) => files.push(Old {
                    path,
                    input,
                    framer: Framer::new(),
                    step: vec![0; READ_BYTES],
                    worker: redactor.worker(),
                    reader: reader(id)?,
                }),
                Err(error) => tracing::warn!("source {name}: cannot learn from {}: {error}", path.display()),
            }
        }
    }
    if files.is_empty() {
        return Ok(());
    }
    tracing::info!("learning from {} old files", files.len());
    let monitor = Monitor::new(watch(config, sources)?, redactor).map_err(WatcherError::from)?;
    let mut replay = Replay::new(monitor, files.len());
    let (mut told, mut redacted, mut lines) = (Instant::now(), Redacted::default(), 0u64);
    while let Some(n) = replay.next() {
        let old = &mut files[n];
        match old.next() {
            Ok(Some(piece)) if piece.withheld.is_none() => {
                old.worker.redact(&piece.bytes, &mut redacted);
                for line in redacted.lines() {
                    if let Some(event) = old.reader.read(line, now()) {
                        lines += 1;
                        replay.add(n, &event, line);
                    }
                }
            }
            Ok(Some(_)) => {}
            Ok(None) => replay.end(n),
            Err(error) => {
                tracing::warn!("cannot learn any more from {}: {error}", old.path.display());
                replay.end(n);
            }
        }
        // what would have been alerted then is nobody's concern now
        drop(replay.advance());
        if told.elapsed() >= WORD {
            told = Instant::now();
            notify("EXTEND_TIMEOUT_USEC=30000000");
        }
    }
    let key_state = replay.learned();
    store.commit(&Commit { key_state: &key_state, now: now(), ..Commit::default() })?;
    tracing::info!("learned from {lines} events");
    Ok(())
}

impl Old {
    fn next(&mut self) -> io::Result<Option<Piece>> {
        loop {
            if let Ok(piece) = self.framer.take(Vec::new()) {
                return Ok(Some(piece));
            }
            match self.input.read(&mut self.step)? {
                0 => return Ok(self.framer.finish(Vec::new())),
                n => self.framer.room().extend_from_slice(&self.step[..n]),
            }
        }
    }
}

/// The files that `patterns` match and that are not read anyway.
fn matching(patterns: &[String], read: &[String]) -> BTreeSet<PathBuf> {
    let find = |patterns: &[String]| -> BTreeSet<PathBuf> {
        let found = patterns.iter().filter_map(|pattern| glob::glob(pattern).ok());
        found.flatten().flatten().filter(|path| path.is_file()).collect()
    };
    &find(patterns) - &find(read)
}

fn open(path: &Path) -> io::Result<Box<dyn Read>> {
    let file = File::open(path)?;
    match path.extension().and_then(|e| e.to_str()) {
        Some("gz") => Ok(Box::new(flate2::read::MultiGzDecoder::new(file))),
        Some("zst") => Ok(Box::new(zstd::stream::read::Decoder::new(file)?)),
        _ => Ok(Box::new(file)),
    }
}
