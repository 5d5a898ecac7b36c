//! The redactor: compiled rules shared by all threads, and a worker for each stream.

use std::sync::Arc;

use super::again::look_again;
use super::calm::Look;
use super::config::RedactConfig;
use super::index::Index;
use super::memory::{Memory, Notes, Question, Seed};
use super::near::{self, NearMiss};
use super::output::{Redacted, RuleId};
use super::pem::OpenBlock;
use super::policy::{Entry, Policy, RedactError};
use super::remark;
use super::resolve::{resolve, splice, write_label};
use super::scan::{Hit, Shared, rank, resume_block, scan_lines};
use super::set::RuleSet;
use super::tag::{PseudonymKey, Tags};
use crate::rules::{Pack, PackError, RuleDef, load_embedded, load_user_packs, rule_line};

/// The compiled rules and the installation's pseudonym key; cheap to clone, shared by all workers.
#[derive(Clone)]
pub struct Redactor {
    inner: Arc<Inner>,
}

struct Inner {
    set: RuleSet,
    policy: Policy,
    remark: bool,
    key: PseudonymKey,
}

/// Why a redactor could not be made.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// A rule pack cannot be used.
    #[error(transparent)]
    Pack(#[from] PackError),
    /// The `[redact]` section cannot be used.
    #[error(transparent)]
    Config(#[from] RedactError),
}

impl Redactor {
    /// A redactor with the embedded packs.
    pub fn new(key: PseudonymKey) -> Self {
        Self::with_packs(key, load_embedded())
    }

    /// A redactor with the embedded packs and the user's, given as (file name, text), and the `[redact]` section.
    ///
    /// # Errors
    /// The first pack or setting that cannot be used.
    pub fn configured(key: PseudonymKey, user: &[(String, String)], config: &RedactConfig) -> Result<Self, BuildError> {
        let mut packs = load_embedded();
        let own = load_user_packs(user.iter().map(|(name, text)| (name.as_str(), text.as_str())))?;
        prove(&key, user, &own)?;
        packs.extend(own);
        let mut shapes = Vec::new();
        for (names, off) in [(&config.disable, true), (&config.enable, false)] {
            for (n, name) in names.iter().enumerate() {
                match packs.iter_mut().flat_map(|p| &mut p.rules).find(|r| r.id == *name) {
                    Some(rule) => rule.off = off,
                    None => shapes.push((n, name, off)),
                }
            }
        }
        let set = RuleSet::new(packs);
        let mut policy = Policy::new(config, &set.rules)?;
        // What is built in (field classes, shapes in code) is no rule of a pack: it is found and left alone.
        for (n, name, off) in shapes {
            let Some(rule) = set.rules.iter().position(|r| r.id == *name) else {
                let key = if off { "disable" } else { "enable" };
                let reason = format!("there is no rule `{name}`; see `logwarden rules list`");
                return Err(RedactError { key, entry: Entry::Place(n), reason }.into());
            };
            if off {
                policy.keep(rule);
            }
        }
        Ok(Self { inner: Arc::new(Inner { set, policy, remark: config.remark, key }) })
    }

    /// A redactor with these packs only.
    pub fn with_packs(key: PseudonymKey, packs: Vec<Pack>) -> Self {
        let inner = Inner { set: RuleSet::new(packs), policy: Policy::default(), remark: false, key };
        Self { inner: Arc::new(inner) }
    }

    /// The definition behind a finding.
    pub fn rule(&self, id: RuleId) -> &RuleDef {
        &self.inner.set.rules[usize::from(id.0)]
    }

    /// All rules, in the order of [`RuleId`].
    pub fn rules(&self) -> &[RuleDef] {
        &self.inner.set.rules
    }

    /// A worker with its own scratch space and stream state (open PEM block, remembered values).
    pub fn worker(&self) -> Worker {
        Worker { finder: self.finder(), stream: Stream::default(), found: Found::default() }
    }

    /// A finder, for those who spread the chunks of a stream over threads.
    pub fn finder(&self) -> Finder {
        let seed = self.inner.key.seed();
        let mut shared = Shared::new(Tags::new(self.inner.key.clone(), seed), seed);
        shared.kept = self.inner.policy.kept();
        Finder { redactor: self.clone(), shared, seed }
    }
}

/// Redacts the chunks of one stream in order.
pub struct Worker {
    finder: Finder,
    stream: Stream,
    found: Found,
}

/// Finds what must go in a chunk, and takes it out. Between the two, [`Finder::recall`] is called for the chunks of a
/// stream in their order; the rest may happen on any thread, by any finder of the same redactor, in any order. What
/// comes out does not depend on it.
pub struct Finder {
    redactor: Redactor,
    shared: Shared,
    seed: Seed,
}

/// What a stream has taught so far: values that were redacted, and a key block that is open.
#[derive(Default)]
pub struct Stream {
    memory: Memory,
    pem_open: Option<OpenBlock>,
}

/// What was found in a chunk.
#[derive(Default)]
pub struct Found {
    hits: Vec<Hit>,
    notes: Notes,
    looks: Vec<Look>,
    pem_open: Option<OpenBlock>,
    /// What was seen of the chunk, from its finding to its finishing.
    index: Option<Index>,
}

/// Refuses a user's pack when a rule fails its own examples beside the embedded rules.
fn prove(key: &PseudonymKey, user: &[(String, String)], own: &[Pack]) -> Result<(), PackError> {
    if own.is_empty() {
        return Ok(());
    }
    let mut packs = load_embedded();
    packs.extend(own.iter().cloned());
    packs.iter_mut().flat_map(|p| &mut p.rules).for_each(|r| r.off = false);
    let all = Redactor::with_packs(key.clone(), packs);
    for ((name, text), pack) in user.iter().zip(own) {
        for (n, rule) in pack.rules.iter().enumerate() {
            if let Some(complaint) = all.complaints(rule).into_iter().next() {
                let (pack, line) = (name.clone(), rule_line(text, n));
                return Err(PackError::Rule { pack, line, rule: rule.id.clone(), reason: complaint.reason });
            }
        }
    }
    Ok(())
}

/// How often a changed line is looked at again before it is withheld instead.
const ROUNDS: usize = 4;

/// Why a line is withheld whose redaction does not come to rest.
const RESTLESS: &str = "redaction did not settle";

impl Worker {
    /// Redacts `chunk` (whole lines) into `out`, which is cleared first and whose buffers are reused.
    pub fn redact(&mut self, chunk: &[u8], out: &mut Redacted) {
        self.finder.find(chunk, &mut self.found);
        self.finder.recall(chunk, &mut self.stream, &mut self.found);
        self.finder.finish(chunk, &mut self.found, out);
    }

    /// From now on, what nearly matches is noted.
    pub fn observe(&mut self) {
        self.finder.shared.near = Some(Vec::new());
    }

    /// What nearly matched in the last chunk; empty unless [`Self::observe`] was called.
    pub fn near_misses(&mut self) -> Vec<NearMiss> {
        self.finder.shared.near.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Redacts one text into a new string of bytes; for single lines, not for streams.
    pub fn redact_line(&mut self, line: &[u8]) -> Vec<u8> {
        let mut out = Redacted::default();
        self.redact(line, &mut out);
        out.bytes
    }
}

impl Finder {
    /// Looks through `chunk` (whole lines); `found` is emptied first.
    pub fn find(&mut self, chunk: &[u8], found: &mut Found) {
        found.hits.clear();
        self.shared.notes.clear();
        self.shared.looks.clear();
        self.shared.near.iter_mut().for_each(Vec::clear);
        self.shared.pem_open = None;
        let mut index = found.index.take().or_else(|| self.shared.indexes.pop()).unwrap_or_default();
        scan_lines(&self.redactor.inner.set, &mut self.shared, chunk, &mut index, &mut found.hits);
        found.index = Some(index);
        std::mem::swap(&mut found.notes, &mut self.shared.notes);
        std::mem::swap(&mut found.looks, &mut self.shared.looks);
        found.pem_open = self.shared.pem_open;
    }

    /// Adds what is known from earlier chunks of the stream, and adds to that what this one teaches.
    pub fn recall(&mut self, chunk: &[u8], stream: &mut Stream, found: &mut Found) {
        let set = &self.redactor.inner.set;
        let open = stream.pem_open.and_then(|open| resume_block(set, &mut self.shared, chunk, open, &mut found.hits));
        stream.pem_open = open.or(found.pem_open);
        let hits = &mut found.hits;
        stream.memory.go_through(&mut found.notes, chunk, self.seed, |q| {
            let (rule, rank) = (set.builtin.remembered, rank::REMEMBERED);
            let Question { start, end, depth, numeric, .. } = *q;
            hits.push(Hit { start, end, rule, rank, depth, numeric, null: false, quote: None, tag: None });
        });
    }

    /// Writes `chunk` without what was found into `out`, which is cleared first and whose buffers are reused.
    ///
    /// Every line that was changed is scanned again as it would go out, and goes out only when nothing more is found
    /// in it: what is written is at rest, so that redacting it again changes nothing.
    pub fn finish(&mut self, chunk: &[u8], found: &mut Found, out: &mut Redacted) {
        let Found { hits, index, looks, .. } = found;
        let index = index.take().unwrap_or_default();
        let redactor = self.redactor.clone();
        let Inner { set, policy, key, remark } = &*redactor.inner;
        let write = |h: &Hit, out: &mut Vec<u8>| {
            let kind = &set.rules[usize::from(h.rule)].kind;
            let value = &chunk[h.start as usize..h.end as usize];
            write_label(kind, h, policy.strategy(chunk, h), value, key, out);
        };
        policy.apply(chunk, hits, 0);
        resolve(hits);
        let mut settled = false;
        for round in 0..=ROUNDS {
            policy.widen(chunk, hits);
            out.clear();
            splice(chunk, index.lines.as_slice(), hits, write, out);
            let known = hits.len();
            let mut restless = Vec::new();
            if out.findings.is_empty() || !self.again((chunk, &index, looks), out, hits, &mut restless) {
                settled = true;
                break;
            }
            policy.apply(chunk, hits, known);
            if hits.len() == known {
                settled = true;
                break;
            }
            if round == ROUNDS {
                out.replace_lines(&mut restless, RESTLESS);
            }
            resolve(hits);
        }
        out.lines = index.lines.as_slice().len() + usize::from(chunk.last().is_some_and(|b| *b != b'\n'));
        self.shared.indexes.push(index);
        out.renamed.append(&mut self.shared.tags.renamed);
        if let Some(near) = &mut self.shared.near {
            near::settle(near, hits, chunk);
        }
        if *remark && settled && !out.findings.is_empty() {
            remark::add(out, &set.rules);
        }
    }

    /// Looks through the changed lines of `out` once more; what is found is added to the hits, at its place in the chunk,
    /// and its place in `out` to `places`. True when there was anything.
    fn again(
        &mut self,
        chunk: (&[u8], &Index, &[Look]),
        out: &Redacted,
        hits: &mut Vec<Hit>,
        places: &mut Vec<u32>,
    ) -> bool {
        let before = hits.len();
        look_again(&self.redactor.inner.set, &mut self.shared, chunk, out, hits);
        for h in &mut hits[before..] {
            places.push(h.start);
            h.start = out.origin(h.start, false);
            h.end = out.origin(h.end, true);
            h.quote = h.quote.map(|(a, b)| (out.origin(a, false), out.origin(b, true)));
        }
        hits.len() > before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redacted(config: &str, line: &str) -> String {
        let config: RedactConfig = toml::from_str(config).unwrap();
        let redactor = Redactor::configured(PseudonymKey::new(0, b"k"), &[], &config).unwrap();
        String::from_utf8(redactor.worker().redact_line(line.as_bytes())).unwrap()
    }

    #[test]
    fn strategies_by_type_rule_and_path() {
        let line =
            r#"{"password":"hunter2","pin":1234,"user":{"email":"jane@example.com"},"card":"4111 1111 1111 1111"}"#;
        assert_eq!(
            redacted("", line),
            r#"{"password":"[PASSWORD]","pin":"[PIN]","user":{"email":"[EMAIL]"},"card":"[CARD]"}"#
        );
        assert_eq!(
            redacted("[strategies]\nPASSWORD = 'drop'\nPIN = 'drop'\n'/user/email' = 'keep'\nCARD = 'mask'", line),
            r#"{"password":null,"pin":null,"user":{"email":"jane@example.com"},"card":"[CARD:****1111]"}"#
        );
        let tagged = redacted("[strategies]\nEMAIL = 'tag'", line);
        assert!(tagged.contains(r#""email":"[EMAIL:0"#), "{tagged}");
    }

    #[test]
    fn allowlists_leave_alone() {
        let line = r#"{"password":"hunter2","token":"a1b2c3d4e5f6","msg":"x@test.example, y@corp.example"}"#;
        assert_eq!(
            redacted(
                "allow_values = ['hunter2']\nallow_patterns = ['.*@test\\.example']\nallow_paths = ['/token']",
                line
            ),
            r#"{"password":"hunter2","token":"a1b2c3d4e5f6","msg":"x@test.example, [EMAIL]"}"#
        );
    }

    #[test]
    fn a_remark_says_what_went_and_stays_json() {
        let line = "{\"a\":{\"password\":\"hunter2\"}}\n";
        let once = redacted("remark = true", line);
        assert_eq!(
            once,
            "{\"a\":{\"password\":\"[PASSWORD]\"},\"_logwarden\":[[\"field-password\",\"/a/password\"]]}\n"
        );
        assert_eq!(redacted("remark = true", &once), once);
    }

    #[test]
    fn rules_and_field_classes_are_turned_off() {
        let line = r#"{"password":"hunter2","msg":"x@example.com"}"#;
        let kept = r#"{"password":"hunter2","msg":"[EMAIL]"}"#;
        assert_eq!(redacted("disable = ['field-password']", line), kept);
        // What looks random was seen all the same, here as anywhere.
        let random = "{\"password\":\"a1B2c3D4e5F6g7\"}\nretry a1B2c3D4e5F6g7 again\n";
        let gone = "{\"password\":\"[SECRET]\"}\nretry [SECRET] again\n";
        assert_eq!(redacted("disable = ['field-password']", random), gone);
    }

    #[test]
    fn a_pack_that_fails_its_examples_is_refused() {
        let pack = |pattern: &str, example: &str| {
            format!(
                "pack = 'mine'\n[[rule]]\nid = 'mine-key'\ntype = 'MINE_KEY'\ndescription = 'x'\nprefixes = ['mine_']\npattern = '{pattern}'\nexamples = ['{example}']\n"
            )
        };
        let made = |text: String| {
            let user = [("mine.toml".to_owned(), text)];
            Redactor::configured(PseudonymKey::new(0, b"k"), &user, &RedactConfig::default())
        };
        assert!(made(pack("mine_[a-z]{8}", "key «mine_abcdefgh» x")).is_ok());
        let error = made(pack("mine_[0-9]{8}", "key «mine_abcdefgh» x")).err().unwrap().to_string();
        assert_eq!(error, "mine.toml:2: rule `mine-key`: does not take all of the marked part of example 1");
    }

    #[test]
    fn mistakes_are_named() {
        let refused = |text: &str| {
            let config: RedactConfig = toml::from_str(text).unwrap();
            Redactor::configured(PseudonymKey::new(0, b"k"), &[], &config).err().unwrap().to_string()
        };
        assert!(refused("[strategies]\nNOPE = 'label'").starts_with("redact.strategies.NOPE: there is no rule"));
        assert!(refused("[strategies]\nEMAIL = 'hide'").contains("`hide` is not a strategy"));
        assert!(refused("disable = ['nope']").starts_with("redact.disable[0]: there is no rule `nope`"));
        assert!(refused("allow_patterns = ['a', '(']").starts_with("redact.allow_patterns[1]: "));
        assert!(
            refused("allow_paths = ['user/email']")
                .starts_with("redact.allow_paths[0]: `user/email` is no JSON pointer")
        );
    }
}
