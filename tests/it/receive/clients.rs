//! Real clients send to us: exporters and handlers from PyPI, and curl. And payloads in the shapes that Vector and
//! Fluent Bit document.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::kit::Service;
use crate::support::{find, root, run_command, skip};

const HTTP: &str = "type = \"http\"\nlisten = \"ADDRESS\"\ntoken = \"t0ken\"\n";

/// A Python that has `module`.
fn python(module: &str) -> Option<PathBuf> {
    let has = |p: &Path| {
        let mut command = Command::new(p);
        command.args(["-c", &format!("import {module}")]).stderr(Stdio::null());
        command.status().is_ok_and(|s| s.success())
    };
    [Some(root().join("target/venv/bin/python3")), find("python3")].into_iter().flatten().find(|p| has(p))
}

/// Runs `script` with the service's address as its argument; skips when the module is not there.
fn send(name: &str, module: &str, service: &Service, script: &str) -> bool {
    let Some(python) = python(module) else {
        skip(name, &format!("no Python with {module}; tests/run.sh installs it"));
        return false;
    };
    let ran = run_command(Command::new(python).args(["-c", script, &service.address.to_string()]), b"");
    assert_eq!(ran.code, 0, "{}\n{}\n{}", ran.err, ran.text(), service.errors());
    true
}

fn lines(service: &Service) -> Vec<serde_json::Value> {
    service.out().lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"))).collect()
}

const OTLP: &str = r#"
import logging, sys
from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.resources import Resource
EXPORTER
exporter = OTLPLogExporter(endpoint=f"http://{sys.argv[1]}/v1/logs", headers={"authorization": "Bearer t0ken"} COMPRESSION)
provider = LoggerProvider(resource=Resource.create({"service.name": "shop"}))
provider.add_log_record_processor(BatchLogRecordProcessor(exporter))
log = logging.getLogger("shop.pay")
log.setLevel(logging.INFO)
log.addHandler(LoggingHandler(logger_provider=provider))
for n in range(50):
    log.info("paid %d with password=hunter2", n, extra={"n": n, "password": "hunter2", "url.path": "/pay"})
ok = provider.force_flush()
provider.shutdown()
sys.exit(0 if ok else 1)
"#;

fn otlp(name: &str, module: &str, exporter: &str, compression: &str) {
    let service = Service::start(HTTP);
    let script = OTLP.replace("EXPORTER", exporter).replace("COMPRESSION", compression);
    if !send(name, module, &service, &script) {
        return;
    }
    let lines = lines(&service);
    let numbers: BTreeSet<_> = lines.iter().filter_map(|line| line["attributes"]["n"].as_i64()).collect();
    assert_eq!((lines.len(), numbers.len()), (50, 50), "{}", service.out());
    let line = &lines[0];
    assert_eq!(line["body"], "paid 0 with password=[PASSWORD]", "{line}");
    assert_eq!((&line["attributes"]["password"], &line["severity_text"]), (&"[PASSWORD]".into(), &"INFO".into()));
    assert_eq!(line["resource"]["service.name"], "shop");
    assert!(!service.out().contains("hunter2"));
}

#[test]
fn an_otlp_exporter_sends_json() {
    let exporter = "from opentelemetry.exporter.otlp.json.http._log_exporter import OTLPLogExporter";
    otlp("an_otlp_exporter_sends_json", "opentelemetry.exporter.otlp.json.http", exporter, "");
}

#[test]
fn an_otlp_exporter_sends_protocol_buffers() {
    let exporter = "from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter\n\
                    from opentelemetry.exporter.otlp.proto.http import Compression";
    let module = "opentelemetry.exporter.otlp.proto.http";
    otlp("an_otlp_exporter_sends_protocol_buffers", module, exporter, ", compression=Compression.Gzip");
}

#[test]
fn a_loki_handler_sends_its_entries() {
    let service = Service::start(HTTP);
    let script = r#"
import logging, sys
import logging_loki
handler = logging_loki.LokiHandler(url=f"http://{sys.argv[1]}/loki/api/v1/push", tags={"app": "shop"},
                                   auth=("loki", "t0ken"), version="1")
log = logging.getLogger("shop")
log.setLevel(logging.INFO)
log.addHandler(handler)
failed = []
handler.handleError = lambda record: failed.append(record)
for n in range(20):
    log.info("paid %d, password=hunter2", n)
log.info('{"level":"info","n":20,"password":"hunter2"}')
sys.exit(1 if failed else 0)
"#;
    if !send("a_loki_handler_sends_its_entries", "logging_loki", &service, script) {
        return;
    }
    let lines = lines(&service);
    assert_eq!(lines.len(), 21);
    assert_eq!(lines[3]["message"], "paid 3, password=[PASSWORD]");
    assert_eq!((&lines[3]["loki"]["labels"]["app"], lines[20]["n"].as_i64()), (&"shop".into(), Some(20)));
    assert_eq!(lines[20]["password"], "[PASSWORD]");
}

#[test]
fn the_elasticsearch_client_sends_a_bulk() {
    let service = Service::start(&format!("{HTTP}max_line = \"1 KiB\"\n"));
    let script = r#"
import sys
from elasticsearch import Elasticsearch, helpers
es = Elasticsearch(f"http://{sys.argv[1]}", basic_auth=("elastic", "t0ken"))
assert es.info()["version"]["number"]
docs = [{"_index": "shop", "n": n, "password": "hunter2"} for n in range(100)]
done, errors = helpers.bulk(es, docs, chunk_size=30)
assert (done, errors) == (100, []), (done, errors)
mixed = [{"_index": "shop", "n": 100}, {"_index": "shop", "text": "x" * 3000}]
done, errors = helpers.bulk(es, mixed, raise_on_error=False)
assert done == 1 and errors[0]["index"]["status"] == 413, (done, errors)
wrong = Elasticsearch(f"http://{sys.argv[1]}", basic_auth=("elastic", "wrong"))
try:
    helpers.bulk(wrong, docs)
    sys.exit(1)
except Exception as error:
    assert "401" in repr(error) or "Authentication" in repr(error), error
"#;
    if !send("the_elasticsearch_client_sends_a_bulk", "elasticsearch", &service, script) {
        return;
    }
    let lines = lines(&service);
    assert_eq!(lines.len(), 101);
    let numbers: BTreeSet<_> = lines.iter().filter_map(|line| line["n"].as_i64()).collect();
    assert_eq!(numbers.len(), 101);
    assert_eq!(lines[0], serde_json::json!({"n": 0, "password": "[PASSWORD]"}));
}

#[test]
fn curl_sends_a_file() {
    let Some(curl) = find("curl") else { return skip("curl_sends_a_file", "no curl; tests/run.sh installs it") };
    let service = Service::start(HTTP);
    let file = service.path("lines");
    let text: String = (0..5000).map(|n| format!("{{\"n\":{n},\"password\":\"hunter2\"}}\n")).collect();
    std::fs::write(&file, &text).unwrap();
    let url = format!("http://{}/ingest", service.address);
    let data = format!("@{}", file.display());
    let ran = run_command(
        Command::new(&curl).args(["-sS", "--fail", "-H", "Authorization: Bearer t0ken", "--data-binary", &data, &url]),
        b"",
    );
    assert_eq!((ran.code, ran.text().as_str()), (0, "{\"accepted\":5000,\"withheld\":0}\n"), "{}", ran.err);
    assert_eq!(service.out(), text.replace("hunter2", "[PASSWORD]"));
    // chunked, as it does when it does not know the length
    let chunked = ["-sS", "-H", "Transfer-Encoding: chunked", "-H", "X-Api-Key: t0ken", "--data-binary", "@-", &url];
    assert_eq!(run_command(Command::new(&curl).args(chunked), b"{\"n\":-1}\n").code, 0);
    assert!(service.out().ends_with("{\"n\":-1}\n"));
}

/// (path, headers, body, lines that come of it)
const PAYLOADS: [(&str, &str, &str, &str); 6] = [
    // Vector's http sink: newline-delimited, and its default, an array
    (
        "/ingest",
        "Content-Type: application/x-ndjson\r\n",
        "{\"host\":\"a\",\"message\":\"m1\",\"password\":\"hunter2\"}\n{\"host\":\"a\",\"message\":\"m2\"}\n",
        "{\"host\":\"a\",\"message\":\"m1\",\"password\":\"[PASSWORD]\"}\n{\"host\":\"a\",\"message\":\"m2\"}\n",
    ),
    (
        "/ingest",
        "Content-Type: application/json\r\n",
        "[{\"message\":\"m1\",\"source_type\":\"file\"},{\"message\":\"m2\",\"source_type\":\"file\"}]",
        "{\"message\":\"m1\",\"source_type\":\"file\"}\n{\"message\":\"m2\",\"source_type\":\"file\"}\n",
    ),
    // Fluent Bit's http output: json, json_lines, json_stream
    (
        "/ingest",
        "Content-Type: application/json\r\n",
        "[{\"date\":1777636800.5,\"log\":\"l1\"},{\"date\":1777636800.6,\"log\":\"l2\"}]",
        "{\"date\":1777636800.5,\"log\":\"l1\"}\n{\"date\":1777636800.6,\"log\":\"l2\"}\n",
    ),
    (
        "/ingest",
        "Content-Type: application/json\r\n",
        "{\"date\":1777636800.5,\"log\":\"l1\"}{\"date\":1777636800.6,\"log\":\"l2\"}",
        "{\"date\":1777636800.5,\"log\":\"l1\"}\n{\"date\":1777636800.6,\"log\":\"l2\"}\n",
    ),
    // Vector's elasticsearch sink and Fluent Bit's es output
    (
        "/_bulk",
        "Content-Type: application/x-ndjson\r\n",
        "{\"create\":{\"_index\":\"logs-2026\",\"_type\":\"_doc\"}}\n{\"@timestamp\":\"2026-05-01T12:00:00Z\",\"log\":\"l1\"}\n",
        "{\"@timestamp\":\"2026-05-01T12:00:00Z\",\"log\":\"l1\"}\n",
    ),
    // Vector's loki sink
    (
        "/loki/api/v1/push",
        "Content-Type: application/json\r\n",
        "{\"streams\":[{\"stream\":{\"job\":\"j\"},\"values\":[[\"1777636800000000000\",\"{\\\"message\\\":\\\"m1\\\"}\"]]}]}",
        "{\"message\":\"m1\",\"loki\":{\"time\":\"2026-05-01T12:00:00.000000000Z\",\"labels\":{\"job\":\"j\"}}}\n",
    ),
];

#[test]
fn what_vector_and_fluent_bit_send_is_taken() {
    let service = Service::start(HTTP);
    let mut want = String::new();
    for (path, headers, body, lines) in PAYLOADS {
        let answer = service.post(path, &format!("Authorization: Bearer t0ken\r\n{headers}"), body.as_bytes());
        assert!((200..300).contains(&answer.status), "{path} {body}: {answer:?}");
        want.push_str(lines);
        assert_eq!(service.out(), want, "{path}");
    }
}
