//! What `scan` reads: files and directories as named, decompressed on the way.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use super::scan_progress::Progress;
use super::unpack::unpacked;

/// How much of a file is looked at to tell text, in bytes.
const PEEK: usize = 8 << 10;

/// One thing to read.
pub struct Input {
    path: PathBuf,
    /// Found in a directory, not named.
    met: bool,
}

/// All that is to be read.
#[derive(Default)]
pub struct Gathered {
    /// In order of name inside of each directory.
    pub inputs: Vec<Input>,
    /// What cannot even be listed.
    pub unreadable: Vec<(PathBuf, io::Error)>,
    /// Sum of the sizes on disk.
    pub bytes: u64,
}

/// Lists `paths`. Links are followed when they are named, not when they are met in a directory.
pub fn gather(paths: &[PathBuf]) -> Gathered {
    let mut all = Gathered::default();
    for path in paths {
        if path == Path::new("-") {
            all.inputs.push(Input { path: path.clone(), met: false });
            continue;
        }
        match std::fs::metadata(path) {
            Ok(meta) if meta.is_dir() => all.directory(path),
            Ok(meta) => {
                all.bytes += meta.len();
                all.inputs.push(Input { path: path.clone(), met: false });
            }
            Err(error) => all.unreadable.push((path.clone(), error)),
        }
    }
    all
}

impl Gathered {
    /// Goes through a tree, depth first, without recursion.
    fn directory(&mut self, root: &Path) {
        let mut waiting = vec![(root.to_owned(), true)];
        while let Some((path, is_dir)) = waiting.pop() {
            if !is_dir {
                self.inputs.push(Input { path, met: true });
                continue;
            }
            let first = waiting.len();
            if let Err(error) = self.entries(&path, &mut waiting) {
                self.unreadable.push((path, error));
            }
            // the last one comes off first
            waiting[first..].sort_by(|a, b| b.cmp(a));
        }
    }

    fn entries(&mut self, path: &Path, into: &mut Vec<(PathBuf, bool)>) -> io::Result<()> {
        for entry in std::fs::read_dir(path)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_file() {
                self.bytes += entry.metadata().map_or(0, |meta| meta.len());
            }
            if kind.is_file() || kind.is_dir() {
                into.push((entry.path(), kind.is_dir()));
            }
        }
        Ok(())
    }
}

impl Input {
    /// What it is called in the report.
    pub fn name(&self) -> String {
        if self.path == Path::new("-") { "standard input".to_owned() } else { self.path.to_string_lossy().into_owned() }
    }

    /// Opens it, decompressed by what it begins with. `None` when it was only met in a directory and is no text.
    ///
    /// # Errors
    /// What the system or the decompressor says.
    pub fn open(&self, progress: &Progress) -> io::Result<Option<Box<dyn Read>>> {
        let raw: Box<dyn Read + Send> = if self.path == Path::new("-") {
            Box::new(io::stdin())
        } else {
            Box::new(progress.counting(File::open(&self.path)?))
        };
        let unpacked = match unpacked(raw) {
            // What a directory holds besides logs is nothing to complain of.
            Err(error) if self.met && error.kind() == io::ErrorKind::Unsupported => return Ok(None),
            unpacked => unpacked?,
        };
        let mut plain = BufReader::with_capacity(PEEK, unpacked);
        let text = !self.met || is_text(plain.fill_buf()?);
        Ok(text.then(|| Box::new(plain) as Box<dyn Read>))
    }
}

/// Whether a file that begins like this is text: no zero byte but in a hole at its front.
fn is_text(head: &[u8]) -> bool {
    let hole = head.iter().take_while(|b| **b == 0).count();
    memchr::memchr(0, &head[hole..]).is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_told_from_the_rest() {
        assert!(is_text(b"") && is_text(b"a\n") && is_text(b"\0\0\0a\n") && is_text("\u{e4}\n".as_bytes()));
        assert!(!is_text(b"\x7fELF\x02\x01\x01\0"));
    }
}
