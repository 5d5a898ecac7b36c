//! `key_in_browser`: a server's key is used by a browser.
//!
//! A browser is a `User-Agent` that begins as all of them do and names its engine, and is no crawler. It fires for keys
//! that were used in at least 24 hours before and never by a browser, and for keys whose `[keys.NAME]` has
//! `browser = false`; `browser = true` allows it.

use super::super::detector::{Detector, Signal, View};
use super::super::kind::{Kind, KindInfo};
use super::super::object::Urgency;
use super::super::settings::{DAY, HOUR, kind_settings};
use super::super::words;
use crate::window::Aspect;

/// What is fixed about it.
pub(in crate::alert) const INFO: KindInfo = KindInfo {
    kind: Kind::KeyInBrowser,
    name: "key_in_browser",
    urgency: Urgency::Ticket,
    doc: "a server's key is used by a browser",
    causes: &[
        "the key was built into a web page, where every visitor can read it",
        "somebody tries the key out by hand",
    ],
    steps: &[
        "Look for the key in the pages and scripts that you serve",
        "Call the service from your own server, not from the page",
    ],
    tune: "Set `browser` on the key. Raise `min_hours` when keys go through weeks of trials first.",
};

kind_settings! {
    /// Use of a server's key by a browser (`browser` in `[keys.NAME]` says whether that is right).
    KeyInBrowserConfig {
        Ticket, for 0, resolve HOUR, renotify 0, mute 7 * DAY;
        /// Hours of use without a browser that make a key a server's.
        min_hours: u32 = 24,
    }
}

/// See the module.
pub(super) struct KeyInBrowser {
    pub(super) config: KeyInBrowserConfig,
}

impl Detector for KeyInBrowser {
    fn kind(&self) -> Kind {
        Kind::KeyInBrowser
    }

    fn look(&self, view: &View<'_>) -> Option<Signal> {
        let seen = view.seen(Aspect::Browser).next()?;
        let fires = match view.policy.config.browser {
            Some(allowed) => !allowed,
            None => seen.new && view.state.active_hours() >= self.config.min_hours,
        };
        fires.then(|| Signal {
            observed: f64::from(seen.sighting.uses),
            expected: Some(0.0),
            threshold: Some(1.0),
            window_s: Some(300),
            unit: "requests",
            networks: view.visited(),
            summary: "is used by a browser".to_owned(),
            why: format!(
                "{} uses within 5 minutes by a browser; in {} hours of use before there was none",
                words::count(f64::from(seen.sighting.uses)),
                words::count(f64::from(view.state.active_hours()))
            ),
            ..Signal::default()
        })
    }
}
