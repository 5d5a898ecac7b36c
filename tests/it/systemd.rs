//! What systemd sees: the units, readiness, the watchdog, and the split service.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::delivery::http::{Receiver, Reply};
use crate::process::{Running, signal, wait};
use crate::support::{find, logwarden, run, run_command, skip};

fn units(option: &str, dir: &Path) -> Vec<PathBuf> {
    let ran = run(&["init", option, dir.to_str().unwrap()], b"");
    assert_eq!(ran.code, 0, "{}", ran.err);
    let mut units: Vec<PathBuf> = fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()).collect();
    units.retain(|path| path.extension().is_some_and(|e| e == "service"));
    units.sort();
    units
}

/// `Overall exposure level for x.service: 1.1 OK`
fn exposure(analyze: &Path, unit: &Path) -> f64 {
    let ran = run_command(Command::new(analyze).args(["security", "--offline=true", "--no-pager"]).arg(unit), b"");
    let line = ran.text().lines().find(|line| line.contains("Overall exposure")).unwrap_or_default().to_owned();
    let level = line.split(": ").nth(1).and_then(|rest| rest.split(' ').next()?.parse().ok());
    level.unwrap_or_else(|| panic!("{}{}", ran.text(), ran.err))
}

#[test]
fn the_units_are_right_and_tight() {
    let Some(analyze) = find("systemd-analyze") else { return skip("systemd", "systemd-analyze is not installed") };
    let (whole, split) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut all = units("--systemd", whole.path());
    all.extend(units("--split", split.path()));
    let names: Vec<_> = all.iter().map(|path| path.file_name().unwrap().to_str().unwrap()).collect();
    assert_eq!(names, ["logwarden.service", "logwarden-core.service", "logwarden-notifier.service"]);
    for unit in &all {
        let ran = run_command(Command::new(&analyze).args(["verify", "--man=no"]).arg(unit), b"");
        let about_us: Vec<&str> = ran.err.lines().filter(|line| line.contains("logwarden")).collect();
        assert!(ran.code == 0 && about_us.is_empty(), "{}: {}", unit.display(), ran.err);
    }
    let exposures: Vec<f64> = all.iter().map(|unit| exposure(&analyze, unit)).collect();
    assert!(exposures[0] < 1.5 && exposures[1] < 0.5 && exposures[2] < 1.5, "{exposures:?}");
}

/// A service manager that listens.
struct Manager {
    socket: UnixDatagram,
    path: PathBuf,
}

impl Manager {
    fn new(dir: &Path) -> Self {
        let path = dir.join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        Self { socket, path }
    }

    /// The next word that is not the watchdog's.
    fn next(&self) -> String {
        loop {
            let word = self.any();
            if word != "WATCHDOG=1" {
                return word;
            }
        }
    }

    fn any(&self) -> String {
        let mut buffer = [0; 4096];
        let n = self.socket.recv(&mut buffer).expect("the service says nothing");
        String::from_utf8_lossy(&buffer[..n]).into_owned()
    }
}

/// A service with a state, a log and a receiver.
struct Place(TempDir);

impl Place {
    fn new(url: &str) -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        place.configure(url);
        fs::write(place.path("app.log"), "one\n").unwrap();
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn configure(&self, url: &str) {
        let root = self.0.path().display();
        let text = format!(
            "[sources.app]\ntype = \"file\"\npaths = [\"{root}/app.log\"]\n[sinks.out]\ntype = \"file\"\n\
             path = \"{root}/out.log\"\n[state]\ndir = \"{root}/state\"\n[http]\nlisten = \"127.0.0.1:0\"\n\
             [receivers.ops]\ntype = \"webhook\"\nurl = \"{url}\"\n"
        );
        fs::write(self.path("c.toml"), text).unwrap();
    }

    fn start(&self, part: &str, notify: Option<&Manager>) -> Running {
        let errors = OpenOptions::new().create(true).append(true).open(self.path("errors")).unwrap();
        let mut command = logwarden();
        command.args(["run", "--part", part, "--config"]).arg(self.path("c.toml")).stdin(Stdio::null()).stderr(errors);
        if let Some(manager) = notify {
            command.env("NOTIFY_SOCKET", &manager.path);
        }
        Running(command.spawn().unwrap())
    }

    fn leak(&self) {
        let mut log = OpenOptions::new().append(true).open(self.path("app.log")).unwrap();
        let key = ["sk-proj-EXAMPLE7kEy", "T3BlbkFJAbCdEfGhIjKlMnOpQrSt"].concat();
        log.write_all(format!("{{\"level\":\"error\",\"msg\":\"call failed with {key}\"}}\n").as_bytes()).unwrap();
    }

    fn errors(&self) -> String {
        fs::read_to_string(self.path("errors")).unwrap_or_default()
    }
}

#[test]
fn the_service_manager_hears_how_it_is() {
    let place = Place::new("http://127.0.0.1:9/");
    let manager = Manager::new(place.0.path());
    let mut child = place.start("all", Some(&manager));
    assert_eq!(manager.next(), "READY=1");
    assert_eq!(manager.any(), "WATCHDOG=1", "without a line being read");
    // a broken configuration: no reload, and the reason
    fs::write(place.path("c.toml"), "[sorces.x]\n").unwrap();
    signal(&child, "-HUP");
    assert_eq!(manager.next(), "RELOADING=1");
    let status = manager.next();
    assert!(status.starts_with("STATUS=") && status.contains("sorces"), "{status}");
    assert_eq!(manager.next(), "READY=1");
    let check = run(&["check", "--config", place.path("c.toml").to_str().unwrap()], b"");
    assert_eq!(check.code, 78, "what ExecReload asks then");
    place.configure("http://127.0.0.1:9/");
    signal(&child, "-HUP");
    assert_eq!([manager.next(), manager.next(), manager.next()], ["RELOADING=1", "STATUS=", "READY=1"]);
    assert_eq!(manager.any(), "WATCHDOG=1");
    signal(&child, "-TERM");
    assert_eq!(manager.next(), "STOPPING=1");
    assert_eq!(wait(&mut child, Duration::from_secs(10)), Some(0));
}

async fn until(what: &str, place: &Place, done: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(30);
    while !done() {
        assert!(Instant::now() < end, "waited in vain: {what}\n{}", place.errors());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_split_service_reads_here_and_sends_there() {
    let receiver = Receiver::start(|_| Reply::Status(204, "")).await;
    let place = Place::new(&receiver.url());
    let manager = Manager::new(place.0.path());
    // in any order: the notifier waits for the state
    let mut notifier = place.start("notifier", Some(&manager));
    until("the notifier waits", &place, || place.errors().contains("waiting for")).await;
    let mut core = place.start("core", None);
    assert_eq!(manager.next(), "READY=1");
    assert_eq!(manager.any(), "WATCHDOG=1");
    place.leak();
    until("the alert", &place, || !receiver.seen().is_empty()).await;
    let alert = receiver.seen()[0].json();
    assert_eq!(alert["kind"], "secret_leaked");
    // the core speaks to nobody, and shows all the same what became of it
    let tcp = |child: &Running| {
        let sockets = fs::read_to_string(format!("/proc/{}/net/tcp", child.id())).unwrap();
        let port = format!(":{:04X}", receiver.address.port());
        let inodes: Vec<String> = sockets
            .lines()
            .filter(|line| line.split_whitespace().nth(2).is_some_and(|peer| peer.ends_with(&port)))
            .filter_map(|line| line.split_whitespace().nth(9).map(str::to_owned))
            .collect();
        let open = fs::read_dir(format!("/proc/{}/fd", child.id())).unwrap();
        let links = open.filter_map(|fd| fs::read_link(fd.unwrap().path()).ok());
        links.filter(|to| inodes.iter().any(|inode| to.to_string_lossy() == format!("socket:[{inode}]"))).count()
    };
    assert_eq!(tcp(&core), 0);
    // nor does it listen, whatever [http] says: in its unit it could not even ask for a port
    assert!(place.errors().contains("page: at the Unix socket"), "{}", place.errors());
    let id = alert["id"].as_str().unwrap();
    let state = place.path("state");
    let show = || run(&["alerts", "show", id, "--state", state.to_str().unwrap()], b"").text();
    until("the receipt", &place, || show().contains("alert.delivered")).await;
    // neither half moves to another state while it runs
    let config = fs::read_to_string(place.path("c.toml")).unwrap();
    fs::write(place.path("c.toml"), config.replace("/state\"", "/elsewhere\"")).unwrap();
    for (half, times) in [(&notifier, 1), (&core, 2)] {
        signal(half, "-HUP");
        let told = || place.errors().matches("state.dir cannot change while the service runs").count() == times;
        until("the refusal", &place, told).await;
    }
    fs::write(place.path("c.toml"), config).unwrap();
    // another one while the notifier is away waits for it; and a second notifier is refused
    assert!(!receiver.seen().is_empty());
    let mut second = place.start("notifier", None);
    assert_eq!(wait(&mut second, Duration::from_secs(10)), Some(74), "{}", place.errors());
    signal(&notifier, "-TERM");
    assert_eq!(wait(&mut notifier, Duration::from_secs(10)), Some(0));
    let ran = run(&["alerts", "ack", id, "--state", state.to_str().unwrap()], b"");
    assert_eq!(ran.code, 0, "{}", ran.err);
    signal(&core, "-TERM");
    assert_eq!(wait(&mut core, Duration::from_secs(10)), Some(0));
    let ran = run(&["audit", "verify", "--state", state.to_str().unwrap()], b"");
    assert_eq!(ran.code, 0, "{}{}", ran.text(), ran.err);
}

#[test]
fn a_core_that_would_need_a_network_is_refused() {
    let place = Place::new("http://127.0.0.1:9/");
    let mut text = fs::read_to_string(place.path("c.toml")).unwrap();
    text += "[sources.net]\ntype = \"tcp\"\nlisten = \"127.0.0.1:0\"\n";
    fs::write(place.path("c.toml"), text).unwrap();
    let mut core = place.start("core", None);
    assert_eq!(wait(&mut core, Duration::from_secs(10)), Some(78), "{}", place.errors());
    assert!(place.errors().contains("sources.net: the core of a split service has no network"), "{}", place.errors());
    let path = place.path("c.toml");
    let check = |part: &str| run(&["check", "--part", part, "--config", path.to_str().unwrap()], b"").code;
    assert_eq!((check("core"), check("all")), (78, 0));
}
