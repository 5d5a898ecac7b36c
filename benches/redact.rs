//! How fast lines are redacted, on one thread, in memory: `cargo bench --bench redact`.
//!
//! Prints GB/s and the ratio to a plain pass-through of the same chunks (a copy of 256 KiB at a time), for clean lines,
//! for 5 % and 50 % dirty lines, for JSON inside JSON strings and for lines made to be slow. The corpus is made from a
//! fixed seed; figures are the best of several rounds, with the portable path beside the one that the processor allows.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a bench may stop where it stands, and prints")]

use std::fmt::Write;
use std::time::Instant;

use logwarden::redact::{PseudonymKey, Redacted, Redactor, use_portable_path};

const CHUNK: usize = 256 << 10;
const CORPUS: usize = 32 << 20;
const ROUNDS: usize = 5;

/// Marsaglia's xorshift64*, seeded: the same corpus every time.
struct Seeded(u64);

impl Seeded {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    fn token(&mut self, len: usize) -> String {
        const LETTERS: &[u8] = b"abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789";
        (0..len).map(|_| char::from(LETTERS[self.below(LETTERS.len() as u64) as usize])).collect()
    }
}

/// A line in one of six shapes; `dirty` puts a secret or an address into it.
fn line(r: &mut Seeded, dirty: bool, out: &mut String) {
    let (minute, ms, id) = (r.below(60), r.below(1000), r.below(100_000));
    let trace = format!("{:016x}{:016x}", r.next(), r.next());
    match r.below(20) {
        0..=8 => {
            let auth = if dirty { format!("\"authorization\":\"Bearer {}\",", r.token(40)) } else { String::new() };
            writeln!(out, r#"{{"timestamp":"2026-05-01T12:{minute:02}:07.{ms:03}Z","level":"info","service":"gateway","environment":"production","trace_id":"{trace}","span_id":"{:016x}","request":{{"method":"POST","path":"/v1/users/{id}/orders","remote_addr":"203.0.113.{}","user_agent":"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36","headers":{{{auth}"accept":"*/*","content-type":"application/json","x-request-id":"0b1e6d7c-2f4a-4b8e-9c3d-{:012x}"}}}},"response":{{"status":200,"bytes":{id},"content_type":"application/json; charset=utf-8"}},"duration_ms":{ms}.25,"region":"eu-west-1","pod":"gateway-7d9f8c6b5-x2x9z","msg":"request completed, upstream answered in time and the cache was warm"}}"#, r.next(), r.below(250), r.next() >> 16).unwrap();
        }
        9..=12 => {
            let user = if dirty {
                format!("\"user\":{{\"email\":\"{}@example.com\",\"password\":\"{}\"}},", r.token(8), r.token(12))
            } else {
                String::new()
            };
            writeln!(out, r#"{{"level":30,"time":17776368{minute:02}{ms:03},"pid":{id},"hostname":"web-{minute}","reqId":"req-{:x}",{user}"res":{{"statusCode":200}},"responseTime":{ms},"msg":"user session refreshed and written to the primary store"}}"#, r.next() >> 24).unwrap();
        }
        13..=15 => {
            let query = if dirty { format!("&api_key={}", r.token(32)) } else { String::new() };
            writeln!(out, r#"203.0.113.{} - - [01/May/2026:12:{minute:02}:07 +0000] "GET /api/v1/items/{id}?page={minute}&sort=asc{query} HTTP/1.1" 200 {id} "https://www.example.com/catalog" "Mozilla/5.0 (Windows NT 10.0; Win64; x64)""#, r.below(250)).unwrap();
        }
        16..=17 => {
            let token = if dirty { format!(" token={}", r.token(40)) } else { String::new() };
            writeln!(out, r#"ts=2026-05-01T12:{minute:02}:07.{ms:03}Z caller=http.go:194 level=debug component=distributor trace_id={trace} org={id} msg="POST /push (200) 3.{ms}ms" bytes={id}{token}"#).unwrap();
        }
        18 => {
            let key = if dirty { format!(r#",\"api_key\":\"{}\""#, r.token(32)) } else { String::new() };
            writeln!(out, r#"{{"log":"{{\"ts\":\"2026-05-01T12:{minute:02}:07Z\",\"level\":\"info\",\"msg\":\"processed batch {id} of tenant acme\",\"items\":{id}{key}}}\n","stream":"stdout","time":"2026-05-01T12:{minute:02}:07.{ms:03}Z"}}"#).unwrap();
        }
        _ => {
            let url = if dirty {
                format!(" url=postgres://app:{}@db.internal:5432/orders", r.token(14))
            } else {
                String::new()
            };
            writeln!(out, "2026-05-01 12:{minute:02}:07.{ms:03} ERROR [worker-{}] com.example.orders.OrderService - failed to load order {id}: connection is not available, request timed out after 30000ms.{url}", r.below(8)).unwrap();
        }
    }
}

fn corpus(dirty_percent: u64) -> Vec<u8> {
    let mut r = Seeded(0x1234_5678_9abc_def1);
    let mut out = String::with_capacity(CORPUS + 4096);
    while out.len() < CORPUS {
        let dirty = r.below(100) < dirty_percent;
        line(&mut r, dirty, &mut out);
    }
    out.into_bytes()
}

fn wrapped(lines: &[u8]) -> Vec<u8> {
    let lines = std::str::from_utf8(lines).unwrap().lines().take(30_000);
    lines.map(|l| format!("{}\n", serde_json::json!({"log": l, "stream": "stdout"}))).collect::<String>().into_bytes()
}

fn chunks(text: &[u8]) -> Vec<&[u8]> {
    let mut rest = text;
    let mut out = Vec::new();
    while !rest.is_empty() {
        let most = rest.len().min(CHUNK);
        let cut = memchr::memrchr(b'\n', &rest[..most])
            .map_or_else(|| memchr::memchr(b'\n', rest).map_or(rest.len(), |n| n + 1), |n| n + 1);
        let (head, tail) = rest.split_at(cut);
        out.push(head);
        rest = tail;
    }
    out
}

fn best(text: &[u8], mut each: impl FnMut(&[u8])) -> f64 {
    let chunks = chunks(text);
    let mut best = f64::MAX;
    for _ in 0..ROUNDS {
        let from = Instant::now();
        chunks.iter().for_each(|c| each(c));
        best = best.min(from.elapsed().as_secs_f64());
    }
    text.len() as f64 / best / 1e9
}

fn main() {
    let redactor = Redactor::new(PseudonymKey::new(0, b"a key of the bench"));
    println!("{} rules, chunks of {} KiB, best of {ROUNDS}, one thread", redactor.rules().len(), CHUNK >> 10);
    let mixed = corpus(5);
    let mut sets = vec![
        ("clean lines", corpus(0)),
        ("5 % dirty", mixed.clone()),
        ("50 % dirty", corpus(50)),
        ("JSON in JSON, 5 % dirty", wrapped(&mixed)),
    ];
    let worst: [(&str, &str); 6] = [
        ("`@` only", "@"),
        ("digits only", "4"),
        ("quotes only", "\""),
        ("backslashes only", "\\"),
        ("`eyJ` only", "eyJ"),
        ("`sk-` only", "sk-"),
    ];
    for (name, unit) in worst {
        sets.push((name, format!("{}\n", unit.repeat((1 << 20) / unit.len())).into_bytes()));
    }
    for path in ["as the processor allows", "portable"] {
        println!("\n{path:28} {:>8} {:>14} {:>8}", "GB/s", "pass-through", "ratio");
        for (name, text) in &sets {
            let mut worker = redactor.worker();
            let mut out = Redacted::default();
            let speed = best(text, |chunk| worker.redact(chunk, &mut out));
            let mut copy = Vec::with_capacity(2 * CHUNK);
            let plain = best(text, |chunk| {
                copy.clear();
                copy.extend_from_slice(std::hint::black_box(chunk));
            });
            println!("{name:28} {speed:8.3} {plain:14.1} {:8.4}", speed / plain);
        }
        use_portable_path();
    }
}
