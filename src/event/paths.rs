//! The places that fields of a stream's lines stand at, remembered: each is looked up in the tables once, and found
//! again by what followed it in the line before.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

use super::role::Role;
use super::scan::Place;
use super::tables::Tables;
use super::text::Text;

/// Places that are remembered; when there are more, all are forgotten.
const MAX_PLACES: usize = 4096;

/// Bytes of names that are remembered; when there are more, all are forgotten.
const MAX_BYTES: usize = 1 << 20;

/// Longest key that is looked at, in bytes; longer ones cannot be a role's.
const MAX_KEY: usize = 128;

/// Array elements that have a place of their own; later ones share one.
const MAX_ELEMENTS: u32 = 8;

/// No place, or none yet.
pub(super) const NONE: u32 = u32::MAX;

/// One place.
pub(super) struct Spot {
    parent: u32,
    /// The key, its escapes decoded, or the digits of an array position.
    key: Box<[u8]>,
    /// Whether it is an array's element.
    element: bool,
    /// JSON pointer (RFC 6901).
    pub path: Box<[u8]>,
    /// The pointer in small letters and digits only, array positions left out, dots of keys as separators: `/req/url`.
    pub norm: Box<[u8]>,
    /// Where each component of `norm` starts, behind its slash.
    parts: Box<[u16]>,
    /// The number of the pointer, when some schema or the configuration names it.
    pub exact: Option<u16>,
    /// The number of the list of roles that go by its name.
    pub names: Option<u32>,
    /// What a redaction means here.
    pub place: Place,
    /// What came first inside, and what came next, last time.
    first: u32,
    next: u32,
}

impl Spot {
    /// Whether a value here can be of interest.
    pub(super) fn is_known(&self) -> bool {
        self.exact.is_some() || self.names.is_some()
    }

    /// Number of components of its name.
    pub(super) fn depth(&self) -> usize {
        self.parts.len()
    }
}

/// The name of a place within another.
struct Name<'n> {
    text: &'n [u8],
    element: bool,
}

/// All places of a stream.
pub(super) struct Paths {
    spots: Vec<Spot>,
    /// Bytes of names held.
    bytes: usize,
    by_key: HashMap<u64, u32>,
    hash: RandomState,
}

/// The top of every line.
pub(super) const ROOT: u32 = 0;

impl Paths {
    pub(super) fn new() -> Self {
        let mut this = Self { spots: Vec::new(), bytes: 0, by_key: HashMap::new(), hash: RandomState::new() };
        this.clear();
        this
    }

    fn clear(&mut self) {
        self.spots.clear();
        self.by_key.clear();
        self.bytes = 0;
        self.spots.push(Spot {
            parent: NONE,
            key: Box::default(),
            element: false,
            path: Box::default(),
            norm: Box::default(),
            parts: Box::default(),
            exact: None,
            names: None,
            place: Place::Other,
            first: NONE,
            next: NONE,
        });
    }

    /// Forgets all places when there are too many, and says so; only between lines.
    pub(super) fn tidy(&mut self) -> bool {
        let full = self.spots.len() >= MAX_PLACES || self.bytes >= MAX_BYTES;
        if full {
            self.clear();
        }
        full
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.spots.len()
    }

    /// The place; places past the bound are the root's.
    pub(super) fn get(&self, spot: u32) -> &Spot {
        self.spots.get(spot as usize).unwrap_or(&self.spots[0])
    }

    /// The last name of a place.
    pub(super) fn key(&self, spot: u32) -> &[u8] {
        &self.get(spot).key
    }

    /// The JSON pointer of a place; empty for the root, for [`NONE`] and for names that are no text.
    pub(super) fn pointer(&self, spot: u32) -> &str {
        std::str::from_utf8(&self.get(spot).path).unwrap_or("")
    }

    /// The place of a key inside `parent`, which came after `before` (or first).
    pub(super) fn child(&mut self, parent: u32, before: u32, key: &[u8], escaped: bool, tables: &Tables) -> u32 {
        if escaped {
            // One place for all spellings of a key.
            let plain: Vec<u8> = Text::json(key, true).bytes().take(MAX_KEY).collect();
            return self.look_up(parent, &Name { text: &plain, element: false }, tables);
        }
        self.find(parent, before, &Name { text: key, element: false }, tables)
    }

    /// The place of the `index`th element of the array at `parent`.
    pub(super) fn element(&mut self, parent: u32, before: u32, index: u32, tables: &Tables) -> u32 {
        if index > MAX_ELEMENTS {
            return before;
        }
        let mut digits = [0u8; 10];
        let text: &[u8] = if index == MAX_ELEMENTS { b"-" } else { decimal(index, &mut digits) };
        self.find(parent, before, &Name { text, element: true }, tables)
    }

    /// Whether `spot` is the place of that name inside `parent`.
    fn is(&self, spot: u32, parent: u32, name: &Name<'_>) -> bool {
        let same = |s: &Spot| s.parent == parent && s.element == name.element && *s.key == *name.text;
        self.spots.get(spot as usize).is_some_and(same)
    }

    fn find(&mut self, parent: u32, before: u32, name: &Name<'_>, tables: &Tables) -> u32 {
        let first = before == NONE;
        let guess = if first { self.get(parent).first } else { self.get(before).next };
        if self.is(guess, parent, name) {
            return guess;
        }
        let found = self.look_up(parent, name, tables);
        let hint = if first { parent } else { before };
        if let Some(spot) = self.spots.get_mut(hint as usize) {
            *(if first { &mut spot.first } else { &mut spot.next }) = found;
        }
        found
    }

    fn look_up(&mut self, parent: u32, name: &Name<'_>, tables: &Tables) -> u32 {
        let hash = self.hash.hash_one((parent, name.text, name.element));
        if let Some(&spot) = self.by_key.get(&hash)
            && self.is(spot, parent, name)
        {
            return spot;
        }
        if parent == NONE || self.spots.len() >= 2 * MAX_PLACES || self.bytes >= MAX_BYTES {
            // One line with this many places: what lies beyond is of no interest.
            return NONE;
        }
        let spot = self.make(parent, name, tables);
        self.bytes += spot.path.len() + spot.norm.len() + spot.key.len();
        self.spots.push(spot);
        let at = self.spots.len() as u32 - 1;
        self.by_key.insert(hash, at);
        at
    }

    fn make(&self, parent: u32, name: &Name<'_>, tables: &Tables) -> Spot {
        let Name { text: key, element } = *name;
        let above = self.get(parent);
        let mut path = above.path.to_vec();
        let (mut norm, mut parts) = (above.norm.to_vec(), above.parts.to_vec());
        path.push(b'/');
        let mut part = false;
        for &b in key.iter().take(MAX_KEY) {
            match b {
                b'~' => path.extend_from_slice(b"~0"),
                b'/' => path.extend_from_slice(b"~1"),
                _ => path.push(b),
            }
            if !element {
                push_norm(&mut norm, &mut parts, &mut part, b);
            }
        }
        let exact = tables.at_pointer(&path);
        let from = parts.len().saturating_sub(3);
        let names = parts[from..].iter().find_map(|&p| tables.named(&norm[usize::from(p)..]));
        let roles = names.map_or(&[][..], |n| tables.roles_of(n));
        let place = place(roles.iter().map(|a| a.role), &norm, &parts);
        let names = names.filter(|_| !roles.is_empty());
        Spot {
            parent,
            key: key.into(),
            element,
            path: path.into(),
            norm: norm.into(),
            parts: parts.into(),
            exact,
            names,
            place,
            first: NONE,
            next: NONE,
        }
    }
}

/// What a redaction means in a field with these roles and this name.
fn place(roles: impl Iterator<Item = Role> + Clone, norm: &[u8], parts: &[u16]) -> Place {
    let is = |wanted: &[Role]| roles.clone().any(|r| wanted.contains(&r));
    let header = |p: &u16| {
        let part = &norm[usize::from(*p)..];
        part.strip_prefix(b"req").or(part.strip_prefix(b"request")).unwrap_or(part).starts_with(b"header")
    };
    let last = parts.last().map_or(&[][..], |&p| &norm[usize::from(p)..]);
    if is(&[Role::Key]) {
        Place::Credential
    } else if parts.iter().any(header) {
        Place::Header
    } else if is(&[Role::Path, Role::RequestLine]) || last.starts_with(b"query") || last == b"args" {
        Place::Url
    } else {
        Place::Other
    }
}

fn decimal(mut n: u32, digits: &mut [u8; 10]) -> &[u8] {
    let mut from = digits.len();
    loop {
        from -= 1;
        digits[from] = b'0' + (n % 10) as u8;
        n /= 10;
        if n == 0 {
            return &digits[from..];
        }
    }
}

/// Adds one byte of a key to its normal form.
fn push_norm(norm: &mut Vec<u8>, parts: &mut Vec<u16>, part: &mut bool, b: u8) {
    if b.is_ascii_alphanumeric() || b >= 0x80 {
        if !*part {
            norm.push(b'/');
            parts.push(u16::try_from(norm.len()).unwrap_or(u16::MAX));
            *part = true;
        }
        norm.push(b.to_ascii_lowercase());
    } else if matches!(b, b'.' | b'/' | b':') {
        *part = false;
    }
}

/// The normal form of a name in a schema pack, without its first slash, and where its components start.
pub(super) fn norm_name(name: &[u8], norm: &mut Vec<u8>, parts: &mut Vec<u16>) {
    norm.clear();
    parts.clear();
    let mut part = false;
    for &b in name.iter().take(MAX_KEY) {
        push_norm(norm, parts, &mut part, b);
    }
}
