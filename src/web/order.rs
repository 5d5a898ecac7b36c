//! The order of the names of keys. A list is made anew every two seconds, and nearly all of its keys stand where they
//! stood: so the order of one list is found from that of the one before.

use std::sync::Arc;

use super::board::KeyRow;

/// Where each row of a list stands among all by name.
#[derive(Debug, Default)]
pub struct NameOrder {
    /// What tells the keys apart, by row.
    keys: Vec<u64>,
    /// Rows in the order of their names.
    sorted: Vec<u32>,
    /// The place of each row among them.
    ranks: Vec<u32>,
}

impl NameOrder {
    /// The order of `rows`; `before` is that of an earlier list.
    pub fn of(rows: &[KeyRow], before: Option<&Arc<Self>>) -> Arc<Self> {
        let keys: Vec<u64> = rows.iter().map(|row| row.id.spread()).collect();
        if let Some(before) = before.filter(|before| before.keys == keys) {
            return Arc::clone(before);
        }
        let known = |row: u32| {
            let at = row as usize;
            before.is_some_and(|b| at < keys.len() && b.keys.get(at) == Some(&keys[at]))
        };
        let old = before.map_or(&[][..], |before| &before.sorted);
        let kept: Vec<u32> = old.iter().copied().filter(|row| known(*row)).collect();
        let new: Vec<u32> = (0..keys.len() as u32).filter(|row| !known(*row)).collect();
        let sorted = merge(rows, &kept, &by_name(rows, new));
        let mut ranks = vec![0; sorted.len()];
        (0..).zip(&sorted).for_each(|(rank, row)| ranks[*row as usize] = rank);
        Arc::new(Self { keys, sorted, ranks })
    }

    /// The place of a row among all.
    pub fn rank(&self, row: usize) -> u32 {
        self.ranks[row]
    }
}

fn name(rows: &[KeyRow], row: u32) -> &str {
    rows[row as usize].id.as_str()
}

/// Sorts by name. The first bytes behind those that all begin with are kept beside the row, so that most are told apart
/// without a look at them: a list of 100,000 is far more than what a processor keeps at hand.
fn by_name(rows: &[KeyRow], some: Vec<u32>) -> Vec<u32> {
    let Some(first) = some.first().map(|row| name(rows, *row).as_bytes()) else { return some };
    let alike = |most: usize, row: &u32| {
        let text = name(rows, *row).as_bytes();
        first[..most].iter().zip(text).position(|(a, b)| a != b).unwrap_or(most.min(text.len()))
    };
    let skip = some.iter().fold(first.len(), alike);
    let head = |row: u32| {
        let bytes = &name(rows, row).as_bytes()[skip..];
        u128::from_be_bytes(std::array::from_fn(|n| bytes.get(n).copied().unwrap_or(0)))
    };
    let mut some: Vec<(u128, u32)> = some.into_iter().map(|row| (head(row), row)).collect();
    some.sort_unstable_by(|a, b| a.0.cmp(&b.0).then_with(|| name(rows, a.1).cmp(name(rows, b.1))));
    some.into_iter().map(|(_, row)| row).collect()
}

/// Two sorted lists of rows as one.
fn merge(rows: &[KeyRow], kept: &[u32], new: &[u32]) -> Vec<u32> {
    let mut sorted = Vec::with_capacity(kept.len() + new.len());
    let mut from = 0;
    for row in new {
        let to = from + kept[from..].partition_point(|other| name(rows, *other) < name(rows, *row));
        sorted.extend_from_slice(&kept[from..to]);
        sorted.push(*row);
        from = to;
    }
    sorted.extend_from_slice(&kept[from..]);
    sorted
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::board::tests::row_of;

    fn check(names: &[String], before: Option<&Arc<NameOrder>>) -> Arc<NameOrder> {
        let rows: Vec<KeyRow> = names.iter().map(|name| row_of(name)).collect();
        let order = NameOrder::of(&rows, before);
        let mut want: Vec<usize> = (0..rows.len()).collect();
        want.sort_by_key(|row| &names[*row]);
        for (rank, row) in want.into_iter().enumerate() {
            assert_eq!(order.rank(row), rank as u32, "{}", names[row]);
        }
        order
    }

    #[test]
    fn an_order_is_right_whatever_came_before() {
        let mut names: Vec<String> =
            (0..500).map(|n| format!("API_KEY_ID:a-long-beginning-{:03}", n * 7 % 500)).collect();
        names.extend((0..500).map(|n| format!("0{:013}", n * 31 % 501)));
        names.push("API_KEY_ID:a-long-beginning-".to_owned());
        let first = check(&names, None);
        assert!(Arc::ptr_eq(&first, &check(&names, Some(&first))), "nothing is done twice");
        // some come, some give their place to others, some go
        names.extend(["zzz", "", "API_KEY_ID:a-long-beginning-0005"].map(|n| format!("x{n}")));
        names[10] = "0".to_owned();
        names[700] = "~".to_owned();
        let second = check(&names, Some(&first));
        names.truncate(300);
        let third = check(&names, Some(&second));
        names.clear();
        check(&names, Some(&third));
        check(&["one".to_owned()], None);
    }
}
