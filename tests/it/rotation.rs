//! Real programs that write and rotate: nginx and logrotate. And what is learned from old files.

use std::fs;
use std::io::Write;
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use crate::process::{Running, grows_to, signal, wait};
use crate::receive::kit::{answer, free_port, until};
use crate::support::{find, logwarden, run, skip};

fn service(dir: &Path, source: &str) -> Running {
    let root = dir.display().to_string();
    let text = format!(
        "[sources.app]\ntype = \"file\"\n{}\n[sinks.out]\ntype = \"file\"\npath = \"{root}/out.log\"\n[state]\ndir = \"{root}/state\"\n",
        source.replace("DIR", &root)
    );
    fs::write(dir.join("c.toml"), text).unwrap();
    let errors = fs::OpenOptions::new().create(true).append(true).open(dir.join("errors")).unwrap();
    let mut command = logwarden();
    command.arg("run").arg("--config").arg(dir.join("c.toml")).stdin(Stdio::null()).stderr(errors);
    Running(command.spawn().unwrap())
}

/// How nginx is to reopen its log: `USR1` for rename rotation, nothing for copytruncate.
fn under_logrotate(name: &str, rotate: &str) {
    let (Some(nginx), Some(logrotate)) = (find("nginx"), find("logrotate")) else {
        return skip(name, "no nginx or no logrotate; tests/run.sh installs them");
    };
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().display().to_string();
    fs::create_dir(dir.path().join("logs")).unwrap();
    let address = free_port();
    let config = format!(
        "daemon off; master_process off; pid {root}/nginx.pid; error_log {root}/nginx.err;\n\
         {}\
         events {{ worker_connections 64; }}\n\
         http {{ log_format j escape=json '{{\"seq\":\"$arg_seq\",\"request\":\"$request\",\"status\":$status,\"agent\":\"$http_user_agent\"}}';\n\
         access_log {root}/logs/access.log j; client_body_temp_path {root}/b; proxy_temp_path {root}/p; fastcgi_temp_path {root}/f;\n\
         uwsgi_temp_path {root}/u; scgi_temp_path {root}/s; server {{ listen {address}; location / {{ return 204; }} }} }}\n",
        if rustix::process::geteuid().is_root() { "user root;\n" } else { "" }
    );
    fs::write(dir.path().join("nginx.conf"), config).unwrap();
    let rules =
        format!("{root}/logs/access.log {{\n size 1\n rotate 50\n missingok\n {}\n}}\n", rotate.replace("DIR", &root));
    fs::write(dir.path().join("rotate.conf"), rules).unwrap();
    fs::set_permissions(dir.path().join("rotate.conf"), std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    let conf = dir.path().join("nginx.conf");
    let mut nginx = Running(Command::new(nginx).arg("-c").arg(conf).stderr(Stdio::null()).spawn().unwrap());
    assert!(until(|| TcpStream::connect(address).is_ok()), "nginx did not start");
    let child = service(dir.path(), "paths = [\"DIR/logs/access.log\"]");
    let out = || fs::read_to_string(dir.path().join("out.log")).unwrap_or_default();
    let get = |n: u64| {
        let mut stream = TcpStream::connect(address).unwrap();
        let request =
            format!("GET /?seq={n}&password=hunter2 HTTP/1.1\r\nHost: x\r\nUser-Agent: t\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        assert_eq!(answer(&mut stream).status, 204);
    };
    // what is rotated away before the first start is nobody's promise
    get(0);
    assert!(until(|| out().lines().count() == 1));
    let (over, sent) = (AtomicBool::new(false), AtomicU64::new(1));
    let pause = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let load = scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                while pause.load(Ordering::Relaxed) {
                    std::thread::yield_now();
                }
                let n = sent.load(Ordering::Relaxed);
                get(n);
                sent.store(n + 1, Ordering::Relaxed);
            }
        });
        for _ in 0..10 {
            std::thread::sleep(Duration::from_millis(700));
            // what is written between the copy and the truncation is lost by the rotation itself: the writer pauses there
            let copies = rotate.contains("copytruncate");
            pause.store(copies, Ordering::Relaxed);
            if copies {
                std::thread::sleep(Duration::from_millis(50));
            }
            let status = Command::new(&logrotate)
                .args(["-f", "-s"])
                .arg(dir.path().join("rotate.state"))
                .arg(dir.path().join("rotate.conf"))
                .status();
            assert!(status.unwrap().success());
            pause.store(false, Ordering::Relaxed);
        }
        over.store(true, Ordering::Relaxed);
        load.join().unwrap();
    });
    let sent = sent.load(Ordering::Relaxed);
    let all = grows_to(sent, || out().lines().count() as u64);
    let errors = fs::read_to_string(dir.path().join("errors")).unwrap();
    let mut seen = vec![0; sent as usize];
    for line in out().lines() {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        seen[value["seq"].as_str().unwrap().parse::<usize>().unwrap()] += 1;
    }
    let count = |n: u32| seen.iter().filter(|s| if n == 0 { **s == 0 } else { **s >= n }).count();
    assert!(
        all && count(0) == 0 && count(2) == 0,
        "of {sent}: {} lost ({}), {} doubled\n{errors}",
        count(0),
        crate::daemon::ranges(&(0..seen.len()).filter(|n| seen[*n] == 0).collect::<Vec<_>>()),
        count(2)
    );
    assert!(sent > 500 && !out().contains("hunter2"));
    assert!(dir.path().join("logs/access.log.10").exists());
    let mut child = child;
    signal(&child, "-TERM");
    assert_eq!(wait(&mut child, Duration::from_secs(10)), Some(0));
    signal(&nginx, "-QUIT");
    wait(&mut nginx, Duration::from_secs(5));
}

#[test]
fn nginx_under_logrotate_loses_and_doubles_nothing() {
    let rotate = "nocreate\n postrotate\n  kill -USR1 $(cat DIR/nginx.pid)\n endscript";
    under_logrotate("nginx_under_logrotate_loses_and_doubles_nothing", rotate);
}

#[test]
fn nginx_under_copytruncate_loses_and_doubles_nothing() {
    under_logrotate("nginx_under_copytruncate_loses_and_doubles_nothing", "copytruncate");
}

#[test]
fn usual_behaviour_is_learned_from_old_files_and_raises_no_alert() {
    let dir = tempfile::tempdir().unwrap();
    let now = chrono::Utc::now();
    let line = |hours_ago: i64, n: usize| {
        let time = (now - chrono::TimeDelta::hours(hours_ago)).to_rfc3339();
        format!(
            "{{\"time\":\"{time}\",\"api_key\":\"lw_live_0123456789abcdef\",\"client_ip\":\"10.1.2.3\",\"path\":\"/v1/{n}\",\"status\":200}}\n"
        )
    };
    let history = |from: i64, to: i64| -> String {
        (to..from).rev().flat_map(|h| (0..3).map(move |n| (h, n))).map(|(h, n)| line(h, n)).collect()
    };
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gz.write_all(history(20 * 24, 10 * 24).as_bytes()).unwrap();
    fs::write(dir.path().join("app.log.2.gz"), gz.finish().unwrap()).unwrap();
    // with a spike in it that would have been worth a page
    let spike: String = (0..3000).map(|n| line(60, n)).collect();
    fs::write(dir.path().join("app.log.1"), history(10 * 24, 60) + &spike + &history(60, 1)).unwrap();
    fs::write(dir.path().join("app.log"), line(0, 0)).unwrap();
    let source = "paths = [\"DIR/app.log\"]\nlearn_from = [\"DIR/app.log*\"]";
    let state = dir.path().join("state");
    let list = |verb: &str| run(&[verb, "list", "--state", state.to_str().unwrap(), "--format", "json"], b"").text();
    for round in 0..2 {
        let mut child = service(dir.path(), source);
        let out = || fs::read_to_string(dir.path().join("out.log")).unwrap_or_default().lines().count();
        assert!(until(|| out() == 1 + round));
        fs::OpenOptions::new()
            .append(true)
            .open(dir.path().join("app.log"))
            .unwrap()
            .write_all(line(0, 1).as_bytes())
            .unwrap();
        assert!(until(|| out() == 2 + round));
        assert!(until(|| list("keys").lines().count() == 1), "{}", list("keys"));
        signal(&child, "-TERM");
        assert_eq!(wait(&mut child, Duration::from_secs(10)), Some(0));
        let errors = fs::read_to_string(dir.path().join("errors")).unwrap();
        assert_eq!(errors.matches("learning from 2 old files").count(), 1, "round {round}: {errors}");
        assert!(!errors.contains("volume_spike"), "{errors}");
    }
    let keys = list("keys");
    let key: serde_json::Value = serde_json::from_str(keys.lines().next().unwrap()).unwrap();
    assert!(keys.contains(&(now - chrono::TimeDelta::hours(20 * 24 - 1)).format("%Y-%m-%d").to_string()), "{key}");
    assert!(!list("alerts").contains("volume_spike"), "{}", list("alerts"));
    assert_eq!(fs::read_to_string(dir.path().join("out.log")).unwrap().lines().count(), 3);
}
