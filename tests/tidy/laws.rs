//! The laws themselves.

use std::collections::BTreeSet;

use crate::text::{Found, block_end, code_only, paths, without_tests};

/// Rooms from bottom to top, and which rooms each may import.
pub const ARROWS: &[(&str, &[&str])] = &[
    ("units", &[]),
    ("secret", &["units"]),
    ("net", &["units", "secret"]),
    ("line", &["units"]),
    ("rules", &["units"]),
    ("redact", &["line", "rules", "units"]),
    ("telemetry", &["units", "redact"]),
    ("event", &["redact", "line", "units"]),
    ("window", &["event", "redact", "units"]),
    ("alert", &["window", "event", "redact", "rules", "units"]),
    ("audit", &["units", "secret"]),
    ("store", &["audit", "alert", "window", "redact", "line", "secret", "units"]),
    ("sources", &["net", "line", "units", "secret", "store"]),
    ("sinks", &["net", "redact", "line", "units", "secret"]),
    ("delivery", &["net", "alert", "store", "redact", "rules", "secret", "units"]),
    (
        "web",
        &[
            "net",
            "units",
            "secret",
            "rules",
            "redact",
            "event",
            "window",
            "alert",
            "audit",
            "store",
            "sources",
            "delivery",
            "telemetry",
        ],
    ),
    ("pipeline", &["line", "redact", "event", "window", "sinks", "units"]),
    (
        "config",
        &[
            "units", "secret", "net", "rules", "redact", "event", "alert", "audit", "store", "sources", "sinks",
            "delivery", "web",
        ],
    ),
    (
        "daemon",
        &[
            "units",
            "secret",
            "net",
            "line",
            "rules",
            "redact",
            "event",
            "window",
            "alert",
            "audit",
            "store",
            "sources",
            "sinks",
            "delivery",
            "pipeline",
            "config",
            "telemetry",
            "web",
        ],
    ),
    (
        "cli",
        &[
            "units",
            "secret",
            "net",
            "line",
            "rules",
            "redact",
            "event",
            "window",
            "alert",
            "audit",
            "store",
            "sources",
            "sinks",
            "delivery",
            "pipeline",
            "config",
            "telemetry",
            "web",
            "daemon",
        ],
    ),
    ("lib", &[]),
    ("main", &[]),
];

const PURE: &[&str] = &["units", "line", "rules", "redact", "event", "window", "alert"];

/// What a pure room may not name. The address types of `std::net` do no I/O and are allowed.
const IMPURE: &[&[&str]] = &[
    &["std", "fs"],
    &["std", "net"],
    &["std", "env"],
    &["std", "thread"],
    &["std", "process"],
    &["SystemTime", "now"],
    &["Instant", "now"],
    &["Utc", "now"],
    &["Local", "now"],
    &["tokio"],
    &["rusqlite"],
    &["reqwest"],
    &["rustix"],
    &["notify"],
];
const ADDRESSES: &[&str] = &["IpAddr", "Ipv4Addr", "Ipv6Addr", "SocketAddr", "AddrParseError"];

/// Who may name `RawLine` and `line::Batch`: rooms, or single files.
const NEAR_THE_WALL: &[&str] =
    &["line", "sources", "redact", "pipeline", "daemon", "cli/filter.rs", "cli/exec.rs", "cli/run.rs"];

/// Who may write to the terminal: the door, standard output as a sink, and the log of ourselves.
const STREAMS: &[&str] = &["cli", "sinks", "telemetry", "daemon"];

/// All module files, so that a path can be told from a name.
pub struct House {
    rooms: BTreeSet<String>,
    modules: BTreeSet<String>,
}

impl House {
    pub fn new<'a>(files: impl Iterator<Item = &'a str>) -> Self {
        let modules: BTreeSet<String> =
            files.map(|f| f.trim_end_matches(".rs").trim_end_matches("/mod").to_owned()).collect();
        let rooms = modules.iter().map(|m| m.split('/').next().unwrap_or(m).to_owned()).collect();
        Self { rooms, modules }
    }

    /// Every law that `text`, as `src/path`, breaks.
    pub fn check(&self, path: &str, text: &str) -> Vec<String> {
        let code = without_tests(&code_only(text));
        let found = paths(&code);
        let room = path.split('/').next().unwrap_or(path).trim_end_matches(".rs");
        let mut out = Vec::new();
        for f in &found {
            let at = format!("src/{path}:{}", f.line);
            let mut broken = |why: String| out.push(format!("{at}: {why} ({})", f.segments.join("::")));
            self.arrows(room, f, &mut broken);
            self.doors(path, room, f, &code, &mut broken);
            if PURE.contains(&room) {
                purity(f, &mut broken);
            }
            walls(path, room, f, &mut broken);
        }
        prints(path, room, &code, &mut out);
        printable(path, &code, &mut out);
        silenced(path, &code, &mut out);
        if path == "lib.rs" && code.contains("pub use") {
            out.push("src/lib.rs: lib.rs re-exports a name; import it from its room".to_owned());
        }
        out
    }

    fn arrows(&self, room: &str, f: &Found, broken: &mut dyn FnMut(String)) {
        let [first, to, ..] = &f.segments[..] else { return };
        if first != "crate" {
            return;
        }
        if !self.rooms.contains(to) {
            return broken(format!("`{to}` is not a room; import the name from its room"));
        }
        let allowed = ARROWS.iter().find(|(r, _)| *r == room).map(|(_, allowed)| *allowed);
        match allowed {
            None => broken(format!("room {room} has no row in the arrow table")),
            Some(allowed) if to != room && !allowed.contains(&to.as_str()) => {
                broken(format!("{room} may not import {to}"));
            }
            Some(_) => {}
        }
    }

    /// No way out of a room but through `crate::`, and no child that leans on its own `mod.rs`.
    fn doors(&self, path: &str, room: &str, f: &Found, code: &str, broken: &mut dyn FnMut(String)) {
        let supers = f.segments.iter().take_while(|s| *s == "super").count();
        let module = path.trim_end_matches(".rs").trim_end_matches("/mod");
        if supers > 0 && f.segments.len() > supers && !in_inline_module(code, f.line) {
            let depth = module.matches('/').count() + 1;
            if supers >= depth && depth > 0 {
                return broken("`super` climbs out of its room".to_owned());
            }
            let parent: Vec<&str> = module.split('/').take(depth - supers).collect();
            self.through(&parent.join("/"), f.segments.get(supers), path, broken);
        }
        if f.segments.len() > 2 && f.segments[0] == "crate" && f.segments[1] == room && module != room {
            self.through(room, f.segments.get(2), path, broken);
        }
    }

    fn through(&self, parent: &str, name: Option<&String>, path: &str, broken: &mut dyn FnMut(String)) {
        let known = name.is_some_and(|n| self.modules.contains(&format!("{parent}/{n}")));
        if !known && !path.ends_with("mod.rs") {
            broken("a child imports its own mod.rs; name the sibling file".to_owned());
        }
    }
}

fn in_inline_module(code: &str, line: usize) -> bool {
    let offset: usize = code.split_inclusive('\n').take(line - 1).map(str::len).sum();
    code.match_indices("mod ").any(|(at, _)| {
        at < offset
            && match (code[at..].find('{'), code[at..].find(';')) {
                (Some(open), semi) if semi.is_none_or(|s| s > open) => block_end(code, at + open) > offset,
                _ => false,
            }
    })
}

fn purity(f: &Found, broken: &mut dyn FnMut(String)) {
    let names: Vec<&str> = f.segments.iter().map(String::as_str).collect();
    for bad in IMPURE {
        let Some(at) = names.windows(bad.len()).position(|w| w == *bad) else { continue };
        let head = bad[0] == "std" || bad.len() == 1;
        if head && at != 0 || bad.len() == 1 && names.len() == 1 {
            continue;
        }
        let next = names.get(at + bad.len());
        if *bad == ["std", "net"] && next.is_some_and(|n| ADDRESSES.contains(n)) {
            continue;
        }
        let shown = next.filter(|_| bad[0] == "std").map_or(bad.join("::"), |n| format!("{}::{n}", bad.join("::")));
        broken(format!("pure room names {shown}"));
    }
}

fn walls(path: &str, room: &str, f: &Found, broken: &mut dyn FnMut(String)) {
    let raw = f.segments.iter().any(|s| s == "RawLine")
        || f.segments.windows(2).any(|w| w[0] == "line" && matches!(w[1].as_str(), "Batch" | "*"));
    if raw && !NEAR_THE_WALL.contains(&room) && !NEAR_THE_WALL.contains(&path) {
        broken("may not name a raw line".to_owned());
    }
    let stream = f.segments.windows(2).any(|w| w[0] == "io" && matches!(w[1].as_str(), "stdout" | "stderr"));
    if stream && !STREAMS.contains(&room) {
        broken("only cli prints".to_owned());
    }
}

fn prints(path: &str, room: &str, code: &str, out: &mut Vec<String>) {
    for (n, line) in code.lines().enumerate() {
        if room != "cli" && ["print!", "println!", "dbg!"].iter().any(|m| line.contains(m)) {
            out.push(format!("src/{path}:{}: only cli prints", n + 1));
        }
    }
}

/// Nothing that holds raw bytes may be shown by accident.
fn printable(path: &str, code: &str, out: &mut Vec<String>) {
    const SHOWS: [&str; 3] = ["Debug", "Display", "Serialize"];
    let lines: Vec<&str> = code.lines().collect();
    for (n, line) in lines.iter().enumerate() {
        let raw = |text: &str| {
            text.split(|c: char| !c.is_alphanumeric() && c != '_').any(|w| matches!(w, "RawLine" | "Batch"))
        };
        let derives = line.contains("struct ")
            && raw(line)
            && path.starts_with("line/")
            && lines[..n]
                .iter()
                .rev()
                .take_while(|l| l.starts_with("#[") || l.trim().is_empty())
                .any(|l| SHOWS.iter().any(|s| l.contains(s)));
        let implements = line.trim_start().starts_with("impl")
            && line.split_once(" for ").is_some_and(|(what, whom)| {
                SHOWS.iter().any(|s| what.contains(s)) && raw(whom) && path.starts_with("line/")
            });
        if derives || implements {
            out.push(format!("src/{path}:{}: a raw line must not be printable", n + 1));
        }
    }
}

fn silenced(path: &str, code: &str, out: &mut Vec<String>) {
    for (n, line) in code.lines().enumerate() {
        if line.contains("#[allow(") || line.contains("#![allow(") {
            out.push(format!("src/{path}:{}: silences a lint; use #[expect(.., reason = \"..\")]", n + 1));
        }
    }
}

/// Files and functions that grow long; a hint, not a law.
pub fn sizes(path: &str, text: &str) -> Vec<String> {
    let code = without_tests(&code_only(text));
    let mut out = Vec::new();
    let lines = code.lines().filter(|l| !l.trim().is_empty()).count();
    if lines > 300 {
        out.push(format!("src/{path}: {lines} lines of code (about 300 is the bound)"));
    }
    for (at, _) in code.match_indices("fn ") {
        let (Some(open), semi) = (code[at..].find('{'), code[at..].find(';')) else { continue };
        if semi.is_some_and(|s| s < open) || (at > 0 && !code[..at].ends_with([' ', '\n'])) {
            continue;
        }
        let end = block_end(&code, at + open);
        let length = code[at..end].lines().filter(|l| !l.trim().is_empty()).count();
        if length > 70 {
            let name: String = code[at + 3..].chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            let line = code[..at].matches('\n').count() + 1;
            out.push(format!("src/{path}:{line}: fn {name} has {length} lines (70 is the bound)"));
        }
    }
    out
}
