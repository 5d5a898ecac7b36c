//! Countries, networks' owners and impossible travel, with the test databases of Python's `maxminddb`.
//!
//! `tests/run.sh` puts them into `target/mmdb`.

use std::fmt::Write;
use std::net::IpAddr;
use std::path::PathBuf;

use logwarden::alert::{Alert, Geo};

use crate::support::{root, run};

/// 2026-03-02T00:00:00Z.
const START: i64 = 1_772_409_600;

fn database(name: &str) -> Option<PathBuf> {
    let path = root().join("target/mmdb/test-data").join(name);
    if path.exists() {
        return Some(path);
    }
    crate::support::skip("places", &format!("{name} is not there; tests/run.sh fetches it"));
    None
}

fn line(t: i64, key: &str, ip: &str) -> String {
    format!(
        "{{\"time\":{t},\"apiKeyId\":\"{key}\",\"remote_addr\":\"{ip}\",\"method\":\"GET\",\"path\":\"/v1/x\",\"status\":200}}\n"
    )
}

/// London, Milton (Washington), and Sweden, as the databases have them.
const LONDON: &str = "81.2.69.160";
const MILTON: &str = "216.160.83.56";
const SWEDEN: &str = "89.160.20.112";

#[test]
fn places_are_looked_up_and_compared() {
    let (Some(city), Some(asn)) = (database("GeoIP2-City-Test.mmdb"), database("GeoLite2-ASN-Test.mmdb")) else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("c.toml");
    let text = format!(
        "[geoip]\ndatabases = [\"{}\", \"{}\"]\n[keys.home]\nid = \"home\"\ncountries = [\"gb\"]\n",
        city.display(),
        asn.display()
    );
    std::fs::write(&config, text).unwrap();
    let mut log = String::new();
    for hour in 0..24 * 10 {
        let t = START + hour * 3600;
        log += &line(t, "still", LONDON);
        log += &line(t, "home", LONDON);
        // Two places share this key, and always did.
        log += &line(t + 60, "shared", if hour % 2 == 0 { LONDON } else { MILTON });
    }
    let theft = START + 10 * 86_400;
    write!(log, "{}{}{}", line(theft, "still", MILTON), line(theft, "home", SWEDEN), line(theft, "shared", LONDON))
        .unwrap();
    let path = dir.path().join("log.jsonl");
    std::fs::write(&path, log).unwrap();
    let args = ["replay", path.to_str().unwrap(), "--config", config.to_str().unwrap(), "--format", "json"];
    let ran = run(&args, b"");
    assert_eq!(ran.code, 0, "{}", ran.err);
    let alerts: Vec<Alert> = ran.text().lines().map(|l| serde_json::from_str(l).expect(l)).collect();
    let of = |kind: &str| -> Vec<(String, String)> {
        let told = alerts.iter().filter(|a| a.kind == kind && a.starts_at.secs() >= theft);
        told.map(|a| (a.key.as_ref().unwrap().tag.clone(), format!("{} {}", a.summary, a.why))).collect()
    };
    let geo = of("geo_change");
    assert_eq!(geo.len(), 1, "{geo:?}");
    assert!(geo[0].0 == "still" && geo[0].1.contains("US") && geo[0].1.contains("GB"), "{geo:?}");
    let travel = of("impossible_travel");
    assert!(travel.iter().any(|(key, why)| key == "still" && why.contains(" km")), "{travel:?}");
    assert!(travel.iter().all(|(key, _)| key != "shared"), "{travel:?}");
    let abroad = of("ip_not_allowed");
    assert!(abroad.len() == 1 && abroad[0].0 == "home" && abroad[0].1.contains("SE"), "{abroad:?}");
}

#[test]
fn broken_databases_are_refused_or_know_nothing() {
    let Some(some) = database("GeoIP2-City-Test.mmdb") else { return };
    let ips = [LONDON, MILTON, SWEDEN, "0.0.0.0", "255.255.255.255", "2001:220::1", "::"];
    let ips: Vec<IpAddr> = ips.iter().map(|ip| ip.parse().unwrap()).collect();
    let mut tried = 0;
    for pattern in ["target/mmdb/bad-data/**/*.mmdb", "target/mmdb/test-data/*.mmdb"] {
        for path in glob::glob(root().join(pattern).to_str().unwrap()).unwrap() {
            tried += 1;
            if let Ok(geo) = Geo::new(vec![std::fs::read(path.unwrap()).unwrap()]) {
                ips.iter().for_each(|ip| drop(geo.find(*ip)));
            }
        }
    }
    assert!(tried > 20, "{tried}");
    let geo = Geo::new(vec![std::fs::read(some).unwrap()]).unwrap();
    let found = geo.find(LONDON.parse().unwrap());
    assert!(found.country.as_deref() == Some("GB") && found.at.is_some(), "{found:?}");
    assert_eq!(geo.find("127.0.0.1".parse().unwrap()), logwarden::alert::Found::default());

    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("c.toml");
    std::fs::write(&config, "[geoip]\ndatabases = [\"/no/such.mmdb\"]\n").unwrap();
    let log = dir.path().join("log");
    std::fs::write(&log, line(START, "k", LONDON)).unwrap();
    let ran = run(&["replay", log.to_str().unwrap(), "--config", config.to_str().unwrap()], b"");
    assert!(ran.code == 78 && ran.err.contains("/no/such.mmdb"), "{} {}", ran.code, ran.err);
}
