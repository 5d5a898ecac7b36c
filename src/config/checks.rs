//! What no section can see by itself: names that lead from one section to another, and sections that get in each
//! other's way.

use std::path::{Path, PathBuf};

use super::error::Problem;
use super::model::Config;
use super::suggest::nearest;
use super::tree::{Step, Tree};
use crate::alert::KINDS;
use crate::net::{Exposed, proves_itself};
use crate::redact::{BuildError, Entry, PseudonymKey, Redactor};
use crate::sinks::SinkConfig;
use crate::sources::SourceConfig;

/// Every name that leads nowhere, and every knot.
pub(super) fn check(config: &Config, tree: &Tree) -> Vec<Problem> {
    let mut found = Found { tree, problems: Vec::new() };
    sources(config, &mut found);
    sinks(config, &mut found);
    events(config, &mut found);
    keys(config, &mut found);
    routes(config, &mut found);
    redactor(config, &mut found);
    page(config, &mut found);
    found.problems
}

struct Found<'a> {
    tree: &'a Tree,
    problems: Vec<Problem>,
}

impl Found<'_> {
    fn add(&mut self, path: &[Step], message: String, help: impl Into<String>) {
        self.problems.push(self.tree.problem_at(path, message, Some(help.into())));
    }

    /// Each of `names`, which stand at `path`, must be one of `known`.
    fn names<'n>(&mut self, path: &[Step], names: &[String], what: &str, known: impl Iterator<Item = &'n str> + Clone) {
        for (n, name) in names.iter().enumerate() {
            let path: Vec<Step> = path.iter().cloned().chain([Step::Index(n)]).collect();
            self.name(&path, name, what, known.clone());
        }
    }

    /// `name`, which stands at `path`, must be one of `known`.
    fn name<'n>(&mut self, path: &[Step], name: &str, what: &str, known: impl Iterator<Item = &'n str> + Clone) {
        if known.clone().any(|k| k == name) {
            return;
        }
        let help = match nearest(name, known.clone()) {
            Some(near) => format!("did you mean `{near}`?"),
            None if known.clone().next().is_none() => format!("there is no {what} at all yet"),
            None => format!("there are: {}", known.map(|k| format!("`{k}`")).collect::<Vec<_>>().join(", ")),
        };
        self.add(path, format!("there is no {what} `{name}`"), help);
    }
}

fn path(steps: &[&str]) -> Vec<Step> {
    steps.iter().map(|s| Step::Key((*s).to_owned())).collect()
}

fn sources(config: &Config, found: &mut Found<'_>) {
    let mut stdin = config.sources.iter().filter(|(_, s)| matches!(s, SourceConfig::Stdin(_))).map(|(name, _)| name);
    if let Some(first) = stdin.next() {
        for name in stdin {
            let message = format!("`{first}` reads standard input already");
            found.add(&path(&["sources", name]), message, "keep one source of type \"stdin\"");
        }
    }
    for (name, source) in &config.sources {
        receivers(config, name, source, found);
        let SourceConfig::File(file) = source else { continue };
        if file.paths.is_empty() {
            let help = "name at least one path, such as \"/var/log/app/*.log\"";
            found.add(&path(&["sources", name, "paths"]), format!("source `{name}` reads nothing"), help);
        }
        for (key, patterns) in [("paths", &file.paths), ("exclude", &file.exclude), ("learn_from", &file.learn_from)] {
            for (n, pattern) in patterns.iter().enumerate() {
                if let Err(error) = glob::Pattern::new(pattern) {
                    let mut at = path(&["sources", name, key]);
                    at.push(Step::Index(n));
                    found.add(&at, format!("`{pattern}` is not a pattern: {}", error.msg), "escape `[` as `[[]`");
                }
            }
        }
    }
}

/// What a receiver needs before it may listen, and that each has its own place.
fn receivers(config: &Config, name: &str, source: &SourceConfig, found: &mut Found<'_>) {
    let before = || config.sources.iter().take_while(|(other, _)| *other != name);
    if let Some((address, token, tls, plain)) = source.listens() {
        let at = path(&["sources", name, "listen"]);
        let certificates = tls.is_some_and(|tls| tls.client_ca.is_some());
        if let Err(why) = proves_itself(address, token.is_some(), tls.is_some(), certificates, plain) {
            let help = match why {
                Exposed::Open => "set `token` and `tls`, or `tls` with `client_ca`, or listen on 127.0.0.1",
                Exposed::Clear => "set `tls`, or `allow_plain = true` behind something that encrypts",
            };
            found.add(&at, why.to_string(), help);
        }
        let taken = before().find(|(_, s)| s.listens().is_some_and(|(other, ..)| other == address));
        if let Some((other, _)) = taken.filter(|_| address.port() != 0) {
            found.add(&at, format!("source `{other}` listens there already"), "each receiver needs a port of its own");
        }
    }
    let SourceConfig::Unix(unix) = source else { return };
    if unix.mode().is_none() {
        let at = path(&["sources", name, "mode"]);
        found.add(&at, format!("`{}` is not a mode", unix.mode), "write it in octal, such as \"0660\"");
    }
    let taken = before().find(|(_, s)| matches!(s, SourceConfig::Unix(other) if other.path == unix.path));
    if let Some((other, _)) = taken {
        let at = path(&["sources", name, "path"]);
        found.add(&at, format!("source `{other}` listens there already"), "each receiver needs a socket of its own");
    }
}

/// What the operators' page needs before it may listen, and that its place is its own.
fn page(config: &Config, found: &mut Found<'_>) {
    let Some(http) = &config.http else { return };
    let at = path(&["http", "listen"]);
    let certificates = http.tls.as_ref().is_some_and(|tls| tls.client_ca.is_some());
    match proves_itself(http.listen, http.token.is_some(), http.tls.is_some(), certificates, http.allow_plain) {
        Ok(()) => {}
        Err(Exposed::Open) => {
            let help = "set `token` and `tls`, or `tls` with `client_ca`, or listen on 127.0.0.1";
            found.add(&at, "anybody who reaches this address could see the keys and the alerts".to_owned(), help);
        }
        Err(Exposed::Clear) => {
            let help = "set `tls`, or `allow_plain = true` behind something that encrypts";
            found.add(&at, "the token and what is shown would cross the network in clear".to_owned(), help);
        }
    }
    let mut others = config.sources.iter().filter(|_| http.listen.port() != 0);
    if let Some((name, _)) = others.find(|(_, s)| s.listens().is_some_and(|(address, ..)| address == http.listen)) {
        found.add(&at, format!("source `{name}` listens there already"), "the page needs a port of its own");
    }
    if http.mode().is_none() {
        let at = path(&["http", "socket_mode"]);
        let help = "write it in octal, such as \"0660\"";
        found.add(&at, format!("`{}` is not a mode", http.socket_mode), help);
    }
    if let Some(url) =
        http.public_url.as_ref().filter(|url| !url.starts_with("https://") && !url.starts_with("http://"))
    {
        let help = "write it as people do, such as \"https://logwarden.example.com\"";
        found.add(&path(&["http", "public_url"]), format!("`{url}` is no address of a page"), help);
    }
    if http.token_for_reads && http.token.is_none() {
        let help = "set `token`, such as \"${cred:http}\"";
        found.add(&path(&["http", "token_for_reads"]), "there is no token to ask for".to_owned(), help);
    }
}

fn sinks(config: &Config, found: &mut Found<'_>) {
    for (name, sink) in &config.sinks {
        let known = config.sources.keys().map(String::as_str);
        found.names(&path(&["sinks", name, "sources"]), sink.sources(), "source", known);
        let SinkConfig::File(file) = sink else { continue };
        let at = path(&["sinks", name, "path"]);
        if let Some(source) = reader_of(config, &file.path) {
            let message = format!("source `{source}` would read what this sink writes");
            found.add(&at, message, format!("add the path to `exclude` in [sources.{source}], or write elsewhere"));
        }
        let same = config.sinks.iter().take_while(|(other, _)| *other != name);
        let same = same.filter(|(_, s)| matches!(s, SinkConfig::File(f) if resolved(&f.path) == resolved(&file.path)));
        let same = same.map(|(other, _)| other);
        for other in same {
            let message = format!("sink `{other}` writes this file already");
            found.add(&at, message, "one sink can take the lines of several sources: list them in its `sources`");
        }
    }
    let mut stdout = config.sinks.iter().filter(|(_, s)| matches!(s, SinkConfig::Stdout(_))).map(|(name, _)| name);
    if let Some(first) = stdout.next() {
        for name in stdout {
            let message = format!("sink `{first}` writes to standard output already");
            found.add(&path(&["sinks", name]), message, "keep one sink of type \"stdout\"");
        }
    }
}

fn events(config: &Config, found: &mut Found<'_>) {
    let roles = match config.roles() {
        Ok(roles) => roles,
        Err(error) => {
            let help = "`logwarden explain` shows which fields were found";
            return found.add(&path(&["event", "roles"]), error.to_string(), help);
        }
    };
    for (name, source) in &config.sources {
        if let Some(schema) = source.schema() {
            let known = roles.schemas();
            found.name(&path(&["sources", name, "schema"]), &schema, "schema", known.iter().copied());
        }
    }
}

fn keys(config: &Config, found: &mut Found<'_>) {
    let calendars = config.calendars.keys().map(String::as_str);
    for (name, key) in &config.keys {
        if let Some(calendar) = &key.calendar {
            found.name(&path(&["keys", name, "calendar"]), calendar, "calendar", calendars.clone());
        }
        if key.tag.is_none() && key.id.is_none() && key.pattern.is_none() {
            let help = "add `tag`, `id` or `pattern`, such as `pattern = \"OPENAI_API_KEY:*\"`";
            found.add(&path(&["keys", name]), format!("[keys.{name}] does not say which keys are meant"), help);
        }
    }
    if let Some(calendar) = &config.detect.after_hours.calendar {
        found.name(&path(&["detect", "after_hours", "calendar"]), calendar, "calendar", calendars);
    }
}

fn routes(config: &Config, found: &mut Found<'_>) {
    for (n, route) in config.routes.iter().enumerate() {
        let at = |key: &str| vec![Step::Key("routes".to_owned()), Step::Index(n), Step::Key(key.to_owned())];
        if route.receivers.is_empty() {
            found.add(&at("receivers"), "this route leads to nobody".to_owned(), "name at least one receiver");
        }
        found.names(&at("receivers"), &route.receivers, "receiver", config.receivers.keys().map(String::as_str));
        found.names(&at("kinds"), &route.kinds, "kind of alert", KINDS.iter().map(|kind| kind.name));
        let calendars = config.calendars.keys().map(String::as_str);
        for (key, calendar) in [("during", &route.during), ("outside", &route.outside)] {
            if let Some(calendar) = calendar {
                found.name(&at(key), calendar, "calendar", calendars.clone());
            }
        }
        let groups: Vec<&str> = config.keys.values().filter_map(|key| key.group.as_deref()).collect();
        found.names(&at("key_groups"), &route.key_groups, "key group", groups.iter().copied());
    }
}

/// Rule packs and the `[redact]` section, by building what would run.
fn redactor(config: &Config, found: &mut Found<'_>) {
    let at = path(&["rules", "packs"]);
    let packs = match config.rules.read() {
        Ok(packs) => packs,
        Err(error) => {
            let help = "paths are taken from the directory that logwarden starts in";
            return found.add(&at, error.to_string(), help);
        }
    };
    match Redactor::configured(PseudonymKey::new(0, b"check"), &packs, &config.redact) {
        Ok(_) => {}
        Err(BuildError::Pack(error)) => found.add(&at, error.to_string(), "`logwarden rules test FILE` proves a pack"),
        Err(BuildError::Config(error)) => {
            let mut at = path(&["redact", error.key]);
            at.push(match error.entry {
                Entry::Name(name) => Step::Key(name),
                Entry::Place(n) => Step::Index(n),
            });
            found.add(&at, error.reason, "`logwarden rules list` shows all rules and types");
        }
    }
}

/// The source whose patterns take in `written`.
/// The file that a path leads to, through links and `..` as far as they are there.
fn resolved(path: &Path) -> PathBuf {
    let whole = path.canonicalize().ok();
    let beside = || Some(path.parent()?.canonicalize().ok()?.join(path.file_name()?));
    whole.or_else(beside).unwrap_or_else(|| path.to_owned())
}

fn reader_of<'a>(config: &'a Config, written: &Path) -> Option<&'a str> {
    let fits = |patterns: &[String]| {
        patterns.iter().filter_map(|p| glob::Pattern::new(p).ok()).any(|pattern| pattern.matches_path(written))
    };
    config.sources.iter().find_map(|(name, source)| match source {
        SourceConfig::File(file) if fits(&file.paths) && !fits(&file.exclude) => Some(name.as_str()),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use crate::config::load::parse;

    fn mistakes(text: &str) -> Vec<String> {
        let result = parse(vec![("f.toml".into(), text.to_owned())]);
        result.err().map(|e| e.problems.iter().map(ToString::to_string).collect()).unwrap_or_default()
    }

    #[test]
    fn one_file_has_one_writer_however_its_path_is_spelled() {
        let sink = |name: &str, path: &str| format!("[sinks.{name}]\ntype = \"file\"\npath = \"{path}\"\n");
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().canonicalize().unwrap();
        std::fs::create_dir(dir.join("sub")).unwrap();
        let two = |other: &str| {
            let dir = dir.display();
            mistakes(&(sink("a", &format!("{dir}/o.jsonl")) + &sink("b", &format!("{dir}/{other}"))))
        };
        for same in ["o.jsonl", "./o.jsonl", "sub/../o.jsonl"] {
            let found = two(same);
            assert!(found.len() == 1 && found[0].contains("sink `a` writes this file already"), "{same}: {found:?}");
        }
        assert!(two("sub/o.jsonl").is_empty() && two("absent/o.jsonl").is_empty());
    }

    #[test]
    fn names_and_knots_are_checked() {
        let app = "[sources.app]\ntype = \"file\"\npaths = [\"/var/log/app/*.log\"]\n";
        let cases: &[(&str, &[&str])] = &[
            (
                "[sinks.out]\ntype = \"stdout\"\nsources = [\"ap\"]",
                &["f.toml:6:12: there is no source `ap`", "did you mean `app`?"],
            ),
            (
                "[sinks.out]\ntype = \"file\"\npath = \"/var/log/app/clean.log\"",
                &["f.toml:6:8: source `app` would read"],
            ),
            (
                "[sinks.a]\ntype = \"stdout\"\n[sinks.b]\ntype = \"stdout\"",
                &["f.toml:6:8: sink `a` writes to standard output"],
            ),
            (
                "[sinks.a]\ntype = \"file\"\npath = \"/x\"\n[sinks.b]\ntype = \"file\"\npath = \"/x\"",
                &["f.toml:9:8: sink `a` writes"],
            ),
            (
                "[sources.a]\ntype = \"stdin\"\n[sources.b]\ntype = \"stdin\"",
                &["f.toml:6:10: `a` reads standard input"],
            ),
            ("[sources.b]\ntype = \"file\"\npaths = []", &["f.toml:6:9: source `b` reads nothing"]),
            (
                "[receivers.ops]\ntype = \"webhook\"\nurl = \"https://x.example\"\n[[routes]]\nreceivers = [\"op\"]",
                &["f.toml:8:14: there is no receiver `op`", "did you mean `ops`?"],
            ),
            (
                "[sources.b]\ntype = \"stdin\"\nschema = \"pino-htp\"",
                &["f.toml:6:10: there is no schema `pino-htp`", "did you mean `pino"],
            ),
            ("[event.roles]\nip = \"client\"", &["event.roles.ip: `client` is not a JSON pointer"]),
            ("[keys.k]\ngroup = \"prod\"", &["f.toml:4:7: [keys.k] does not say which keys"]),
            (
                "[keys.k]\ntag = \"0abc\"\ncalendar = \"ofice\"\n[calendars.office]\nzone = \"Europe/Berlin\"",
                &["f.toml:6:12: there is no calendar `ofice`", "did you mean `office`?"],
            ),
            (
                "[detect.after_hours]\ncalendar = \"office\"",
                &["f.toml:5:12: there is no calendar `office`", "no calendar at all yet"],
            ),
            (
                "[calendars.office]\nhours = [\"09:00-17:00\"]",
                &["f.toml:4:12: `calendars.office`: a calendar needs a zone", "zone = \"Europe/Berlin\""],
            ),
            ("[calendars.office]\nzone = \"Berlin\"", &["f.toml:5:8: `calendars.office", "Berlin"]),
            (
                "[receivers.r]\ntype = \"webhook\"\nurl = \"https://x.example\"\n[[routes]]\nreceivers = [\"r\"]\nkinds = [\"volume_spik\"]",
                &["f.toml:9:10: there is no kind of alert `volume_spik`", "`volume_spike`?"],
            ),
            (
                "[receivers.r]\ntype = \"webhook\"\nurl = \"https://x.example\"\n[[routes]]\nreceivers = [\"r\"]\nduring = \"ofice\"\n[calendars.office]\nzone = \"UTC\"",
                &["f.toml:9:10: there is no calendar `ofice`", "did you mean `office`?"],
            ),
            ("[detect.volume_spik]\n", &["f.toml:4:9: unknown key `volume_spik` in [detect]", "`volume_spike`?"]),
            ("[detect.new_ip]\nmode = \"exakt\"", &["f.toml:5:8: `detect.new_ip.mode` cannot be `exakt`", "`exact`?"]),
            ("[[routes]]\nreceivers = []", &["f.toml:5:13: this route leads to nobody"]),
            ("[redact]\ndisable = [\"no-such-rule\"]", &["f.toml:5:12: there is no rule `no-such-rule`"]),
            ("[redact]\nenable = [\n  # hex\n  \"no-such-rule\",\n]", &["f.toml:7:3: there is no rule"]),
            (
                "[redact]\nstrategies = { EMAIL = \"blur\" }",
                &["f.toml:5:24: `blur` is not a strategy", "`mask`", "  ^^^^^^"],
            ),
            (
                "[redact.strategies]\nCARD = \"mask\"\nEMAIL = \"blur\"\nPIN = \"drop\"",
                &["f.toml:6:9: `blur` is not a strategy", " 6 | EMAIL = \"blur\""],
            ),
            (
                "[redact]\nstrategies.CARD = \"mask\"\nstrategies.NOPE = \"drop\"",
                &["f.toml:6:19: there is no rule and no label type `NOPE`"],
            ),
            ("[redact.strategies]\nCARD = \"mask\"\n\"/a.b/c\" = \"blur\"", &["f.toml:6:12: `blur` is not"]),
            (
                "[redact.strategies]\nCARD = \"mask\"\nEMAIL = 3",
                &["f.toml:6:9: `redact.strategies.EMAIL`: invalid type"],
            ),
            ("[redact]\nallow_paths = [\n  \"/a\",\n  \"b\",\n]", &["f.toml:7:3: `b` is no JSON pointer"]),
            ("[redact]\nallow_patterns = [\n  \"a\",\n  \"(\",\n]", &["f.toml:7:3: "]),
            ("[rules]\npacks = [\"/no/such/*.toml\"]", &["f.toml:5:9: there is no file `/no/such/*.toml`"]),
            ("[rules]\npacks = [\"Cargo.toml\"]", &["f.toml:5:9: Cargo.toml:", "rules test FILE"]),
            (
                "[sources.b]\ntype = \"http\"\nlisten = \"0.0.0.0:1\"",
                &["f.toml:6:10: anybody who reaches this address", "client_ca"],
            ),
            (
                "[sources.b]\ntype = \"tcp\"\nlisten = \"0.0.0.0:1\"\ntoken = \"x\"",
                &["f.toml:6:10: raw lines and the token", "allow_plain"],
            ),
            (
                "[sources.b]\ntype = \"tcp\"\nlisten = \"127.0.0.1:1\"\n[sources.c]\ntype = \"http\"\nlisten = \"127.0.0.1:1\"",
                &["f.toml:9:10: source `b` listens there"],
            ),
            (
                "[http]\nlisten = \"0.0.0.0:1\"",
                &["f.toml:5:10: anybody who reaches this address could see", "client_ca"],
            ),
            ("[http]\nsocket_mode = \"rw\"", &["f.toml:5:15: `rw` is not a mode"]),
            ("[http]\ntoken_for_reads = true", &["f.toml:5:19: there is no token"]),
            ("[sources.b]\ntype = \"unix\"\npath = \"/x\"\nmode = \"rw\"", &["f.toml:7:8: `rw` is not a mode"]),
            ("[sources.b]\ntype = \"file\"\npaths = [\"/x[\"]", &["f.toml:6:10: `/x[` is not a pattern"]),
        ];
        for (text, wants) in cases {
            let got = mistakes(&format!("{app}{text}"));
            assert_eq!(got.len(), 1, "{text}\n{got:?}");
            wants.iter().for_each(|want| assert!(got[0].contains(want), "{text}\n wanted {want}\n got {}", got[0]));
        }
        let fine = "[sinks.out]\ntype = \"file\"\npath = \"/var/log/clean/app.log\"\nsources = [\"app\"]\n";
        assert_eq!(mistakes(&format!("{app}{fine}")), [""; 0]);
    }
}
