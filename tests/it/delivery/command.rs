//! Programs that do something about an alert.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::http::{Receiver, Reply};
use super::kit::{Rig, alert, mins, secs};

/// A script at `dir/hook`, and the receiver that runs it.
fn hook(dir: &Path, script: &str, more: &str) -> String {
    let path = dir.join("hook");
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    format!("type = 'command'\nprogram = '{}'\n{more}", path.display())
}

fn error(rig: &Rig) -> String {
    rig.store.queues().unwrap().into_iter().find(|q| q.receiver == "hook").and_then(|q| q.error).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_gets_the_alert_on_its_input_and_nothing_else_of_ours() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().display();
    let script =
        format!("cat >{out}/alert; env >{out}/env; printf '%s\\n' \"$@\" >{out}/args; pwd >{out}/pwd; echo revoked");
    let more = "args = ['--key', '$(touch /tmp/x) ; *']\npass_env = ['CARGO_PKG_NAME']";
    let rig = Rig::new(&dir.path().join("state"), &[("hook", hook(dir.path(), &script, more))]);
    rig.raise(&[alert(1, 1)]);
    rig.drain(secs(2)).await;
    let read = |name: &str| fs::read_to_string(dir.path().join(name)).unwrap();
    assert_eq!(serde_json::from_str::<logwarden::alert::Alert>(&read("alert")).unwrap(), alert(1, 1));
    assert_eq!(read("args"), "--key\n$(touch /tmp/x) ; *\n", "as they are, without a shell");
    assert_eq!(read("pwd"), "/\n");
    let env = read("env");
    let mut names: Vec<&str> = env.lines().filter_map(|l| l.split_once('=')).map(|(n, _)| n).collect();
    names.retain(|n| !["_", "PWD", "OLDPWD", "SHLVL", "PATH", "HOME", "LANG", "TZ"].contains(n));
    names.sort_unstable();
    assert_eq!(
        names,
        ["CARGO_PKG_NAME", "LOGWARDEN_ALERT_ID", "LOGWARDEN_KIND", "LOGWARDEN_MESSAGE_ID", "LOGWARDEN_STATUS"]
    );
    assert!(
        env.contains(&format!("LOGWARDEN_MESSAGE_ID={}.firing-", alert(1, 1).id))
            && env.contains("LOGWARDEN_KIND=volume_spike")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_fails_is_run_again_until_it_succeeds_or_says_never() {
    let dir = tempfile::tempdir().unwrap();
    let count = dir.path().join("count");
    let script = format!(
        "echo x >>{0}; [ $(wc -l <{0}) -ge 3 ] || {{ echo 'vendor is away, password=hunter2hunter2' >&2; exit 1; }}",
        count.display()
    );
    let rig = Rig::new(&dir.path().join("state"), &[("hook", hook(dir.path(), &script, ""))]);
    rig.raise(&[alert(1, 1)]);
    rig.pass(secs(0)).await;
    assert!(error(&rig).contains("failed with exit code 1: vendor is away, password=[PASSWORD]"), "{}", error(&rig));
    rig.drain(mins(2)).await;
    assert_eq!((fs::read_to_string(&count).unwrap().lines().count(), rig.counts("hook").sent), (3, 1));
    assert_eq!(rig.counts("hook").causes, [("program", 2)]);

    let dir = tempfile::tempdir().unwrap();
    let rig = Rig::new(&dir.path().join("state"), &[("hook", hook(dir.path(), "echo no such key; exit 65", ""))]);
    rig.raise(&[alert(1, 1)]);
    rig.drain(secs(2)).await;
    assert!(error(&rig).contains("will not do it (exit code 65): no such key"), "{}", error(&rig));
    assert_eq!(rig.store.queues().unwrap()[0].dead, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_hangs_is_killed_with_all_it_started_and_holds_nobody_up() {
    let dir = tempfile::tempdir().unwrap();
    let mark = dir.path().join("pid");
    let script = format!("trap '' TERM; sleep 1000 & echo $! >{}; wait; wait", mark.display());
    let http = Receiver::start(|_| Reply::Status(200, "")).await;
    let receivers = [
        ("hook", hook(dir.path(), &script, "timeout = '300ms'")),
        ("other", format!("type = 'webhook'\nurl = '{}'", http.url())),
    ];
    let rig = Rig::new(&dir.path().join("state"), &receivers);
    rig.raise(&[alert(1, 1)]);
    let start = std::time::Instant::now();
    while http.seen().is_empty() {
        assert!(start.elapsed() < secs(2));
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    rig.clock.quiet(2).await;
    assert!(error(&rig).contains("took longer than its `timeout` and was killed"), "{}", error(&rig));
    let child = fs::read_to_string(&mark).unwrap();
    let stat = fs::read_to_string(format!("/proc/{}/stat", child.trim())).unwrap_or_default();
    assert!(stat.is_empty() || stat.contains(") Z "), "what it started is gone too: {stat}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_reads_nothing_says_much_or_leaves_a_child_behind_is_no_trouble() {
    let dir = tempfile::tempdir().unwrap();
    let script = "yes | head -c 3000000; sleep 30 & echo done";
    let rig = Rig::new(&dir.path().join("state"), &[("hook", hook(dir.path(), script, ""))]);
    let start = std::time::Instant::now();
    let mut big = alert(1, 1);
    big.evidence.lines = vec!["x".repeat(500_000)];
    rig.raise(&[big]);
    rig.drain(secs(2)).await;
    assert_eq!(rig.counts("hook").sent, 1);
    assert!(start.elapsed() < secs(20), "the child that holds the pipe is not waited for");
}
