//! Texts inside of texts: strings with escapes, base64, lists of byte values. They are decoded and looked through in the
//! same way, down to a bounded depth, and what is found there is mapped back to the bytes as written.

use std::ops::Range;

use super::bytes::{skip, work};
use super::calm::{Kind, as_written};
use super::decode::{self, View};
use super::output::Finding;
use super::scan::{DEPTH, Hit, Scan, Shared};
use super::set::RuleSet;
use super::survey;

/// Finds everything that must go in a text that was decoded from a part of a line, which is taken as one piece; with how
/// many levels of encoding were undone, and whether values are remembered.
fn scan_inner(set: &RuleSet, shared: &mut Shared, text: &[u8], hits: &mut Vec<Hit>, (depth, learns): (u8, bool)) {
    let mut index = shared.indexes.pop().unwrap_or_default();
    let survey = survey::best();
    (survey.build)(&mut index, text, &set.prefixes.openings);
    if learns {
        shared.notes.ask(text, &index.marked, &index.tokens, shared.line, depth);
    }
    survey.sieve(&mut index, text, set, &mut shared.names);
    let mut s = Scan::new(set, shared, text, &index, hits, (depth, learns));
    s.key_blocks();
    s.line(&mut index.cursor());
    shared.indexes.push(index);
}

impl Scan<'_> {
    /// Scans `view`, decoded from `self.text[from..]`, and maps what is found back. Gives the number of hits.
    pub(super) fn inner(&mut self, view: &View, from: usize, numeric: bool) -> usize {
        let first = self.hits.len();
        let near = self.shared.near.as_ref().map_or(0, Vec::len);
        let (noted, looked) = (self.shared.notes.count(), self.shared.looks.len());
        scan_inner(self.set, self.shared, &view.text, self.hits, (self.depth + 1, self.learns));
        as_written(&mut self.shared.looks[looked..], view, from);
        let place = |start, end| {
            let (start, end) = view.original(start, end);
            (start + from as u32, end + from as u32)
        };
        for n in self.shared.near.iter_mut().flat_map(|all| &mut all[near..]) {
            (n.start, n.end) = place(n.start, n.end);
        }
        let mut known = 0;
        let (lessons, questions) = self.shared.notes.from(noted);
        for l in lessons.iter_mut().filter(|l| l.place.0 < l.place.1) {
            l.place = place(l.place.0, l.place.1);
        }
        for q in questions {
            let (start, end) = view.original_near(q.start, q.end, &mut known);
            (q.start, q.end) = (start + from as u32, end + from as u32);
            q.numeric |= numeric;
        }
        for h in &mut self.hits[first..] {
            (h.start, h.end) = place(h.start, h.end);
            h.numeric |= numeric;
            h.quote = h.quote.map(|(a, b)| place(a, b));
        }
        self.hits.len() - first
    }

    /// Decodes and scans the strings of the line that hold escapes, or the line itself when it is not JSON; escapes begin at
    /// `places`. Strings are decoded one by one, so that no match can reach over a string's end.
    pub(super) fn escaped(&mut self, places: &[u32]) {
        let text = self.text;
        if !self.json {
            return self.region(self.start..text.len(), places);
        }
        // Outside of all strings.
        let mut done = if self.outside <= places[0] as usize { self.outside } else { self.start };
        for (n, p) in places.iter().map(|p| *p as usize).enumerate() {
            if p < done {
                continue;
            }
            // No escape of a quote stands between, so that quotes come in pairs.
            work(p - done);
            if let (count, Some(open)) = self.index.quotes.all_in(done, p)
                && count % 2 == 1
            {
                let close = self.string_end(open);
                self.region(open + 1..close, &places[n..]);
                done = (close + 1).min(text.len());
            } else if text[p] == b'\\' {
                // Not JSON after all, so the rest is taken as text.
                return self.region(p..text.len(), &places[n..]);
            } else {
                done = p;
            }
        }
    }

    /// Position of the double quote that closes the one at `open`, or of the end of the line.
    fn string_end(&self, open: usize) -> usize {
        let text = self.text;
        let close = self.index.quotes.next(open + 1).min(text.len());
        // Of a chunk `text` is a line; only decoded texts hold more.
        match self.depth {
            0 => close,
            _ => memchr::memchr(b'\n', &text[open + 1..close]).map_or(close, |n| open + 1 + n),
        }
    }

    /// Decodes and scans a part of the line, the first escape of which is the first of `places`.
    fn region(&mut self, part: Range<usize>, places: &[u32]) {
        let touched = |all: &[Finding]| {
            let next = all.partition_point(|f| f.written.1 as usize <= part.start);
            all.get(next).is_some_and(|f| (f.written.0 as usize) < part.end)
        };
        if !self.replaced.is_none_or(touched) {
            return;
        }
        let mut view = self.shared.views.pop().unwrap_or_default();
        let start = part.start;
        if decode::unescape_part(self.text, part, places, &mut view) {
            self.inner(&view, start, false);
        }
        self.shared.views.push(view);
    }

    /// Reads a JSON array of byte values as text and scans that.
    pub(super) fn byte_array(&mut self, open: usize) {
        if self.depth >= DEPTH {
            return;
        }
        let mut view = self.shared.views.pop().unwrap_or_default();
        if decode::byte_array(&self.text[open..], &mut view).is_some() {
            self.inner(&view, open, true);
        }
        self.shared.views.push(view);
    }

    /// Looks into a base64 token; when the text inside holds anything, the whole token goes.
    pub(super) fn base64(&mut self, start: usize, end: usize) {
        if self.depth >= DEPTH {
            return;
        }
        let mut view = self.shared.views.pop().unwrap_or_default();
        if decode::base64_text(&self.text[start..end], &mut view.text) {
            let first = self.hits.len();
            let near = self.shared.near.as_ref().map_or(0, Vec::len);
            let (noted, looked) = (self.shared.notes.count(), self.shared.looks.len());
            scan_inner(self.set, self.shared, &view.text, self.hits, (self.depth + 1, self.learns));
            for n in self.shared.near.iter_mut().flat_map(|all| &mut all[near..]) {
                (n.start, n.end) = (start as u32, end as u32);
            }
            let padded = skip(self.text, end, |b| b == b'=');
            self.shared.looks.truncate(looked);
            self.looked(start, (start, padded), Kind::Decoded);
            let (lessons, questions) = self.shared.notes.from(noted);
            lessons.iter_mut().for_each(|l| l.place = (0, 0));
            for q in questions {
                (q.start, q.end) = (start as u32, padded as u32);
            }
            if let Some(best) = self.hits[first..].iter().max_by_key(|h| h.rank).copied() {
                self.hits.truncate(first);
                self.hits.push(Hit { start: start as u32, end: padded as u32, quote: None, ..best });
            }
        }
        self.shared.views.push(view);
    }
}
