//! A small world as log lines, as a gateway writes them.

use std::fmt::Write;
use std::net::Ipv4Addr;

use logwarden::units::Timestamp;

use super::score::name;
use super::world::{BUCKET, HOUR, Size, World};

pub struct Frozen {
    /// The lines of the odd and of the even keys, each in order of time.
    pub logs: [String; 2],
    /// Key, kinds of alert, from and to.
    pub labels: String,
}

/// Lines that a key may have in all, so that the files stay small.
const MOST: u64 = 8_000;

pub fn write(seed: u64) -> Frozen {
    let world = World::new(seed, Size { keys: 20, learn_days: 15, days: 14 });
    let keys: Vec<usize> = (0..world.keys.len()).filter(|n| total(&world, *n, seed) <= MOST).collect();
    let mut logs = [String::new(), String::new()];
    for t in (world.start..world.end).step_by(BUCKET as usize) {
        for &n in &keys {
            let used = world.act(n, t, seed);
            let mut ips = used.from.iter().flat_map(|(net, uses, _)| std::iter::repeat_n(*net, *uses as usize));
            for i in 0..used.requests {
                let status = match i {
                    i if i < used.refused => 401,
                    i if i < used.refused + used.errors => 500,
                    _ => 200,
                };
                let at = Timestamp::from_secs(t + i64::from(i) * BUCKET / i64::from(used.requests.max(1)));
                let ip = Ipv4Addr::from(ips.next().unwrap_or(0x0a_0000) << 8 | 7);
                writeln!(
                    logs[n % 2],
                    "{{\"time\":\"{}\",\"apiKeyId\":\"{}\",\"remote_addr\":\"{ip}\",\"method\":\"POST\",\"path\":\"/v1/chat\",\"status\":{status}}}",
                    at.rfc3339(),
                    name(n)
                )
                .unwrap();
            }
        }
    }
    let mut labels = "key\tkinds\tfrom\tto\n".to_owned();
    for label in world.labels.iter().filter(|l| keys.contains(&l.key) && !l.attack.kinds().contains(&"after_hours")) {
        let at = |t: i64| Timestamp::from_secs(t).rfc3339();
        let (from, to) = (at(label.start - BUCKET), at(label.end + 2 * HOUR));
        writeln!(labels, "{}\t{}\t{from}\t{to}", name(label.key), label.attack.kinds().join(",")).unwrap();
    }
    Frozen { logs, labels }
}

fn total(world: &World, n: usize, seed: u64) -> u64 {
    (world.start..world.end).step_by(BUCKET as usize).map(|t| u64::from(world.act(n, t, seed).requests)).sum()
}
