//! The lines that the measurements are made on: shapes of real loggers and gateways, from a fixed seed.

use std::fmt::Write;

/// Marsaglia's xorshift64*, seeded: the same corpus every time.
pub struct Seeded(u64);

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

/// About `size` bytes of lines, so many per cent of which hold a secret or an address.
pub fn corpus(dirty_percent: u64, size: usize) -> Vec<u8> {
    let mut r = Seeded(0x1234_5678_9abc_def1);
    let mut out = String::with_capacity(size + 4096);
    while out.len() < size {
        let dirty = r.below(100) < dirty_percent;
        line(&mut r, dirty, &mut out);
    }
    out.into_bytes()
}
