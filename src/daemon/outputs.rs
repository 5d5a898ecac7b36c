//! The sinks of the service, and what of them a commit has to cover.

use std::fs::File;
use std::sync::Arc;

use crate::line::SourceId;
use crate::redact::Redacted;
use crate::sinks::{FileSink, Mark, SinkConfig, SinkError, Stream};
use crate::store::OutputMark;

/// One sink.
pub(super) struct Output {
    name: String,
    kind: Kind,
    /// By source number: whether its lines go here.
    accepts: Vec<bool>,
    /// Written since the last commit.
    dirty: bool,
}

enum Kind {
    File { sink: FileSink, syncer: Arc<File> },
    Stdout(Stream<std::io::Stdout>),
}

impl Output {
    /// Opens the sink `name`, a file at its committed length.
    pub(super) fn open(
        name: &str,
        config: &SinkConfig,
        sources: &[String],
        marks: &[(String, OutputMark)],
        stdout: &dyn Fn() -> std::io::Stdout,
    ) -> Result<Self, SinkError> {
        let wanted = config.sources();
        let accepts = sources.iter().map(|source| wanted.is_empty() || wanted.contains(source)).collect();
        let kind = match config {
            SinkConfig::Stdout(_) => Kind::Stdout(Stream::new(stdout(), "standard output")),
            SinkConfig::File(file) => {
                let mark = marks.iter().find(|(of, _)| of == name).map(|(_, mark)| Mark {
                    path: file.path.clone(),
                    device: mark.device,
                    inode: mark.inode,
                    length: mark.length,
                });
                let sink = FileSink::open(&file.path, mark.as_ref())?;
                let syncer = sink.syncer().map_err(|source| SinkError::Write { name: name.to_owned(), source })?;
                Kind::File { sink, syncer: Arc::new(syncer) }
            }
        };
        // the length at the start is committed before anything is written behind it
        Ok(Self { name: name.to_owned(), kind, accepts, dirty: true })
    }

    /// Writes a chunk of `source`, when its lines go here. After an error the same chunk may be written again.
    pub(super) fn write(&mut self, source: SourceId, chunk: &Redacted) -> Result<(), SinkError> {
        if !self.accepts.get(usize::from(source.0)).copied().unwrap_or(false) {
            return Ok(());
        }
        match &mut self.kind {
            Kind::File { sink, .. } => {
                self.dirty = true;
                sink.write(chunk, true)
            }
            Kind::Stdout(stream) => stream.write(chunk),
        }
    }

    /// What a commit has to make durable and to remember, when anything was written since the last one.
    pub(super) fn take_dirty(&mut self) -> Option<(Arc<File>, (String, OutputMark))> {
        let Kind::File { sink, syncer } = &self.kind else { return None };
        if !std::mem::take(&mut self.dirty) {
            return None;
        }
        let mark = sink.mark();
        let mark = OutputMark {
            path: mark.path.to_string_lossy().into_owned(),
            device: mark.device,
            inode: mark.inode,
            length: mark.length,
        };
        Some((Arc::clone(syncer), (self.name.clone(), mark)))
    }
}
