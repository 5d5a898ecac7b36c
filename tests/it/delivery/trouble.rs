//! Receivers that do not work, each in its own way: every one has its own words in the log and in `alerts list`, and
//! its own counter; nothing is lost, and nobody else waits.

use std::fs;
use std::net::TcpListener;
use std::pin::Pin;
use std::process::Stdio;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use logwarden::delivery::{Clock, SystemClock};
use logwarden::store::{Commit, Store};
use logwarden::units::Timestamp;

use super::http::{Receiver, Reply};
use super::kit::{Rig, START, alert, mins, secs};
use super::smtp::{Manners, Server};
use super::tls::Authority;
use crate::process::Running;
use crate::support::{logwarden, run};

fn error(rig: &Rig, receiver: &str) -> String {
    let queues = rig.store.queues().unwrap();
    queues.into_iter().find(|q| q.receiver == receiver).and_then(|q| q.error).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_that_does_not_work_says_why_and_gets_everything_when_it_does() {
    type Answer = fn() -> Reply;
    let cases: [(Answer, &str, &str); 11] = [
        (|| Reply::Hang, "timeout", "no answer in time from 127.0.0.1"),
        (|| Reply::Cut, "cut", "cut the connection before it answered"),
        (|| Reply::Status(302, "location: http://127.0.0.1:1/stolen\r\n"), "redirect", "redirects are not followed"),
        (|| Reply::Status(308, "location: /elsewhere\r\n"), "redirect", "set `url` to the final address"),
        (|| Reply::Body(410, ""), "gone", "the endpoint is gone"),
        (|| Reply::Body(404, "no_service"), "gone", "no_service (the endpoint is gone or the URL is wrong)"),
        (|| Reply::Body(401, "who are you"), "login", "is the token or URL right?"),
        (|| Reply::Body(403, "invalid_token"), "login", "invalid_token"),
        (|| Reply::Status(429, "retry-after: 7\r\n"), "rate_limited", "answered 429"),
        (|| Reply::Body(503, "busy"), "server_error", "busy"),
        (|| Reply::Body(500, "boom"), "server_error", "boom"),
    ];
    for (answer, cause, want) in cases {
        let dir = tempfile::tempdir().unwrap();
        let http = Receiver::start(move |_| answer()).await;
        let config = format!("type = 'webhook'\nurl = '{}'\ntimeout = '200ms'", http.url());
        let rig = Rig::new(dir.path(), &[("hook", config)]);
        rig.raise(&[alert(1, 1), alert(2, 2)]);
        rig.pass(secs(30)).await;
        let queue = &rig.store.queues().unwrap()[0];
        assert_eq!((queue.pending, queue.dead), (2, 0), "{want}");
        assert!(error(&rig, "hook").contains(want), "{want}: {}", error(&rig, "hook"));
        let counts = rig.counts("hook");
        assert!(counts.causes.len() == 1 && counts.causes[0].0 == cause, "{want}: {counts:?}");
        assert!(http.seen().iter().all(|r| r.line.contains("/hook")), "{want}");
        http.answer(|_| Reply::Status(200, ""));
        rig.drain(mins(11)).await;
        assert_eq!(rig.counts("hook").sent, 2, "{want}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_message_that_a_receiver_cannot_stomach_does_not_hold_back_the_others() {
    let poison: [fn() -> Reply; 4] = [
        || Reply::Hang,
        || Reply::Cut,
        || Reply::Body(502, "bad gateway"),
        || Reply::Body(403, "blocked by the firewall"),
    ];
    for bad in poison {
        let dir = tempfile::tempdir().unwrap();
        let http =
            Receiver::start(
                move |r| {
                    if r.json()["id"] == alert(0, 0).id.as_str() { bad() } else { Reply::Status(200, "") }
                },
            )
            .await;
        let config = format!("type = 'webhook'\nurl = '{}'\ntimeout = '200ms'", http.url());
        let rig = Rig::new(dir.path(), &[("hook", config)]);
        rig.raise(&(0..10).map(|n| alert(n, n)).collect::<Vec<_>>());
        rig.pass(secs(30)).await;
        assert_eq!(
            (rig.counts("hook").sent, rig.store.queues().unwrap()[0].pending),
            (9, 1),
            "{}",
            error(&rig, "hook")
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_server_that_does_not_work_says_why_and_nobody_waits_for_it() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::new(dir.path());
    let ca = format!("ca_file = '{}'\ntimeout = '400ms'", authority.ca_file.display());
    let start = |expired| Some(authority.server(expired).into());
    let login = Some(STANDARD.encode("\0warden\0right"));
    let servers = [
        ("half_open", Manners { mute: true, ..Manners::default() }, "timeout", "no answer in time"),
        ("expired", Manners { starttls: start(true), ..Manners::default() }, "certificate", "expired on 2021-01-01"),
        ("in_the_clear", Manners::default(), "tls", "does not offer STARTTLS, and nothing is sent in the clear"),
        ("implicit", Manners { implicit: start(false), ..Manners::default() }, "timeout", "no answer in time"),
        (
            "password",
            Manners { starttls: start(false), login, ..Manners::default() },
            "login",
            "does not accept our login; are `username` and `password` right? localhost:",
        ),
    ];
    let good = Receiver::start(|_| Reply::Status(204, "")).await;
    let mut receivers = vec![("good", format!("type = 'webhook'\nurl = '{}'", good.url()))];
    let mut running = Vec::new();
    for (name, manners, ..) in &servers {
        let server = Server::start(manners.clone()).await;
        let login = if *name == "password" { "\nusername = 'warden'\npassword = 'wr0ngpw'" } else { "" };
        receivers.push((*name, server.config(&format!("{ca}{login}")).replace("'127.0.0.1'", "'localhost'")));
        running.push(server);
    }
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mail = |host: &str, port: u16| {
        format!("type = 'email'\nhost = '{host}'\nport = {port}\nfrom = 'a@b.example'\nto = ['c@d.example']")
    };
    receivers.push(("nobody", mail("127.0.0.1", nobody)));
    receivers.push(("nowhere", mail("no-such-host.invalid", 25)));
    let rig = Rig::new(&dir.path().join("state"), &receivers);
    rig.raise(&[alert(1, 1)]);
    rig.pass(secs(10)).await;
    assert_eq!(good.seen().len(), 1);
    let rest = [
        ("nobody", "unreachable", "connection refused"),
        ("nowhere", "unknown_host", "no-such-host.invalid cannot be looked up"),
    ];
    let all = servers.iter().map(|(name, _, cause, want)| (*name, *cause, *want)).chain(rest);
    for (name, cause, want) in all {
        let error = error(&rig, name);
        assert!(error.contains(want) && !error.contains("wr0ngpw"), "{name}: {error}");
        assert_eq!(rig.counts(name).causes[0].0, cause, "{name}");
        let queues = rig.store.queues().unwrap();
        assert_eq!(queues.iter().find(|q| q.receiver == name).unwrap().pending, 1, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn troubles_stand_in_the_log_and_in_the_list_and_a_retry_mends_what_was_given_up() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().display();
    let gone = Receiver::start(|_| Reply::Body(410, "no longer")).await;
    let picky = Receiver::start(|_| Reply::Body(400, "invalid_payload")).await;
    let config = dir.path().join("c.toml");
    let text = format!(
        "[sources.app]\ntype = \"file\"\npaths = [\"{root}/app.log\"]\n[state]\ndir = \"{root}/state\"\n\
         [receivers.gone]\ntype = \"webhook\"\nurl = \"{}\"\n[receivers.picky]\ntype = \"webhook\"\nurl = \"{}\"\n\
         [receivers.nowhere]\ntype = \"webhook\"\nurl = \"https://no-such-host.invalid/T0kenInThePath\"\n",
        gone.url(),
        picky.url()
    );
    fs::write(&config, text).unwrap();
    let config = config.to_str().unwrap();
    let store = Store::open(&dir.path().join("state"), START).unwrap();
    let rows: Vec<_> = ["gone", "picky", "nowhere", "renamed"]
        .map(|r| logwarden::store::OutboxRow { receiver: r.to_owned(), alert: alert(1, 1) })
        .to_vec();
    let now = logwarden::units::Timestamp::from(chrono::Utc::now());
    store.commit(&Commit { alerts: &[alert(1, 1)], outbox: &rows, now, ..Commit::default() }).unwrap();
    drop(store);
    let log = dir.path().join("errors");
    let service = || {
        let errors = fs::OpenOptions::new().create(true).append(true).open(&log).unwrap();
        let mut command = logwarden();
        Running(command.args(["run", "--config", config]).stdin(Stdio::null()).stderr(errors).spawn().unwrap())
    };
    let running = service();
    let wants = [
        ("gone", "answered 410 Gone: no longer (the endpoint is gone or the URL is wrong)"),
        ("picky", "answered 400 Bad Request: invalid_payload"),
        ("nowhere", "no-such-host.invalid cannot be looked up"),
        ("renamed", "the configuration names no receiver of this name"),
    ];
    let list = || run(&["alerts", "list", "--config", config], b"").text();
    let start = std::time::Instant::now();
    while !wants.iter().all(|(name, want)| list().lines().any(|l| l.contains(name) && l.contains(want))) {
        assert!(start.elapsed() < secs(60), "{}", list());
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    let said = fs::read_to_string(&log).unwrap();
    for (name, want) in wants {
        assert!(
            said.lines().any(|l| l.contains(&format!("receiver=\"{name}\"")) && l.contains(want)),
            "{name}: {said}"
        );
    }
    let listed = list();
    assert!(
        listed.contains("picky 1 given up")
            && listed.lines().any(|l| l.contains("  gone ") && l.contains(" waiting since")),
        "{listed}"
    );
    assert!(!format!("{said}{listed}").contains("T0kenInThePath"));
    let queue = run(&["alerts", "queue", "--format", "json", "--config", config], b"").text();
    let states: Vec<(String, String)> = queue
        .lines()
        .map(|l| serde_json::from_str::<serde_json::Value>(l).unwrap())
        .filter(|m| m["alert"] == alert(1, 1).id.as_str())
        .map(|m| (m["receiver"].as_str().unwrap().to_owned(), m["state"].as_str().unwrap().to_owned()))
        .collect();
    assert!(states.contains(&("picky".into(), "dead".into())) && states.contains(&("gone".into(), "waiting".into())));
    picky.answer(|_| Reply::Status(200, ""));
    gone.answer(|_| Reply::Status(200, ""));
    let retry = run(&["alerts", "retry", "--config", config], b"");
    assert!(retry.code == 0 && retry.text().contains("2 given up and "), "{}{}", retry.text(), retry.err);
    let unknown = run(&["alerts", "retry", "nobody", "--config", config], b"");
    assert!(unknown.code == 1 && unknown.err.contains("gone, nowhere, picky, renamed"), "{}", unknown.err);
    let all = || picky.ids().len() >= 2 && gone.ids().contains(&alert(1, 1).id) && !list().contains("\n  picky ");
    drop(running);
    let _running = service();
    let start = std::time::Instant::now();
    while !all() {
        assert!(start.elapsed() < secs(60), "{}", list());
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
}

/// The machine's clock, but the third who asks it gets a panic.
#[derive(Default)]
struct Cracked(std::sync::atomic::AtomicU32);

impl Clock for Cracked {
    fn now(&self) -> Timestamp {
        let asked = self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        assert!(asked != 6, "the clock is cracked");
        SystemClock.now()
    }

    fn until(&self, at: Timestamp) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        SystemClock.until(at)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_that_breaks_is_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let http = Receiver::start(|_| Reply::Status(200, "")).await;
    let clock = Arc::new(Cracked::default());
    let rig = Rig::stopped(dir.path(), &[("hook", format!("type = 'webhook'\nurl = '{}'", http.url()))]);
    let rig = rig.by(Arc::clone(&clock) as Arc<dyn Clock>);
    let start = std::time::Instant::now();
    let mut n = 0;
    while !http.ids().contains(&alert(n, n).id) || clock.0.load(std::sync::atomic::Ordering::Relaxed) < 12 {
        assert!(start.elapsed() < secs(60), "{:?}", rig.store.queues());
        if http.ids().contains(&alert(n, n).id) || start.elapsed() > secs(1) {
            n += 1;
        }
        rig.raise(&[alert(n, n)]);
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_alert_about_a_receiver_ends_with_the_receiver() {
    let dir = tempfile::tempdir().unwrap();
    let (gone, other) =
        (Receiver::start(|_| Reply::Body(400, "no")).await, Receiver::start(|_| Reply::Status(200, "")).await);
    let hook = |r: &Receiver| format!("type = 'webhook'\nurl = '{}'", r.url());
    let rig = Rig::new(dir.path(), &[("gone", hook(&gone)), ("other", hook(&other))]);
    rig.raise(&[alert(1, 1)]);
    rig.drain(secs(2)).await;
    assert_eq!(rig.store.firing_of("delivery_failing").unwrap().len(), 1);
    drop(rig.stop().await);
    let rig = Rig::new(dir.path(), &[("other", hook(&other))]);
    rig.drain(secs(2)).await;
    assert_eq!(rig.store.firing_of("delivery_failing").unwrap().len(), 0);
    let over = other.seen().pop().unwrap().json();
    assert_eq!((over["kind"].as_str(), over["status"].as_str()), (Some("delivery_failing"), Some("resolved")));
}

#[tokio::test(flavor = "multi_thread")]
async fn how_long_a_receiver_fails_is_counted_over_restarts() {
    let dir = tempfile::tempdir().unwrap();
    let (gone, other) = (Receiver::start(|_| Reply::Cut).await, Receiver::start(|_| Reply::Status(200, "")).await);
    let hook = |r: &Receiver| format!("type = 'webhook'\nurl = '{}'", r.url());
    let hooks = [("gone", hook(&gone)), ("other", hook(&other))];
    let told = || other.seen().iter().filter(|r| r.json()["kind"] == "delivery_failing").count();
    let rig = Rig::new(dir.path(), &hooks);
    let (clock, began) = (Arc::clone(&rig.clock), rig.clock.now());
    // each start tries at once, however long the wait was to be
    let again = |hooks: &[(&str, String)]| {
        let mut rig = Rig::stopped(dir.path(), hooks);
        rig.clock = Arc::clone(&clock);
        rig.store.retry(Some("gone"), clock.now()).unwrap();
        rig.start().unwrap();
        rig
    };
    rig.raise(&[alert(1, 1)]);
    rig.pass(mins(6)).await;
    drop(rig.stop().await);
    let rig = again(&hooks);
    rig.pass(mins(3)).await;
    drop(rig.stop().await);
    assert_eq!(told(), 0, "not yet");
    clock.pass(mins(2), 0).await;
    let rig = again(&hooks);
    rig.pass(secs(1)).await;
    assert_eq!(told(), 1, "11 minutes after the first failure");
    let open = rig.stop().await.firing_of("delivery_failing").unwrap();
    assert!(open[0].starts_at.since(began) < secs(1), "{} {began}", open[0].starts_at);
    // once it has taken something, the time begins anew
    gone.answer(|_| Reply::Status(200, ""));
    let rig = again(&hooks);
    rig.drain(mins(1)).await;
    assert_eq!(told(), 2, "its end");
    gone.answer(|_| Reply::Cut);
    clock.pass(mins(20), 0).await;
    rig.raise(&[alert(2, 2)]);
    rig.pass(mins(9)).await;
    drop(rig.stop().await);
    // and so it does for one that was taken away meanwhile
    clock.pass(mins(5), 0).await;
    drop(again(&hooks[1..]).stop().await);
    let rig = again(&hooks);
    rig.raise(&[alert(3, 3)]);
    rig.pass(mins(9)).await;
    assert_eq!(told(), 2);
}
