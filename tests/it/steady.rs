//! In steady state redacting lines allocates nothing: what was seen before is known, buffers are reused.

use logwarden::redact::{PseudonymKey, Redacted, Redactor};

/// Lines of many shapes, clean and dirty: names that classes and rules know, tokens behind prefixes and keywords, text
/// and JSON, JSON in JSON, percent encoding, base64, cards, addresses, key blocks.
fn lines() -> String {
    let mut text = String::new();
    for n in 0..40 {
        text += &format!(
            "{{\"time\":\"2026-05-04T09:00:{:02}Z\",\"level\":\"info\",\"request\":{{\"method\":\"POST\",\"path\":\"/v1/users/{n}/orders\",\"headers\":{{\"authorization\":\"Bearer tok3nAbCdEf{n:04}GhIjKl\",\"accept\":\"*/*\"}}}},\"status\":200,\"client_ip\":\"192.0.2.{n}\",\"duration_ms\":12.5}}\n",
            n % 60
        );
        text += &format!(
            "{{\"user\":{{\"email\":\"jo{n}@example.org\",\"password\":\"hunter2-{n}\",\"pin\":{}}}}}\n",
            1000 + n
        );
        text += &format!(
            "192.0.2.{n} - - [04/May/2026:09:00:{n:02} +0000] \"GET /v1/items?api_key=k3yAbCdEf{n:04}ZzYyXx HTTP/1.1\" 200 12\n"
        );
        text += &format!(
            "{{\"log\":\"{{\\\"msg\\\":\\\"retry {n}\\\",\\\"token\\\":\\\"t0kenQrStUv{n:04}WxYz\\\"}}\\n\",\"stream\":\"stdout\"}}\n"
        );
        text += &format!(
            "level=info msg=\"charged card 4111 1111 1111 1111\" trace_id=0af7651916cd43dd8448eb211c80{n:04x}\n"
        );
        text += &format!(
            "url=https%3A%2F%2Fx.example%2F%3Fsecret%3Ds3cr3tAbC{n:04}dEf&next=1 key ghp_16C7e42F292c6912E7710c838347Ae178B4a\n"
        );
        text += &format!(
            "2026-05-04 09:00:{n:02} ERROR com.example.Orders - failed to load order {n}: timed out after 30000ms\n"
        );
    }
    text
}

#[test]
fn redacting_allocates_nothing_in_steady_state() {
    let redactor = Redactor::new(PseudonymKey::new(0, b"steady"));
    let mut worker = redactor.worker();
    let mut out = Redacted::default();
    let text = lines();
    (0..3).for_each(|_| worker.redact(text.as_bytes(), &mut out));
    assert!(out.findings().len() > 200, "the lines are not dirty: {}", out.findings().len());
    let one = allocation_counter::measure(|| drop(std::hint::black_box(vec![1u8])));
    assert_eq!(one.count_total, 1, "the counter counts");
    let seen = allocation_counter::measure(|| worker.redact(text.as_bytes(), &mut out));
    assert_eq!(seen.count_total, 0, "{seen:?}");
}
