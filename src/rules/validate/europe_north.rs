//! National numbers of the Nordic and Baltic countries.

use super::digits::{exactly, is_day, luhn_sum, number, weighted};

/// Swedish personal or coordination number: date (day raised by 60 for the latter), Luhn over the last ten digits.
pub(super) fn personnummer(value: &[u8]) -> bool {
    // `+` stands for `-` at the age of a hundred.
    let mut plain = [b' '; 16];
    if value.len() > plain.len() {
        return false;
    }
    for (to, &b) in plain.iter_mut().zip(value) {
        *to = if b == b'+' { b'-' } else { b };
    }
    let ten = match exactly::<12>(&plain) {
        Some(d) if matches!(number(&d[..2]), 18..=21) => exactly_last_ten(d),
        Some(_) => return false,
        None => match exactly::<10>(&plain) {
            Some(d) => d,
            None => return false,
        },
    };
    let (month, day) = (number(&ten[2..4]), number(&ten[4..6]));
    is_day(if day > 60 { day - 60 } else { day }, month) && luhn_sum(&ten)
}

/// The ten digits without the century.
fn exactly_last_ten(d: [u8; 12]) -> [u8; 10] {
    let mut ten = [0; 10];
    ten.copy_from_slice(&d[2..]);
    ten
}

/// Finnish henkilötunnus: date, century sign, serial, check character mod 31.
pub(super) fn hetu(value: &[u8]) -> bool {
    let value = value.trim_ascii();
    if value.len() != 11 || !matches!(value[6].to_ascii_uppercase(), b'+' | b'-' | b'A'..=b'F' | b'U'..=b'Y') {
        return false;
    }
    let (Some(date), Some(serial)) = (exactly::<6>(&value[..6]), exactly::<3>(&value[7..10])) else { return false };
    let rest = (number(&date) * 1000 + number(&serial)) % 31;
    is_day(number(&date[..2]), number(&date[2..4]))
        && b"0123456789ABCDEFHJKLMNPRSTUVWXY"[rest as usize] == value[10].to_ascii_uppercase()
}

/// Norwegian fødselsnummer or D-number: date (day raised by 40, month by 40 for the latter kinds), two check digits mod 11.
pub(super) fn fodselsnummer(value: &[u8]) -> bool {
    let Some(d) = exactly::<11>(value) else { return false };
    let check = |n: usize, w: &[u32]| (11 - weighted(&d[..n], w) % 11) % 11;
    let (day, month) = (number(&d[..2]) % 40, number(&d[2..4]) % 40);
    is_day(day, month)
        && check(9, &[3, 7, 6, 1, 8, 9, 4, 5, 2]) == u32::from(d[9])
        && check(10, &[5, 4, 3, 2, 7, 6, 5, 4, 3, 2]) == u32::from(d[10])
}

/// Danish CPR: the first six digits are a date; the check digit is no longer kept since 2007.
pub(super) fn cpr(value: &[u8]) -> bool {
    exactly::<10>(value).is_some_and(|d| is_day(number(&d[..2]), number(&d[2..4])) && number(&d[6..]) > 0)
}

/// Estonian isikukood and Lithuanian asmens kodas: sex and century, date, check digit mod 11 with a second set of weights.
pub(super) fn ee_isikukood(value: &[u8]) -> bool {
    let Some(d) = exactly::<11>(value) else { return false };
    let first = weighted(&d[..10], &[1, 2, 3, 4, 5, 6, 7, 8, 9, 1]) % 11;
    let second = weighted(&d[..10], &[3, 4, 5, 6, 7, 8, 9, 1, 2, 3]) % 11 % 10;
    let check = if first == 10 { second } else { first };
    (1..=8).contains(&d[0]) && is_day(number(&d[5..7]), number(&d[3..5])) && check == u32::from(d[10])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sweden_and_finland() {
        assert!(personnummer(b"811228-9874") && personnummer(b"19811228-9874") && personnummer(b"811228+9874"));
        assert!(!personnummer(b"811228-9873") && !personnummer(b"811328-9874") && !personnummer(b"99811228-9874"));
        assert!(hetu(b"131052-308T") && !hetu(b"131052-308U") && !hetu(b"321052-308T") && !hetu(b"131052/308T"));
    }

    #[test]
    fn norway_denmark_baltics() {
        assert!(fodselsnummer(b"151086 95088") && !fodselsnummer(b"15108695077") && !fodselsnummer(b"15138695088"));
        assert!(cpr(b"211062-5629") && !cpr(b"321062-5629") && !cpr(b"211062-0000"));
        assert!(ee_isikukood(b"37605030299") && ee_isikukood(b"38507300337") && !ee_isikukood(b"37605030298"));
        assert!(!ee_isikukood(b"97605030299"));
    }
}
