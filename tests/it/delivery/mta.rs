//! A mail server as people run them: Debian's Postfix takes our mail over STARTTLS, from anybody or after AUTH, and hands
//! it on.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::kit::{Rig, alert, secs};
use super::smtp::{Manners, Server};
use super::tls::Authority;
use crate::process::Running;
use crate::support::{find, skip};

/// A running Postfix with everything of its own in one directory.
struct Postfix {
    program: PathBuf,
    conf: PathBuf,
}

impl Postfix {
    /// Listens on `port` with TLS and nothing else, and relays to `next`; with `more` of its main.cf.
    fn start(
        program: PathBuf,
        dir: &Path,
        port: u16,
        next: std::net::SocketAddr,
        authority: &Authority,
        more: &str,
    ) -> Self {
        let (certificate, key) = authority.files(dir);
        let conf = dir.join("conf");
        for part in ["conf", "queue", "data"] {
            fs::create_dir(dir.join(part)).unwrap();
        }
        // Its processes give up root, and must still get at their queue.
        assert!(Command::new("chmod").args(["755".as_ref(), dir]).status().unwrap().success());
        assert!(
            Command::new("chown").args(["postfix".as_ref(), dir.join("data").as_os_str()]).status().unwrap().success()
        );
        let root = dir.display();
        let main = format!(
            "compatibility_level = 3.6\nqueue_directory = {root}/queue\ndata_directory = {root}/data\n\
             maillog_file = {root}/log\nmaillog_file_prefixes = {root}\nmyhostname = localhost\nmydestination =\n\
             relayhost = [{}]:{}\ninet_interfaces = 127.0.0.1\ninet_protocols = ipv4\nmynetworks = 127.0.0.0/8\n\
             smtpd_tls_cert_file = {}\nsmtpd_tls_key_file = {}\nsmtpd_tls_security_level = encrypt\n\
             smtpd_tls_received_header = yes\nsmtpd_forbid_bare_newline = yes\n{more}",
            next.ip(),
            next.port(),
            certificate.display(),
            key.display()
        );
        fs::write(conf.join("main.cf"), main).unwrap();
        let services = "pickup unix n - n 60 1 pickup\ncleanup unix n - n - 0 cleanup\nqmgr unix n - n 300 1 qmgr\n\
                        rewrite unix - - n - - trivial-rewrite\nbounce unix - - n - 0 bounce\ndefer unix - - n - 0 bounce\n\
                        smtp unix - - n - - smtp\nerror unix - - n - - error\nretry unix - - n - - error\n\
                        anvil unix - - n - 1 anvil\ntlsmgr unix - - n 1000? 1 tlsmgr\npostlog unix-dgram n - n - 1 postlogd\n\
                        proxymap unix - - n - - proxymap\n";
        fs::write(conf.join("master.cf"), format!("127.0.0.1:{port} inet n - n - - smtpd\n{services}")).unwrap();
        let this = Self { program, conf };
        this.tell("start");
        this
    }

    fn tell(&self, word: &str) {
        let mut command = Command::new(&self.program);
        command.arg("-c").arg(&self.conf).arg(word).stdout(Stdio::null()).stderr(Stdio::null());
        // It complains about what it does not like, and works.
        let _word_said = command.status();
    }
}

impl Drop for Postfix {
    fn drop(&mut self) {
        self.tell("stop");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn postfix_takes_our_mail_over_starttls() {
    let Some(program) = find("postfix") else {
        return skip("delivery::mta::postfix", "no postfix");
    };
    if !rustix::process::geteuid().is_root() {
        return skip("delivery::mta::postfix", "it only runs as root");
    }
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::new(dir.path());
    let beyond = Server::start(Manners::default()).await;
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let _postfix = Postfix::start(program, dir.path(), port, beyond.address, &authority, "");
    let log = || fs::read_to_string(dir.path().join("log")).unwrap_or_default();
    wait("it listens", &log, || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()).await;
    let config = format!(
        "type = 'email'\nhost = 'localhost'\nport = {port}\nca_file = '{}'\nfrom = 'Wärter <lw@example.com>'\n\
         to = ['ops@example.com', 'sec@example.com']",
        authority.ca_file.display()
    );
    let rig = Rig::new(&dir.path().join("state"), &[("ops", config)]);
    let mut a = alert(1, 1);
    a.summary = "Schlüssel läuft heiß\r\nBcc: evil@example.net".to_owned();
    a.why = "eins\n.\nzwei\r\n.\r\nMAIL FROM:<evil@example.net>".to_owned();
    a.evidence.lines = vec!["x".repeat(5_000), ".".to_owned()];
    rig.raise(&[a]);
    rig.pass(secs(2)).await;
    assert_eq!(rig.counts("ops").sent, 1, "{:?} {}", rig.store.queues(), log());
    wait("it hands our mail on", &log, || beyond.mails().iter().map(|m| m.to.len()).sum::<usize>() == 2).await;
    let mail = beyond.mails().remove(0);
    assert!(mail.data.contains("(using TLSv1."), "{}", mail.data);
    assert!(mail.data.contains("\r\nSubject: [logwarden] WARNING: =?utf-8?b?"), "{}", mail.header("Subject"));
    assert!(mail.data.contains("eins . zwei  .  MAIL FROM"), "{}", mail.data);
    let mut to: Vec<String> = beyond.mails().into_iter().flat_map(|m| m.to).collect();
    to.sort();
    assert_eq!(to, ["ops@example.com", "sec@example.com"], "and to nobody else");
}

/// A running Dovecot that does nothing but check the passwords of Postfix's clients, with one user.
fn passwords(dovecot: &Path, dir: &Path, user: &str, password: &str) -> Running {
    let root = dir.display();
    let text = format!(
        "protocols =\nbase_dir = {root}/run\nstate_dir = {root}/state-of-dovecot\nlog_path = {root}/dovecot.log\nssl = no\n\
         auth_mechanisms = plain login\npassdb {{\n  driver = passwd-file\n  args = scheme=PLAIN username_format=%u {root}/users\n}}\n\
         service anvil {{\n  chroot =\n}}\nservice auth {{\n  unix_listener {root}/auth.sock {{\n    mode = 0666\n  }}\n}}\n"
    );
    fs::write(dir.join("dovecot.conf"), text).unwrap();
    fs::write(dir.join("users"), format!("{user}:{{PLAIN}}{password}\n")).unwrap();
    let mut command = Command::new(dovecot);
    command.arg("-F").arg("-c").arg(dir.join("dovecot.conf"));
    Running(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn postfix_takes_our_mail_after_auth_and_a_wrong_password_is_said() {
    let (Some(program), Some(dovecot)) = (find("postfix"), find("dovecot")) else {
        return skip("delivery::mta::auth", "no postfix or no dovecot");
    };
    if !rustix::process::geteuid().is_root() {
        return skip("delivery::mta::auth", "it only runs as root");
    }
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::new(dir.path());
    let beyond = Server::start(Manners::default()).await;
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let socket = dir.path().join("auth.sock");
    let more = format!(
        "smtpd_sasl_auth_enable = yes\nsmtpd_sasl_type = dovecot\nsmtpd_sasl_path = {}\nsmtpd_tls_auth_only = yes\n\
         smtpd_sasl_authenticated_header = yes\nsmtpd_relay_restrictions = permit_sasl_authenticated, reject\n",
        socket.display()
    );
    let _postfix = Postfix::start(program, dir.path(), port, beyond.address, &authority, &more);
    let _dovecot = passwords(&dovecot, dir.path(), "logwarden", "corr3ct h0rse");
    let log = || fs::read_to_string(dir.path().join("log")).unwrap_or_default();
    wait("passwords are checked", &log, || std::os::unix::net::UnixStream::connect(&socket).is_ok()).await;
    wait("it listens", &log, || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()).await;
    let config = |login: &str| {
        format!(
            "type = 'email'\nhost = 'localhost'\nport = {port}\nca_file = '{}'\nfrom = 'lw@example.com'\n\
             to = ['ops@example.com']\n{login}",
            authority.ca_file.display()
        )
    };
    let receivers = [
        ("right", config("username = 'logwarden'\npassword = 'corr3ct h0rse'")),
        ("wrong", config("username = 'logwarden'\npassword = 'battery staple'")),
        ("nobody", config("")),
    ];
    let rig = Rig::new(&dir.path().join("state"), &receivers);
    rig.raise(&[alert(1, 1)]);
    rig.pass(secs(2)).await;
    // Ours, and that the one without a password is turned away.
    assert_eq!(rig.counts("right").sent, 2, "{:?} {}", rig.store.queues(), log());
    wait("it hands our mail on", &log, || beyond.mails().len() == 2).await;
    for mail in beyond.mails() {
        assert!(mail.data.contains("(Authenticated sender: logwarden)"), "{}", mail.data);
    }
    let said = |name: &str| format!("{:?}", rig.store.queues().unwrap().iter().find(|q| q.receiver == name));
    assert!(said("wrong").contains("password") && said("wrong").contains("535"), "{}", said("wrong"));
    assert!(said("nobody").contains("554") || said("nobody").contains("denied"), "{}", said("nobody"));
    assert!(!said("wrong").contains("battery") && !log().contains("battery"), "no password is told");
    assert_eq!(beyond.mails().len(), 2, "and nothing else came through");
}

async fn wait(what: &str, log: &impl Fn() -> String, done: impl Fn() -> bool) {
    let start = std::time::Instant::now();
    while !done() {
        assert!(start.elapsed() < secs(30), "{what}\n{}", log());
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}
