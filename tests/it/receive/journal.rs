//! The journal, played by a script that does as `journalctl` does.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::kit::{Service, until};

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
    let first = "--output=json --follow --all --no-pager --no-tail --boot --unit=api.service _UID=0";
    assert_eq!(calls.lines().next(), Some(first));
    assert!(calls.lines().nth(1).unwrap().contains("--after-cursor=c4 "), "{calls}");
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
