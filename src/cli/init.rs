//! `init`: a configuration to begin with, and a systemd unit.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::Context;

use super::exit::{Exit, Failure};

/// A service that is complete but for the names.
const CONFIG: &str = include_str!("../../examples/service.toml");

/// The units; `@…@` is filled in.
const WHOLE: [(&str, &str); 1] = [("logwarden.service", include_str!("../../packaging/logwarden.service.in"))];
const SPLIT: [(&str, &str); 2] = [
    ("logwarden-core.service", include_str!("../../packaging/logwarden-core.service.in")),
    ("logwarden-notifier.service", include_str!("../../packaging/logwarden-notifier.service.in")),
];

/// What `init` can be told.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The directory to write into
    #[arg(value_name = "DIR", default_value = ".")]
    pub dir: PathBuf,

    /// Also write a systemd unit, logwarden.service
    #[arg(long)]
    pub systemd: bool,

    /// Also write systemd units of a split service: what reads logs has no network, what sends has no logs
    #[arg(long, conflicts_with = "systemd")]
    pub split: bool,
}

/// Writes. Nothing that is there is overwritten.
pub fn run(args: &Args) -> anyhow::Result<Exit> {
    std::fs::create_dir_all(&args.dir).with_context(|| format!("cannot make {}", args.dir.display()))?;
    let dir = args.dir.canonicalize().with_context(|| format!("cannot use {}", args.dir.display()))?;
    let config = dir.join("logwarden.toml");
    write_new(&config, CONFIG)?;
    let mut out = anstream::stdout().lock();
    writeln!(out, "wrote {}", config.display())?;
    let units: &[(&str, &str)] = match (args.systemd, args.split) {
        (_, true) => &SPLIT,
        (true, false) => &WHOLE,
        (false, false) => &[],
    };
    let program = std::env::current_exe().context("cannot find the path of this program")?;
    for (name, text) in units {
        let unit = dir.join(name);
        let text = text.replace("@PROGRAM@", &quoted(&program)).replace("@CONFIG@", &quoted(&config));
        write_new(&unit, &text)?;
        writeln!(out, "wrote {}", unit.display())?;
    }
    if let Some((first, _)) = units.first() {
        let paths: Vec<String> = units.iter().map(|(name, _)| dir.join(name).display().to_string()).collect();
        let name = first.trim_end_matches(".service");
        let all: Vec<&str> = units.iter().map(|(name, _)| name.trim_end_matches(".service")).collect();
        writeln!(out, "next: sudo systemctl link {} && sudo systemctl enable {}", paths.join(" "), all.join(" "))?;
        writeln!(out, "      sudo systemctl start {name}")?;
    }
    writeln!(out, "next: edit the paths, then logwarden check --config {}", config.display())?;
    Ok(Exit::OK)
}

fn write_new(path: &Path, text: &str) -> anyhow::Result<()> {
    let open = OpenOptions::new().write(true).create_new(true).mode(0o644).open(path);
    let mut file = match open {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            let message = format!("{} is already there", path.display());
            return Err(Failure::new(Exit::IO, message).help("choose another directory, or move it away").into());
        }
        Err(error) => return Err(error).with_context(|| format!("cannot write {}", path.display())),
    };
    file.write_all(text.as_bytes()).with_context(|| format!("cannot write {}", path.display()))
}

/// A path as systemd reads it: spaces and `%` mean something there.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string().replace('%', "%%").replace('\\', "\\\\").replace('"', "\\\"");
    if text.contains(char::is_whitespace) { format!("\"{text}\"") } else { text }
}
