//! Loki's push, as JSON and as protocol buffers.
//!
//! An entry becomes one line: `{"time":"...","message":"...","loki":{"labels":{...}}}`, or, when the entry is a JSON
//! object, that object with `"loki":{"time":"...","labels":{...}}` behind its own members.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::{IgnoredAny, SeqAccess, Visitor};

use super::error::ShapeError;
use super::gather::Taken;
use super::json;
use super::protobuf::fields;

type Labels<'a> = BTreeMap<Cow<'a, str>, Cow<'a, str>>;

#[derive(Deserialize)]
struct Push<'a> {
    #[serde(borrow, default)]
    streams: Vec<Stream<'a>>,
}

#[derive(Deserialize)]
struct Stream<'a> {
    #[serde(borrow, default)]
    stream: Labels<'a>,
    #[serde(borrow, default)]
    values: Vec<Entry<'a>>,
}

/// `["nanoseconds", "line"]`, and perhaps an object of metadata.
struct Entry<'a> {
    nanos: u64,
    line: Cow<'a, str>,
    metadata: Labels<'a>,
}

impl<'de: 'a, 'a> Deserialize<'de> for Entry<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Items;
        impl<'de> Visitor<'de> for Items {
            type Value = Entry<'de>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an entry")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Entry<'de>, A::Error> {
                use serde::de::Error;
                let missing = || A::Error::custom("an entry has a time and a line");
                let Text(time) = items.next_element()?.ok_or_else(missing)?;
                let Text(line) = items.next_element()?.ok_or_else(missing)?;
                let metadata: Option<Map<'de>> = items.next_element()?;
                while items.next_element::<IgnoredAny>()?.is_some() {}
                let nanos = time.parse().map_err(|_| A::Error::custom("a time is nanoseconds"))?;
                Ok(Entry { nanos, line, metadata: metadata.map(|m| m.0).unwrap_or_default() })
            }
        }
        d.deserialize_seq(Items)
    }
}

#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

#[derive(Deserialize)]
struct Map<'a>(#[serde(borrow)] Labels<'a>);

/// A push as JSON.
pub(super) fn json(body: &[u8], limit: usize) -> Result<Taken, ShapeError> {
    json::shallow_object(body)?;
    let push: Push<'_> = serde_json::from_slice(body)?;
    let mut taken = Taken::default();
    for stream in &push.streams {
        for entry in &stream.values {
            write(&mut taken, limit, entry, &stream.stream);
        }
    }
    Ok(taken)
}

/// A push as protocol buffers: `PushRequest { repeated Stream streams = 1 }`.
pub(super) fn protobuf(body: &[u8], limit: usize) -> Result<Taken, ShapeError> {
    let mut taken = Taken::default();
    fields(body, &mut |n, value| if n == 1 { stream(value.bytes(), limit, &mut taken) } else { Ok(()) })?;
    Ok(taken)
}

/// `Stream { string labels = 1; repeated Entry entries = 2 }`.
fn stream(message: &[u8], limit: usize, taken: &mut Taken) -> Result<(), ShapeError> {
    let mut labels = Labels::new();
    fields(message, &mut |n, value| {
        if n == 1 {
            labels = selector(&String::from_utf8_lossy(value.bytes()));
        }
        Ok(())
    })?;
    fields(message, &mut |n, value| {
        if n == 2 {
            write(taken, limit, &entry(value.bytes())?, &labels);
        }
        Ok(())
    })
}

/// `Entry { Timestamp timestamp = 1; string line = 2; repeated Pair structuredMetadata = 3 }`.
fn entry(message: &[u8]) -> Result<Entry<'_>, ShapeError> {
    let mut entry = Entry { nanos: 0, line: Cow::Borrowed(""), metadata: Labels::new() };
    fields(message, &mut |n, value| {
        match n {
            1 => fields(value.bytes(), &mut |n, part| {
                let unit = if n == 1 { 1_000_000_000 } else { 1 };
                entry.nanos = entry.nanos.saturating_add(part.number().saturating_mul(unit));
                Ok(())
            })?,
            2 => entry.line = String::from_utf8_lossy(value.bytes()),
            3 => {
                let (mut name, mut text) = (Cow::Borrowed(""), Cow::Borrowed(""));
                fields(value.bytes(), &mut |n, part| {
                    match n {
                        1 => name = String::from_utf8_lossy(part.bytes()),
                        2 => text = String::from_utf8_lossy(part.bytes()),
                        _ => {}
                    }
                    Ok(())
                })?;
                entry.metadata.insert(name, text);
            }
            _ => {}
        }
        Ok(())
    })?;
    Ok(entry)
}

/// Labels as Loki writes them: `{app="api", env="prod"}`, values quoted as Go does.
fn selector(text: &str) -> Labels<'static> {
    let mut labels = Labels::new();
    let mut rest = text.trim().trim_start_matches('{');
    while let Some((name, after)) = rest.split_once('=') {
        let Some(quoted) = after.trim_start().strip_prefix('"') else { break };
        let mut value = String::new();
        let mut chars = quoted.char_indices();
        let mut end = quoted.len();
        while let Some((at, c)) = chars.next() {
            match c {
                '"' => {
                    end = at + 1;
                    break;
                }
                '\\' => match chars.next() {
                    Some((_, 'n')) => value.push('\n'),
                    Some((_, 't')) => value.push('\t'),
                    Some((_, other)) => value.push(other),
                    None => {}
                },
                other => value.push(other),
            }
        }
        labels.insert(Cow::Owned(name.trim_matches([' ', ',']).to_owned()), Cow::Owned(value));
        rest = &quoted[end..];
    }
    labels
}

fn write(taken: &mut Taken, limit: usize, entry: &Entry<'_>, labels: &Labels<'_>) {
    let mut out = Vec::with_capacity(entry.line.len() + 128);
    let object = json::object(&entry.line);
    if let Some(object) = object {
        json::reopen(&mut out, object);
    } else {
        out.push(b'{');
        json::member(&mut out, "time");
        json::time(&mut out, entry.nanos);
        json::member(&mut out, "message");
        json::string(&mut out, &entry.line);
    }
    json::member(&mut out, "loki");
    out.push(b'{');
    if object.is_some() {
        json::member(&mut out, "time");
        json::time(&mut out, entry.nanos);
    }
    json::member(&mut out, "labels");
    let _infallible = serde_json::to_writer(&mut out, labels);
    if !entry.metadata.is_empty() {
        json::member(&mut out, "metadata");
        let _infallible = serde_json::to_writer(&mut out, &entry.metadata);
    }
    out.extend_from_slice(b"}}");
    taken.line(&out, limit);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(taken: &Taken) -> String {
        taken.parts.iter().map(|p| String::from_utf8_lossy(&p.bytes).into_owned()).collect()
    }

    #[test]
    fn entries_become_lines() {
        let body = r#"{"streams":[{"stream":{"app":"api","env":"prod"},"values":[
            ["1777636800000000001","plain \"text\"\nsecond"],
            ["1777636800000000002"," {\"level\":\"info\",\"msg\":\"x\"} ",{"trace":"abc"}],
            ["1777636800000000003","{}"]]}]}"#;
        let labels = r#""labels":{"app":"api","env":"prod"}"#;
        let want = format!(
            "{{\"time\":\"2026-05-01T12:00:00.000000001Z\",\"message\":\"plain \\\"text\\\"\\nsecond\",\"loki\":{{{labels}}}}}\n\
             {{\"level\":\"info\",\"msg\":\"x\",\"loki\":{{\"time\":\"2026-05-01T12:00:00.000000002Z\",{labels},\"metadata\":{{\"trace\":\"abc\"}}}}}}\n\
             {{\"loki\":{{\"time\":\"2026-05-01T12:00:00.000000003Z\",{labels}}}}}\n"
        );
        assert_eq!(text(&json(body.as_bytes(), 1000).unwrap()), want);
        for line in want.lines() {
            assert!(serde_json::from_str::<serde_json::Value>(line).is_ok(), "{line}");
        }
        for bad in ["{\"streams\":[{\"values\":[[\"x\",\"y\"]]}]}", "{\"streams\":[{\"values\":[[1]]}]}", "[]"] {
            assert!(json(bad.as_bytes(), 1000).is_err(), "{bad}");
        }
    }

    #[test]
    fn protocol_buffers_say_the_same() {
        let put = |n: u8, bytes: &[u8]| [&[n << 3 | 2, bytes.len() as u8], bytes].concat();
        let stamp = [&[0x08][..], &[0x80, 0x84, 0xd3, 0xcf, 0x06], &[0x10, 0x01]].concat();
        let pair = put(3, &[put(1, b"trace"), put(2, b"abc")].concat());
        let entry = [put(1, &stamp), put(2, b"hello"), pair].concat();
        let stream = [put(1, br#"{app="a\"b", env="prod"}"#), put(2, &entry)].concat();
        let got = text(&protobuf(&put(1, &stream), 1000).unwrap());
        let value: serde_json::Value = serde_json::from_str(&got).unwrap();
        assert_eq!(value["message"], "hello");
        assert_eq!(value["loki"]["labels"], serde_json::json!({"app": "a\"b", "env": "prod"}));
        assert_eq!(value["loki"]["metadata"]["trace"], "abc");
        assert!(value["time"].as_str().unwrap().ends_with(".000000001Z"), "{got}");
        assert!(protobuf(b"\x0a\xff", 1000).is_err());
    }
}
