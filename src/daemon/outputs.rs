//! The sinks of the service, and what of them a commit has to cover.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::json;

use super::clock::now;
use crate::line::SourceId;
use crate::redact::Redacted;
use crate::sinks::{Archive, FileSink, HttpSink, Mark, Patient, SinkConfig, SinkError};
use crate::store::{OutputMark, RetentionConfig, Store};
use crate::units::Timestamp;

/// How often rotated files are looked through when nothing is rotated.
const TIDY: Duration = Duration::from_secs(3_600);

/// How long until a rotation that failed is tried again.
const AGAIN: Duration = Duration::from_secs(60);

/// One sink.
pub(super) struct Output {
    pub name: String,
    kind: Kind,
    /// By source number: whether its lines go here.
    accepts: Vec<bool>,
    /// Written since the last commit.
    dirty: bool,
}

enum Kind {
    File(Box<FileOutput>),
    Stdout(Patient),
    Http(Box<HttpSink>),
}

struct FileOutput {
    sink: FileSink,
    syncer: Arc<File>,
    archivist: Archivist,
    /// When a rotation failed last.
    failed: Option<Instant>,
}

impl Output {
    /// Opens the sink `name`, a file at its committed length. Rotated files are kept as `keep` says unless it
    /// says itself; what is removed is noted in `store`.
    pub(super) fn open(
        name: &str,
        config: &SinkConfig,
        sources: &[String],
        marks: &[(String, OutputMark)],
        keep: &RetentionConfig,
        store: &Arc<Store>,
        stdout: &dyn Fn() -> std::io::Stdout,
    ) -> Result<Self, SinkError> {
        let wanted = config.sources();
        let accepts = sources.iter().map(|source| wanted.is_empty() || wanted.contains(source)).collect();
        let kind = match config {
            SinkConfig::Stdout(_) => Kind::Stdout(Patient::open(stdout(), "standard output")?),
            SinkConfig::Http(http) => Kind::Http(Box::new(HttpSink::open(http)?)),
            SinkConfig::File(file) => {
                let mark = marks.iter().find(|(of, _)| of == name).map(|(_, mark)| Mark {
                    path: file.path.clone(),
                    device: mark.device,
                    inode: mark.inode,
                    length: mark.length,
                });
                let sink = FileSink::open(file, mark.as_ref())?;
                let syncer = syncer(&sink, name)?;
                let noted = Noted { store: Arc::clone(store), sink: name.to_owned() };
                let archivist = Archivist::start(|stop| Archive::new(file, keep.logs, keep.logs_total, stop), noted)?;
                Kind::File(Box::new(FileOutput { sink, syncer, archivist, failed: None }))
            }
        };
        // the length at the start is committed before anything is written behind it
        Ok(Self { name: name.to_owned(), kind, accepts, dirty: true })
    }

    /// Writes a chunk of `source`, when its lines go here. After an error the same chunk may be written again.
    pub(super) fn write(&mut self, source: SourceId, chunk: &Redacted, now: Timestamp) -> Result<(), SinkError> {
        if !self.accepts.get(usize::from(source.0)).copied().unwrap_or(false) {
            return Ok(());
        }
        match &mut self.kind {
            Kind::File(file) => {
                self.dirty = true;
                file.sink.write(chunk, true, now)
            }
            Kind::Stdout(stdout) => stdout.write(chunk),
            Kind::Http(http) => http.write(chunk),
        }
    }

    /// Whether everything that was written has arrived, where somebody else writes it.
    pub(super) fn delivered(&mut self) -> Result<bool, SinkError> {
        match &mut self.kind {
            Kind::Http(http) => http.delivered(),
            Kind::Stdout(stdout) => stdout.delivered(),
            Kind::File(_) => Ok(true),
        }
    }

    /// Whether it is time for a new file.
    pub(super) fn due(&self, now: Timestamp) -> bool {
        let Kind::File(file) = &self.kind else { return false };
        file.failed.is_none_or(|at| at.elapsed() >= AGAIN) && file.sink.due(now)
    }

    /// Begins a new file; everything in the old one must be committed. What goes wrong is told and tried again later.
    pub(super) fn rotate(&mut self, now: Timestamp) {
        let Kind::File(file) = &mut self.kind else { return };
        file.failed = None;
        let rotated = file.sink.rotate(now).and_then(|to| Ok((to, syncer(&file.sink, &self.name)?)));
        match rotated {
            Ok((to, syncer)) => {
                tracing::info!("sink {}: a new file was begun; the old one is {}", self.name, to.display());
                (file.syncer, self.dirty) = (syncer, true);
                file.archivist.wake();
            }
            Err(error) => {
                tracing::error!("sink {}: {error}; going on with the old file", self.name);
                file.failed = Some(Instant::now());
            }
        }
    }

    /// What a commit has to make durable and to remember, when anything was written since the last one.
    pub(super) fn take_dirty(&mut self) -> Option<(Arc<File>, (String, OutputMark))> {
        let Kind::File(file) = &self.kind else { return None };
        if !std::mem::take(&mut self.dirty) {
            return None;
        }
        let mark = file.sink.mark();
        let mark = OutputMark {
            path: mark.path.to_string_lossy().into_owned(),
            device: mark.device,
            inode: mark.inode,
            length: mark.length,
        };
        Some((Arc::clone(&file.syncer), (self.name.clone(), mark)))
    }
}

fn syncer(sink: &FileSink, name: &str) -> Result<Arc<File>, SinkError> {
    sink.syncer().map(Arc::new).map_err(|source| SinkError::Write { name: name.to_owned(), source })
}

/// The thread that looks after rotated files.
struct Archivist {
    stop: Arc<AtomicBool>,
    wake: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Archivist {
    fn start(archive: impl FnOnce(Arc<AtomicBool>) -> Archive, noted: Noted) -> Result<Self, SinkError> {
        let stop = Arc::new(AtomicBool::new(false));
        let archive = archive(Arc::clone(&stop));
        let (wake, woken) = sync_channel(1);
        let builder = std::thread::Builder::new().name("archive".to_owned());
        let thread = builder.spawn(move || look_after(&archive, &woken, &noted));
        let thread = thread.map_err(|error| SinkError::Config(format!("cannot start a thread: {error}")))?;
        Ok(Self { stop, wake: Some(wake), thread: Some(thread) })
    }

    fn wake(&self) {
        if let Some(wake) = &self.wake {
            // one that was woken already looks at everything
            let _awake = wake.try_send(());
        }
    }
}

/// Where it is noted that files were removed.
struct Noted {
    store: Arc<Store>,
    sink: String,
}

impl Noted {
    fn removed(&self, files: &[PathBuf], now: Timestamp) {
        if files.is_empty() {
            return;
        }
        let names: Vec<_> = files.iter().filter_map(|path| path.file_name()).map(|n| n.to_string_lossy()).collect();
        let data = json!({ "sink": self.sink, "files": names });
        if let Err(error) = self.store.audit("retention.logs", &data, now) {
            tracing::warn!("that old files were removed could not be noted: {error}");
        }
    }
}

fn look_after(archive: &Archive, woken: &Receiver<()>, noted: &Noted) {
    loop {
        let now = now();
        noted.removed(&archive.tidy(now), now);
        match woken.recv_timeout(TIDY) {
            Ok(()) | Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

impl Drop for Archivist {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.wake = None;
        if let Some(thread) = self.thread.take() {
            // so that two never work on the same files
            let _ended = thread.join();
        }
    }
}
