//! Whole stories in event time of the kinds that hold keys to a policy, to their habits, or to each other.

use std::net::IpAddr;

use super::episode::fingerprint;
use super::kind::Kind;
use super::notice::Notice;
use super::object::{Alert, Status, Urgency};
use super::scenarios::{Act, DAY, Dice, HOUR, MINUTE, START, Story, good};
use super::watch::Watch;
use crate::event::SourceId;
use crate::units::Timestamp;
use crate::window::{Aspect, AttackDelta, AttackId, Few, SourceDelta, Tally, Word};

/// A story with policies, given as TOML of `[keys]`.
fn with_keys(keys: &str) -> Story {
    Story::new(Watch { keys: toml::from_str(keys).unwrap(), ..Watch::default() })
}

/// A story with settings, given as TOML of `[detect]`.
fn with_settings(detect: &str) -> Story {
    Story::new(Watch { detect: toml::from_str(detect).unwrap(), ..Watch::default() })
}

/// The keys that fired a kind, by their name.
fn keys<'a>(story: &'a Story, kind: &str) -> Vec<&'a str> {
    story.fired(kind).iter().map(|a| a.key.as_ref().map_or("", |k| k.tag.as_str())).collect()
}

/// Every policy kind: what its key may, what it does, what must be said; a key without a policy does the same.
#[test]
fn policies_are_held_to() {
    use Aspect::{Endpoint, Environment, Model, Origin, Plaintext, Region};
    let is = |is: &'static [(Aspect, &'static str)]| Act { is, ..good("bound", 3) };
    let at = |ip: &'static str| Act { ip, ..good("bound", 3) };
    let cases: [(&str, &str, Act, Act, &str); 9] = [
        ("ip_not_allowed", "networks = [\"192.0.2.0/28\"]", at("192.0.2.1"), at("192.0.2.99"), "192.0.2.99"),
        ("model_not_allowed", "models = [\"small-*\"]", is(&[(Model, "small-1")]), is(&[(Model, "big-1")]), "big-1"),
        (
            "endpoint_sensitive",
            "endpoints = [\"GET /v1/*\"]",
            is(&[(Endpoint, "GET /v1/x")]),
            is(&[(Endpoint, "GET /v2/x")]),
            "GET /v2/x",
        ),
        (
            "origin_not_allowed",
            "origins = [\"https://*.example.com\"]",
            is(&[(Origin, "https://a.example.com")]),
            is(&[(Origin, "https://evil.test")]),
            "evil.test",
        ),
        (
            "region_not_allowed",
            "regions = [\"eu-*\"]",
            is(&[(Region, "eu-west-1")]),
            is(&[(Region, "us-east-1")]),
            "us-east-1",
        ),
        (
            "key_shared",
            "environments = [\"prod\"]",
            is(&[(Environment, "prod")]),
            is(&[(Environment, "staging")]),
            "staging",
        ),
        ("key_over_plaintext", "", is(&[]), is(&[(Plaintext, "without TLS")]), "without TLS"),
        ("rate_limit", "limit = \"2/min\"\nburst = 5", good("bound", 15), good("bound", 16), "2/min"),
        ("key_in_browser", "browser = false", is(&[]), is(&[(Aspect::Browser, "a browser")]), "browser"),
    ];
    for (kind, policy, right, wrong, says) in cases {
        let mut story = with_keys(&format!("[b]\nid = \"bound\"\n{policy}"));
        story.minute(START, &[right, Act { key: "free", ..wrong }]);
        let early: Vec<_> = keys(&story, kind).into_iter().filter(|k| *k == "bound").map(str::to_owned).collect();
        assert!(early.is_empty(), "{kind}: the right use fires nothing");
        story.minute(START + HOUR, &[wrong]);
        let fired = story.fired(kind);
        let alert = fired.iter().find(|a| a.key.as_ref().unwrap().tag == "bound").unwrap_or_else(|| panic!("{kind}"));
        assert!(alert.summary.contains(says) || alert.why.contains(says), "{kind}: {}", alert.summary);
        assert_eq!(alert.key.as_ref().unwrap().label.as_deref(), Some("b"));
        assert_eq!(alert.urgency, alert_kind(kind).info().urgency, "{kind}");
        if kind != "key_over_plaintext" {
            assert!(!keys(&story, kind).contains(&"free"), "{kind}: no policy, no alert");
        }
    }
}

fn alert_kind(name: &str) -> Kind {
    super::kind::KINDS.iter().find(|k| k.name == name).unwrap().kind
}

#[test]
fn sensitive_endpoints_are_for_those_who_may() {
    let detect = toml::from_str("[endpoint_sensitive]\nendpoints = [\"DELETE *\", \"* /admin/*\"]").unwrap();
    let keys_config = toml::from_str("[root]\nid = \"root\"\nmay_call = [\"* /admin/*\"]").unwrap();
    let mut story = Story::new(Watch { detect, keys: keys_config, ..Watch::default() });
    let admin: &'static [(Aspect, &'static str)] = &[(Aspect::Endpoint, "POST /admin/users")];
    let delete: &'static [(Aspect, &'static str)] = &[(Aspect::Endpoint, "DELETE /v1/x")];
    story.minute(START, &[Act { is: admin, ..good("root", 1) }, Act { is: admin, ..good("other", 1) }]);
    assert_eq!(keys(&story, "endpoint_sensitive"), ["other"]);
    story.minute(START + HOUR, &[Act { is: delete, ..good("root", 1) }]);
    assert_eq!(keys(&story, "endpoint_sensitive"), ["other", "root"]);
}

#[test]
fn keys_age_expire_and_retire() {
    // START is 2026-03-02.
    let mut story = Story::new(Watch {
        keys: toml::from_str(
            "[old]\nid = \"old\"\ngroup = \"prod\"\ncreated = \"2025-10-01\"\n[new]\nid = \"new\"\ngroup = \"prod\"\n\
             created = \"2026-02-01\"\n[over]\nid = \"over\"\nexpires = \"2026-03-02\"\n[gone]\nid = \"gone\"\n\
             retired = \"2026-03-01\"\ngrace = \"3d\"",
        )
        .unwrap(),
        detect: toml::from_str("[key_age]\ngroups = { prod = \"90d\" }").unwrap(),
        ..Watch::default()
    });
    let all = [good("old", 1), good("new", 1), good("over", 1), good("gone", 1), good("none", 1)];
    story.minute(START, &all);
    assert_eq!(keys(&story, "key_age"), ["old"]);
    assert!(keys(&story, "key_expired").is_empty() && keys(&story, "key_retired_used").is_empty());
    story.minute(START + DAY, &all);
    assert_eq!(keys(&story, "key_expired"), ["over"]);
    assert!(keys(&story, "key_retired_used").is_empty(), "in its time of grace");
    let tried = Act { refused: 1, ..good("gone", 1) };
    story.minute(START + 3 * DAY, &[tried]);
    assert_eq!(
        (keys(&story, "key_retired_used"), story.fired("key_retired_used")[0].urgency),
        (vec!["gone"], Urgency::Ticket)
    );
    story.minute(START + 5 * DAY, &[good("gone", 2)]);
    let last = *story.fired("key_retired_used").last().unwrap();
    assert_eq!(last.urgency, Urgency::Page, "it was never revoked");
    let state = story.monitor.keys().iter().find(|(id, _)| id.name() == "gone").unwrap().1;
    assert_eq!(state.since_retired(), 5);
    story.minute(START + 100 * DAY, &[good("new", 1)]);
    assert_eq!(keys(&story, "key_age"), ["old", "new"]);
}

#[test]
fn habits_are_news_only_for_keys_that_have_some() {
    let mut story = with_settings("[key_shared]\nservices = true");
    let usual: &'static [(Aspect, &'static str)] =
        &[(Aspect::Endpoint, "POST /v1/chat"), (Aspect::Environment, "prod"), (Aspect::Service, "shop")];
    let odd: &'static [(Aspect, &'static str)] = &[
        (Aspect::Endpoint, "GET /v1/files"),
        (Aspect::Environment, "staging"),
        (Aspect::Service, "shop"),
        (Aspect::Browser, "a browser"),
    ];
    for t in (START..START + 5 * DAY).step_by(HOUR as usize) {
        story.minute(t, &[Act { is: usual, ..good("settled", 2) }]);
    }
    let t = START + 5 * DAY;
    story.minute(t, &[Act { is: odd, ..good("settled", 2) }, Act { is: odd, ..good("fresh", 2) }]);
    for kind in ["endpoint_new", "key_shared", "key_in_browser"] {
        assert_eq!(keys(&story, kind), ["settled"], "{kind}");
    }
    let shared = story.fired("key_shared")[0];
    assert!(shared.summary.contains("staging") && shared.summary.contains("prod"), "{}", shared.summary);
    story.minute(t + 2 * DAY, &[Act { is: odd, ..good("settled", 2) }]);
    assert_eq!(keys(&story, "endpoint_new").len(), 1, "known by now");
}

#[test]
fn tokens_and_bytes_spike_on_their_own() {
    let mut story = Story::plain();
    let mut dice = Dice(11);
    let change = START + 15 * DAY;
    for t in (START..change + HOUR).step_by(5 * MINUTE as usize) {
        let n = dice.poisson(10.0);
        let factor = if t >= change { 40 } else { 1 };
        let (usual, dear) = (u64::from(n) * 900, u64::from(n) * 900 * factor);
        story.minute(
            t,
            &[
                Act { tokens: dear, ..good("dear", n) },
                Act { tokens: usual, ..good("fair", n) },
                Act { bytes: dear, ..good("greedy", n) },
            ],
        );
    }
    assert_eq!((keys(&story, "cost_spike"), keys(&story, "bytes_spike")), (vec!["dear"], vec!["greedy"]));
    let alert = story.fired("cost_spike")[0];
    assert_eq!((alert.urgency, alert.evidence.unit.as_str()), (Urgency::Page, "tokens"));
    assert!(alert.starts_at.secs() < change + 10 * MINUTE, "{}", alert.starts_at);
    assert!(story.fired("volume_spike").is_empty(), "as many requests as ever");
}

#[test]
fn growth_over_weeks_is_told_once() {
    let mut story = Story::plain();
    let mut dice = Dice(12);
    for t in (START..START + 40 * DAY).step_by(30 * MINUTE as usize) {
        let day = (t - START) as f64 / DAY as f64;
        let growth = if day > 30.0 { 1.0 + (day - 30.0) * 0.5 } else { 1.0 };
        story.minute(t, &[good("growing", dice.poisson(8.0 * growth)), good("steady", dice.poisson(8.0))]);
    }
    assert_eq!(keys(&story, "volume_ramp"), ["growing"]);
    assert_eq!(story.fired("volume_ramp")[0].urgency, Urgency::Digest);
    assert!(story.fired("volume_spike").is_empty());
}

#[test]
fn silence_is_news_where_there_never_is_any() {
    let mut story = Story::new(Watch { sources: vec!["gate".to_owned()], ..Watch::default() });
    let mut dice = Dice(13);
    let stop = START + 20 * DAY;
    let events = |t: i64, events: u64| {
        let at = Timestamp::from_secs(t);
        let mut tally = Tally { events, ..Tally::default() };
        tally.sources.insert(SourceId(0), SourceDelta { events, untimed: 0, ahead: 0, first: at, last: at });
        tally
    };
    for t in (START..stop + 8 * HOUR).step_by(5 * MINUTE as usize) {
        let office = (9..17).contains(&(t.rem_euclid(DAY) / HOUR));
        let dies = if t < stop { dice.poisson(10.0) } else { 0 };
        if t < stop + 4 * HOUR {
            story.monitor.absorb(events(t, 20));
        }
        let n = if t < stop + 4 * HOUR { dice.poisson(10.0) } else { 0 };
        story.minute(t, &[good("dies", dies), good("lives", n), good("office", if office { n } else { 0 })]);
    }
    assert_eq!(keys(&story, "volume_drop"), ["dies"]);
    let silent = story.fired("source_silent");
    assert_eq!((silent.len(), silent[0].source.as_deref()), (1, Some("gate")));
    let since = silent[0].starts_at.secs() - (stop + 4 * HOUR);
    assert!((30 * MINUTE..2 * HOUR).contains(&since), "{since}");
}

#[test]
fn one_address_with_many_keys_and_one_key_from_many_addresses() {
    let names: Vec<&'static str> = (0..60).map(|n| &*Box::leak(format!("try{n}").into_boxed_str())).collect();
    let roads: Vec<&'static str> = (0..60).map(|n| &*Box::leak(format!("10.{n}.7.1").into_boxed_str())).collect();
    let mut story = Story::plain();
    for t in (START..START + 3 * DAY).step_by(HOUR as usize) {
        story.minute(t, &[good("stays", 2), Act { ip: roads[(t / HOUR).rem_euclid(3) as usize], ..good("moves", 2) }]);
    }
    let t = START + 3 * DAY;
    let mut acts: Vec<Act> = names.iter().map(|k| Act { refused: 1, ip: "203.0.113.66", ..good(k, 1) }).collect();
    // An office with as many keys, all of them right.
    acts.extend(names.iter().map(|k| Act { ip: "198.51.100.1", ..good(k, 1) }));
    acts.extend(roads.iter().map(|ip| Act { ip, ..good("stays", 1) }));
    story.minute(t, &acts);
    let fired = story.fired("key_enumeration");
    assert_eq!(fired.len(), 1);
    assert!(fired[0].summary.contains("203.0.113.66") && fired[0].key.is_none(), "{}", fired[0].summary);
    assert_eq!(keys(&story, "key_fanout"), ["stays"]);
    let seen = story.fired("key_fanout")[0].evidence.observed.unwrap();
    assert!((40.0..80.0).contains(&seen), "{seen}");
}

#[test]
fn a_fault_of_the_service_is_one_alert() {
    let names: Vec<&'static str> = (0..100).map(|n| &*Box::leak(format!("f{n}").into_boxed_str())).collect();
    let mut story = Story::plain();
    let fault = START + 2 * DAY;
    for t in (START..fault + 30 * MINUTE).step_by(5 * MINUTE as usize) {
        let errors = if t >= fault { 15 } else { 0 };
        let acts: Vec<Act> = names.iter().map(|k| Act { errors, ..good(k, 20) }).collect();
        story.minute(t, &acts);
    }
    let shift = story.fired("fleet_shift");
    assert_eq!((shift.len(), shift[0].urgency), (1, Urgency::Ticket), "{:#?}", shift);
    assert!(keys(&story, "error_rate").len() <= 10, "{}", keys(&story, "error_rate").len());
}

#[test]
fn all_keys_busier_is_one_alert() {
    let names: Vec<&'static str> = (0..30).map(|n| &*Box::leak(format!("s{n}").into_boxed_str())).collect();
    let mut story = Story::plain();
    let mut dice = Dice(14);
    let sale = START + 15 * DAY;
    for t in (START..sale + 5 * HOUR).step_by(5 * MINUTE as usize) {
        let factor = 1.0 + 4.0 * ((t - sale).clamp(0, HOUR) as f64 / HOUR as f64);
        let acts: Vec<Act> = names.iter().map(|k| good(k, dice.poisson(10.0 * factor))).collect();
        story.minute(t, &acts);
    }
    assert_eq!(story.fired("fleet_shift").len(), 1, "{:#?}", story.fired("fleet_shift"));
    assert!(story.fired("fleet_shift")[0].why.contains("30 keys"), "{}", story.fired("fleet_shift")[0].why);
}

#[test]
fn hours_that_a_key_keeps_are_learned() {
    let mut story = Story::plain();
    for t in (START..START + 22 * DAY).step_by(10 * MINUTE as usize) {
        let (hour, day) = (t.rem_euclid(DAY) / HOUR, t.div_euclid(DAY).rem_euclid(7));
        let office = (8..18).contains(&hour) && day != 2 && day != 3;
        story.minute(t, &[good("office", if office { 5 } else { 0 }), good("always", 5)]);
    }
    // The night of a Tuesday.
    story.minute(START + 22 * DAY + 2 * HOUR, &[good("office", 6), good("always", 6)]);
    assert_eq!(keys(&story, "after_hours"), ["office"]);
    let alert = story.fired("after_hours")[0];
    assert_eq!(alert.urgency, Urgency::Digest, "{}", alert.why);
}

#[test]
fn attacks_are_told_when_they_matter() {
    let mut story = Story::new(Watch { sources: vec!["gate".to_owned()], ..Watch::default() });
    let attack = |count: u32, answered: u32, name: &str| {
        let signature = Word::of(name.as_bytes());
        let mut tally = Tally { events: 1, ..Tally::default() };
        tally.words.keep(signature, name.as_bytes());
        let id = AttackId { signature, source: SourceId(0), key: None };
        let visits = Few::One("203.0.113.66".parse::<IpAddr>().unwrap());
        let first = Timestamp::from_secs(START);
        tally.attacks.insert(id, AttackDelta { count, answered, first, visits, ..AttackDelta::default() });
        tally
    };
    story.monitor.absorb(attack(3, 0, "scanner-path"));
    story.minute(START, &[]);
    assert!(story.alerts.is_empty(), "a knock at the door");
    story.monitor.absorb(attack(1, 1, "path-traversal"));
    story.minute(START + MINUTE, &[]);
    let fired = story.fired("attack_signature");
    assert!(fired[0].summary.contains("path-traversal") && fired[0].summary.contains("gate"), "{}", fired[0].summary);
    assert_eq!(fired[0].evidence.networks, ["203.0.113.0/24"]);
}

#[test]
fn we_watch_ourselves() {
    let mut story = Story::new(Watch {
        sources: vec!["gate".to_owned()],
        detect: toml::from_str("max_keys = 100").unwrap(),
        ..Watch::default()
    });
    let flow = |t: i64, events: u64, untimed: u64, ahead: u64, lag: i64| {
        let at = Timestamp::from_secs(t - lag);
        let mut tally = Tally { events, ..Tally::default() };
        tally.sources.insert(SourceId(0), SourceDelta { events, untimed, ahead, first: at, last: at });
        tally
    };
    let told = |story: &Story| {
        let mut kinds: Vec<String> = story.alerts.iter().map(|a| a.kind.clone()).collect();
        kinds.sort();
        kinds.dedup();
        kinds
    };
    story.monitor.absorb(flow(START, 1000, 10, 2, 60));
    story.minute(START, &[]);
    assert!(story.alerts.is_empty());
    story.monitor.absorb(flow(START + HOUR, 1000, 900, 50, 0));
    story.minute(START + HOUR, &[]);
    assert_eq!(told(&story), ["clock_skew", "parse_failures"]);
    for t in (START + 2 * HOUR..START + 2 * HOUR + 20 * MINUTE).step_by(60) {
        story.monitor.absorb(flow(t, 100, 0, 0, 30 * MINUTE));
        story.minute(t, &[]);
    }
    assert_eq!(told(&story), ["clock_skew", "parse_failures", "source_lag"]);
    let names: Vec<&'static str> = (0..300).map(|n| &*Box::leak(format!("m{n}").into_boxed_str())).collect();
    story.minute(START + 3 * HOUR, &names.iter().map(|k| good(k, 1)).collect::<Vec<_>>());
    assert!(told(&story).contains(&"keys_evicted".to_owned()));
    let notice = Notice {
        kind: Kind::AuditBroken,
        subject: "audit.log".to_owned(),
        source: None,
        observed: None,
        threshold: None,
        unit: "entries",
        summary: "the audit log was changed".to_owned(),
        why: "entry 17 does not hold the hash of the one before".to_owned(),
    };
    let at = Timestamp::from_secs(START + 3 * HOUR);
    story.monitor.notice(notice, at);
    story.minute(START + 3 * HOUR + MINUTE, &[]);
    let broken = story.fired("audit_broken");
    assert_eq!(broken.len(), 1);
    assert_eq!(broken[0].fingerprint, fingerprint("audit_broken", "", "audit.log"));
    story.minute(START + 30 * HOUR, &[]);
    assert!(story.alerts.iter().any(|a| a.kind == "audit_broken" && a.status == Status::Resolved));
}

#[test]
fn what_is_learned_raises_nothing() {
    let mut story = with_keys("[a]\nid = \"a\"\nmodels = [\"small\"]");
    let big: &'static [(Aspect, &'static str)] = &[(Aspect::Model, "big")];
    story.monitor.learn_only(true);
    for t in (START..START + 20 * DAY).step_by(HOUR as usize) {
        story.minute(t, &[Act { is: big, ..good("a", 50) }, good("b", if t % DAY == 0 { 4000 } else { 1 })]);
    }
    assert!(story.alerts.is_empty());
    story.monitor.learn_only(false);
    story.minute(START + 20 * DAY, &[Act { is: big, ..good("a", 50) }]);
    assert_eq!(story.alerts.iter().map(|a: &Alert| a.kind.as_str()).collect::<Vec<_>>(), ["model_not_allowed"]);
}
