//! What the policies over names share: models, endpoints, pages, regions.

use super::super::detector::{Signal, View};
use super::super::policy::like;
use super::super::words;
use crate::window::Aspect;

/// What is not allowed of an aspect: the newest uses with a name that none of the patterns fits.
pub(super) fn outside(view: &View<'_>, aspect: Aspect, allowed: &[String]) -> (Vec<String>, u32) {
    if allowed.is_empty() {
        return (Vec::new(), 0);
    }
    let (mut names, mut uses) = (Vec::new(), 0);
    for seen in view.seen(aspect) {
        let name = view.name(seen.sighting.word);
        if !allowed.iter().any(|pattern| like(pattern, name)) {
            names.push(name.to_owned());
            uses += seen.sighting.uses;
        }
    }
    (names, uses)
}

/// The signal of a use that is not allowed.
pub(super) fn signal(view: &View<'_>, what: &str, names: &[String], uses: u32, allowed: &[String]) -> Signal {
    Signal {
        observed: f64::from(uses),
        expected: Some(0.0),
        threshold: Some(1.0),
        window_s: Some(300),
        unit: "requests",
        networks: view.visited(),
        summary: format!("{what} {}, which its policy does not allow", words::list(names, 3)),
        why: format!(
            "{} uses within 5 minutes of {}; the policy allows {}",
            words::count(f64::from(uses)),
            words::list(names, 5),
            words::list(allowed, 5)
        ),
        ..Signal::default()
    }
}
