//! Real programs on the other side, where they are there: aiosmtpd takes our mail, the reference library our signature.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::http::{Receiver, Reply};
use super::kit::{Rig, alert, secs};
use super::tls::Authority;
use crate::support::{find, skip};

/// A Python that has `module`.
fn python(module: &str) -> Option<std::path::PathBuf> {
    let has = |p: &Path| {
        Command::new(p)
            .args(["-c", &format!("import {module}")])
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|s| s.success())
    };
    let venv = crate::support::root().join("target/venv/bin/python3");
    [Some(venv), find("python3")].into_iter().flatten().find(|p| has(p))
}

/// Prints its port, then each message as one line of JSON, parsed by Python's own mail package.
const SMTPD: &str = r#"
import asyncio, email, email.policy, json, ssl, sys
from aiosmtpd.smtp import SMTP, AuthResult

class Handler:
    async def handle_DATA(self, server, session, envelope):
        m = email.message_from_bytes(envelope.content, policy=email.policy.default)
        parts = {p.get_content_type(): p.get_content().replace("\r\n", "\n") for p in m.walk() if not p.is_multipart()}
        print(json.dumps({"from": envelope.mail_from, "to": envelope.rcpt_tos, "user": session.auth_data,
                          "tls": session.ssl is not None, "headers": dict(m.items()), "parts": parts,
                          "defects": [str(d) for d in m.defects]}), flush=True)
        return "250 taken"

def login(server, session, envelope, mechanism, data):
    fine = data.login == b"warden" and data.password == b"s3cret"
    return AuthResult(success=fine, auth_data=data.login.decode() if fine else None)

async def main():
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(sys.argv[1], sys.argv[2])
    make = lambda: SMTP(Handler(), tls_context=tls, require_starttls=True, auth_required=True, authenticator=login)
    server = await asyncio.get_running_loop().create_server(make, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()

asyncio.run(main())
"#;

struct Ends(Child);

impl Drop for Ends {
    fn drop(&mut self) {
        // Nothing is to be done about a child that is gone already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn aiosmtpd_takes_our_mail_over_starttls_with_a_login() {
    let Some(python) = python("aiosmtpd") else {
        return skip("delivery::peers::aiosmtpd", "no python3 with the aiosmtpd package");
    };
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::new(dir.path());
    let (certificate, key) = authority.files(dir.path());
    let mut child = Command::new(python)
        .arg("-c")
        .arg(SMTPD)
        .args([certificate, key])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let _ends = Ends(child);
    let port = lines.next().unwrap().unwrap();
    let config = format!(
        "type = 'email'\nhost = 'localhost'\nport = {port}\nca_file = '{}'\nusername = 'warden'\npassword = 's3cret'\n\
         from = 'Wärter <lw@example.com>'\nto = ['ops@example.com']",
        authority.ca_file.display()
    );
    let rig = Rig::new(&dir.path().join("state"), &[("ops", config)]);
    let mut a = alert(1, 1);
    a.summary = "Schlüssel läuft heiß\r\n.\r\nBcc: evil@example.net".to_owned();
    a.evidence.lines = vec![".".to_owned(), "<script>alert(1)</script>".to_owned(), "x".repeat(3_000)];
    rig.raise(&[a]);
    rig.drain(secs(5)).await;
    let mail: serde_json::Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
    assert_eq!(mail["to"], serde_json::json!(["ops@example.com"]));
    assert_eq!((mail["tls"].as_bool(), mail["user"].as_str()), (Some(true), Some("warden")));
    assert_eq!(mail["defects"], serde_json::json!([]));
    let subject = mail["headers"]["Subject"].as_str().unwrap();
    assert_eq!(subject, "[logwarden] WARNING: Schlüssel läuft heiß  .  Bcc: evil@example.net");
    assert_eq!(mail["headers"]["From"], "Wärter <lw@example.com>");
    assert_eq!(mail["headers"]["Bcc"], serde_json::Value::Null);
    let text = mail["parts"]["text/plain"].as_str().unwrap();
    assert!(text.contains("\n  .\n  <script>") && text.contains("1. Revoke the key"), "{text}");
    let html = mail["parts"]["text/html"].as_str().unwrap();
    assert!(html.contains("&lt;script&gt;") && !html.contains("<script>") && html.trim_end().ends_with("</html>"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_reference_library_verifies_our_signature() {
    let Some(python) = python("standardwebhooks") else {
        return skip("delivery::peers::standardwebhooks", "no python3 with the standardwebhooks package");
    };
    let dir = tempfile::tempdir().unwrap();
    let http = Receiver::start(|_| Reply::Status(204, "")).await;
    let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let config = format!("type = 'webhook'\nurl = '{}'\nsecret = '{secret}'", http.url());
    // The library refuses old timestamps, so this one test lives in real time.
    let rig = Rig::stopped(dir.path(), &[("hook", config)]);
    let rig = rig.in_real_time();
    rig.raise(&[alert(1, 1)]);
    let start = std::time::Instant::now();
    while http.seen().is_empty() {
        assert!(start.elapsed() < secs(20));
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    let request = http.seen().remove(0);
    let verify = "import sys, json\nfrom standardwebhooks import Webhook\n\
                  h = json.loads(sys.argv[2])\nprint(Webhook(sys.argv[1]).verify(sys.stdin.buffer.read(), h)['id'])";
    let headers: serde_json::Map<String, serde_json::Value> = ["webhook-id", "webhook-timestamp", "webhook-signature"]
        .into_iter()
        .map(|n| (n.to_owned(), request.header(n).into()))
        .collect();
    let run = |body: &[u8]| {
        let mut child = Command::new(&python)
            .args(["-c", verify, secret, &serde_json::Value::Object(headers.clone()).to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(body).unwrap();
        let done = child.wait_with_output().unwrap();
        (done.status.success(), String::from_utf8(done.stdout).unwrap())
    };
    assert_eq!(run(&request.body), (true, format!("{}\n", alert(1, 1).id)));
    assert!(!run(b"{\"id\":\"forged\"}").0, "the library does tell right from wrong");
}

/// Asks for `path` and gives the body of the answer.
fn get(port: u16, path: &str) -> Option<String> {
    use std::io::Read;
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).ok()?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n").ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    text.starts_with("HTTP/1.0 200").then(|| text.split_once("\r\n\r\n").map(|(_, b)| b.to_owned()))?
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

async fn wait_for(what: &str, mut done: impl FnMut() -> bool) {
    let start = std::time::Instant::now();
    while !done() {
        assert!(start.elapsed() < secs(30), "{what}");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn alertmanager_accepts_groups_and_resolves_our_alerts() {
    let program = ["prometheus-alertmanager", "alertmanager"].into_iter().find_map(find);
    let Some(program) = program else {
        return skip("delivery::peers::alertmanager", "no prometheus-alertmanager");
    };
    let dir = tempfile::tempdir().unwrap();
    let config = "route: {receiver: none, group_by: [alertname, key]}\nreceivers: [{name: none}]\n";
    std::fs::write(dir.path().join("am.yml"), config).unwrap();
    let port = free_port();
    let child = Command::new(program)
        .args(["--config.file=am.yml", "--storage.path=data", "--cluster.listen-address="])
        .arg(format!("--web.listen-address=127.0.0.1:{port}"))
        .current_dir(dir.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let _ends = Ends(child);
    wait_for("alertmanager starts", || get(port, "/-/ready").is_some()).await;
    let url = format!("http://127.0.0.1:{port}");
    let hook = format!("type = 'webhook'\nformat = 'alertmanager'\nurl = '{url}'");
    let rig = Rig::stopped(&dir.path().join("state"), &[("am", hook)]).in_real_time();
    let now = logwarden::units::Timestamp::from(chrono::Utc::now());
    let fresh = |n, key| logwarden::alert::Alert { starts_at: now, updated_at: now, ..alert(n, key) };
    rig.raise(&[fresh(1, 1), fresh(2, 1), fresh(3, 2)]);
    let active = || -> Vec<serde_json::Value> {
        let body = get(port, "/api/v2/alerts?active=true").unwrap_or_default();
        serde_json::from_str(&body).unwrap_or_default()
    };
    wait_for("two alerts of different keys", || active().len() == 2).await;
    let groups: Vec<serde_json::Value> = serde_json::from_str(&get(port, "/api/v2/alerts/groups").unwrap()).unwrap();
    assert_eq!(groups.len(), 2);
    let mut over = fresh(3, 2);
    over.status = logwarden::alert::Status::Resolved;
    over.updated_at = now.plus(secs(1));
    over.ends_at = Some(now);
    rig.raise(&[over]);
    wait_for("one is resolved", || active().len() == 1).await;
    assert_eq!(active()[0]["labels"]["key"], format!("{:014}", 1));
    assert_eq!(rig.store.queues().unwrap()[0].dead, 0);
}
