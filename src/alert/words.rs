//! Numbers as people read them.

/// A count: whole, with thin groups of thousands: `1 234`, `12`.
pub(super) fn count(n: f64) -> String {
    let digits = format!("{:.0}", n.max(0.0));
    let mut out = String::new();
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(' ');
        }
        out.push(c);
    }
    out
}

/// An amount: whole from ten on, else with two digits: `1 234`, `0.25`.
pub(super) fn amount(n: f64) -> String {
    if n >= 10.0 { count(n) } else { format!("{n:.2}") }
}

/// How often: `once`, `12 times`.
pub(super) fn often(n: u32) -> String {
    if n == 1 { "once".to_owned() } else { format!("{} times", count(f64::from(n))) }
}

/// A share in percent: `12 %`, `0.4 %`.
pub(super) fn percent(share: f64) -> String {
    let p = share * 100.0;
    if p > 0.0 && p < 10.0 { format!("{p:.1} %") } else { format!("{p:.0} %") }
}

/// A factor: `3.2 times`, `85 times`.
pub(super) fn times(factor: f64) -> String {
    if factor < 10.0 { format!("{factor:.1} times") } else { format!("{} times", count(factor)) }
}

/// A span of time in its two largest units at most: `14 days`, `5 minutes`.
pub(super) fn span(seconds: i64) -> String {
    let (n, unit) = match seconds {
        ..120 => (seconds, "second"),
        120..7_200 => (seconds / 60, "minute"),
        7_200..172_800 => (seconds / 3_600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    format!("{n} {unit}{}", if n == 1 { "" } else { "s" })
}

/// Items as a list: `a`, `a and b`, `a, b and 3 more`.
pub(super) fn list(items: &[String], most: usize) -> String {
    match items {
        [] => String::new(),
        [one] => one.clone(),
        _ if items.len() <= most => {
            let (last, rest) = items.split_at(items.len() - 1);
            format!("{} and {}", last.join(", "), rest[0])
        }
        _ => format!("{} and {} more", items[..most].join(", "), items.len() - most),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!([count(0.0), count(999.4), count(1234.0), count(1_234_567.0)], ["0", "999", "1 234", "1 234 567"]);
        assert_eq!([percent(0.004), percent(0.5), percent(0.0)], ["0.4 %", "50 %", "0 %"]);
        assert_eq!(
            [span(5), span(300), span(7_200), span(14 * 86_400)],
            ["5 seconds", "5 minutes", "2 hours", "14 days"]
        );
        let l = |n: usize| list(&(0..n).map(|i| i.to_string()).collect::<Vec<_>>(), 3);
        assert_eq!([l(1), l(2), l(3), l(5)], ["0", "0 and 1", "0, 1 and 2", "0, 1, 2 and 2 more"]);
    }
}
