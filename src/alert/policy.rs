//! What the operator says about keys, matched to the keys that are seen.

use std::collections::BTreeMap;

use super::calendar::{Calendar, CalendarConfig};
use super::config::DetectConfig;
use super::key_config::KeyConfig;
use crate::window::KeyId;

/// Why the settings for watching cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WatchError {
    /// A calendar that does not exist.
    #[error("{place}: calendar `{name}` is not defined; add [calendars.{name}] with its zone")]
    NoCalendar {
        /// Where it is named.
        place: String,
        /// Its name.
        name: String,
    },
    /// A calendar that cannot be read.
    #[error("calendars.{name}: {reason}")]
    Calendar {
        /// Its name.
        name: String,
        /// What is wrong and how to write it.
        reason: String,
    },
    /// A policy that fits no key or every key by accident.
    #[error("keys.{0}: say which keys are meant with `tag`, `id` or `pattern`")]
    NoMatch(String),
}

/// What holds for one key.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// The operator's name for it.
    pub label: Option<String>,
    /// Its group.
    pub group: Option<String>,
    /// Whether a new network is worth a page.
    pub sensitive: bool,
    /// Everything else that the operator says.
    pub config: KeyConfig,
    /// Its calendar, by position.
    calendar: Option<usize>,
}

/// All policies and calendars.
pub struct Policies {
    rules: Vec<Policy>,
    calendars: Vec<(String, Calendar)>,
    usual: Policy,
}

impl Policies {
    /// Checks and prepares the settings.
    ///
    /// # Errors
    /// See [`WatchError`].
    pub fn new(
        detect: &DetectConfig,
        calendars: &BTreeMap<String, CalendarConfig>,
        keys: &BTreeMap<String, KeyConfig>,
    ) -> Result<Self, WatchError> {
        let mut ready = Vec::new();
        for (name, config) in calendars {
            let calendar =
                Calendar::new(config).map_err(|reason| WatchError::Calendar { name: name.clone(), reason })?;
            ready.push((name.clone(), calendar));
        }
        let find = |place: String, name: &Option<String>| match name {
            None => Ok(None),
            Some(name) => match ready.iter().position(|(n, _)| n == name) {
                Some(at) => Ok(Some(at)),
                None => Err(WatchError::NoCalendar { place, name: name.clone() }),
            },
        };
        let usual = find("detect.after_hours".to_owned(), &detect.after_hours.calendar)?;
        let mut rules = Vec::new();
        for (name, config) in keys {
            if config.tag.is_none() && config.id.is_none() && config.pattern.is_none() {
                return Err(WatchError::NoMatch(name.clone()));
            }
            let calendar = find(format!("keys.{name}"), &config.calendar)?.or(usual);
            let label = Some(config.label.clone().unwrap_or_else(|| name.clone()));
            let (group, sensitive) = (config.group.clone(), config.sensitive);
            rules.push(Policy { label, group, sensitive, config: config.clone(), calendar });
        }
        Ok(Self { rules, calendars: ready, usual: Policy { calendar: usual, ..Policy::default() } })
    }

    /// The policy of a key.
    pub fn of(&self, id: &KeyId, kind: &str) -> &Policy {
        self.get(self.find(id, kind))
    }

    /// The policy at a position that [`Policies::find`] gave.
    pub fn get(&self, at: u32) -> &Policy {
        self.rules.get(at as usize).unwrap_or(&self.usual)
    }

    /// All policies, in order of position; the last is that of keys that the operator says nothing about.
    pub fn all(&self) -> impl Iterator<Item = &Policy> {
        self.rules.iter().chain([&self.usual])
    }

    /// The position of a key's policy.
    pub fn find(&self, id: &KeyId, kind: &str) -> u32 {
        let fits = |c: &KeyConfig| {
            c.tag.as_ref().is_none_or(|t| id.space().is_none() && t == id.name())
                && c.id.as_ref().is_none_or(|i| i == id.name() || i == id.as_str())
                && c.pattern.as_ref().is_none_or(|p| like(p, &format!("{kind}:{}", id.name())))
        };
        self.rules.iter().position(|r| fits(&r.config)).unwrap_or(self.rules.len()) as u32
    }

    /// The calendar of a policy, with its name.
    pub fn calendar(&self, policy: &Policy) -> Option<(&str, &Calendar)> {
        policy.calendar.map(|at| (self.calendars[at].0.as_str(), &self.calendars[at].1))
    }
}

/// Whether `text` is of the form of `pattern`, in which `*` stands for any text.
pub(super) fn like(pattern: &str, text: &str) -> bool {
    let mut pieces = pattern.split('*');
    let Some(mut rest) = pieces.next().and_then(|first| text.strip_prefix(first)) else { return false };
    let mut pieces = pieces.peekable();
    if pieces.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(piece) = pieces.next() {
        if pieces.peek().is_none() {
            return rest.ends_with(piece);
        }
        let Some(at) = rest.find(piece) else { return false };
        rest = &rest[at + piece.len()..];
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Text;

    #[test]
    fn patterns_match_with_stars() {
        for (pattern, text, want) in [
            ("OPENAI_API_KEY:*", "OPENAI_API_KEY:1k7", true),
            ("*", "x", true),
            ("*:a*z", "K:abcz", true),
            ("*:a*z", "K:abcy", false),
            ("K:a", "K:ab", false),
            ("a*a", "a", false),
        ] {
            assert_eq!(like(pattern, text), want, "{pattern} {text}");
        }
    }

    #[test]
    fn the_first_policy_that_fits_counts() {
        let config = |text: &str| toml::from_str::<BTreeMap<String, KeyConfig>>(text).unwrap();
        let keys = config("[billing]\nid = \"abc\"\ngroup = \"prod\"\n[others]\npattern = \"API_KEY_ID:*\"");
        let p = Policies::new(&DetectConfig::default(), &BTreeMap::new(), &keys).unwrap();
        let of = |name: &str| p.of(&KeyId::named("API_KEY_ID", Text::plain(name.as_bytes())), "API_KEY_ID").clone();
        assert_eq!((of("abc").label.unwrap(), of("abc").group), ("billing".to_owned(), Some("prod".to_owned())));
        assert_eq!(of("xyz").label.unwrap(), "others");
        assert!(p.of(&KeyId::named("USER", Text::plain(b"bob")), "USER").label.is_none());
        let bad = config("[x]\nid = \"a\"\ncalendar = \"office\"");
        assert!(matches!(
            Policies::new(&DetectConfig::default(), &BTreeMap::new(), &bad),
            Err(WatchError::NoCalendar { .. })
        ));
    }
}
