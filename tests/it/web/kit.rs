//! A running service with its window open, and requests to it.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use serde_json::Value;

use crate::receive::kit::{Answer, Service, answer, until};

/// What must be shown to act.
pub const TOKEN: &str = "sesame-open-2026";

/// A service that follows `logs/*.log`; `more` goes into its configuration.
pub fn start(more: &str) -> Service {
    start_with(more, |_| {})
}

/// The same, with something to do before it starts.
pub fn start_with(more: &str, before: impl FnOnce(&Service)) -> Service {
    let mut service = Service::stopped(&format!(
        "type = \"file\"\npaths = [\"DIR/logs/*.log\"]\n[http]\nlisten = \"ADDRESS\"\ntoken = \"{TOKEN}\"\npublic_url = \"https://watch.example.com\"\n{more}"
    ));
    fs::create_dir(service.path("logs")).unwrap();
    before(&service);
    service.begin();
    service
}

/// Appends to a log of the service.
pub fn append(service: &Service, text: &str) {
    let path = service.path("logs/app.log");
    let mut file = fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

/// A request over the network, its headers as they are given.
pub fn ask(service: &Service, line: &str, headers: &[&str], body: &str) -> Answer {
    let stream = TcpStream::connect(service.address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    speak(stream, line, headers, body)
}

/// A request over the Unix socket.
pub fn ask_unix(service: &Service, line: &str, headers: &[&str], body: &str) -> Answer {
    let stream = UnixStream::connect(service.path("state/http.sock")).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    speak(stream, line, headers, body)
}

fn speak(mut stream: impl Read + Write, line: &str, headers: &[&str], body: &str) -> Answer {
    let host = if headers.iter().any(|h| h.starts_with("Host:")) { "" } else { "Host: localhost\r\n" };
    let headers: String = headers.iter().map(|h| format!("{h}\r\n")).collect();
    let length = body.len();
    let head = format!("{line} HTTP/1.1\r\n{host}{headers}Connection: close\r\nContent-Length: {length}\r\n\r\n{body}");
    // one that is refused early may close before it has read everything
    let _refused_early = stream.write_all(head.as_bytes());
    answer(&mut stream)
}

/// What a path of the API says.
pub fn get(service: &Service, path: &str) -> Value {
    let answer = ask(service, &format!("GET {path}"), &[], "");
    assert_eq!(answer.status, 200, "{path}: {answer:?}\n{}", service.errors());
    serde_json::from_str(&answer.body).unwrap()
}

/// Waits until a path of the API says what is wanted.
pub fn get_when(service: &Service, path: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    let met = until(|| wanted(&get(service, path)));
    let value = get(service, path);
    assert!(met, "{path}: {value}\n{}", service.errors());
    value
}
