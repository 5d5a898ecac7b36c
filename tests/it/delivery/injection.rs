//! Hostile text in every field of an alert, through every format: what goes out has the same structure as with harmless
//! text. Headers, recipients, tags, links, mentions, code blocks: the count of each must not change by one.

use std::collections::BTreeMap;

use logwarden::alert::{Alert, RunbookStep};

use super::http::{Receiver, Reply};
use super::kit::{Rig, alert, secs};
use super::smtp::{Manners, Server};

/// What attackers put into a log line, a header, a key's name.
const CORPUS: &[&str] = &[
    "x\r\nBcc: evil@example.net",
    "x\nSubject: other\n\nbody",
    "x\r\n.\r\nMAIL FROM:<evil@example.net>\r\nRCPT TO:<evil@example.net>\r\nDATA\r\n",
    "x\n.\nQUIT\n",
    "x\r.\rQUIT\r",
    "=?utf-8?q?=0D=0ABcc:_evil@example.net?=",
    "--=_01KQFD7V000000000000000001\r\nContent-Type: text/html\r\n\r\n<h1>x",
    "<script>alert(1)</script>",
    "</pre></td></table><img src=x onerror=alert(1)>",
    "\" onmouseover=\"alert(1)\" x=\"",
    "' onfocus='alert(1)",
    "javascript:alert(1)",
    "https://evil.example/\" onclick=\"x",
    "https://evil.example/>|click me",
    "data:text/html,<script>alert(1)</script>",
    "&lt;script&gt; &#x3c;script&#x3e;",
    "<style>*{display:none}</style><!-- <!--[if mso]>",
    "<!channel> <!here> <!everyone> <@U123> <#C123> <!subteam^S1>",
    "<https://evil.example|Revoke the key>",
    "@everyone @here <@123456789> <@&123> <#123>",
    "```\n@everyone\n```",
    "*bold* _it_ ~st~ **b** __u__ ||spoiler|| > quote\n# head\n- list",
    "[click](https://evil.example) ![x](https://evil.example/x.png) [x]: https://evil.example",
    "{{ 7 * 7 }} {% for x in range(9) %}{{ x }}{% endfor %} ${7*7} #{7*7}",
    "\",\"routing_key\":\"evil\",\"x\":\"",
    "\\u0022}, {\"title\": \"evil",
    "x\u{0}y\u{7}z\u{1b}[31mred\u{1b}]0;title\u{7}",
    "\u{202e}gpj.exe\u{2066}x\u{200b}\u{feff}",
    "x\u{2028}y\u{2029}z\u{85}w\u{b}\u{c}",
    "../../etc/passwd%0d%0aX-Evil:%201",
    "a\tb",
];

/// The `n`th alert with `text` in every field that is text.
fn with(n: u64, text: &str) -> Alert {
    let mut a = alert(n, n);
    a.evidence.observed = Some(2.0);
    a.evidence.expected = Some(1.0);
    for field in [&mut a.summary, &mut a.why, &mut a.host, &mut a.kind, &mut a.evidence.unit] {
        *field = text.to_owned();
    }
    a.source = Some(text.to_owned());
    a.evidence.lines = vec![text.to_owned(), "second".to_owned()];
    a.evidence.networks = vec![text.to_owned()];
    a.likely_causes = vec![text.to_owned()];
    a.runbook = vec![
        RunbookStep { step: text.to_owned(), link: Some(text.to_owned()) },
        RunbookStep { step: "two".to_owned(), link: Some("https://example.com/".to_owned()) },
    ];
    a.links.page = Some(text.to_owned());
    if let Some(key) = &mut a.key {
        (key.label, key.group) = (Some(text.to_owned()), Some(text.to_owned()));
        key.kind = text.to_owned();
        key.tag = text.to_owned();
    }
    a
}

/// The structure of a JSON value: keys and lengths of lists, without texts.
fn skeleton(value: &serde_json::Value, path: &str, out: &mut BTreeMap<String, usize>) {
    match value {
        serde_json::Value::Object(map) => {
            map.iter().for_each(|(key, value)| skeleton(value, &format!("{path}/{key}"), out));
        }
        serde_json::Value::Array(items) => {
            out.insert(path.to_owned(), items.len());
            items.iter().enumerate().for_each(|(n, value)| skeleton(value, &format!("{path}/{n}"), out));
        }
        _ => {
            out.insert(path.to_owned(), 0);
        }
    }
}

/// Everything in `text` that could act, counted: what a chat or a browser would take for markup.
fn marks(text: &str) -> Vec<usize> {
    let bare = |mark: char, escape: char| {
        let mut before = ' ';
        let mut n = 0;
        for c in text.chars() {
            n += usize::from(c == mark && before != escape);
            before = if before == '\\' { ' ' } else { c };
        }
        n
    };
    vec![text.matches("```").count(), bare('<', '\\'), bare('[', '\\').min(1_000)]
}

fn texts(value: &serde_json::Value, out: &mut Vec<String>) {
    match value {
        serde_json::Value::String(text) => out.push(text.clone()),
        serde_json::Value::Array(items) => items.iter().for_each(|v| texts(v, out)),
        serde_json::Value::Object(map) => map.values().for_each(|v| texts(v, out)),
        _ => {}
    }
}

const FORMATS: [&str; 8] =
    ["generic", "slack", "discord", "teams", "pagerduty", "opsgenie", "alertmanager", "cloudevents"];

/// A receiver of every format, and a mail server.
struct Stage {
    rig: Rig,
    http: Receiver,
    server: Server,
}

impl Stage {
    async fn new(dir: &std::path::Path) -> Self {
        let http = Receiver::start(|_| Reply::Status(202, "")).await;
        let server = Server::start(Manners::default()).await;
        let hook = |f: &'static str| {
            let more = if f == "alertmanager" { "" } else { f };
            (f, format!("type = 'webhook'\nformat = '{f}'\ntoken = 'T0ken'\nurl = '{}{more}'", http.url()))
        };
        let mut receivers: Vec<(&str, String)> = FORMATS.into_iter().map(hook).collect();
        receivers.push(("mail", server.config("tls = 'off'")));
        let rig = Rig::new(dir, &receivers);
        Self { rig, http, server }
    }

    /// What goes out for the `n`th alert, with `text` everywhere: in every format, as mail, and what was said for it.
    async fn send(&self, n: u64, text: &str) -> (BTreeMap<String, serde_json::Value>, super::smtp::Mail, Vec<String>) {
        let (requests, mails, commands) =
            (self.http.seen().len(), self.server.mails().len(), self.server.commands().len());
        self.rig.raise(&[with(n, text)]);
        self.rig.drain(secs(5)).await;
        let bodies =
            self.http.seen().into_iter().skip(requests).filter(|r| r.json().is_object() || r.json()[0].is_object());
        let bodies = bodies.map(|r| {
            let format = FORMATS.iter().find(|f| r.line.contains(&format!("/hook{f}"))).unwrap_or(&"alertmanager");
            assert!(r.headers.iter().all(|(name, _)| !name.contains("evil")), "{:?}", r.headers);
            ((*format).to_owned(), r.json())
        });
        let bodies = bodies.collect();
        let mails = self.server.mails().split_off(mails);
        assert_eq!(mails.len(), 1, "{text:?}");
        (bodies, mails[0].clone(), self.server.commands().split_off(commands))
    }
}

/// Names of all headers and part headers, in order.
fn headers(mail: &super::smtp::Mail) -> Vec<String> {
    let named = |l: &str| {
        let (name, _) = l.split_once(':')?;
        let fits = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        (fits && ["Content", "From", "To", "Bcc", "Cc", "Subject", "X-", "List"].iter().any(|p| name.starts_with(p)))
            .then(|| name.to_owned())
    };
    // headers stand at the beginning and behind a boundary, up to an empty line; in a text any words may begin a line
    let mut in_head = true;
    let head = mail.data.lines().filter(|line| {
        in_head = (in_head && !line.is_empty()) || line.starts_with("--=_");
        in_head
    });
    head.filter_map(named).collect()
}

/// The HTML part, its transfer encoding undone.
fn html(mail: &super::smtp::Mail) -> String {
    let part = mail.data.split("\r\nContent-Type: text/html; charset=utf-8\r\n").nth(1).unwrap();
    let body = part.split_once("\r\n\r\n").map_or(part, |(_, body)| body).replace("=\r\n", "");
    let mut bytes = Vec::new();
    let mut rest = body.as_bytes();
    while let Some((&b, tail)) = rest.split_first() {
        let hex = (b == b'=').then(|| tail.get(..2)).flatten();
        match hex.and_then(|h| u8::from_str_radix(std::str::from_utf8(h).ok()?, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            None => {
                bytes.push(b);
                rest = tail;
            }
        }
    }
    String::from_utf8(bytes).unwrap()
}

/// Every tag with the names of its attributes.
fn tags(html: &str) -> Vec<String> {
    let tag = regex::Regex::new(r"<[^>]*>").unwrap();
    let value = regex::Regex::new(r#"="[^"]*""#).unwrap();
    tag.find_iter(html).map(|m| value.replace_all(m.as_str(), "").into_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_text_changes_no_structure() {
    let dir = tempfile::tempdir().unwrap();
    let stage = Stage::new(dir.path()).await;
    let (harmless, plain_mail, commands) = stage.send(0, "harmless").await;
    assert_eq!(harmless.len(), FORMATS.len());
    for (n, text) in (1..).zip(CORPUS) {
        let (bodies, mail, said) = stage.send(n, text).await;
        assert_eq!(said, commands, "{text:?}: the conversation with the mail server");
        assert_eq!(headers(&mail), headers(&plain_mail), "{text:?}: {}", mail.data);
        assert_eq!(tags(&html(&mail)), tags(&html(&plain_mail)), "{text:?}: {}", html(&mail));
        assert!(!mail.data.replace("\r\n", "").contains(['\r', '\n', '\0', '\u{1b}']), "{text:?}");
        for (format, body) in &bodies {
            let shape = |body| {
                let mut out = BTreeMap::new();
                skeleton(body, "", &mut out);
                out
            };
            assert_eq!(shape(body), shape(&harmless[format]), "{text:?} in {format}");
            if ["slack", "discord", "teams"].contains(&format.as_str()) {
                let all = |body| {
                    let mut out = Vec::new();
                    texts(body, &mut out);
                    out
                };
                for (hostile, calm) in all(body).iter().zip(all(&harmless[format])) {
                    let counted = |t: &str| if *format == "slack" { marks(t)[..2].to_vec() } else { marks(t) };
                    // blocks of code, and the footer of Discord, which knows no markup
                    let inert = hostile.starts_with("```") || calm.contains(" · 01K");
                    let (got, want) = (counted(hostile), counted(&calm));
                    assert!(got == want || (inert && got[0] == want[0]), "{text:?} in {format}: {hostile}");
                    assert!(!hostile.contains(['\u{202e}', '\u{0}', '\u{1b}', '\u{2028}']), "{text:?} in {format}");
                }
            }
        }
        assert_eq!(bodies["discord"]["allowed_mentions"], serde_json::json!({"parse": []}));
        assert_eq!(bodies["pagerduty"]["routing_key"], "T0ken");
    }
}
