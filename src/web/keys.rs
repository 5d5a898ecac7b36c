//! Keys: the list that sorts and searches, and one key's story.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::board::{Board, Detail, KeyList, KeyRow};
use super::face::Face;
use super::query::Query;
use super::story::Entry;
use crate::alert::KINDS;
use crate::units::Timestamp;

/// How long a list may take to be made.
const PATIENCE: Duration = Duration::from_secs(2);

/// Keys of one answer.
const MOST: usize = 500;

/// How rows are compared: by a number each, so that they are told apart without a look at them. A list of 100,000 is far
/// more than what a processor keeps at hand.
struct Order {
    name: &'static str,
    rank: Rank,
}

/// How the number of a row is found.
#[derive(Clone, Copy)]
enum Rank {
    Number(fn(&KeyRow) -> u64),
    /// Texts that many rows share.
    Text(fn(&KeyRow) -> Option<&str>),
    /// The name of the key.
    Name,
}

/// What a list can be sorted by, ascending.
const ORDERS: [Order; 11] = [
    Order { name: "key", rank: Rank::Name },
    Order { name: "type", rank: Rank::Text(|r| Some(&r.kind)) },
    Order { name: "label", rank: Rank::Text(|r| r.label.as_deref()) },
    number("requests", |r| r.total),
    number("hour", |r| r.hour.uses.into()),
    // shares are never below zero, and such numbers are in the order of their bits
    number("errors", |r| share(r).to_bits()),
    number("networks", |r| r.networks.into()),
    number("hours", |r| r.active_hours.into()),
    number("age", |r| !moment(r.first_seen)),
    number("last_seen", |r| moment(r.last_seen)),
    number("leaked", |r| r.leaked_at.map_or(0, |at| moment(at).max(1))),
];

const fn number(name: &'static str, rank: fn(&KeyRow) -> u64) -> Order {
    Order { name, rank: Rank::Number(rank) }
}

impl Rank {
    /// The numbers of `rows`, in their order.
    fn of(self, board: &Board, list: &KeyList, rows: &[(usize, &KeyRow)]) -> Vec<(u64, usize)> {
        match self {
            Self::Number(rank) => rows.iter().map(|(n, row)| (rank(row), *n)).collect(),
            Self::Name => {
                let names = board.names(list);
                rows.iter().map(|(n, _)| (names.rank(*n).into(), *n)).collect()
            }
            Self::Text(text) => {
                // each is kept once, and known by where it is kept
                let place = |text: &str| (text.as_ptr() as usize, text.len());
                let mut kept: HashMap<(usize, usize), &str> = HashMap::new();
                for text in rows.iter().filter_map(|(_, row)| text(row)) {
                    kept.entry(place(text)).or_insert(text);
                }
                let mut texts: Vec<&str> = kept.values().copied().collect();
                texts.sort_unstable();
                texts.dedup();
                let before = |text: &str| texts.partition_point(|other| *other < text) as u64;
                let places: HashMap<_, _> = kept.iter().map(|(place, text)| (*place, before(text) + 1)).collect();
                let rank = |row| text(row).map_or(0, |text| places[&place(text)]);
                rows.iter().map(|(n, row)| (rank(row), *n)).collect()
            }
        }
    }
}

/// A moment as a number in the same order.
fn moment(at: Timestamp) -> u64 {
    (at.0 as u64) ^ (1 << 63)
}

/// Share of the last hour's requests that failed.
fn share(row: &KeyRow) -> f64 {
    if row.hour.uses == 0 { 0.0 } else { f64::from(row.hour.errors + row.hour.refused) / f64::from(row.hour.uses) }
}

/// `/api/v1/keys`; `None` when nothing could be had in time.
///
/// # Errors
/// What is wrong with the query.
pub(super) async fn keys(face: &Face, query: &Query) -> Result<Option<Value>, String> {
    query.check_page()?;
    let sorting = sorting(query)?;
    let Some(list) = face.board.keys(face.now(), PATIENCE).await else { return Ok(None) };
    let (query, board) = (query.clone(), Arc::clone(&face.board));
    Ok(tokio::task::spawn_blocking(move || page(&board, &list, &query, sorting)).await.ok())
}

/// The order that is asked for, and whether it goes down.
fn sorting(query: &Query) -> Result<(Rank, bool), String> {
    let sort = query.get("sort").unwrap_or("-last_seen");
    let (name, down) = sort.strip_prefix('-').map_or((sort, false), |name| (name, true));
    let order = ORDERS.iter().find(|order| order.name == name);
    let order = order.ok_or_else(|| format!("`sort` must be one of {}", ORDERS.map(|order| order.name).join(", ")))?;
    Ok((order.rank, down))
}

/// One page of the list.
fn page(board: &Board, list: &KeyList, query: &Query, (rank, down): (Rank, bool)) -> Value {
    let wanted = Wanted::new(query);
    let rows: Vec<(usize, &KeyRow)> = list.keys.iter().enumerate().filter(|(_, row)| wanted.fits(row)).collect();
    let mut found = rank.of(board, list, &rows);
    if down {
        found.iter_mut().for_each(|(rank, _)| *rank = !*rank);
    }
    let matched = found.len();
    let (limit, offset) = (query.number("limit", 50, MOST), query.number("offset", 0, usize::MAX));
    // only the page that is shown is sorted; the place in the list is the last word, so that pages do not overlap
    let end = offset.saturating_add(limit).min(found.len());
    let start = offset.min(end);
    if end < found.len() {
        found.select_nth_unstable(end);
    }
    found.truncate(end);
    if start > 0 && start < end {
        found.select_nth_unstable(start);
    }
    let shown = &mut found[start..];
    shown.sort_unstable();
    json!({
        "total": list.keys.len(),
        "matched": matched,
        "offset": start,
        "as_of": list.at,
        "newest": list.newest,
        "keys": shown.iter().map(|(_, n)| row_json(&list.keys[*n])).collect::<Vec<_>>(),
    })
}

/// Which keys are wanted.
struct Wanted {
    words: Vec<String>,
    leaked: bool,
    alerting: bool,
    group: Option<String>,
}

impl Wanted {
    fn new(query: &Query) -> Self {
        let search = query.get("search").unwrap_or_default().to_lowercase();
        let yes = |name| query.get(name).is_some_and(|v| matches!(v, "1" | "true" | "yes"));
        Self {
            words: search.split_whitespace().map(str::to_owned).collect(),
            leaked: yes("leaked"),
            alerting: yes("alerting"),
            group: query.get("group").map(str::to_owned),
        }
    }

    fn fits(&self, row: &KeyRow) -> bool {
        if (self.leaked && row.leaked_at.is_none()) || (self.alerting && row.open == 0) {
            return false;
        }
        if self.group.is_some() && row.group.as_deref() != self.group.as_deref() {
            return false;
        }
        self.words.iter().all(|word| {
            let has = |text: &str| contains(text, word);
            has(row.id.as_str())
                || has(&row.kind)
                || row.label.as_deref().is_some_and(has)
                || row.group.as_deref().is_some_and(has)
        })
    }
}

/// Whether `text` holds `word`, which is in lower case; the case of ASCII letters does not matter.
fn contains(text: &str, word: &str) -> bool {
    let (text, word) = (text.as_bytes(), word.as_bytes());
    text.len() >= word.len() && text.windows(word.len()).any(|part| part.eq_ignore_ascii_case(word))
}

fn row_json(row: &KeyRow) -> Value {
    let open = KINDS.iter().filter(|k| row.open >> (k.kind as u32) & 1 == 1).map(|k| k.name);
    json!({
        "key": row.id.as_str(),
        "tag": row.id.name(),
        "type": &*row.kind,
        "label": row.label.as_deref(),
        "group": row.group.as_deref(),
        "first_seen": row.first_seen,
        "last_seen": row.last_seen,
        "requests": row.total,
        "last_hour": {"requests": row.hour.uses, "errors": row.hour.errors, "refused": row.hour.refused},
        "sparkline": row.uses,
        "networks": row.networks,
        "active_hours": row.active_hours,
        "leaked_at": row.leaked_at,
        "alerting": open.collect::<Vec<_>>(),
    })
}

/// `/api/v1/keys/KEY`; `None` when it is not known.
pub(super) async fn key(face: &Face, key: &str) -> Option<Value> {
    let detail = face.board.ask(key, face.now(), PATIENCE).await?;
    let stories = face.stories.clone();
    tokio::task::spawn_blocking(move || {
        let hour = detail.head_hour;
        let story = stories.read(detail.row.id.as_str(), hour);
        tell(&detail, story, hour)
    })
    .await
    .ok()
}

fn tell(detail: &Detail, story: super::story::Story, hour: i64) -> Value {
    let fresh = |at: i64| detail.newest_hours.iter().find(|(h, _)| *h == at).map(|(_, counts)| Entry::from(*counts));
    let mut days = story.days;
    // what is not written yet belongs to its day
    for (at, counts) in detail.newest_hours {
        let written = story.hours.iter().any(|(h, e)| *h == at && e.is_some());
        if !written && counts.uses > 0 {
            for (_, entry) in days.iter_mut().filter(|(day, _)| *day == at.div_euclid(24)) {
                entry.get_or_insert_default().add(counts.into());
            }
        }
    }
    let shown = story.hours.into_iter().filter(|(at, _)| *at > hour - 24);
    let hours = shown.enumerate().map(|(n, (at, entry))| {
        let entry = fresh(at).filter(|f| entry.is_none_or(|e| f.uses >= e.uses)).or(entry);
        let mut one = entry_json(Timestamp::from_secs(at * 3600), entry);
        one["usual"] = json!(detail.typical.as_ref().and_then(|t| t.get(n)));
        one
    });
    let mut out = row_json(&detail.row);
    let days = days.into_iter().map(|(at, entry)| entry_json(Timestamp::from_secs(at * 86_400), entry));
    out["hours_24"] = hours.collect();
    out["days_56"] = days.collect();
    out["seen_from"] =
        detail.networks.iter().map(|(network, last)| json!({"network": network, "last": last})).collect();
    out["used_for"] = json!(detail.used);
    out["usual"] = json!({"error_share": detail.usual_shares.0, "refused_share": detail.usual_shares.1});
    out["leaked_in"] = json!(detail.leaked_in);
    out["requests_since_retired"] = json!(detail.since_retired);
    out["sensitive"] = json!(detail.sensitive);
    out["longest_silence_s"] = json!(detail.longest_gap_s);
    out
}

fn entry_json(at: Timestamp, entry: Option<Entry>) -> Value {
    json!({
        "at": at,
        "requests": entry.map(|e| e.uses),
        "errors": entry.map(|e| e.errors),
        "refused": entry.map(|e| e.refused),
    })
}

#[cfg(test)]
mod tests {
    use std::cmp::Ordering;

    use super::*;
    use crate::window::{Counts, KeyId, RING};

    fn row(n: u64) -> KeyRow {
        KeyRow {
            id: KeyId::parse(&format!("key-{n:05}")).unwrap(),
            kind: Arc::from(if n.is_multiple_of(2) { "OPENAI_API_KEY" } else { "API_KEY" }),
            label: (n % 100 == 7).then(|| {
                Arc::from(if n == 7 { "Billing-Prod".to_owned() } else { format!("a label of key {}", n / 10) })
            }),
            group: (n < 10).then(|| Arc::from("prod")),
            first_seen: Timestamp::from_secs(1_777_000_000 + n as i64),
            last_seen: Timestamp::from_secs(1_777_636_800 + (n * 31 % 97) as i64),
            total: n * 7 % 1000,
            uses: [0; RING],
            hour: Counts { uses: n as u32 % 50, errors: n as u32 % 7, refused: 0 },
            networks: n as u32 % 9,
            active_hours: n as u32 % 11,
            leaked_at: (n == 3).then_some(Timestamp(1)),
            open: u64::from(n == 4),
        }
    }

    fn ask(query: &str) -> (usize, Vec<String>) {
        let list = KeyList { keys: (0..1000).map(row).collect(), ..KeyList::default() };
        let query = Query::new(query);
        let got = page(&Board::new(0, Timestamp(0)), &list, &query, sorting(&query).unwrap());
        let keys = got["keys"].as_array().unwrap().iter().map(|k| k["key"].as_str().unwrap().to_owned()).collect();
        (got["matched"].as_u64().unwrap() as usize, keys)
    }

    #[test]
    fn pages_are_sorted_without_sorting_all() {
        let mut all: Vec<KeyRow> = (0..1000).map(row).collect();
        all.sort_by(|a, b| b.total.cmp(&a.total).then(a.id.as_str().cmp(b.id.as_str())));
        let all: Vec<_> = all.iter().map(|r| r.id.as_str().to_owned()).collect();
        for (offset, limit) in [(0, 10), (10, 10), (500, 37), (990, 50), (0, 500)] {
            let (_, got) = ask(&format!("sort=-requests&offset={offset}&limit={limit}"));
            assert_eq!(got, all[offset..(offset + limit).min(1000)], "{offset} {limit}");
        }
        assert_eq!(ask("offset=5000").1, [""; 0]);
        assert_eq!(ask("limit=999999999").1.len(), MOST);
    }

    #[test]
    fn words_find_keys_by_name_type_label_and_group() {
        assert_eq!(ask("search=billing").1, ["key-00007"]);
        assert_eq!(ask("search=KEY-00042").1, ["key-00042"]);
        assert_eq!(ask("search=openai+prod").0, 5);
        assert_eq!(ask("search=nothing").0, 0);
        assert_eq!((ask("leaked=1").1, ask("alerting=true").1), (vec!["key-00003".into()], vec!["key-00004".into()]));
        assert_eq!(ask("group=prod").0, 10);
        assert_eq!(ask("search=%25%27%3Cscript%3E").0, 0);
    }

    #[test]
    fn every_order_is_one() {
        type Compare = fn(&KeyRow, &KeyRow) -> Ordering;
        let compare: [(&str, Compare); 11] = [
            ("key", |a, b| a.id.as_str().cmp(b.id.as_str())),
            ("type", |a, b| a.kind.cmp(&b.kind)),
            ("label", |a, b| a.label.cmp(&b.label)),
            ("requests", |a, b| a.total.cmp(&b.total)),
            ("hour", |a, b| a.hour.uses.cmp(&b.hour.uses)),
            ("errors", |a, b| share(a).total_cmp(&share(b))),
            ("networks", |a, b| a.networks.cmp(&b.networks)),
            ("hours", |a, b| a.active_hours.cmp(&b.active_hours)),
            ("age", |a, b| b.first_seen.cmp(&a.first_seen)),
            ("last_seen", |a, b| a.last_seen.cmp(&b.last_seen)),
            ("leaked", |a, b| a.leaked_at.cmp(&b.leaked_at)),
        ];
        assert_eq!(compare.map(|(name, _)| name), ORDERS.map(|order| order.name));
        for (name, compare) in compare {
            for sign in ["", "-"] {
                let mut rows: Vec<KeyRow> = (0..1000).map(row).collect();
                // stable, so that equal ones stay as they lie
                rows.sort_by(|a, b| if sign.is_empty() { compare(a, b) } else { compare(b, a) });
                let want: Vec<_> = rows[..500].iter().map(|r| r.id.as_str().to_owned()).collect();
                assert_eq!(ask(&format!("sort={sign}{name}&limit=500")).1, want, "{sign}{name}");
            }
        }
    }
}
