//! Schema packs, compiled for looking up the fields of a line.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

use super::attack::Attacks;
use super::config::{EventConfig, EventError, Identity};
use super::paths::norm_name;
use super::role::{Role, Unit};
use super::schema::{EMBEDDED, Pointers, SchemaDef, SchemaPack, Test, condition, with_unit};

/// Compiled schema packs and `[event]` settings; cheap to clone, shared by all readers.
#[derive(Clone)]
pub struct Roles {
    pub(super) tables: Arc<Tables>,
}

impl Roles {
    /// Compiles the embedded packs with the settings of `config`.
    ///
    /// # Errors
    /// [`EventError::Pointer`] for a pointer that does not start with `/`.
    pub fn new(config: &EventConfig) -> Result<Self, EventError> {
        Self::with_packs(config, &[])
    }

    /// The same with packs of the user's own, as (file name, text); they are tried first.
    ///
    /// # Errors
    /// As [`Roles::new`], and [`EventError::Pack`] for a pack that cannot be read.
    pub fn with_packs(config: &EventConfig, packs: &[(String, String)]) -> Result<Self, EventError> {
        let mut tables = Tables::default();
        let own = packs.iter().map(|(name, text)| (name.as_str(), text.as_str(), true));
        let embedded = EMBEDDED.iter().map(|(name, text)| (*name, *text, false));
        for (name, text, own) in own.chain(embedded) {
            let bad = |reason| EventError::Pack { pack: name.to_owned(), reason };
            let pack: SchemaPack = toml::from_str(text).map_err(|e| bad(e.to_string()))?;
            let before = tables.schemas.len();
            // Packs of the user's own count also when known software is not recognised.
            tables.add(&pack, config.recognise || own).map_err(bad)?;
            let twice = tables.schemas[before..].iter().find(|s| tables.schemas[..before].iter().any(|t| t.id == s.id));
            if let Some(twice) = twice.filter(|_| own) {
                return Err(bad(format!("schema `{}` is there already; give it another id", twice.id)));
            }
            tables.schemas[before..].iter_mut().for_each(|s| s.own = own);
            if !own {
                // A user's schema may go by the name of a built-in one, and takes its place.
                let ids: Vec<Box<str>> = tables.schemas.iter().filter(|s| s.own).map(|s| s.id.clone()).collect();
                tables.schemas.iter_mut().filter(|s| !s.own && ids.contains(&s.id)).for_each(|s| s.all = u32::MAX);
            }
        }
        tables.schemas.sort_by_key(|s| (!s.own, s.library, std::cmp::Reverse(s.strength)));
        tables.renumber();
        for (&role, pointer) in &config.roles {
            if !pointer.starts_with('/') {
                return Err(EventError::Pointer { role: role.name(), pointer: pointer.clone() });
            }
            let choice = Choice { exact: tables.exact(pointer), unit: config.latency_unit };
            tables.overrides[role as usize].push(choice);
        }
        tables.attacks = Attacks::embedded()?;
        tables.asked = Role::ALL.into_iter().filter(|role| config.asks_for(*role)).fold(0, |b, r| b | 1 << r as u32);
        tables.identity.clone_from(&config.identity);
        tables.latency_unit = config.latency_unit;
        tables.masked = config.masked.iter().map(|m| m.as_bytes().into()).collect();
        Ok(Self { tables: Arc::new(tables) })
    }

    /// The names of the known schemas.
    pub fn schemas(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.tables.schemas.iter().map(|s| &*s.id).collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}

/// FNV-1a: the tables are fixed, so nobody can fill them with colliding names.
#[derive(Default)]
pub(super) struct Fnv(u64);

impl Hasher for Fnv {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        let mut h = if self.0 == 0 { 0xcbf2_9ce4_8422_2325 } else { self.0 };
        for &b in bytes {
            h = (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3);
        }
        self.0 = h;
    }

    fn write_usize(&mut self, _: usize) {}
}

pub(super) type Map<V> = HashMap<Box<[u8]>, V, BuildHasherDefault<Fnv>>;

/// A pointer that some schema or the configuration names.
#[derive(Default)]
pub(super) struct Exact {
    /// Conditions on it: schema, the condition's bit.
    pub tests: Vec<(u16, u32)>,
    /// How a key found there is called: a position in [`Tables::spaces`].
    pub space: u16,
}

#[derive(Clone, Copy)]
pub(super) struct Choice {
    pub exact: u16,
    pub unit: Option<Unit>,
}

pub(super) struct Alias {
    pub role: Role,
    pub rank: u16,
    pub unit: Option<Unit>,
    /// Whether the name itself says the unit: `duration_ms`.
    pub sure: bool,
    /// Number of components of the name.
    pub depth: u8,
    /// How a key found there is called: a position in [`Tables::spaces`].
    pub space: u16,
}

pub(super) struct Schema {
    pub id: Box<str>,
    /// All conditions, one bit each.
    pub all: u32,
    /// The conditions: a pointer and what must be true of its value.
    pub tests: Vec<(u16, Test)>,
    pub roles: [Vec<Choice>; Role::COUNT],
    /// Roles that no field of this software has, one bit each.
    pub without: u32,
    pub latency_unit: Option<Unit>,
    pub request: Option<u16>,
    /// Whether it comes from a pack of the user's own.
    own: bool,
    /// Libraries go last, and schemas with more conditions first.
    library: bool,
    strength: usize,
    /// Position in the packs.
    number: u16,
}

#[derive(Default)]
pub(super) struct Tables {
    exact: Map<u16>,
    pub exacts: Vec<Exact>,
    /// Names of fields, and which list of roles goes by each.
    names: Map<u32>,
    roles: Vec<Vec<Alias>>,
    pub schemas: Vec<Schema>,
    pub overrides: [Vec<Choice>; Role::COUNT],
    /// Roles that are asked for in every line, one bit each; the others only make a reading complete.
    pub asked: u32,
    pub identity: Vec<Identity>,
    pub latency_unit: Option<Unit>,
    pub masked: Vec<Box<[u8]>>,
    /// What attacks look like in a request line.
    pub attacks: Attacks,
    /// Names of what ids identify: `API_KEY_ID`.
    pub spaces: Vec<Box<str>>,
}

impl Tables {
    pub(super) fn at_pointer(&self, path: &[u8]) -> Option<u16> {
        self.exact.get(path).copied()
    }

    /// The number of the list of roles that goes by a name.
    pub(super) fn named(&self, norm: &[u8]) -> Option<u32> {
        self.names.get(norm).copied()
    }

    /// A list of roles; empty for a name that has none although its last part does.
    pub(super) fn roles_of(&self, list: u32) -> &[Alias] {
        self.roles.get(list as usize).map_or(&[], Vec::as_slice)
    }

    /// The list of a name, a new one when needed.
    fn list(&mut self, norm: &[u8]) -> &mut Vec<Alias> {
        let next = self.roles.len();
        let at = *self.names.entry(norm.into()).or_insert(next as u32) as usize;
        if at == next {
            self.roles.push(Vec::new());
        }
        &mut self.roles[at]
    }

    fn add(&mut self, pack: &SchemaPack, recognise: bool) -> Result<(), String> {
        let (mut norm, mut parts) = (Vec::new(), Vec::new());
        for (&role, names) in &pack.aliases {
            for (rank, name) in names.iter().enumerate() {
                let (name, unit) = with_unit(name)?;
                norm_name(name.as_bytes(), &mut norm, &mut parts);
                if parts.is_empty() {
                    return Err(format!("alias `{name}` has no letter"));
                }
                let depth = parts.len() as u8;
                let alias =
                    Alias { role, rank: rank as u16, unit, sure: says_unit(name), depth, space: self.space(name) };
                self.list(&norm[1..]).push(alias);
            }
        }
        for name in &pack.ignore {
            norm_name(name.as_bytes(), &mut norm, &mut parts);
            self.list(&norm[1..]);
        }
        for def in pack.schemas.iter().filter(|_| recognise) {
            self.schema(def).map_err(|e| format!("schema `{}`: {e}", def.id))?;
        }
        Ok(())
    }

    fn schema(&mut self, def: &SchemaDef) -> Result<(), String> {
        let number = self.schemas.len() as u16;
        if def.when.is_empty() || def.when.len() > 32 {
            return Err("needs 1 to 32 conditions in `when`".to_owned());
        }
        let (mut strength, mut tests) = (0, Vec::new());
        for (i, text) in def.when.iter().enumerate() {
            let (pointer, test) = condition(text)?;
            strength += if test == Test::There { 2 } else { 3 };
            let exact = self.exact(pointer);
            self.exacts[usize::from(exact)].tests.push((number, 1 << i));
            tests.push((exact, test));
        }
        let mut roles: [Vec<Choice>; Role::COUNT] = Default::default();
        for (&role, pointers) in &def.roles {
            roles[role as usize] = self.choices(pointers)?;
        }
        let without = def.without.iter().fold(0, |bits, role| bits | 1 << *role as u32);
        let request = def.request.as_ref().map(|p| self.exact(p));
        let all = u32::MAX >> (32 - def.when.len());
        let (latency_unit, library) = (def.latency_unit, def.library);
        let id = def.id.as_str().into();
        self.schemas.push(Schema {
            id,
            all,
            tests,
            roles,
            without,
            latency_unit,
            request,
            own: false,
            library,
            strength,
            number,
        });
        Ok(())
    }

    fn choices(&mut self, pointers: &Pointers) -> Result<Vec<Choice>, String> {
        let one = |p: &String| {
            let (pointer, unit) = with_unit(p)?;
            if !pointer.starts_with('/') {
                return Err(format!("pointer `{pointer}` must start with `/`"));
            }
            Ok(Choice { exact: self.exact(pointer), unit })
        };
        pointers.all().iter().map(one).collect()
    }

    /// The number of a pointer, a new one when needed.
    fn exact(&mut self, pointer: &str) -> u16 {
        if let Some(&n) = self.exact.get(pointer.as_bytes()) {
            return n;
        }
        let n = self.exacts.len() as u16;
        self.exact.insert(pointer.as_bytes().into(), n);
        let space = self.space(pointer);
        self.exacts.push(Exact { tests: Vec::new(), space });
        n
    }

    fn space(&mut self, name: &str) -> u16 {
        let space = space(name);
        let at = self.spaces.iter().position(|s| *s == space).unwrap_or(self.spaces.len());
        if at == self.spaces.len() {
            self.spaces.push(space);
        }
        at as u16
    }

    /// Conditions name schemas by their position in the packs; make that the position in the sorted list.
    fn renumber(&mut self) {
        let new: BTreeMap<u16, u16> = self.schemas.iter().enumerate().map(|(at, s)| (s.number, at as u16)).collect();
        for exact in &mut self.exacts {
            for (schema, _) in &mut exact.tests {
                *schema = new[schema];
            }
        }
    }
}

/// Whether the last word of a name is a unit of time.
fn says_unit(name: &str) -> bool {
    let last = name.rsplit(['_', '.']).next().unwrap_or("");
    last.len() < name.len() && Unit::parse(last.as_bytes()).is_some()
}

/// How keys found under a name are called: the name in capitals, with its parent's when it says too little alone.
fn space(name: &str) -> Box<str> {
    let parts: Vec<&str> = name.split(['/', '.']).filter(|p| p.bytes().any(|b| b.is_ascii_alphabetic())).collect();
    let last = parts.last().copied().unwrap_or("key");
    let short = last.len() <= 4 || last == "username";
    let from = parts.len().saturating_sub(if short { 2 } else { 1 });
    let mut out = String::new();
    for part in &parts[from..] {
        if !out.is_empty() {
            out.push('_');
        }
        let mut before = ' ';
        for c in part.chars() {
            if c.is_ascii_uppercase() && before.is_ascii_lowercase() {
                out.push('_');
            }
            out.push(if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' });
            before = c;
        }
    }
    out.truncate(24);
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_packs_compile() {
        let roles = Roles::new(&EventConfig::default()).unwrap();
        assert!(roles.schemas().len() >= 12);
        assert!(roles.schemas().contains(&"caddy"));
        let names: std::collections::BTreeSet<&str> = roles.schemas().into_iter().collect();
        assert_eq!(names.len(), roles.schemas().len(), "schema ids are unique");
    }

    #[test]
    fn a_pointer_must_look_like_one() {
        let config = EventConfig { roles: [(Role::Ip, "client".to_owned())].into(), ..Default::default() };
        assert!(matches!(Roles::new(&config), Err(EventError::Pointer { role: "ip", .. })));
    }

    #[test]
    fn ids_are_called_after_their_field() {
        assert_eq!(&*space("/requestContext/apiKeyId"), "API_KEY_ID");
        assert_eq!(&*space("/authenticated_entity/id"), "AUTHENTICATED_ENTITY_ID");
        assert_eq!(&*space("user_api_key_hash"), "USER_API_KEY_HASH");
        assert_eq!(&*space("consumer.username"), "CONSUMER_USERNAME");
    }
}
