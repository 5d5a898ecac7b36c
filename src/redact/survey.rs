//! Which code goes over all bytes: the portable one, or that for the instruction set of the processor.

use std::sync::atomic::{AtomicBool, Ordering};

use super::codes::classify;
use super::index::Index;
use super::names::NameCache;
use super::openings::Openings;
use super::set::RuleSet;
use super::sieve::{GLANCES, Glances};
use super::tile::{derive_with, unpack};

/// The two passes over a text, compiled for one instruction set.
pub(super) struct Survey {
    /// Fills the lists of an index; with words that begin otherwise, as they may, or without.
    pub(super) build: fn(&mut Index, &[u8], &Openings),
    /// What drops from the lists what is nothing.
    pub(super) glances: Glances,
}

impl Survey {
    /// Drops from the lists of an index of `text` what is nothing.
    pub(super) fn sieve(&self, index: &mut Index, text: &[u8], set: &RuleSet, names: &mut NameCache) {
        self.glances.iter().for_each(|glance| glance(index, text, set, names));
    }
}

/// For every processor.
pub(super) static PORTABLE: Survey =
    Survey { build: |index, text, _| index.build(text, classify, derive_with, |_, _| {}, unpack), glances: GLANCES };

static KEEP_PORTABLE: AtomicBool = AtomicBool::new(false);

/// Keeps to the portable path from now on, whatever the processor has; for tests and comparisons.
pub fn use_portable_path() {
    KEEP_PORTABLE.store(true, Ordering::Relaxed);
}

/// The fastest for the processor at hand.
pub(super) fn best() -> &'static Survey {
    #[cfg(test)]
    if let Some(chosen) = tests::CHOSEN.get() {
        return chosen;
    }
    #[cfg(target_arch = "x86_64")]
    if !KEEP_PORTABLE.load(Ordering::Relaxed)
        && let Some(survey) = super::simd::surveys().next()
    {
        return survey;
    }
    &PORTABLE
}

/// All that the processor at hand can run.
#[cfg(test)]
pub(super) fn all() -> Vec<&'static Survey> {
    let mut all = vec![&PORTABLE];
    #[cfg(target_arch = "x86_64")]
    all.extend(super::simd::surveys());
    all
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::redact::{PseudonymKey, Redactor};

    thread_local! {
        /// What this thread uses in place of the fastest.
        pub(super) static CHOSEN: Cell<Option<&'static Survey>> = const { Cell::new(None) };
    }

    /// Everything is looked at closely.
    static CLOSELY: Survey = Survey {
        build: PORTABLE.build,
        glances: {
            let mut glances: Glances = [|_, _, _, _| {}; 8];
            glances[0] = |index, _, _, _| index.assigns.merge(&index.keys);
            glances
        },
    };

    /// Lines made of the examples of all rules: bare, as values in JSON, in text, in query strings, in JSON in strings.
    fn lines(redactor: &Redactor) -> Vec<String> {
        let examples = redactor.rules().iter().flat_map(|r| r.examples.iter().chain(&r.negatives));
        let bare = examples.map(|e| e.replace(['«', '»', '\n'], ""));
        bare.flat_map(|e| {
            let json = e.replace(['"', '\\'], "");
            let inner = e.replace('\\', "").replace('"', "\\\"");
            [
                format!(
                    "{{\"level\":30,\"time\":1778510080288,\"msg\":\"{json}\",\"x-forwarded-for\":\"203.0.113.7\"}}"
                ),
                format!("ts=2026-05-01T12:00:07Z level=info msg=ok 12:30:59 path=/v1/a1b2c3d4?x={e} --option {json}"),
                format!("{{\"log\":\"{{\\\"a_rather_long_name_of_a_field\\\":\\\"{inner}\\\"}}\",\"n\":[1,2]}}"),
                e,
            ]
        })
        .collect()
    }

    #[test]
    fn no_processor_and_no_glance_changes_what_is_found() {
        let redactor = Redactor::new(PseudonymKey::new(0, b"k"));
        let lines = lines(&redactor);
        assert!(lines.len() > 5000, "{}", lines.len());
        let text = lines.join("\n");
        let with = |survey| {
            CHOSEN.set(Some(survey));
            let mut worker = redactor.worker();
            // Twice, since what a name means is known from the second time on.
            worker.redact_line(text.as_bytes());
            worker.redact_line(text.as_bytes())
        };
        let (closely, portable) = (with(&CLOSELY), with(&PORTABLE));
        for ((a, b), line) in closely.split(|b| *b == b'\n').zip(portable.split(|b| *b == b'\n')).zip(&lines) {
            assert_eq!(a.escape_ascii().to_string(), b.escape_ascii().to_string(), "of {line}");
        }
        assert!(all().into_iter().all(|survey| with(survey) == portable), "the paths differ");
    }
}
