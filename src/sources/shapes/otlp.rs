//! OTLP logs, as JSON and as protocol buffers.
//!
//! A record becomes one line: `{"timestamp":...,"severity_number":...,"body":...,"attributes":{...},"resource":{...}}`,
//! or, when its body is the text of a JSON object, that object with the rest in a member `otlp` behind its own.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::error::{DEPTH, ShapeError};
use super::gather::Taken;
use super::json;
use super::protobuf::{Value as Wire, fields};
use crate::units::hex;

/// `AnyValue` of either encoding.
enum Any<'a> {
    Empty,
    Text(Cow<'a, str>),
    /// A number or a truth value, as JSON.
    Plain(Cow<'a, str>),
    List(Vec<Any<'a>>),
    Map(Pairs<'a>),
}

type Pairs<'a> = Vec<(Cow<'a, str>, Any<'a>)>;

/// What is common to the records of one scope.
struct Around<'a> {
    resource: Pairs<'a>,
    scope: Cow<'a, str>,
    version: Cow<'a, str>,
}

struct Record<'a> {
    time: u64,
    observed: u64,
    severity: u64,
    severity_text: Cow<'a, str>,
    body: Any<'a>,
    attributes: Pairs<'a>,
    trace: String,
    span: String,
    event: Cow<'a, str>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Export<'a> {
    #[serde(borrow, default)]
    resource_logs: Vec<ResourceLogs<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ResourceLogs<'a> {
    #[serde(borrow, default)]
    resource: Resource<'a>,
    #[serde(borrow, default)]
    scope_logs: Vec<ScopeLogs<'a>>,
}

#[derive(Default, Deserialize)]
struct Resource<'a> {
    #[serde(borrow, default)]
    attributes: Vec<Pair<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ScopeLogs<'a> {
    #[serde(borrow, default)]
    scope: Scope<'a>,
    #[serde(borrow, default)]
    log_records: Vec<LogRecord<'a>>,
}

#[derive(Default, Deserialize)]
struct Scope<'a> {
    #[serde(borrow, default)]
    name: Cow<'a, str>,
    #[serde(borrow, default)]
    version: Cow<'a, str>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LogRecord<'a> {
    #[serde(borrow, default)]
    time_unix_nano: Option<&'a RawValue>,
    #[serde(borrow, default)]
    observed_time_unix_nano: Option<&'a RawValue>,
    #[serde(default)]
    severity_number: u64,
    #[serde(borrow, default)]
    severity_text: Cow<'a, str>,
    #[serde(borrow, default)]
    body: Option<AnyValue<'a>>,
    #[serde(borrow, default)]
    attributes: Vec<Pair<'a>>,
    #[serde(borrow, default)]
    trace_id: Cow<'a, str>,
    #[serde(borrow, default)]
    span_id: Cow<'a, str>,
    #[serde(borrow, default)]
    event_name: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Pair<'a> {
    #[serde(borrow, default)]
    key: Cow<'a, str>,
    #[serde(borrow, default)]
    value: Option<AnyValue<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AnyValue<'a> {
    #[serde(borrow, default)]
    string_value: Option<Cow<'a, str>>,
    #[serde(default)]
    bool_value: Option<bool>,
    #[serde(borrow, default)]
    int_value: Option<&'a RawValue>,
    #[serde(borrow, default)]
    double_value: Option<&'a RawValue>,
    #[serde(borrow, default)]
    bytes_value: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    array_value: Option<Items<'a>>,
    #[serde(borrow, default)]
    kvlist_value: Option<KeyValues<'a>>,
}

#[derive(Deserialize)]
struct Items<'a> {
    #[serde(borrow, default)]
    values: Vec<AnyValue<'a>>,
}

#[derive(Deserialize)]
struct KeyValues<'a> {
    #[serde(borrow, default)]
    values: Vec<Pair<'a>>,
}

/// An export as JSON.
pub(super) fn json(body: &[u8], limit: usize) -> Result<Taken, ShapeError> {
    json::shallow_object(body)?;
    let export: Export<'_> = serde_json::from_slice(body)?;
    let mut taken = Taken::default();
    for resource in export.resource_logs {
        let mut around = Around { resource: pairs(resource.resource.attributes), ..Around::new() };
        for scope in resource.scope_logs {
            (around.scope, around.version) = (scope.scope.name, scope.scope.version);
            for record in scope.log_records {
                let record = Record {
                    time: number(record.time_unix_nano),
                    observed: number(record.observed_time_unix_nano),
                    severity: record.severity_number,
                    severity_text: record.severity_text,
                    body: record.body.map_or(Any::Empty, any),
                    attributes: pairs(record.attributes),
                    trace: record.trace_id.into_owned(),
                    span: record.span_id.into_owned(),
                    event: record.event_name,
                };
                write(&mut taken, limit, &record, &around);
            }
        }
    }
    Ok(taken)
}

fn pairs(from: Vec<Pair<'_>>) -> Pairs<'_> {
    from.into_iter().map(|pair| (pair.key, pair.value.map_or(Any::Empty, any))).collect()
}

fn any(value: AnyValue<'_>) -> Any<'_> {
    if let Some(text) = value.string_value.or(value.bytes_value) {
        Any::Text(text)
    } else if let Some(truth) = value.bool_value {
        Any::Plain(Cow::Borrowed(if truth { "true" } else { "false" }))
    } else if let Some(number) = value.int_value.or(value.double_value) {
        plain(number.get())
    } else if let Some(list) = value.array_value {
        Any::List(list.values.into_iter().map(any).collect())
    } else if let Some(map) = value.kvlist_value {
        Any::Map(pairs(map.values))
    } else {
        Any::Empty
    }
}

/// A number that JSON writes as a number or, when it has 64 bits, as a string.
fn plain(text: &str) -> Any<'_> {
    let inner = text.trim_matches('"');
    if serde_json::from_str::<serde_json::Number>(inner).is_ok() {
        Any::Plain(Cow::Borrowed(inner))
    } else {
        Any::Text(Cow::Borrowed(inner))
    }
}

fn number(text: Option<&RawValue>) -> u64 {
    text.and_then(|raw| raw.get().trim_matches('"').parse().ok()).unwrap_or(0)
}

/// An export as protocol buffers: `ExportLogsServiceRequest { repeated ResourceLogs resource_logs = 1 }`.
pub(super) fn protobuf(body: &[u8], limit: usize) -> Result<Taken, ShapeError> {
    let mut taken = Taken::default();
    fields(body, &mut |n, value| if n == 1 { resource_logs(value.bytes(), limit, &mut taken) } else { Ok(()) })?;
    Ok(taken)
}

/// `ResourceLogs { Resource resource = 1; repeated ScopeLogs scope_logs = 2 }`.
fn resource_logs(message: &[u8], limit: usize, taken: &mut Taken) -> Result<(), ShapeError> {
    let mut around = Around::new();
    fields(message, &mut |n, value| {
        if n == 1 {
            fields(value.bytes(), &mut |n, value| pair(1, n, &value, &mut around.resource))?;
        }
        Ok(())
    })?;
    fields(message, &mut |n, value| {
        if n == 2 {
            scope_logs(value.bytes(), limit, &mut around, taken)?;
        }
        Ok(())
    })
}

/// `ScopeLogs { Scope scope = 1 { name = 1, version = 2 }; repeated LogRecord log_records = 2 }`.
fn scope_logs<'a>(
    message: &'a [u8],
    limit: usize,
    around: &mut Around<'a>,
    taken: &mut Taken,
) -> Result<(), ShapeError> {
    (around.scope, around.version) = (Cow::Borrowed(""), Cow::Borrowed(""));
    fields(message, &mut |n, value| {
        if n == 1 {
            fields(value.bytes(), &mut |n, value| {
                match n {
                    1 => around.scope = text(&value),
                    2 => around.version = text(&value),
                    _ => {}
                }
                Ok(())
            })?;
        }
        Ok(())
    })?;
    fields(message, &mut |n, value| {
        if n == 2 {
            write(taken, limit, &record(value.bytes())?, around);
        }
        Ok(())
    })
}

fn record(message: &[u8]) -> Result<Record<'_>, ShapeError> {
    let mut record = Record {
        time: 0,
        observed: 0,
        severity: 0,
        severity_text: Cow::Borrowed(""),
        body: Any::Empty,
        attributes: Vec::new(),
        trace: String::new(),
        span: String::new(),
        event: Cow::Borrowed(""),
    };
    fields(message, &mut |n, value| {
        match n {
            1 => record.time = value.number(),
            2 => record.severity = value.number(),
            3 => record.severity_text = text(&value),
            5 => record.body = any_value(value.bytes(), 0)?,
            6 => pair(6, n, &value, &mut record.attributes)?,
            9 => record.trace = hex(value.bytes()),
            10 => record.span = hex(value.bytes()),
            11 => record.observed = value.number(),
            12 => record.event = text(&value),
            _ => {}
        }
        Ok(())
    })?;
    Ok(record)
}

/// Adds `value`, a `KeyValue { key = 1, value = 2 }`, when it is field number `wanted`.
fn pair<'a>(wanted: u32, n: u32, value: &Wire<'a>, into: &mut Pairs<'a>) -> Result<(), ShapeError> {
    if n == wanted {
        into.push(key_value(value.bytes(), 0)?);
    }
    Ok(())
}

fn key_value(message: &[u8], depth: usize) -> Result<(Cow<'_, str>, Any<'_>), ShapeError> {
    let (mut key, mut any) = (Cow::Borrowed(""), Any::Empty);
    fields(message, &mut |n, value| {
        match n {
            1 => key = text(&value),
            2 => any = any_value(value.bytes(), depth)?,
            _ => {}
        }
        Ok(())
    })?;
    Ok((key, any))
}

/// `AnyValue { string = 1, bool = 2, int = 3, double = 4, array = 5, kvlist = 6, bytes = 7 }`.
fn any_value(message: &[u8], depth: usize) -> Result<Any<'_>, ShapeError> {
    if depth > DEPTH {
        return Err(ShapeError::Deep(DEPTH));
    }
    let mut any = Any::Empty;
    fields(message, &mut |n, value| {
        any = match n {
            1 => Any::Text(text(&value)),
            2 => Any::Plain(Cow::Borrowed(if value.number() == 0 { "false" } else { "true" })),
            3 => Any::Plain(Cow::Owned(value.number().cast_signed().to_string())),
            4 => double(f64::from_bits(value.number())),
            5 => {
                let mut list = Vec::new();
                fields(value.bytes(), &mut |n, value| {
                    if n == 1 {
                        list.push(any_value(value.bytes(), depth + 1)?);
                    }
                    Ok(())
                })?;
                Any::List(list)
            }
            6 => {
                let mut map = Vec::new();
                fields(value.bytes(), &mut |n, value| {
                    if n == 1 {
                        map.push(key_value(value.bytes(), depth + 1)?);
                    }
                    Ok(())
                })?;
                Any::Map(map)
            }
            7 => Any::Text(String::from_utf8_lossy(value.bytes())),
            _ => return Ok(()),
        };
        Ok(())
    })?;
    Ok(any)
}

/// JSON has no word for what is no number.
fn double(n: f64) -> Any<'static> {
    if n.is_finite() { Any::Plain(Cow::Owned(n.to_string())) } else { Any::Text(Cow::Owned(n.to_string())) }
}

fn text<'a>(value: &Wire<'a>) -> Cow<'a, str> {
    String::from_utf8_lossy(value.bytes())
}

impl Around<'_> {
    fn new() -> Self {
        Self { resource: Vec::new(), scope: Cow::Borrowed(""), version: Cow::Borrowed("") }
    }
}

fn write(taken: &mut Taken, limit: usize, record: &Record<'_>, around: &Around<'_>) {
    let mut out = Vec::with_capacity(512);
    let object = if let Any::Text(text) = &record.body { json::object(text) } else { None };
    if let Some(object) = object {
        json::reopen(&mut out, object);
        json::member(&mut out, "otlp");
    }
    out.push(b'{');
    for (name, nanos) in [("timestamp", record.time), ("observed_timestamp", record.observed)] {
        if nanos > 0 {
            json::member(&mut out, name);
            json::time(&mut out, nanos);
        }
    }
    json::member(&mut out, "severity_number");
    out.extend_from_slice(record.severity.to_string().as_bytes());
    let texts = [
        ("severity_text", &*record.severity_text),
        ("event_name", &*record.event),
        ("trace_id", &*record.trace),
        ("span_id", &*record.span),
    ];
    for (name, text) in texts.into_iter().filter(|(_, text)| !text.is_empty()) {
        json::member(&mut out, name);
        json::string(&mut out, text);
    }
    if object.is_none() {
        json::member(&mut out, "body");
        put(&mut out, &record.body);
    }
    for (name, pairs) in [("attributes", &record.attributes), ("resource", &around.resource)] {
        if !pairs.is_empty() {
            json::member(&mut out, name);
            put_map(&mut out, pairs);
        }
    }
    if !around.scope.is_empty() {
        json::member(&mut out, "scope");
        out.push(b'{');
        json::member(&mut out, "name");
        json::string(&mut out, &around.scope);
        if !around.version.is_empty() {
            json::member(&mut out, "version");
            json::string(&mut out, &around.version);
        }
        out.push(b'}');
    }
    out.extend_from_slice(if object.is_some() { b"}}" } else { b"}" });
    taken.line(&out, limit);
}

fn put(out: &mut Vec<u8>, any: &Any<'_>) {
    match any {
        Any::Empty => out.extend_from_slice(b"null"),
        Any::Text(text) => json::string(out, text),
        Any::Plain(text) => out.extend_from_slice(text.as_bytes()),
        Any::Map(pairs) => put_map(out, pairs),
        Any::List(items) => {
            out.push(b'[');
            for (n, item) in items.iter().enumerate() {
                if n > 0 {
                    out.push(b',');
                }
                put(out, item);
            }
            out.push(b']');
        }
    }
}

fn put_map(out: &mut Vec<u8>, pairs: &Pairs<'_>) {
    out.push(b'{');
    for (name, any) in pairs {
        json::member(out, name);
        put(out, any);
    }
    out.push(b'}');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(taken: &Taken) -> Vec<serde_json::Value> {
        let text: String = taken.parts.iter().map(|p| String::from_utf8_lossy(&p.bytes).into_owned()).collect();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    const EXPORT: &str = r#"{"resourceLogs":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"api"}}]},
        "scopeLogs":[{"scope":{"name":"lib","version":"1"},"logRecords":[
        {"timeUnixNano":"1777636800000000001","observedTimeUnixNano":1777636800000000002,"severityNumber":9,
         "severityText":"INFO","body":{"stringValue":"a \"text\""},"traceId":"5b8e","spanId":"eee1",
         "attributes":[{"key":"n","value":{"intValue":"42"}},{"key":"d","value":{"doubleValue":0.5}},
         {"key":"b","value":{"boolValue":true}},{"key":"l","value":{"arrayValue":{"values":[{"stringValue":"x"},{}]}}},
         {"key":"m","value":{"kvlistValue":{"values":[{"key":"password","value":{"stringValue":"p"}}]}}}]},
        {"body":{"stringValue":"{\"level\": \"info\", \"url\": \"/x\"}"}},
        {"body":{"kvlistValue":{"values":[{"key":"k","value":{"stringValue":"v"}}]}}}]}]}]}"#;

    #[test]
    fn records_become_lines() {
        let got = lines(&json(EXPORT.as_bytes(), 10_000).unwrap());
        let first = serde_json::json!({"timestamp":"2026-05-01T12:00:00.000000001Z",
            "observed_timestamp":"2026-05-01T12:00:00.000000002Z","severity_number":9,"severity_text":"INFO",
            "trace_id":"5b8e","span_id":"eee1","body":"a \"text\"",
            "attributes":{"n":42,"d":0.5,"b":true,"l":["x",null],"m":{"password":"p"}},
            "resource":{"service.name":"api"},"scope":{"name":"lib","version":"1"}});
        assert_eq!(got[0], first);
        assert_eq!((&got[1]["level"], &got[1]["url"]), (&"info".into(), &"/x".into()));
        assert_eq!(got[1]["otlp"]["resource"]["service.name"], "api");
        assert_eq!(got[2]["body"]["k"], "v");
        assert_eq!(lines(&json(b"{}", 100).unwrap()).len(), 0);
        let long = json(EXPORT.as_bytes(), 150).unwrap();
        assert_eq!(long.lines + long.refused, 3);
        assert!(long.refused >= 1);
    }

    /// A field of wire type 2.
    fn put(n: u8, bytes: &[u8]) -> Vec<u8> {
        let mut out = vec![n << 3 | 2];
        let mut length = bytes.len();
        while length >= 0x80 {
            out.push(length as u8 | 0x80);
            length >>= 7;
        }
        out.push(length as u8);
        [&out, bytes].concat()
    }

    #[test]
    fn protocol_buffers_say_the_same() {
        let text = |s: &str| put(1, s.as_bytes());
        let kv = |k: &str, v: &[u8]| [put(1, k.as_bytes()), put(2, v)].concat();
        let fixed = |n: u8, v: u64| [&[n << 3 | 1][..], &v.to_le_bytes()].concat();
        let list = put(5, &[put(1, &text("x")), put(1, b"")].concat());
        let map = put(6, &put(1, &kv("password", &text("p"))));
        let record = [
            fixed(1, 1_777_636_800_000_000_001),
            vec![0x10, 9],
            put(3, b"INFO"),
            put(5, &text("a \"text\"")),
            put(6, &kv("n", &[0x18, 42])),
            put(6, &kv("d", &[&[0x21][..], &0.5f64.to_le_bytes()].concat())),
            put(6, &kv("b", &[0x10, 1])),
            put(6, &kv("l", &list)),
            put(6, &kv("m", &map)),
            put(9, &[0x5b, 0x8e]),
            put(10, &[0xee, 0xe1]),
            fixed(11, 1_777_636_800_000_000_002),
        ]
        .concat();
        let scope = [put(1, &[put(1, b"lib"), put(2, b"1")].concat()), put(2, &record)].concat();
        let resource = put(1, &put(1, &kv("service.name", &text("api"))));
        let export = put(1, &[resource, put(2, &scope)].concat());
        let got = lines(&protobuf(&export, 10_000).unwrap());
        assert_eq!(got[0], lines(&json(EXPORT.as_bytes(), 10_000).unwrap())[0]);
        for cut in 1..export.len() {
            assert!(protobuf(&export[..cut], 10_000).is_err(), "{cut}");
        }
        let deep = (0..70).fold(text("x"), |inner, _| put(5, &put(1, &inner)));
        let record = put(5, &deep);
        let export = put(1, &put(2, &put(2, &record)));
        assert!(matches!(protobuf(&export, 10_000), Err(ShapeError::Deep(_))));
    }
}
