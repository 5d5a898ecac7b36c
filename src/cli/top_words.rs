//! Numbers and texts as `top` shows them.

use serde_json::Value;

use super::style::plain;

/// The items of a list; none when it is something else.
pub(super) fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// Text from outside, safe for a terminal.
pub(super) fn text(value: &Value) -> String {
    plain(value.as_str().unwrap_or_default())
}

/// A number, or `-`.
pub(super) fn number(value: &Value) -> String {
    value.as_f64().map_or("-".to_owned(), short)
}

/// At most five digits, then with a unit.
pub(super) fn short(n: f64) -> String {
    match n {
        n if n < 100_000.0 => format!("{n}"),
        n if n < 10_000_000.0 => format!("{:.0}k", n / 1e3),
        n if n < 10_000_000_000.0 => format!("{:.0}M", n / 1e6),
        n => format!("{:.0}G", n / 1e9),
    }
}

/// Bytes with a unit.
pub(super) fn size(n: f64) -> String {
    let (mut n, mut unit) = (n, "B");
    for next in ["KiB", "MiB", "GiB", "TiB"] {
        if n < 1024.0 {
            break;
        }
        (n, unit) = (n / 1024.0, next);
    }
    if n < 10.0 && unit != "B" { format!("{n:.1} {unit}") } else { format!("{n:.0} {unit}") }
}

/// A time span, or `-`.
pub(super) fn seconds(value: &Value) -> String {
    match value.as_f64() {
        None => "-".to_owned(),
        Some(s) if s < 1e-3 => format!("{:.0} us", s * 1e6),
        Some(s) if s < 1.0 => format!("{:.1} ms", s * 1e3),
        Some(s) => format!("{s:.1} s"),
    }
}

/// How long before the status this was.
pub(super) fn ago(at: &Value, status: &Value) -> String {
    let parse = |v: &Value| chrono::DateTime::parse_from_rfc3339(v.as_str()?).ok();
    let Some((at, now)) = parse(at).zip(parse(&status["now"]["at"])) else { return "-".to_owned() };
    match (now - at).num_seconds() {
        s if s < 60 => format!("{} s", s.max(0)),
        s if s < 3_600 => format!("{} min", s / 60),
        s if s < 86_400 => format!("{} h", s / 3_600),
        s => format!("{} d", s / 86_400),
    }
}

/// A bar for each number; none for zero.
pub(super) fn sparkline(values: &Value) -> String {
    let values: Vec<f64> = list(values).iter().filter_map(Value::as_f64).collect();
    let most = values.iter().copied().fold(1.0, f64::max);
    let step = |v: f64| ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'][((v / most * 7.0).round() as usize).min(7)];
    values.iter().map(|v| if *v == 0.0 { ' ' } else { step(*v) }).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_are_short() {
        assert_eq!([99_999.0, 123_456.0, 12_345_678.0].map(short), ["99999", "123k", "12M"]);
        assert_eq!([0.0, 1023.0, 1536.0, 5e9].map(size), ["0 B", "1023 B", "1.5 KiB", "4.7 GiB"]);
        assert_eq!(sparkline(&json!([0, 1, 8])), " ▂█");
    }
}
