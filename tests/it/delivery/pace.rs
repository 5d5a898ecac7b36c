//! What people are spared: storms and the digest.

use logwarden::alert::Urgency;

use super::http::{Receiver, Reply};
use super::kit::{Rig, alert, mins, secs};
use super::smtp::{Manners, Server};
use crate::support::run;

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_alerts_and_one_that_matters() {
    let dir = tempfile::tempdir().unwrap();
    let chat = Receiver::start(|_| Reply::Body(200, "ok")).await;
    let config = format!("type = 'webhook'\nformat = 'slack'\nurl = '{}'", chat.url());
    let rig = Rig::new(dir.path(), &[("chat", config)]);
    let storm: Vec<_> = (0..10_000).map(|n| alert(n, n % 500)).collect();
    rig.raise(&storm);
    let mut urgent = alert(99_999, 99_999);
    urgent.urgency = Urgency::Page;
    rig.raise(&[urgent]);
    rig.pass(secs(9)).await;
    let texts =
        || -> Vec<String> { chat.seen().iter().map(|r| r.json()["text"].as_str().unwrap().to_owned()).collect() };
    assert!(texts().iter().any(|t| t.ends_with("Alert number 99999*")), "within ten seconds");
    assert_eq!(texts().len(), 61, "sixty by themselves, and the urgent one");
    rig.drain(mins(3)).await;
    let all = texts();
    assert_eq!(all.len(), 62);
    assert!(all[61].contains("9940 more alerts at once"), "{}", all[61]);
    assert!(chat.seen()[61].json().to_string().contains("9940 volume_spike"));
    rig.raise(&[alert(100_000, 1)]);
    rig.drain(secs(5)).await;
    assert!(texts()[62].ends_with("Alert number 100000*"), "afterwards each by itself again");
}

#[tokio::test(flavor = "multi_thread")]
async fn by_the_real_clock_the_one_that_matters_is_out_within_seconds() {
    let dir = tempfile::tempdir().unwrap();
    let chat = Receiver::start(|_| Reply::Body(200, "ok")).await;
    let slow = Receiver::start(|_| Reply::Hang).await;
    let hook = |r: &Receiver| format!("type = 'webhook'\nformat = 'slack'\nurl = '{}'", r.url());
    let rig = Rig::stopped(dir.path(), &[("chat", hook(&chat)), ("slow", hook(&slow))]).in_real_time();
    for n in 0..20 {
        rig.raise(&(0..500).map(|i| alert(500 * n + i, i)).collect::<Vec<_>>());
    }
    let mut urgent = alert(99_999, 99_999);
    urgent.urgency = Urgency::Page;
    let start = std::time::Instant::now();
    rig.raise(&[urgent]);
    let out = || chat.seen().iter().any(|r| r.json()["text"].as_str().unwrap().ends_with("Alert number 99999*"));
    while !out() {
        assert!(start.elapsed() < secs(10), "{} messages", chat.seen().len());
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
    eprintln!("the critical alert among 10 000 was out after {:?}", start.elapsed());
    // What ends in a storm tells the rest at once: nothing is left over, and every one is counted.
    let store = rig.stop().await;
    let told: u64 = chat.seen().iter().map(|r| stands_for(r.json()["text"].as_str().unwrap())).sum();
    assert_eq!(told, 10_001);
    assert_eq!(store.queues().unwrap().iter().find(|q| q.receiver == "chat").unwrap().pending, 0);
}

/// How many alerts a message stands for.
fn stands_for(headline: &str) -> u64 {
    match headline.split_once(" more alert") {
        Some((before, _)) => before.rsplit(' ').next().unwrap().parse().unwrap(),
        None => 1,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_gets_each_alert_however_many() {
    let dir = tempfile::tempdir().unwrap();
    let program = Receiver::start(|_| Reply::Status(200, "")).await;
    let rig = Rig::new(dir.path(), &[("api", format!("type = 'webhook'\nurl = '{}'", program.url()))]);
    let mut storm: Vec<_> = (0..200).map(|n| alert(n, n)).collect();
    storm[7].urgency = Urgency::Digest;
    rig.raise(&storm);
    rig.drain(secs(30)).await;
    rig.pass(secs(1)).await;
    assert_eq!(program.seen().len(), 200);
    assert_eq!(program.ids().pop().unwrap(), storm[7].id, "the one that can wait comes last");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_wait_leaves_as_one_mail_at_the_hour_for_it() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(Manners::default()).await;
    let config = server.config("tls = 'off'\ndigest_at = '08:00'\nzone = 'Europe/Berlin'");
    let rig = Rig::new(dir.path(), &[("ops", config.clone())]);
    let items = |from: u64| -> Vec<_> {
        (from..from + 3).map(|n| logwarden::alert::Alert { urgency: Urgency::Digest, ..alert(n, n) }).collect()
    };
    // The clock starts at 14:00 in Berlin.
    rig.raise(&items(0));
    rig.pass(mins(17 * 60 + 59)).await;
    assert!(server.mails().is_empty());
    rig.pass(mins(2)).await;
    let mails = server.mails();
    assert_eq!(mails.len(), 1);
    assert_eq!(mails[0].header("Subject"), "[logwarden] INFO: Digest: 3 findings that can wait");
    assert_eq!(mails[0].header("Date"), "Sat, 02 May 2026 06:00:00 +0000");
    for n in 0..3 {
        assert!(mails[0].data.contains(&format!("Alert number {n} ")), "{}", mails[0].data);
    }
    rig.pass(mins(24 * 60)).await;
    assert_eq!(server.mails().len(), 1, "nothing new, no mail");
    rig.raise(&items(10));
    drop(rig.stop().await);
    // A service that was down at eight sends it when it is back.
    let rig = Rig::stopped(dir.path(), &[("ops", config)]);
    rig.clock.pass(mins(3 * 24 * 60), 0).await;
    let mut rig = rig;
    rig.start().unwrap();
    rig.pass(secs(1)).await;
    assert_eq!(server.mails().len(), 2);
    assert_eq!(rig.store.queues().unwrap()[0].digest, 0);
}

/// The head of the audit log that a mail carries.
fn head(mail: &str) -> String {
    let text = mail.replace("=\r\n", "");
    let after = text.split("audit verify --head ").nth(1).unwrap_or_else(|| panic!("no head in {text}"));
    after.split(|c: char| c.is_whitespace() || c == '<').next().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_digest_carries_the_head_of_the_audit_log_and_so_gives_away_an_older_copy() {
    let (dir, old) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let server = Server::start(Manners::default()).await;
    let config = server.config("tls = 'off'\ndigest_when_quiet = true");
    let receivers = [("ops", config)];
    let digest = |n| logwarden::alert::Alert { urgency: Urgency::Digest, ..alert(n, n) };
    let rig = Rig::new(dir.path(), &receivers);
    rig.raise(&[digest(1)]);
    rig.store.flush_audit().unwrap();
    drop(rig.stop().await);
    copy(dir.path(), old.path());
    let rig = Rig::new(dir.path(), &receivers);
    rig.raise(&[digest(2)]);
    rig.store.flush_audit().unwrap();
    // from 12:00 to behind 8:00, and a day without anything after it
    rig.pass(mins(20 * 60 + 1)).await;
    rig.pass(mins(24 * 60)).await;
    let mails: Vec<String> = server.mails().iter().map(|mail| mail.data.clone()).collect();
    assert_eq!(mails.len(), 2, "{mails:?}");
    assert!(mails[0].contains("2 findings that can wait") && mails[1].contains("nothing was found"), "{mails:?}");
    rig.store.flush_audit().unwrap();
    drop(rig.stop().await);
    let verify = |dir: &std::path::Path, head: &[&str]| {
        run(&[&["audit", "verify", "--state", dir.to_str().unwrap()], head].concat(), b"")
    };
    for mail in &mails {
        let head = head(mail);
        let whole = verify(dir.path(), &["--head", &head]);
        assert_eq!(whole.code, 0, "{}{}", whole.text(), whole.err);
        assert_eq!(verify(old.path(), &[]).code, 0, "by itself an older copy is whole");
        let cut = verify(old.path(), &["--head", &head]);
        assert_eq!(cut.code, 1, "{}", cut.text());
        assert!(cut.text().contains("truncated"), "{}", cut.text());
    }
}

fn copy(from: &std::path::Path, to: &std::path::Path) {
    for entry in std::fs::read_dir(from).unwrap().map(|e| e.unwrap().path()) {
        let to = to.join(entry.file_name().unwrap());
        if entry.is_dir() {
            std::fs::create_dir(&to).unwrap();
            copy(&entry, &to);
        } else {
            std::fs::copy(&entry, &to).unwrap();
        }
    }
}
