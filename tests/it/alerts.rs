//! `alerts`: history from the state directory, and the test alert.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;

use logwarden::alert::{Alert, AlertKey, Evidence, Links, RunbookStep, Severity, Status, Urgency};
use logwarden::store::{Commit, Store};
use logwarden::units::Timestamp;

use crate::delivery::http::Receiver;
use crate::delivery::smtp::{Manners, Server};
use crate::delivery::tls::Authority;
use crate::support::run;

fn alert(id: &str, summary: &str) -> Alert {
    Alert {
        schema: Alert::SCHEMA.to_owned(),
        id: id.to_owned(),
        status: Status::Firing,
        kind: "volume_spike".to_owned(),
        severity: Severity::Critical,
        urgency: Urgency::Page,
        key: Some(AlertKey { kind: "API_KEY".to_owned(), tag: "0abc".to_owned(), label: None, group: None }),
        source: None,
        fingerprint: format!("{id:0>32}"),
        starts_at: Timestamp::from_secs(1_777_884_000),
        ends_at: None,
        updated_at: Timestamp::from_secs(1_777_884_000),
        summary: summary.to_owned(),
        why: "900 requests in 5 minutes, 12 expected".to_owned(),
        evidence: Evidence {
            unit: "requests".to_owned(),
            observed: Some(900.0),
            expected: Some(12.0),
            lines: vec!["a \u{1b}[31mline".to_owned()],
            ..Evidence::default()
        },
        likely_causes: vec!["a stolen key".to_owned()],
        runbook: vec![RunbookStep { step: "Revoke the key".to_owned(), link: None }],
        count: 1,
        host: "web-1".to_owned(),
        links: Links::default(),
    }
}

fn state(dir: &Path) -> String {
    let store = Store::open(dir, Timestamp::from_secs(0)).unwrap();
    let alerts = [alert("01JAAAAAAAAAAAAAAAAAAAAAAA", "one"), alert("01JBBBBBBBBBBBBBBBBBBBBBBB", "two")];
    store.commit(&Commit { alerts: &alerts, now: Timestamp::from_secs(1_777_884_001), ..Commit::default() }).unwrap();
    dir.to_str().unwrap().to_owned()
}

#[test]
fn history_is_listed_and_shown() {
    let dir = tempfile::tempdir().unwrap();
    let state = state(&dir.path().join("state"));
    let list = run(&["alerts", "list", "--state", &state], b"");
    assert_eq!(list.code, 0, "{}", list.err);
    assert!(list.text().contains("CRITICAL volume_spike") && list.text().lines().count() == 2, "{}", list.text());
    let json = run(&["alerts", "list", "--state", &state, "--format", "json", "-n", "1"], b"").text();
    let object: Alert = serde_json::from_str(json.trim()).unwrap();
    assert_eq!((json.lines().count(), object.schema.as_str()), (1, Alert::SCHEMA));
    let show = run(&["alerts", "show", "01jb", "--state", &state], b"").text();
    assert!(show.starts_with("CRITICAL two\n900 requests"), "{show}");
    for part in ["[API_KEY:0abc]", "observed 900, expected 12 (requests)", "Revoke the key", "a ·[31mline", "timeline"]
    {
        assert!(show.contains(part), "{part}\n{show}");
    }
    let incident = run(&["alerts", "show", "01jb", "--state", &state, "--format", "md"], b"").text();
    for part in ["# CRITICAL: two\n", "## Timeline (UTC)", "- [ ] Revoke the key", "    a  [31mline"] {
        assert!(incident.contains(part), "{part}\n{incident}");
    }
}

#[test]
fn what_is_not_there_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let none = run(&["alerts", "list", "--state", dir.path().to_str().unwrap()], b"");
    assert_eq!(none.code, 74);
    assert!(none.err.contains("help: ") && none.err.contains("--state"), "{}", none.err);
    let state = state(&dir.path().join("state"));
    assert_eq!(run(&["alerts", "show", "ZZ", "--state", &state], b"").code, 1);
    let both = run(&["alerts", "show", "01J", "--state", &state], b"");
    assert!(both.code == 1 && both.err.contains("2 alerts begin with"), "{}", both.err);
}

#[test]
fn a_test_alert_goes_through_every_receiver() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = std::thread::spawn(move || {
        let (mut peer, _) = listener.accept().unwrap();
        let (mut got, mut buffer) = (Vec::new(), [0; 4096]);
        while !got.ends_with(b"}") {
            let n = peer.read(&mut buffer).unwrap();
            got.extend_from_slice(&buffer[..n]);
        }
        peer.write_all(b"HTTP/1.1 204 No Content\r\ncontent-length: 0\r\n\r\n").unwrap();
        String::from_utf8(got).unwrap()
    });
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("logwarden.toml");
    let dead = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let text = format!(
        "[receivers.good]\ntype = \"webhook\"\nurl = \"http://{address}/hook\"\n\
         [receivers.dead]\ntype = \"webhook\"\nurl = \"http://{dead}/hook\"\n"
    );
    fs::write(&path, text).unwrap();
    let ran = run(&["alerts", "test", "--config", path.to_str().unwrap()], b"");
    assert_eq!(ran.code, 1, "{}", ran.err);
    assert!(
        ran.text().contains("ok     good (webhook generic") && ran.text().contains("FAILED dead"),
        "{}",
        ran.text()
    );
    let request = server.join().unwrap();
    assert!(request.contains("webhook-id: ") && request.contains("logwarden.alert/v1"), "{request}");
}

#[test]
fn check_says_which_receiver_cannot_send() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("logwarden.toml");
    let write = |url: &str| {
        fs::write(&path, format!("[receivers.hook]\ntype = \"webhook\"\nurl = \"{url}\"\n")).unwrap();
        run(&["check", "--config", path.to_str().unwrap()], b"")
    };
    let missing = write("${env:NO_SUCH_HOOK_URL}");
    assert_eq!(missing.code, 78);
    assert!(
        missing.text().contains("receiver hook: cannot be used: url: environment variable NO_SUCH"),
        "{}",
        missing.text()
    );
    let plain = write("http://hooks.example.com/x");
    assert!(plain.code == 78 && plain.text().contains("https"), "{}", plain.text());
    let later = write("${cred:hook}");
    assert!(later.code == 0 && later.text().contains("not tried here"), "{}", later.text());
    assert_eq!(write("https://hooks.example.com/x").code, 0);
}

#[test]
fn a_person_can_speak_while_the_service_holds_the_state() {
    let dir = tempfile::tempdir().unwrap();
    let state = state(&dir.path().join("state"));
    let service = Store::open(Path::new(&state), Timestamp::from_secs(0)).unwrap();
    let ack = run(&["alerts", "ack", "01JA", "-m", "rotating it", "--state", &state], b"");
    assert!(ack.code == 0 && ack.text().contains("is in hand: one"), "{}{}", ack.text(), ack.err);
    let show = run(&["alerts", "show", "01JA", "--state", &state], b"").text();
    assert!(show.contains(" acked by ") && show.contains(": rotating it"), "{show}");

    let add = run(&["alerts", "silence", "add", "kind=new_ip", "key=API_*", "--for", "30m", "--state", &state], b"");
    assert_eq!(add.code, 0, "{}", add.err);
    let now = Timestamp::from(chrono::Utc::now());
    assert_eq!(service.silences(now).unwrap().len(), 1, "the running service sees it");
    let list = run(&["alerts", "silence", "list", "--state", &state], b"").text();
    assert!(list.contains("kind=new_ip key=API_*"), "{list}");
    let id = list.split(' ').next().unwrap().to_owned();
    assert_eq!(run(&["alerts", "silence", "end", &id, "--state", &state], b"").code, 0);
    assert!(service.silences(now).unwrap().iter().all(|s| s.ends_at <= Timestamp::from(chrono::Utc::now())));
    assert_eq!(run(&["alerts", "silence", "end", &id, "--state", &state], b"").code, 1);

    let wrong = run(&["alerts", "silence", "add", "colour=red", "--state", &state], b"");
    assert!(wrong.code == 2 && wrong.err.contains("kind=..."), "{}", wrong.err);
    let nowhere = run(&["alerts", "ack", "01J", "--state", dir.path().to_str().unwrap()], b"");
    assert_eq!(nowhere.code, 74, "{}", nowhere.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_online_goes_to_each_receiver_and_sends_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::new(dir.path());
    let secure = Receiver::start_tls(authority.server(false)).await;
    let starttls = Some(authority.server(false).into());
    let login = Some("AHdhcmRlbgByaWdodA==".to_owned());
    let mail = Server::start(Manners { starttls, login, ..Manners::default() }).await;
    let ca = format!("ca_file = '{}'", authority.ca_file.display());
    let path = dir.path().join("c.toml");
    let write = |password: &str| {
        let text = format!(
            "[receivers.hook]\ntype = 'webhook'\nurl = 'https://{}/hook'\n{ca}\n[receivers.mail]\n{}\nusername = 'warden'\n\
             password = '{password}'\n",
            secure.address,
            mail.config(&ca)
        );
        fs::write(&path, text).unwrap();
    };
    let check = || tokio::task::block_in_place(|| run(&["check", "--online", "--config", path.to_str().unwrap()], b""));
    write("right");
    let fine = check();
    assert_eq!(fine.code, 0, "{}{}", fine.text(), fine.err);
    for want in [
        "ok     hook (webhook generic, TLS 1.3, certificate until",
        "ok     mail (email starttls, TLS 1.3, certificate until",
    ] {
        assert!(fine.text().contains(want), "{want}\n{}", fine.text());
    }
    assert!(mail.mails().is_empty() && secure.seen().iter().all(|r| r.line.starts_with("HEAD ")));
    write("wrong");
    let wrong = check();
    assert!(
        wrong.code == 1 && wrong.text().contains("FAILED mail") && wrong.text().contains("does not accept our login"),
        "{}",
        wrong.text()
    );
    write("right");
    let test = tokio::task::block_in_place(|| run(&["alerts", "test", "--config", path.to_str().unwrap()], b""));
    assert!(test.code == 0 && test.text().contains("ok     mail (email starttls, TLS 1.3"), "{}", test.text());
    assert!(mail.mails().len() == 1 && mail.mails()[0].header("Subject").contains("Test alert"), "{}", test.text());
}

#[test]
fn a_silence_for_a_kind_that_there_is_not_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().to_str().unwrap();
    let ran = run(&["alerts", "silence", "add", "kind=volume_spik", "--state", state], b"");
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("there is no kind `volume_spik`; did you mean `volume_spike`?"), "{}", ran.err);
    // These are kinds; what is missing here is the state.
    for kind in ["kind=volume_spike", "kind=volume_*"] {
        assert_eq!(run(&["alerts", "silence", "add", kind, "--state", state], b"").code, 74);
    }
}

/// Runs the program as somebody who may read `dir` and write nowhere in it.
fn run_read_only(dir: &Path, args: &[&str]) -> crate::support::Ran {
    use std::os::unix::fs::PermissionsExt;
    let entries = walk(dir);
    let root = rustix::process::getuid().is_root();
    let owned = |path: &Path, by: u32, file, dir| {
        fs::set_permissions(path, fs::Permissions::from_mode(if path.is_dir() { dir } else { file })).unwrap();
        if root {
            std::os::unix::fs::chown(path, Some(by), Some(by)).unwrap();
        }
    };
    entries.iter().for_each(|path| owned(path, 65_534, 0o400, 0o500));
    // root may write anywhere, so it has to become somebody else; a copy of the program lies where that one may read
    let place = tempfile::tempdir().unwrap();
    fs::set_permissions(place.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let program = place.path().join("logwarden");
    fs::copy(env!("CARGO_BIN_EXE_logwarden"), &program).unwrap();
    let mut command = std::process::Command::new(if root { Path::new("setpriv") } else { &program });
    if root {
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(&program);
    }
    command.args(args).env("NO_COLOR", "1").env_remove("LOGWARDEN_PSEUDONYM_KEY");
    let ran = crate::support::run_command(&mut command, b"");
    entries.iter().for_each(|path| owned(path, 0, 0o600, 0o700));
    ran
}

/// `dir` and everything in it.
fn walk(dir: &Path) -> Vec<std::path::PathBuf> {
    let mut all = vec![dir.to_owned()];
    for entry in fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            all.extend(walk(&entry));
        } else {
            all.push(entry);
        }
    }
    all
}

#[test]
fn reading_verbs_read_where_nothing_can_be_written() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let path = dir.path().join("state");
    let line = b"{\"time\":1777884000,\"apiKeyId\":\"k1\",\"status\":200}\n";
    let config = dir.path().join("c.toml");
    fs::write(&config, "[receivers.none]\ntype = \"webhook\"\nurl = \"http://127.0.0.1:9/\"\n").unwrap();
    let (config, state_dir) = (config.to_str().unwrap(), path.to_str().unwrap());
    let watched = run(&["--config", config, "--state", state_dir], line);
    assert_eq!(watched.code, 0, "{}", watched.err);
    state(&path);
    let store = Store::open(&path, Timestamp::from_secs(0)).unwrap();
    store.flush_audit().unwrap();
    drop(store);
    let before = walk(&path);
    for (verb, want) in [
        (&["alerts", "list"][..], "volume_spike"),
        (&["alerts", "show", "01JA"], "a stolen key"),
        (&["alerts", "queue"], ""),
        (&["alerts", "silence", "list"], ""),
        (&["keys", "list"], "k1"),
        (&["keys", "show", "k"], "k1"),
        (&["audit", "verify"], "the audit log is whole"),
        (&["audit", "export"], "alert.firing"),
    ] {
        let ran = run_read_only(&path, &[verb, &["--state", state_dir]].concat());
        assert_eq!(ran.code, 0, "{verb:?}: {}", ran.err);
        assert!(ran.text().contains(want), "{verb:?}: {}", ran.text());
    }
    assert_eq!(walk(&path), before, "nothing was made");
    // with a log beside it that nobody can merge, it is not shown by halves
    fs::write(path.join("state.db-wal"), [0; 4096]).unwrap();
    let ran = run_read_only(&path, &["alerts", "list", "--state", state_dir]);
    assert!(ran.code == 74 && ran.err.contains("copy the directory"), "{} {}{}", ran.code, ran.text(), ran.err);
}
