//! The TCP and Unix receivers.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::kit::{Service, until};
use crate::process::{Running, signal, wait};
use crate::support::{find, skip};

const TCP: &str = "type = \"tcp\"\nlisten = \"ADDRESS\"\n";

#[test]
fn lines_and_counted_frames_come_through() {
    let mut service = Service::start(TCP);
    let mut lines = TcpStream::connect(service.address).unwrap();
    lines.write_all(b"{\"n\":1,\"password\":\"hunt").unwrap();
    lines.write_all(b"er2\"}\n12 monkeys\nlast").unwrap();
    service.expect("{\"n\":1,\"password\":\"[PASSWORD]\"}\n12 monkeys\n");
    lines.shutdown(Shutdown::Write).unwrap();
    let mut want = "{\"n\":1,\"password\":\"[PASSWORD]\"}\n12 monkeys\nlast\n".to_owned();
    service.expect(&want);
    let mut frames = TcpStream::connect(service.address).unwrap();
    frames.write_all(b"29 <34>1 - h app - - - one\ntwo\n.14 <34>1 - h four").unwrap();
    drop(frames);
    want.push_str("<34>1 - h app - - - one\\ntwo\\n.\n<34>1 - h four\n");
    service.expect(&want);
    assert_eq!(service.stop(), Some(0));
}

#[test]
fn a_line_that_is_too_long_is_withheld_and_the_rest_goes_on() {
    let service = Service::start(&format!("{TCP}max_line = \"1 KiB\"\n"));
    let mut lines = TcpStream::connect(service.address).unwrap();
    lines.write_all(&[b"one\n".to_vec(), vec![b'x'; 3 << 20], b"\ntwo\n".to_vec()].concat()).unwrap();
    let withheld = "{\"logwarden\":\"withheld\",\"reason\":\"line over the limit of its receiver\"}";
    service.expect(&format!("one\n{withheld}\ntwo\n"));
}

#[test]
fn a_token_is_wanted_before_the_first_line() {
    let service = Service::start(&format!("{TCP}token = \"t0ken\"\n"));
    for bad in ["token wrong\nx\n", "x\n", "token t0ken2\nx\n"] {
        let mut stream = TcpStream::connect(service.address).unwrap();
        stream.write_all(bad.as_bytes()).unwrap();
        let mut rest = Vec::new();
        let _reset_is_an_end_too = stream.read_to_end(&mut rest);
        assert!(rest.is_empty());
    }
    let mut stream = TcpStream::connect(service.address).unwrap();
    stream.write_all(b"token t0ken\r\nhello\n").unwrap();
    service.expect("hello\n");
}

#[test]
fn one_address_has_its_share_of_connections() {
    let service = Service::start(&format!("{TCP}max_connections_per_address = 3\n"));
    let mut open: Vec<TcpStream> = Vec::new();
    for n in 0..3 {
        let mut stream = TcpStream::connect(service.address).unwrap();
        stream.write_all(format!("{n}\n").as_bytes()).unwrap();
        assert!(until(|| service.out().lines().count() == n + 1));
        open.push(stream);
    }
    let mut fourth = TcpStream::connect(service.address).unwrap();
    fourth.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let _reset_while_writing = fourth.write_all(b"four\n");
    assert!(matches!(fourth.read(&mut [0]), Ok(0) | Err(_)));
    open.pop();
    assert!(until(|| {
        let mut again = TcpStream::connect(service.address).unwrap();
        let _refused_until_the_other_is_gone =
            again.write_all(b"five\n").and_then(|()| again.shutdown(Shutdown::Write));
        let _either = again.read(&mut [0]);
        service.out().contains("five\n")
    }));
    assert!(!service.out().contains("four"));
}

#[test]
fn a_unix_socket_has_its_mode_and_outlives_a_reload() {
    let mut service = Service::start("type = \"unix\"\npath = \"DIR/in.sock\"\nmode = \"0620\"\n");
    let path = service.path("in.sock");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o620);
    UnixStream::connect(&path).unwrap().write_all(b"one\n").unwrap();
    service.expect("one\n");
    signal(service.process(), "-HUP");
    // a client never finds the door shut
    for n in 0..50 {
        UnixStream::connect(&path).unwrap().write_all(format!("{n}\n").as_bytes()).unwrap();
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(until(|| service.out().lines().count() == 51), "{}", service.out());
    assert_eq!(service.stop(), Some(0));
    assert!(!path.exists());
}

/// A running rsyslog that reads `app.log` and sends each message counted (RFC 6587, octet counting).
struct Rsyslog(Running);

impl Rsyslog {
    fn start(program: &Path, service: &Service) -> Self {
        let (dir, to) = (service.dir.path().display(), service.address);
        let text = format!(
            "global(workDirectory=\"{dir}/spool\" net.enableDNS=\"off\" processInternalMessages=\"off\")\n\
             module(load=\"imfile\")\n\
             input(type=\"imfile\" File=\"{dir}/app.log\" Tag=\"app\" readMode=\"2\" escapeLF=\"off\")\n\
             template(name=\"plain\" type=\"string\" string=\"<%pri%>1 - host app - - - %msg%\")\n\
             action(type=\"omfwd\" target=\"127.0.0.1\" port=\"{}\" protocol=\"tcp\" TCP_Framing=\"octet-counted\" \
             template=\"plain\" action.resumeInterval=\"1\" action.resumeRetryCount=\"-1\")\n",
            to.port()
        );
        std::fs::create_dir(service.path("spool")).unwrap();
        std::fs::write(service.path("rsyslog.conf"), text).unwrap();
        let log = std::fs::File::create(service.path("rsyslog.log")).unwrap();
        let mut command = Command::new(program);
        command.arg("-n").arg("-i").arg(service.path("rsyslog.pid")).arg("-f").arg(service.path("rsyslog.conf"));
        Self(Running(command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap()))
    }
}

#[test]
fn rsyslog_sends_counted_frames() {
    let Some(program) = find("rsyslogd") else {
        return skip("receive::socket::rsyslog_sends_counted_frames", "no rsyslogd");
    };
    let mut service = Service::start(TCP);
    // Lines that begin with white space belong to the message before: a frame with a line break inside.
    let text: String = (0..300)
        .map(|n| format!("{{\"seq\":{n},\"password\":\"hunt er2-{n}\"}}\ntrace {n}\n  at main.rs:{n} token=ghp-{n}\n"))
        .collect();
    // The last message is held back: a line of it might follow.
    std::fs::write(service.path("app.log"), text + "end\n").unwrap();
    let mut rsyslog = Rsyslog::start(&program, &service);
    let lines = || service.out().lines().map(str::to_owned).collect::<Vec<_>>();
    let told = || std::fs::read_to_string(service.path("rsyslog.log")).unwrap_or_default();
    assert!(until(|| lines().len() == 600), "{} lines\n{}\n{}", lines().len(), service.errors(), told());
    for (n, pair) in lines().chunks(2).enumerate() {
        assert_eq!(pair[0], format!("<133>1 - host app - - - {{\"seq\":{n},\"password\":\"[PASSWORD]\"}}"));
        // One message, one line: its break is written out.
        assert!(pair[1].starts_with(&format!("<133>1 - host app - - - trace {n}\\n  at main.rs:{n} ")), "{}", pair[1]);
    }
    signal(&rsyslog.0, "-TERM");
    wait(&mut rsyslog.0, Duration::from_secs(10));
    assert_eq!(service.stop(), Some(0));
    assert_eq!(service.out().lines().count(), 600);
}
