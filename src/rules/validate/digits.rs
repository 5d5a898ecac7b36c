//! Digits on the stack and the sums that check digits are made of.

/// Whether `b` may stand between the digits of a number.
pub(super) fn is_separator(b: u8) -> bool {
    matches!(b, b' ' | b'-' | b'.' | b'/')
}

/// Up to `N` digits of a value as numbers, separators left out; none when another character or too many digits are in it.
pub(super) fn up_to<const N: usize>(value: &[u8]) -> Option<([u8; N], usize)> {
    let mut digits = [0u8; N];
    let mut n = 0;
    for &b in value {
        if is_separator(b) {
            continue;
        }
        if !b.is_ascii_digit() || n == N {
            return None;
        }
        digits[n] = b - b'0';
        n += 1;
    }
    Some((digits, n))
}

/// Exactly `N` digits, separators left out.
pub(super) fn exactly<const N: usize>(value: &[u8]) -> Option<[u8; N]> {
    up_to::<N>(value).filter(|&(_, n)| n == N).map(|(d, _)| d)
}

/// Up to `N` letters and digits in upper case, separators left out.
pub(super) fn alnum_up_to<const N: usize>(value: &[u8]) -> Option<([u8; N], usize)> {
    let mut chars = [0u8; N];
    let mut n = 0;
    for &b in value {
        if is_separator(b) {
            continue;
        }
        if !b.is_ascii_alphanumeric() || n == N {
            return None;
        }
        chars[n] = b.to_ascii_uppercase();
        n += 1;
    }
    Some((chars, n))
}

/// Exactly `N` letters and digits in upper case.
pub(super) fn alnum_exactly<const N: usize>(value: &[u8]) -> Option<[u8; N]> {
    alnum_up_to::<N>(value).filter(|&(_, n)| n == N).map(|(c, _)| c)
}

/// Sum of digit times weight; the shorter of the two ends it.
pub(super) fn weighted(digits: &[u8], weights: &[u32]) -> u32 {
    digits.iter().zip(weights).map(|(&d, &w)| u32::from(d) * w).sum()
}

/// The digits as one number. At most 19 digits fit.
pub(super) fn number(digits: &[u8]) -> u64 {
    digits.iter().fold(0, |n, &d| n * 10 + u64::from(d))
}

/// Whether all digits are the same, which no issued number is.
pub(super) fn all_same(digits: &[u8]) -> bool {
    digits.windows(2).all(|w| w[0] == w[1])
}

/// Luhn checksum (ISO/IEC 7812-1): every second digit from the right is doubled, the sum ends in 0.
pub(super) fn luhn_sum(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(i, &d)| {
            let d = u32::from(d);
            match (i % 2, d) {
                (0, _) => d,
                (_, 0..=4) => d * 2,
                _ => d * 2 - 9,
            }
        })
        .sum();
    sum.is_multiple_of(10)
}

/// ISO 7064 MOD 11,10 over all digits, the last of which is the check digit.
pub(super) fn mod_11_10(digits: &[u8]) -> bool {
    let Some((&check, body)) = digits.split_last() else { return false };
    let product = body.iter().fold(10, |p, &d| {
        let sum = match (u32::from(d) + p) % 10 {
            0 => 10,
            s => s,
        };
        sum * 2 % 11
    });
    (11 - product) % 10 == u32::from(check)
}

/// Whether a day and month exist, in a leap year; the year may be unknown.
pub(super) fn is_day(day: u64, month: u64) -> bool {
    let last = match month {
        2 => 29,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return false,
    };
    (1..=last).contains(&day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn separators_are_left_out_and_lengths_kept() {
        assert_eq!(exactly::<4>(b"1-2 3.4"), Some([1, 2, 3, 4]));
        assert_eq!(exactly::<4>(b"12345"), None);
        assert_eq!(exactly::<4>(b"12a4"), None);
        assert_eq!(alnum_exactly::<3>(b"a-b1"), Some(*b"AB1"));
    }

    #[test]
    fn luhn_and_iso_7064() {
        assert!(luhn_sum(&[7, 9, 9, 2, 7, 3, 9, 8, 7, 1, 3]));
        assert!(!luhn_sum(&[7, 9, 9, 2, 7, 3, 9, 8, 7, 1, 0]));
        // 0794 with check digit 5 is the worked example of MOD 11,10.
        assert!(mod_11_10(&[0, 7, 9, 4, 5]));
        assert!(!mod_11_10(&[0, 7, 9, 4, 6]));
    }

    #[test]
    fn days() {
        assert!(is_day(29, 2) && is_day(31, 12));
        assert!(!is_day(31, 4) && !is_day(0, 1) && !is_day(1, 13));
    }
}
