//! What a value must look like to be taken for a role.

use std::net::{IpAddr, Ipv4Addr};

use super::role::Unit;

/// An address as logs write it: bare, with a port, in brackets, v4 in v6 clothes (taken as v4).
pub(super) fn ip(text: &[u8]) -> Option<IpAddr> {
    if text.len() > 64 {
        return None;
    }
    if let Some(v4) = dotted(text) {
        return Some(v4.into());
    }
    let text = std::str::from_utf8(text).ok()?.trim();
    let ip = if let Some(rest) = text.strip_prefix('[') {
        rest.split_once(']')?.0.parse().ok()?
    } else if let Ok(ip) = text.parse::<IpAddr>() {
        ip
    } else {
        let (host, port) = text.rsplit_once(':')?;
        port.parse::<u16>().ok()?;
        host.parse().ok()?
    };
    Some(ip.to_canonical())
}

/// Four numbers and nothing else, which most addresses are. A leading zero is not for this way: some read it as octal.
fn dotted(text: &[u8]) -> Option<Ipv4Addr> {
    let mut octets = [0u8; 4];
    let (mut at, mut digits, mut number) = (0, 0, 0u16);
    for &b in text {
        match b {
            b'0'..=b'9' if digits < 3 && (digits == 0 || number > 0) => {
                (number, digits) = (number * 10 + u16::from(b - b'0'), digits + 1);
            }
            b'.' if digits > 0 && at < 3 => {
                octets[at] = u8::try_from(number).ok()?;
                (at, digits, number) = (at + 1, 0, 0);
            }
            _ => return None,
        }
    }
    octets[3] = u8::try_from(number).ok()?;
    (at == 3 && digits > 0).then(|| octets.into())
}

/// An HTTP status, 100 to 599, as a number or as digits.
pub(super) fn status(text: &[u8]) -> Option<u16> {
    if text.len() != 3 || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let n = text.iter().fold(0, |n, d| n * 10 + u16::from(d - b'0'));
    (100..600).contains(&n).then_some(n)
}

/// Whether `text` is an HTTP method.
pub(super) fn method(text: &[u8]) -> bool {
    const METHODS: [&[u8]; 10] =
        [b"GET", b"POST", b"PUT", b"PATCH", b"DELETE", b"HEAD", b"OPTIONS", b"CONNECT", b"TRACE", b"PURGE"];
    // Most are of the first two.
    matches!(text, b"GET" | b"POST")
        || ((3..=7).contains(&text.len())
            && matches!(text[0] | 0x20, b'g' | b'p' | b'd' | b'h' | b'o' | b'c' | b't')
            && METHODS.iter().any(|m| text.eq_ignore_ascii_case(m)))
}

/// Whether `text` is a path or a URL.
pub(super) fn path(text: &[u8]) -> bool {
    match text.first() {
        Some(b'/') => !text.contains(&b'\n'),
        Some(b'h' | b'H') => {
            text.get(..8).is_some_and(|t| t.eq_ignore_ascii_case(b"https://"))
                || text.get(..7).is_some_and(|t| t.eq_ignore_ascii_case(b"http://"))
        }
        _ => false,
    }
}

/// A duration in microseconds: a bare number in `unit`, or a number with its unit (`12.5 ms`, `0.123s`, `1m2.5s`).
pub(super) fn latency(text: &[u8], unit: Unit) -> Option<u64> {
    if text.is_empty() || text.len() > 40 {
        return None;
    }
    if let Some(number) = plain(text) {
        let micros = number * unit.micros();
        return (micros < 3.2e13).then_some(micros as u64);
    }
    let text = std::str::from_utf8(text).ok()?.trim();
    let mut rest = text;
    let mut micros = 0.0;
    let mut pieces = 0;
    while !rest.is_empty() {
        let digits = number_len(rest.as_bytes());
        let number: f64 = rest[..digits].parse().ok()?;
        rest = rest[digits..].trim_start();
        let letters = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let name = rest[..letters].trim_end();
        let by = match name {
            "" if pieces == 0 && letters == rest.len() => unit.micros(),
            "h" => 3.6e9,
            "m" | "min" => 6e7,
            name => Unit::parse(name.to_ascii_lowercase().as_bytes())?.micros(),
        };
        micros += number * by;
        rest = &rest[letters..];
        pieces += 1;
    }
    // Less than nothing and more than a year is no duration of a request.
    (pieces > 0 && (0.0..3.2e13).contains(&micros)).then_some(micros as u64)
}

/// Length of the number at the start of `text`: digits, one point, an exponent when digits follow it.
fn number_len(text: &[u8]) -> usize {
    let digits = |from: usize| text[from..].iter().take_while(|b| b.is_ascii_digit()).count();
    let mut n = digits(0);
    if text.get(n) == Some(&b'.') {
        n += 1 + digits(n + 1);
    }
    if matches!(text.get(n), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(text.get(n + 1), Some(b'+' | b'-')));
        let exponent = text.get(n + 1 + sign..).map_or(0, |_| digits(n + 1 + sign));
        if exponent > 0 {
            n += 1 + sign + exponent;
        }
    }
    n
}

/// A number of at most 15 digits with at most one point: exact, since both the digits and the power of ten are.
#[inline(always)]
fn plain(text: &[u8]) -> Option<f64> {
    const TENS: [f64; 16] = [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];
    let (mut digits, mut point) = (0u64, None);
    if text.len() > 16 || !text.first()?.is_ascii_digit() || !text.last()?.is_ascii_digit() {
        return None;
    }
    for (at, &b) in text.iter().enumerate() {
        match b {
            b'0'..=b'9' => digits = digits * 10 + u64::from(b - b'0'),
            b'.' if point.is_none() => point = Some(text.len() - 1 - at),
            _ => return None,
        }
    }
    (digits < 1 << 53).then(|| digits as f64 / TENS[point.unwrap_or(0)])
}

/// A plain number of at most 24 characters.
pub(super) fn number(text: &[u8]) -> Option<f64> {
    if text.is_empty() || text.len() > 24 || !matches!(text[0], b'0'..=b'9' | b'-' | b'.') {
        return None;
    }
    plain(text).or_else(|| std::str::from_utf8(text).ok()?.parse().ok().filter(|n: &f64| n.is_finite()))
}

/// Whether `text` is a name of a region, an environment or a service.
pub(super) fn word(text: &[u8]) -> bool {
    let plain = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'/' | b':' | b'@' | b' ');
    (1..=64).contains(&text.len()) && text.iter().all(plain) && !masked(text)
}

/// What stands for something hidden; and of that, what does so three times in a row within other text.
const MARK: u8 = 1;
const STAR: u8 = 2;

const MARKS: [u8; 256] = {
    let mut marks = [0; 256];
    let all = b"-.?*xX";
    let mut i = 0;
    while i < all.len() {
        marks[all[i] as usize] = if is_star(all[i]) { MARK | STAR } else { MARK };
        i += 1;
    }
    marks
};

const fn is_star(b: u8) -> bool {
    matches!(b, b'*' | b'x' | b'X')
}

/// Whether a value says "nothing here" or "hidden": such a value is nobody's name.
pub(super) fn masked(text: &[u8]) -> bool {
    let t = text.trim_ascii();
    // Nothing but marks, or three of the same in a row.
    let (all, any) = t.iter().fold((MARK, 0), |(all, any), b| {
        let class = MARKS[usize::from(*b)];
        (all & class, any | class)
    });
    if all == MARK || (any & STAR != 0 && t.windows(3).any(|w| w[0] == w[1] && w[1] == w[2] && is_star(w[0]))) {
        return true;
    }
    if t.len() > 11 {
        return false;
    }
    let inner = t.trim_ascii_start();
    let inner = inner.strip_prefix(b"[").or(inner.strip_prefix(b"<")).or(inner.strip_prefix(b"(")).unwrap_or(inner);
    let inner = inner.strip_suffix(b"]").or(inner.strip_suffix(b">")).or(inner.strip_suffix(b")")).unwrap_or(inner);
    if !inner.first().is_some_and(|b| b"rfmhnuasod".contains(&b.to_ascii_lowercase())) {
        return false;
    }
    const WORDS: [&[u8]; 16] = [
        b"redacted",
        b"filtered",
        b"masked",
        b"hidden",
        b"removed",
        b"none",
        b"null",
        b"nil",
        b"undefined",
        b"unknown",
        b"anonymous",
        b"n/a",
        b"secret",
        b"omitted",
        b"sensitive",
        b"deleted",
    ];
    WORDS.iter().any(|w| inner.eq_ignore_ascii_case(w))
}

/// The method, the path and the length of a request line (`GET /x HTTP/1.1`); the protocol may be missing.
pub(super) fn request_line(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let space = memchr::memchr(b' ', text)?;
    let verb = &text[..space];
    if !method(verb) {
        return None;
    }
    let rest = &text[space + 1..];
    let end = memchr::memchr(b' ', rest).unwrap_or(rest.len());
    let target = &rest[..end];
    (!target.is_empty()).then_some((verb, target))
}

/// Whether a text of an `event`, `outcome`, `reason` or `error` field says that a caller was let in (`true`), was
/// refused (`false`), or nothing about that.
pub(super) fn auth(text: &[u8]) -> Option<bool> {
    if text.len() > 80 {
        return None;
    }
    let has = |word: &[u8]| text.windows(word.len()).any(|w| w.eq_ignore_ascii_case(word));
    const ABOUT: [&[u8]; 9] =
        [b"login", b"logon", b"signin", b"sign_in", b"auth", b"credential", b"password", b"api_key", b"access_denied"];
    if text.eq_ignore_ascii_case(b"unauthorized") || text.eq_ignore_ascii_case(b"forbidden") {
        return Some(false);
    }
    if !ABOUT.iter().any(|w| has(w)) {
        return None;
    }
    if [&b"fail"[..], b"invalid", b"denied", b"unauthorized", b"rejected", b"bad_", b"wrong", b"error"]
        .iter()
        .any(|w| has(w))
    {
        return Some(false);
    }
    [&b"success"[..], b"succeeded", b"_ok", b"granted"].iter().any(|w| has(w)).then_some(true)
}

/// The same of a field that is known to tell the outcome of an authentication; more words count there.
pub(super) fn outcome(text: &[u8]) -> Option<bool> {
    let has = |word: &&[u8]| text.windows(word.len()).any(|w| w.eq_ignore_ascii_case(word));
    if text.len() > 200 {
        None
    } else if [&b"fail"[..], b"denied", b"invalid", b"unauthor", b"refused", b"rejected", b"blocked"].iter().any(has) {
        Some(false)
    } else {
        [&b"success"[..], b"allow", b"granted"].iter().any(has).then_some(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        /// The short ways give what the long ones do.
        #[test]
        fn plain_values_are_read_as_the_library_reads_them(text in "[0-9.]{1,17}|[0-9]{1,3}(\\.[0-9]{1,3}){3}") {
            if let Some(n) = plain(text.as_bytes()) {
                proptest::prop_assert_eq!(text.parse::<f64>().unwrap(), n);
            }
            proptest::prop_assert_eq!(text.parse::<Ipv4Addr>().ok(), dotted(text.as_bytes()));
        }
    }

    #[test]
    fn addresses_come_with_ports_and_brackets() {
        for (text, want) in [
            ("203.0.113.7", Some("203.0.113.7")),
            ("203.0.113.7:51234", Some("203.0.113.7")),
            ("[2001:db8::5]:443", Some("2001:db8::5")),
            ("2001:db8::5", Some("2001:db8::5")),
            ("::ffff:203.0.113.7", Some("203.0.113.7")),
            ("203.0.113.700", None),
            ("example.com:80", None),
            ("-", None),
            ("", None),
        ] {
            assert_eq!(ip(text.as_bytes()), want.map(|w| w.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn durations_come_with_and_without_unit() {
        for (text, unit, want) in [
            ("123.4", Unit::Ms, Some(123_400)),
            ("0.058", Unit::S, Some(58_000)),
            ("123400000", Unit::Ns, Some(123_400)),
            ("2.701e-06", Unit::S, Some(2)),
            ("11.407 ms", Unit::S, Some(11_407)),
            ("0.123s", Unit::Ms, Some(123_000)),
            ("1m2.5s", Unit::Ms, Some(62_500_000)),
            ("3.2ms", Unit::S, Some(3_200)),
            ("15µs", Unit::S, Some(15)),
            ("-1", Unit::Ms, None),
            ("fast", Unit::Ms, None),
            ("", Unit::Ms, None),
            ("1e300", Unit::S, None),
            ("12 13", Unit::S, None),
        ] {
            assert_eq!(latency(text.as_bytes(), unit), want, "{text}");
        }
    }

    #[test]
    fn masked_values_are_nobody() {
        for text in ["-", "", "REDACTED", "[Redacted]", "***", "sk-***abcd", "<masked>", "xxxx", "null", "[REDACTED]"] {
            assert!(masked(text.as_bytes()), "{text}");
        }
        for text in ["user-1", "88dc28d0", "foxxy", "-1"] {
            assert!(!masked(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn auth_words_are_read() {
        for (text, want) in [
            ("login_failed", Some(false)),
            ("invalid_credentials", Some(false)),
            ("auth.login.success", Some(true)),
            ("unauthorized", Some(false)),
            ("request_failed", None),
            ("order_created", None),
        ] {
            assert_eq!(auth(text.as_bytes()), want, "{text}");
        }
    }

    #[test]
    fn request_lines_are_taken_apart() {
        assert_eq!(request_line(b"GET /x?y HTTP/1.1"), Some((&b"GET"[..], &b"/x?y"[..])));
        assert_eq!(request_line(b"POST /x"), Some((&b"POST"[..], &b"/x"[..])));
        assert_eq!(request_line(b"Started server process"), None);
        assert_eq!(request_line(b"GET "), None);
    }
}
