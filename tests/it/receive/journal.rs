//! The journal: played by a script that does as `journalctl` does, and a real one.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::kit::{Service, until};
use crate::process::{Running, signal, wait};
use crate::support::{find, skip};

/// Writes the entries of a file that come behind the cursor it is asked for, and follows. It dies now and then, in the
/// middle of an entry.
const SCRIPT: &str = r##"#!/bin/sh
echo "$@" >>"DIR/calls"
after=0
for arg in "$@"; do
    case "$arg" in --after-cursor=*) after="${arg#--after-cursor=c}";; esac
done
n=0
# the real one ends when its reader is gone
while kill -0 "$PPID" 2>/dev/null; do
    total=$(wc -l <"DIR/journal")
    while [ "$n" -lt "$total" ]; do
        n=$((n + 1))
        [ "$n" -gt "$after" ] || continue
        if [ "$n" = 5 ] && [ "$after" -lt 4 ]; then
            printf '{"__CURSOR":"c5","MESSAGE":"cut o'
            exit 1
        fi
        sed -n "${n}p" "DIR/journal"
    done
    sleep 0.05
done
"##;

fn script(dir: &Path) {
    let path = dir.join("journalctl");
    fs::write(&path, SCRIPT.replace("DIR", &dir.display().to_string())).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
}

fn entries(numbers: std::ops::RangeInclusive<u32>) -> String {
    numbers.map(|n| format!("{{\"__CURSOR\":\"c{n}\",\"MESSAGE\":\"entry {n}\"}}\n")).collect()
}

#[test]
fn entries_come_once_over_deaths_restarts_and_kills() {
    let source =
        "type = \"journald\"\nunits = [\"api.service\"]\nmatches = [\"_UID=0\"]\ncommand = \"DIR/journalctl\"\n";
    let mut service = Service::stopped(source);
    script(service.dir.path());
    fs::write(service.path("journal"), entries(1..=8)).unwrap();
    service.begin();
    // its first run dies within entry 5
    service.expect(&entries(1..=8));
    assert!(service.errors().contains("is started again"), "{}", service.errors());
    assert_eq!(service.stop(), Some(0));
    fs::write(service.path("journal"), entries(1..=12)).unwrap();
    service.begin();
    service.expect(&entries(1..=12));
    for round in 1..=3 {
        service.kill();
        fs::write(service.path("journal"), entries(1..=12 + round)).unwrap();
        service.begin();
        service.expect(&entries(1..=12 + round));
    }
    let calls = fs::read_to_string(service.path("calls")).unwrap();
    // other boots' entries too, and no other machine's
    let id = |path: &str| fs::read_to_string(path).unwrap_or_default().trim().replace('-', "");
    let (machine, boot) = (id("/etc/machine-id"), id("/proc/sys/kernel/random/boot_id"));
    let (merge, machine) = if machine.is_empty() {
        (String::new(), machine)
    } else {
        ("--merge ".to_owned(), format!("_MACHINE_ID={machine} "))
    };
    let options = format!("--output=json --follow --all --no-pager {merge}");
    let first = format!("{options}--no-tail --unit=api.service {machine}_BOOT_ID={boot} _UID=0");
    let later = format!("{options}--no-tail --after-cursor=c4 --unit=api.service {machine}_UID=0");
    assert_eq!(calls.lines().take(2).collect::<Vec<_>>(), [first, later]);
    assert_eq!(service.stop(), Some(0));
    // no child is left behind
    let left = || {
        fs::read_dir("/proc").unwrap().flatten().any(|process| {
            let line = fs::read(process.path().join("cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&line).contains(&service.path("journalctl").display().to_string())
        })
    };
    assert!(until(|| !left()));
}

/// A journal daemon of our own, in a namespace (`systemd-journald(8)`) that nobody else writes to.
struct Journald {
    namespace: String,
    child: Option<Running>,
}

impl Journald {
    fn start(program: &Path) -> Self {
        let mut this = Self { namespace: format!("lwtest{}", std::process::id()), child: None };
        this.begin(program);
        this
    }

    fn begin(&mut self, program: &Path) {
        let mut command = Command::new(program);
        command.arg(&self.namespace).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        self.child = Some(Running(command.spawn().unwrap()));
        let socket = self.socket();
        assert!(until(|| UnixDatagram::unbound().unwrap().connect(&socket).is_ok()), "journald does not listen");
    }

    fn socket(&self) -> PathBuf {
        format!("/run/systemd/journal.{}/socket", self.namespace).into()
    }

    /// Writes an entry by the journal's own protocol.
    fn write(&self, n: u32) {
        let entry = format!(
            "MESSAGE={{\"n\":{n},\"password\":\"hunter2-{n}\"}}\nPRIORITY=6\nSYSLOG_IDENTIFIER=app\nCODE_LINE={n}\n"
        );
        UnixDatagram::unbound().unwrap().send_to(entry.as_bytes(), self.socket()).unwrap();
    }

    fn end(&mut self) {
        if let Some(mut child) = self.child.take() {
            signal(&child, "-TERM");
            wait(&mut child, Duration::from_secs(10));
        }
    }
}

impl Drop for Journald {
    fn drop(&mut self) {
        self.end();
        let _never_made = fs::remove_dir_all(format!("/run/systemd/journal.{}", self.namespace));
        for root in ["/var/log/journal", "/run/log/journal"] {
            for entry in fs::read_dir(root).into_iter().flatten().flatten() {
                if entry.file_name().to_string_lossy().ends_with(&format!(".{}", self.namespace)) {
                    let _leftover = fs::remove_dir_all(entry.path());
                }
            }
        }
    }
}

#[test]
fn a_real_journal_is_followed_over_kills() {
    let (Some(journalctl), program) = (find("journalctl"), Path::new("/lib/systemd/systemd-journald")) else {
        return skip("receive::journal::a_real_journal_is_followed_over_kills", "no journalctl");
    };
    if !rustix::process::geteuid().is_root() || !program.exists() || !Path::new("/etc/machine-id").exists() {
        return skip(
            "receive::journal::a_real_journal_is_followed_over_kills",
            "no journald, or it may not be started",
        );
    }
    let mut journald = Journald::start(program);
    let source =
        "type = \"journald\"\nmatches = [\"SYSLOG_IDENTIFIER=app\"]\nfrom = \"all\"\ncommand = \"DIR/journalctl\"\n";
    let mut service = Service::stopped(source);
    let text = format!("#!/bin/sh\nexec {} --namespace={} \"$@\"\n", journalctl.display(), journald.namespace);
    fs::write(service.path("journalctl"), text).unwrap();
    fs::set_permissions(service.path("journalctl"), fs::Permissions::from_mode(0o755)).unwrap();
    (1..=50).for_each(|n| journald.write(n));
    service.begin();
    let mut written = 50;
    for round in 0..5 {
        assert!(until(|| service.out().lines().count() == written as usize), "{}\n{}", service.out(), service.errors());
        (written + 1..=written + 20).for_each(|n| journald.write(n));
        written += 20;
        if round == 2 {
            // The daemon is restarted as well: a new file, under the same cursor.
            journald.end();
            journald.begin(program);
        }
        service.kill();
        service.begin();
    }
    assert!(until(|| service.out().lines().count() == written as usize), "{}\n{}", service.out(), service.errors());
    let out = service.out();
    let numbers: Vec<u32> = out
        .lines()
        .map(|line| {
            let entry: serde_json::Value = serde_json::from_str(line).unwrap();
            let message = entry["MESSAGE"].as_str().unwrap().to_owned();
            assert!(message.contains("\"password\":\"[PASSWORD]\""), "{message}");
            entry["CODE_LINE"].as_str().unwrap().parse().unwrap()
        })
        .collect();
    assert_eq!(numbers, (1..=written).collect::<Vec<_>>(), "each entry once, in order");
    assert!(!out.contains("hunter2"));
    assert_eq!(service.stop(), Some(0));
}
