//! Every kind of bad receiver beside a good one, with the running service: each has its own words in the log and in
//! `alerts list`, and its own counter in the metrics, and the good one has not waited.

use std::collections::BTreeMap;
use std::net::TcpListener;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use logwarden::store::{Commit, OutboxRow, Store};
use logwarden::units::Timestamp;

use super::http::{Receiver, Reply};
use super::kit::alert;
use super::smtp::{Manners, Server};
use super::tls::Authority;
use crate::receive::kit::{Service, until};
use crate::support::run;
use crate::web::kit::{ask, start_with};

/// A name, what goes wrong in one word, and the words that say it.
type Bad = (&'static str, &'static str, &'static str);

const BAD: [Bad; 20] = [
    ("password", "login", "the server does not accept our login; are `username` and `password` right?"),
    ("expired_mail", "certificate", "expired on 2021-01-01; it must be renewed there"),
    ("expired_hook", "certificate", "expired on 2021-01-01; it must be renewed there"),
    ("stranger", "certificate", "is signed by nobody we trust; name a private authority with `ca_file`"),
    ("unknown_mail", "unknown_host", "no-such-host.invalid cannot be looked up"),
    ("unknown_hook", "unknown_host", "no-such-hook.invalid cannot be looked up"),
    ("redirect", "redirect", "answered 302 Found: redirects are not followed; set `url` to the final address"),
    ("gone", "gone", "answered 410 Gone: no longer (the endpoint is gone or the URL is wrong)"),
    ("too_many", "rate_limited", "answered 429 Too Many Requests"),
    ("trouble", "server_error", "answered 503 Service Unavailable: busy"),
    ("token", "login", "(is the token or URL right?)"),
    ("slow", "timeout", "no answer in time from 127.0.0.1"),
    ("half_open_hook", "timeout", "no answer in time from 127.0.0.1"),
    ("half_open_mail", "timeout", "no answer in time from localhost"),
    ("cut", "cut", "cut the connection before it answered"),
    ("nobody", "unreachable", "(connection refused); is it running, and is the port right?"),
    ("clear", "tls", "does not offer STARTTLS, and nothing is sent in the clear"),
    (
        "private",
        "private_address",
        "is not a public address; say `allow_private = true` on this receiver if it is meant",
    ),
    ("picky", "refused", "answered 400 Bad Request: invalid_payload"),
    ("loops", "template", "template.body takes more than 50000 steps; does it loop without end?"),
];

/// Servers that behave badly, and the configuration of their receivers.
struct Town {
    config: String,
    hooks: Vec<Receiver>,
    _mails: Vec<Server>,
    _half_open: TcpListener,
}

impl Town {
    async fn new(dir: &std::path::Path) -> Self {
        let authority = Authority::new(dir);
        let ca = format!("ca_file = '{}'\n", authority.ca_file.display());
        let mut sections: BTreeMap<&str, String> = BTreeMap::new();
        let mut hooks = Vec::new();
        type Answer = fn() -> Reply;
        let answers: [(&str, Answer); 10] = [
            ("good", || Reply::Status(200, "")),
            ("redirect", || Reply::Status(302, "location: http://127.0.0.1:1/stolen\r\n")),
            ("gone", || Reply::Body(410, "no longer")),
            ("too_many", || Reply::Status(429, "retry-after: 3600\r\n")),
            ("trouble", || Reply::Body(503, "busy")),
            ("token", || Reply::Body(401, "who are you")),
            ("slow", || Reply::Hang),
            ("cut", || Reply::Cut),
            ("picky", || Reply::Body(400, "invalid_payload")),
            ("loops", || Reply::Status(200, "")),
        ];
        for (name, answer) in answers {
            let hook = Receiver::start(move |_| answer()).await;
            let more = match name {
                "slow" => "timeout = '1s'\n",
                // harmless for the alerts that `check` tries it on
                "loops" => {
                    "format = 'slack'\ntemplate = { body = \"{% if host == 'web-1' %}{% for a in range(9999) %}{% for b in range(9999) %}x{% endfor %}{% endfor %}{% endif %}fine\" }\n"
                }
                _ => "",
            };
            sections.insert(name, format!("type = 'webhook'\nurl = '{}'\n{more}", hook.url()));
            hooks.push(hook);
        }
        for (name, trusted) in [("expired_hook", true), ("stranger", false)] {
            let hook = Receiver::start_tls(authority.server(trusted)).await;
            let url = hook.url().replace("http://127.0.0.1", "https://localhost");
            sections.insert(name, format!("type = 'webhook'\nurl = '{url}'\n{}", if trusted { &ca } else { "" }));
            hooks.push(hook);
        }
        let mut mails = Vec::new();
        let starttls = |expired| Some(authority.server(expired).into());
        let login = Some(STANDARD.encode("\0warden\0right"));
        for (name, manners, more) in [
            (
                "password",
                Manners { starttls: starttls(false), login, ..Manners::default() },
                "username = 'warden'\npassword = 'wr0ngpw'",
            ),
            ("expired_mail", Manners { starttls: starttls(true), ..Manners::default() }, ""),
            ("half_open_mail", Manners { mute: true, ..Manners::default() }, "timeout = '1s'"),
            ("clear", Manners::default(), ""),
        ] {
            let server = Server::start(manners).await;
            let section = server.config(&format!("{ca}{more}\n")).replace("'127.0.0.1'", "'localhost'");
            sections.insert(name, section);
            mails.push(server);
        }
        let hook = |url: &str| format!("type = 'webhook'\nurl = '{url}'\n");
        // connections are taken by the system, and nobody speaks
        let half_open = TcpListener::bind("127.0.0.1:0").unwrap();
        let place = format!("http://{}/", half_open.local_addr().unwrap());
        sections.insert("half_open_hook", hook(&place) + "timeout = '1s'\n");
        let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        sections.insert("nobody", hook(&format!("http://{nobody}/")));
        sections.insert("unknown_hook", hook("https://no-such-hook.invalid/T0kenInThePath"));
        let mail = "type = 'email'\nhost = 'no-such-host.invalid'\nfrom = 'a@b.example'\nto = ['c@d.example']\n";
        sections.insert("unknown_mail", mail.to_owned());
        let own_name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
        sections.insert("private", hook(&format!("https://{}/", own_name.trim())));
        let config = sections.iter().map(|(name, section)| format!("[receivers.{name}]\n{section}")).collect();
        Self { config, hooks, _mails: mails, _half_open: half_open }
    }
}

/// What `/metrics` counts of a receiver: failures by cause, and messages by outcome.
fn counted(metrics: &str, receiver: &str, label: &str) -> u64 {
    let (receiver, label) = (format!("receiver=\"{receiver}\""), format!("=\"{label}\""));
    let line = |l: &&str| l.starts_with("logwarden_notif") && l.contains(&receiver) && l.contains(&label);
    metrics.lines().filter(line).filter_map(|l| l.rsplit(' ').next()?.parse::<f64>().ok()).sum::<f64>() as u64
}

#[tokio::test(flavor = "multi_thread")]
async fn every_bad_receiver_is_told_from_the_others_in_log_list_and_metrics() {
    let dir = tempfile::tempdir().unwrap();
    let town = Town::new(dir.path()).await;
    let names: Vec<&str> = BAD.iter().map(|(name, ..)| *name).chain(["good"]).collect();
    let waits = |service: &Service| {
        let now = Timestamp::from(chrono::Utc::now());
        let store = Store::open(&service.path("state"), now).unwrap();
        let rows: Vec<_> =
            names.iter().map(|name| OutboxRow { receiver: (*name).to_owned(), alert: alert(1, 1) }).collect();
        store.commit(&Commit { alerts: &[alert(1, 1)], outbox: &rows, now, ..Commit::default() }).unwrap();
    };
    let service = start_with(&town.config, waits);
    assert!(until(|| town.hooks[0].ids().contains(&alert(1, 1).id)), "the good one waited\n{}", service.errors());
    let config = service.path("c.toml").display().to_string();
    let list = || run(&["alerts", "list", "--config", &config], b"").text();
    let metrics = || ask(&service, "GET /metrics", &[], "").body;
    let in_list = |text: &str, (name, _, want): Bad| {
        text.lines().any(|line| line.trim_start().starts_with(&format!("{name} ")) && line.contains(want))
    };
    let in_log = |text: &str, (name, cause, want): Bad| {
        let says = |line: &&str| line.contains(&format!("receiver=\"{name}\"")) && line.contains(want);
        text.lines().filter(says).any(|line| line.contains(&format!("cause=\"{cause}\"")))
    };
    let missing = || -> Vec<(&str, &str)> {
        let (log, list, metrics) = (service.errors(), list(), metrics());
        let places = |bad: Bad| {
            [
                (!in_log(&log, bad)).then_some("log"),
                (!in_list(&list, bad)).then_some("list"),
                (counted(&metrics, bad.0, bad.1) == 0).then_some("metrics"),
            ]
        };
        BAD.into_iter().flat_map(|bad| places(bad).into_iter().flatten().map(move |place| (bad.0, place))).collect()
    };
    until(|| missing().is_empty());
    let left = missing();
    let (log, list, metrics): (String, String, String) = (service.errors(), list(), metrics());
    assert!(left.is_empty(), "{left:?}\n{log}\n{list}\n{metrics}");
    for (name, cause, _) in BAD {
        // no other word stands beside the right one
        let others = logwarden::delivery::Cause::ALL.into_iter().filter(|other| other.word() != cause);
        let wrong: Vec<_> = others.filter(|other| counted(&metrics, name, other.word()) > 0).collect();
        assert!(wrong.is_empty(), "{name}: {wrong:?}");
        let sent = u64::from(name == "loops");
        assert_eq!(counted(&metrics, name, "sent") > 0, sent > 0, "{name}");
    }
    assert!(counted(&metrics, "good", "sent") > 0 && counted(&metrics, "good", "failed") == 0);
    for secret in ["wr0ngpw", "T0kenInThePath", "/stolen"] {
        assert!(!format!("{log}{list}{metrics}").contains(secret), "{secret}");
    }
}

#[test]
fn an_address_that_a_webhook_may_not_reach_is_refused_before_anything_runs() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("c.toml");
    let text = "[sources.in]\ntype = 'stdin'\n[receivers.inside]\ntype = 'webhook'\nurl = 'https://10.0.0.7/hook'\n";
    std::fs::write(&config, text).unwrap();
    for verb in ["check", "run"] {
        let ran = run(&[verb, "--config", config.to_str().unwrap()], b"");
        assert_eq!(ran.code, 78, "{verb}: {}", ran.err);
        let said = ran.text() + &ran.err;
        assert!(said.contains("inside") && said.contains("`allow_private = true`"), "{verb}: {said}");
    }
}
