//! A program that does something about an alert, such as revoking the key. No shell, no secret in its arguments or its
//! environment, and an end to it when it takes too long.

use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::clean;
use super::config::CommandConfig;
use super::outcome::{Cause, Failure, Outcome};
use crate::alert::Status;
use crate::store::OutboxRow;

/// What every program may see of our environment.
const PLAIN: [&str; 4] = ["PATH", "HOME", "LANG", "TZ"];

/// How much of what a program says is kept, in bytes.
const SAID: usize = 2 << 10;

/// How long a program has to end itself before it is killed, and its last words to arrive.
const GRACE: Duration = Duration::from_secs(2);

/// The exit code that says: trying this alert again is of no use (`EX_DATAERR` of sysexits.h).
const NEVER: i32 = 65;

/// A program, ready to be run.
pub struct CommandSender {
    config: CommandConfig,
    env: Vec<(String, OsString)>,
}

impl CommandSender {
    /// A sender for `config`; looks at the program, runs nothing.
    ///
    /// # Errors
    /// When there is no such program, or anybody could put another in its place.
    pub fn new(config: &CommandConfig) -> Result<Self, String> {
        let program = &config.program;
        let shown = program.display();
        if !program.is_absolute() {
            return Err(format!("`program` is {shown}; write its full path, which begins with a slash"));
        }
        let found = std::fs::metadata(program).map_err(|e| format!("cannot find the program {shown}: {e}"))?;
        let mode = found.permissions().mode();
        if !found.is_file() || mode & 0o111 == 0 {
            return Err(format!("{shown} is not a program that can be run; is it executable?"));
        }
        if mode & 0o002 != 0 {
            return Err(format!("{shown} can be changed by every user (mode {:03o}); run chmod o-w", mode & 0o777));
        }
        let names = PLAIN.iter().copied().chain(config.pass_env.iter().map(String::as_str));
        let env = names.filter_map(|name| Some((name.to_owned(), std::env::var_os(name)?))).collect();
        Ok(Self { config: config.clone(), env })
    }

    /// Runs the program for one alert.
    pub async fn send(&self, row: &OutboxRow) -> Outcome {
        let name = self.config.program.display();
        let failure = |error: String| Failure::new(Cause::Program, error);
        let mut body = match serde_json::to_vec(&row.alert) {
            Ok(body) => body,
            Err(e) => return Outcome::Refused(failure(format!("an alert that is no JSON: {e}"))),
        };
        body.push(b'\n');
        let mut child = match self.command(row).spawn() {
            Ok(child) => child,
            Err(e) => return Outcome::Down(failure(format!("cannot run {name}: {e}"))),
        };
        let (stdin, out, err) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        tokio::spawn(async move {
            if let Some(mut stdin) = stdin {
                // A program need not read what it is told.
                let _unread = stdin.write_all(&body).await;
            }
        });
        let (out, err) = (tokio::spawn(listen(out)), tokio::spawn(listen(err)));
        let ended = timeout(self.config.timeout, child.wait()).await;
        if ended.is_err() {
            end(&mut child).await;
        }
        let mut said = heard(err).await;
        if said.is_empty() {
            said = heard(out).await;
        }
        match ended {
            Ok(Ok(status)) => judge(status, &name.to_string(), &said),
            Ok(Err(e)) => Outcome::Failed(failure(format!("cannot wait for {name}: {e}"))),
            Err(_) => {
                let error = format!("{name} took longer than its `timeout` and was killed{}", quoted(&said));
                Outcome::Failed(Failure::new(Cause::Timeout, error))
            }
        }
    }

    fn command(&self, row: &OutboxRow) -> Command {
        let status = if row.alert.status == Status::Firing { "firing" } else { "resolved" };
        let mut command = Command::new(&self.config.program);
        command
            .args(&self.config.args)
            .env_clear()
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .env("LOGWARDEN_ALERT_ID", clean::line(&row.alert.id, 40))
            .env("LOGWARDEN_MESSAGE_ID", clean::line(&row.message_id(), 100))
            .env("LOGWARDEN_KIND", clean::line(&row.alert.kind, 60))
            .env("LOGWARDEN_STATUS", status)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        command
    }
}

/// Ends a program and all that it started: politely, then not.
async fn end(child: &mut Child) {
    let group = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    let tell = |signal| group.is_some_and(|g| kill_process_group(g, signal).is_ok());
    if tell(Signal::TERM) && timeout(GRACE, child.wait()).await.is_ok() {
        // What it started may still be there.
        let _nobody_left = tell(Signal::KILL);
        return;
    }
    let _gone_already = tell(Signal::KILL);
    let _gone_already = child.kill().await;
}

/// Reads to the end, so that the program is never held up; keeps the beginning.
async fn listen(from: Option<impl AsyncRead + Unpin>) -> Vec<u8> {
    let mut kept = Vec::new();
    let mut chunk = [0; 4096];
    let Some(mut from) = from else { return kept };
    while let Ok(n @ 1..) = from.read(&mut chunk).await {
        kept.extend_from_slice(&chunk[..n.min(SAID - kept.len().min(SAID))]);
    }
    kept
}

/// The last line of what was said; a child left behind that keeps the pipe open is not waited for.
async fn heard(listening: tokio::task::JoinHandle<Vec<u8>>) -> String {
    let stop = listening.abort_handle();
    let Ok(Ok(bytes)) = timeout(GRACE, listening).await else {
        stop.abort();
        return String::new();
    };
    let text = String::from_utf8_lossy(&bytes);
    clean::line(text.lines().rev().find(|l| !l.trim().is_empty()).unwrap_or_default(), 200)
}

fn quoted(said: &str) -> String {
    if said.is_empty() { String::new() } else { format!(": {said}") }
}

fn judge(status: ExitStatus, name: &str, said: &str) -> Outcome {
    let said = quoted(said);
    let failure = |error: String| Failure::new(Cause::Program, error);
    match status.code() {
        Some(0) => Outcome::Sent(format!("exit code 0{said}")),
        Some(NEVER) => Outcome::Refused(failure(format!("{name} will not do it (exit code {NEVER}){said}"))),
        Some(code) => Outcome::Failed(failure(format!("{name} failed with exit code {code}{said}"))),
        None => Outcome::Failed(failure(format!("{name} was killed ({status}){said}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_or_must_not_be_run_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("hook");
        let new = |program: &std::path::Path| {
            let text = format!("program = '{}'", program.display());
            CommandSender::new(&toml::from_str(&text).unwrap()).err().unwrap_or_default()
        };
        assert!(new("hook".as_ref()).contains("full path"));
        assert!(new(&path).contains("cannot find"));
        std::fs::write(&path, "#!/bin/sh\n").unwrap();
        assert!(new(&path).contains("executable"));
        for (mode, want) in [(0o757, "chmod o-w"), (0o755, "")] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            assert!(new(&path).contains(want) && want.is_empty() == new(&path).is_empty(), "{mode:o}");
        }
    }
}
