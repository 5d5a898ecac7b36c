//! Reading the whole log and saying what was done to it.

use std::fmt;
use std::path::Path;

use super::error::AuditError;
use super::files::{Line, each_line, parts};
use super::key::AuditKey;
use super::record::{Head, Record};
use crate::units::Timestamp;

/// What was done to a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Damage {
    /// It is not as it was written.
    Edited,
    /// It is not there any more.
    Removed,
    /// It stands at another place than it was written at.
    Reordered,
    /// It was at the end and is not there any more.
    Truncated,
    /// It stands here and was never written here.
    Added,
    /// Another one of the same number was written here before: the log was put back and written on.
    Replaced,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Edited => "edited",
            Self::Removed => "removed",
            Self::Reordered => "reordered",
            Self::Truncated => "truncated",
            Self::Added => "added",
            Self::Replaced => "replaced",
        })
    }
}

/// One place at which the log is not as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The first record that is not right.
    pub seq: u64,
    /// How many records from there on.
    pub count: u64,
    /// What was done.
    pub damage: Damage,
    /// Where that shows: `FILE:LINE`, or the file at whose end something is missing.
    pub place: String,
}

/// What a look at the whole log says.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Records that are as they were written.
    pub records: u64,
    /// Number and time of the first of them.
    pub first: Option<(u64, Timestamp)>,
    /// The last of them, and its time.
    pub last: Option<(Head, Timestamp)>,
    /// Records up to this number were removed by retention, which is itself recorded.
    pub retained_from: u64,
    /// Bytes at the end that are the beginning of a record whose writing was cut short; no fault of anybody.
    pub torn: u64,
    /// What is not right, in the order of the records.
    pub findings: Vec<Finding>,
}

impl Report {
    /// Whether everything is as it was written.
    pub fn is_whole(&self) -> bool {
        self.findings.is_empty()
    }
}

/// What a record says that tells of the removal of old ones: `what` and the number in its data.
pub(super) const RETENTION: (&str, &str) = ("retention.audit", "through");

/// Reads the log in the state directory `dir` and proves each record with `key`, and that it reaches to each of `heads`.
///
/// # Errors
/// When the files cannot be read.
pub fn verify(dir: &Path, key: &AuditKey, heads: &[Head]) -> Result<Report, AuditError> {
    let parts = parts(dir)?;
    let mut walk = Walk::new(heads);
    let last = parts.last().map(|part| part.first);
    each_line(&parts, |line| {
        let at_end = Some(line.part.first) == last;
        walk.line(&line, key, at_end);
    })?;
    let end = parts.last().map_or_else(|| "the directory `audit`".to_owned(), |part| part.name());
    Ok(walk.finish(&end))
}

/// Records that should be between two that are there.
struct Gap {
    from: u64,
    to: u64,
    place: String,
}

struct Walk<'h> {
    heads: &'h [Head],
    report: Report,
    /// The last record that is right and stands in order.
    last: Head,
    gaps: Vec<Gap>,
    /// Lines since then that are no true records, with the place of the first.
    bad: (u64, String),
    /// The code that `prev` of the next record must be; unknown behind a gap or a bad line.
    prev: Option<[u8; 32]>,
}

impl<'h> Walk<'h> {
    fn new(heads: &'h [Head]) -> Self {
        let start = Head::START;
        let none = (0, String::new());
        Self { heads, report: Report::default(), last: start, gaps: Vec::new(), bad: none, prev: Some(start.mac) }
    }

    fn find(&mut self, seq: u64, count: u64, damage: Damage, place: &str) {
        self.report.findings.push(Finding { seq, count, damage, place: place.to_owned() });
    }

    fn line(&mut self, line: &Line<'_>, key: &AuditKey, at_end: bool) {
        let place = format!("{}:{}", line.part.name(), line.number);
        let Some(record) = Record::prove(&line.bytes, key) else {
            let cut_short = !line.whole || line.bytes.contains(&0);
            let promised = self.heads.iter().any(|head| head.seq > self.last.seq + self.bad.0);
            if at_end && cut_short && !promised {
                self.report.torn += line.bytes.len() as u64 + u64::from(line.whole);
            } else if at_end && !line.whole && promised && self.bad.0 == 0 {
                // a tail that was cut in the middle of a record: what is missing is told at the end
            } else {
                if self.bad.0 == 0 {
                    self.bad.1 = place;
                }
                self.bad.0 += 1;
            }
            return;
        };
        self.record(&record, &place);
    }

    fn record(&mut self, record: &Record, place: &str) {
        if self.heads.iter().any(|head| head.seq == record.seq && head.mac != record.mac) {
            self.find(record.seq, 1, Damage::Replaced, place);
        }
        if record.seq <= self.last.seq {
            return self.backwards(record, place);
        }
        let missing = record.seq - self.last.seq - 1;
        let bad = std::mem::take(&mut self.bad);
        let edited = bad.0.min(missing);
        let next = self.last.seq + 1;
        if edited > 0 {
            self.find(next, edited, Damage::Edited, &bad.1);
        }
        if bad.0 > edited {
            self.find(next + edited, bad.0 - edited, Damage::Added, &bad.1);
        }
        if missing > edited {
            self.gaps.push(Gap { from: next + edited, to: record.seq - 1, place: place.to_owned() });
        }
        if missing == 0 && self.prev.is_some_and(|prev| prev != record.prev) {
            self.find(record.seq, 1, Damage::Replaced, place);
        }
        self.take(record);
        (self.last, self.prev) = (record.head(), Some(record.mac));
    }

    /// A true record that stands behind a later one: it fills a gap, or it is there twice.
    fn backwards(&mut self, record: &Record, place: &str) {
        let Some(n) = self.gaps.iter().position(|gap| (gap.from..=gap.to).contains(&record.seq)) else {
            return self.find(record.seq, 1, Damage::Added, place);
        };
        let gap = self.gaps.remove(n);
        for (from, to) in [(gap.from, record.seq - 1), (record.seq + 1, gap.to)] {
            if from <= to {
                self.gaps.push(Gap { from, to, place: gap.place.clone() });
            }
        }
        self.find(record.seq, 1, Damage::Reordered, place);
        self.take(record);
    }

    fn take(&mut self, record: &Record) {
        self.report.records += 1;
        let first = self.report.first.get_or_insert((record.seq, record.at));
        if record.seq < first.0 {
            *first = (record.seq, record.at);
        }
        if self.report.last.is_none_or(|(last, _)| last.seq < record.seq) {
            self.report.last = Some((record.head(), record.at));
        }
        if record.what == RETENTION.0
            && let Some(through) = record.data.get(RETENTION.1).and_then(serde_json::Value::as_u64)
        {
            self.report.retained_from = self.report.retained_from.max(through);
        }
    }

    fn finish(mut self, end: &str) -> Report {
        let head = self.heads.iter().map(|head| head.seq).max().unwrap_or(0);
        let (next, missing) = (self.last.seq + 1, head.saturating_sub(self.last.seq));
        let bad = std::mem::take(&mut self.bad);
        let edited = bad.0.min(missing);
        if edited > 0 {
            self.find(next, edited, Damage::Edited, &bad.1);
        }
        if bad.0 > edited {
            self.find(next + edited, bad.0 - edited, Damage::Added, &bad.1);
        }
        if missing > edited {
            self.find(next + edited, missing - edited, Damage::Truncated, end);
        }
        for gap in std::mem::take(&mut self.gaps) {
            // what retention has removed is at the beginning, and said so
            let from = if self.report.first.is_some_and(|(first, _)| gap.from < first) {
                gap.from.max(self.report.retained_from + 1)
            } else {
                gap.from
            };
            if from <= gap.to {
                self.find(from, gap.to - from + 1, Damage::Removed, &gap.place);
            }
        }
        self.report.findings.sort_by_key(|f| (f.seq, f.damage));
        self.report
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;
    use std::time::Duration;

    use proptest::prelude::*;
    use serde_json::json;
    use tempfile::TempDir;

    use super::*;
    use crate::audit::log::AuditLog;
    use crate::audit::record::Entry;

    const DAY: i64 = 86_400;

    /// A log of some days, with everything that the store would know of it.
    struct Place {
        dir: TempDir,
        key: AuditKey,
        head: Head,
    }

    fn entry(n: u64, at: i64) -> Entry {
        let data = json!({ "n": n, "text": "x".repeat(n as usize % 40) }).as_object().cloned().unwrap();
        Entry { at: Timestamp::from_secs(1_777_636_800 + at), what: "test".to_owned(), row: n as i64, data }
    }

    impl Place {
        /// `records` records, four a day, in batches of one to three.
        fn new(records: u64) -> Self {
            let dir = tempfile::tempdir().unwrap();
            let mut place = Self { key: AuditKey::find_or_make(dir.path()).unwrap(), dir, head: Head::START };
            let entries: Vec<Entry> = (1..=records).map(|n| entry(n, (n as i64 - 1) / 4 * DAY)).collect();
            for (n, batch) in entries.chunks(3).enumerate() {
                let (one, rest) = batch.split_at(n % 3 % batch.len());
                place.append(one);
                place.append(rest);
            }
            place
        }

        fn append(&mut self, entries: &[Entry]) {
            let known = (self.head.seq > 0).then_some(self.head);
            let done = AuditLog::open(self.dir.path()).unwrap().append(entries, known).unwrap();
            self.head = done.head.unwrap_or(self.head);
        }

        fn files(&self) -> Vec<PathBuf> {
            parts(self.dir.path()).unwrap().into_iter().map(|part| part.path).collect()
        }

        /// Every line, with the file that it is in.
        fn lines(&self) -> Vec<(PathBuf, Vec<u8>)> {
            let lines = |path: PathBuf| {
                let text = fs::read(&path).unwrap();
                let lines: Vec<Vec<u8>> = text.split_inclusive(|b| *b == b'\n').map(<[u8]>::to_vec).collect();
                lines.into_iter().map(move |line| (path.clone(), line))
            };
            self.files().into_iter().flat_map(lines).collect()
        }

        fn put(&self, lines: &[(PathBuf, Vec<u8>)]) {
            for path in self.files() {
                let mine = lines.iter().filter(|(of, _)| *of == path).flat_map(|(_, line)| line.clone());
                fs::write(&path, mine.collect::<Vec<u8>>()).unwrap();
            }
        }

        fn verify(&self) -> Report {
            verify(self.dir.path(), &self.key, &[self.head]).unwrap()
        }

        fn first(&self) -> Option<(u64, Damage)> {
            self.verify().findings.first().map(|f| (f.seq, f.damage))
        }
    }

    #[test]
    fn a_log_that_nobody_touched_is_whole() {
        for records in [1, 2, 3, 4, 5, 17, 40] {
            let place = Place::new(records);
            let report = place.verify();
            assert_eq!((report.records, report.findings, report.torn), (records, vec![], 0));
            assert_eq!(report.last.map(|(head, _)| head), Some(place.head));
            assert!(records < 17 || place.files().len() > 3, "a file a day");
        }
    }

    #[test]
    fn a_log_that_is_gone_is_truncated_from_the_beginning() {
        let place = Place::new(6);
        place.files().iter().for_each(|path| fs::remove_file(path).unwrap());
        let found = place.verify().findings;
        assert_eq!((found[0].seq, found[0].count, found[0].damage), (1, 6, Damage::Truncated));
        // the next record does not hide it
        let mut place = place;
        place.append(&[entry(7, 2 * DAY)]);
        assert_eq!(place.head.seq, 7);
        assert_eq!(place.first(), Some((1, Damage::Removed)));
    }

    #[test]
    fn a_copy_of_a_record_and_a_forged_one_are_found() {
        let place = Place::new(10);
        let whole = place.lines();
        let mut lines = whole.clone();
        lines.insert(7, (whole[7].0.clone(), whole[2].1.clone()));
        place.put(&lines);
        assert_eq!(place.first(), Some((3, Damage::Added)));
        for at in [0, 5, 10] {
            let mut lines = whole.clone();
            let path = whole[at.min(9)].0.clone();
            let forged = String::from_utf8(whole[4].1.clone()).unwrap().replace("\"n\":5", "\"n\":6");
            lines.insert(at, (path, forged.into_bytes()));
            place.put(&lines);
            assert_eq!(place.first(), Some((at as u64 + 1, Damage::Added)), "{at}");
        }
    }

    #[test]
    fn a_log_that_was_put_back_and_written_on_is_found() {
        let mut place = Place::new(6);
        let (lines, head) = (place.lines(), place.head);
        place.append(&[entry(7, 2 * DAY), entry(8, 2 * DAY)]);
        let noted = place.head;
        fs::remove_file(place.files().pop().unwrap()).unwrap();
        place.head = head;
        place.put(&lines);
        place.append(&[entry(9, 2 * DAY), entry(10, 2 * DAY)]);
        assert_eq!(place.first(), None, "nothing here can show it");
        let report = verify(place.dir.path(), &place.key, &[noted]).unwrap();
        assert_eq!((report.findings[0].seq, report.findings[0].damage), (8, Damage::Replaced));
    }

    #[test]
    fn what_retention_removes_is_no_damage_and_what_else_is_removed_is() {
        let mut place = Place::new(20);
        let log = AuditLog::open(place.dir.path()).unwrap();
        let now = entry(0, 4 * DAY).at;
        assert!(log.expired(Duration::from_secs(365 * DAY as u64), 0, now).unwrap().is_none());
        let expired = log.expired(Duration::from_secs(2 * DAY as u64), 0, now).unwrap().unwrap();
        assert_eq!((expired.through, expired.names.len()), (8, 2));
        let all: u64 = place.files().iter().map(|path| fs::metadata(path).unwrap().len()).sum();
        let one = fs::metadata(&place.files()[0]).unwrap().len();
        let much = log.expired(Duration::from_secs(365 * DAY as u64), all - one / 2, now).unwrap().unwrap();
        assert_eq!(much.through, 4, "the oldest file is one too many");
        log.remove(&expired).unwrap();
        drop(log);
        assert_eq!(place.first(), Some((1, Damage::Removed)));
        let data = json!({ "through": expired.through, "files": expired.names }).as_object().cloned().unwrap();
        place.append(&[Entry { what: RETENTION.0.to_owned(), data, ..entry(21, 4 * DAY) }]);
        assert_eq!(place.first(), None);
        assert_eq!(place.verify().retained_from, 8);
        fs::remove_file(&place.files()[0]).unwrap();
        assert_eq!(place.first(), Some((9, Damage::Removed)));
    }

    #[test]
    fn a_write_that_was_cut_short_is_nobodys_fault_and_is_written_again() {
        let mut place = Place::new(5);
        let known = place.head;
        place.append(&[entry(6, DAY), entry(7, DAY)]);
        let path = place.files().pop().unwrap();
        let text = fs::read(&path).unwrap();
        let from = text.iter().position(|b| *b == b'\n').unwrap() + 1;
        place.head = known;
        for cut in from..=text.len() {
            for zeros in [0, 30] {
                let mut left = text[..cut].to_vec();
                left.resize(cut + zeros, 0);
                fs::write(&path, &left).unwrap();
                place.head = known;
                let report = place.verify();
                assert_eq!(report.findings, [], "{cut} {zeros}");
                // the same batch again: what had arrived is not written twice
                place.append(&[entry(6, DAY), entry(7, DAY)]);
                let report = place.verify();
                assert_eq!((report.records, report.torn, &report.findings[..]), (7, 0, &[][..]), "{cut} {zeros}");
                assert_eq!(place.head.seq, 7);
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn every_edit_is_found_and_named(records in 1u64..30, at in 0usize..30, byte in 0usize..400, flip in 1u8..=255) {
            let place = Place::new(records);
            let mut lines = place.lines();
            let at = at % lines.len();
            let line = &mut lines[at].1;
            let byte = byte % (line.len() - 1);
            line[byte] ^= flip;
            place.put(&lines);
            let (seq, damage) = place.first().unwrap();
            prop_assert_eq!(seq, at as u64 + 1);
            // a zero at the end of the log could be a torn write; it is missing all the same
            let broken = damage == Damage::Truncated && at + 1 == lines.len();
            prop_assert!(damage == Damage::Edited || broken, "{:?}", damage);
        }

        #[test]
        fn every_removal_is_found_and_named(records in 2u64..30, at in 0usize..30, count in 1usize..6) {
            let place = Place::new(records);
            let mut lines = place.lines();
            let at = at % lines.len();
            let end = (at + count).min(lines.len());
            lines.drain(at..end);
            place.put(&lines);
            let want = if at == lines.len() { Damage::Truncated } else { Damage::Removed };
            let found = place.verify().findings;
            prop_assert_eq!((found.len(), found[0].seq, found[0].damage), (1, at as u64 + 1, want));
            prop_assert_eq!(found[0].count, (end - at) as u64);
        }

        #[test]
        fn every_move_is_found_and_named(records in 2u64..30, from in 0usize..30, to in 0usize..30) {
            let place = Place::new(records);
            let mut lines = place.lines();
            let (from, to) = (from % lines.len(), to % lines.len());
            prop_assume!(from != to);
            let moved = lines.remove(from);
            lines.insert(to, moved);
            let paths: Vec<PathBuf> = place.lines().into_iter().map(|(path, _)| path).collect();
            lines.iter_mut().zip(paths).for_each(|(line, path)| line.0 = path);
            place.put(&lines);
            let found = place.verify().findings;
            prop_assert!(found.iter().all(|f| f.damage == Damage::Reordered), "{:?}", found);
            let (low, high) = (from.min(to) as u64 + 1, from.max(to) as u64 + 1);
            prop_assert!(!found.is_empty() && (low..=high).contains(&found[0].seq), "{:?}", found);
        }

        #[test]
        fn every_cut_of_the_end_is_found_and_named(records in 1u64..30, bytes in 1usize..4000) {
            let place = Place::new(records);
            let all = place.lines().into_iter().map(|(_, line)| line).collect::<Vec<_>>().concat();
            let keep = all.len() - bytes.min(all.len());
            let whole = all[..keep].iter().filter(|b| **b == b'\n').count() as u64;
            let mut left = keep;
            for path in place.files() {
                let text = fs::read(&path).unwrap();
                match left {
                    0 => fs::remove_file(&path).unwrap(),
                    _ => fs::write(&path, &text[..left.min(text.len())]).unwrap(),
                }
                left = left.saturating_sub(text.len());
            }
            // the last line break alone takes no record away
            if bytes == 1 {
                prop_assert_eq!(place.first(), None);
            } else {
                let next = whole + 1 + u64::from(all.get(keep) == Some(&b'\n'));
                prop_assert_eq!(place.first(), Some((next, Damage::Truncated)));
            }
        }
    }
}
