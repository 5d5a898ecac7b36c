//! Work in proportion: whatever one line is made of, a line eight times as long takes about eight times the work.

use super::bytes::WORK;
use super::engine::Redactor;
use super::output::Redacted;
use super::tag::PseudonymKey;

/// Pieces that begin something: alone or many times in a row they are the worst that can be asked for.
const PIECES: [&str; 69] = [
    "@",
    "4",
    "\"",
    "\\",
    "eyJ",
    "sk-",
    "[",
    "{\"password\":",
    "password=",
    "{\"name\":",
    "a@",
    "%25",
    "a.b.",
    "-----BEGIN RSA PRIVATE KEY-----",
    "\\u0022",
    "password:'",
    "token=",
    "<a>",
    "<password>",
    "(\"",
    "&quot;",
    "AKIA",
    "x ",
    "1 2",
    "{\"token\":\"",
    "key: ",
    "://a:",
    "http://a:b@",
    "['",
    "--pin ",
    "[1,",
    "a=",
    "=\"",
    "is 1",
    "Basic ",
    "Bearer a1",
    "12:",
    "\\\"",
    "{\"a\":\"\\\"",
    "YWJj",
    "[EMAIL]",
    "aB1",
    "aB1cD2eF3gH4iJ5k ",
    "aB1cD2eF3gH4iJ5kL/",
    "a-b.",
    "password is ",
    "{\"password\":{",
    "{\"k\":[\"password\",\"",
    "\"name\":\"password\",\"value\":",
    "--user a:",
    "(password) ",
    "4111 1111 ",
    "ghp_",
    "\u{e9}@",
    "\u{1b}[33m",
    "\u{1b}(B",
    "contrase\u{f1}a=",
    "\u{5bc6}\u{7801}:",
    "u:p@tcp(",
    "a;Password=x y;b=",
    "={a;b}",
    "authorization: Digest x=\"",
    "MIIEowIBAAKCAQEAy8Dbv8prpJ/0kKhlGeJYozo2t60EG8L0561g13R29LvMR5hy",
    "set-cookie:[ 'a', '",
    "string(7) \"",
    "<password a=",
    "it's",
    "a:[b c] ",
    "${",
];

/// The work on one line of `piece` behind `head`, of about `len` bytes.
fn work(redactor: &Redactor, head: &str, piece: &str, len: usize) -> usize {
    let line = head.to_owned() + &piece.repeat(len / piece.len()) + "\n";
    let mut out = Redacted::default();
    WORK.set(0);
    redactor.worker().redact(line.as_bytes(), &mut out);
    WORK.get()
}

#[test]
fn work_grows_no_faster_than_the_line() {
    let redactor = Redactor::new(PseudonymKey::new(0, b"k"));
    let mut slow = Vec::new();
    let heads = ["", "{\"a\":\""];
    for (head, piece) in heads.iter().flat_map(|head| PIECES.map(|piece| (head, piece))) {
        let (short, long) = (work(&redactor, head, piece, 16 << 10), work(&redactor, head, piece, 128 << 10));
        let a_byte = long / (128 << 10);
        // What is looked at behind a name and before an `@` is bounded, and reaches its bound within the short line.
        if long > short * 10 + 1000 || a_byte > 3000 {
            slow.push(format!("{head}{piece:?}: {short}, {long}, {a_byte} a byte"));
        }
    }
    assert!(slow.is_empty(), "{}", slow.join("\n"));
}
