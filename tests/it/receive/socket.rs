//! The TCP and Unix receivers.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use super::kit::{Service, until};
use crate::process::signal;

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
