//! National numbers of Asia, Oceania, Turkey, Israel and South Africa.

use super::digits::{all_same, alnum_exactly, alnum_up_to, exactly, is_day, luhn_sum, number, up_to, weighted};

/// Indian Aadhaar: twelve digits, first not 0 or 1, Verhoeff check digit.
pub(super) fn aadhaar(value: &[u8]) -> bool {
    exactly::<12>(value).is_some_and(|d| d[0] > 1 && !all_same(&d) && verhoeff(&d))
}

/// Verhoeff checksum over all digits: multiplication in the dihedral group D5 of permuted digits.
fn verhoeff(digits: &[u8]) -> bool {
    const PERMUTE: [u8; 10] = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4];
    let times = |a: u8, b: u8| match (a < 5, b < 5) {
        (true, true) => (a + b) % 5,
        (true, false) => (a + b - 5) % 5 + 5,
        (false, true) => (a - b) % 5 + 5,
        (false, false) => (a + 5 - b) % 5,
    };
    let mut c = 0;
    for (i, &d) in digits.iter().rev().enumerate() {
        let p = (0..i % 8).fold(d, |x, _| PERMUTE[usize::from(x)]);
        c = times(c, p);
    }
    c == 0
}

/// Australian tax file number: eight or nine digits, mod 11.
pub(super) fn au_tfn(value: &[u8]) -> bool {
    match up_to::<9>(value) {
        Some((d, 9)) => d != [0; 9] && weighted(&d, &[1, 4, 3, 7, 5, 8, 6, 9, 10]).is_multiple_of(11),
        Some((d, 8)) => d != [0; 9] && weighted(&d, &[10, 7, 8, 4, 6, 3, 5, 1]).is_multiple_of(11),
        _ => false,
    }
}

/// Australian Medicare number: ten or eleven digits, first 2 to 6, ninth is the check digit.
pub(super) fn au_medicare(value: &[u8]) -> bool {
    let Some((d, 10 | 11)) = up_to::<11>(value) else { return false };
    (2..=6).contains(&d[0]) && weighted(&d[..8], &[1, 3, 7, 9, 1, 3, 7, 9]) % 10 == u32::from(d[8])
}

/// New Zealand IRD number: eight or nine digits in the range given out, check digit mod 11 with a second set of weights.
pub(super) fn nz_ird(value: &[u8]) -> bool {
    let Some((d, n @ (8 | 9))) = up_to::<9>(value) else { return false };
    let mut nine = [0; 9];
    nine[9 - n..].copy_from_slice(&d[..n]);
    if !(10_000_000..=150_000_000).contains(&number(&nine)) {
        return false;
    }
    let check = |w: &[u32; 8]| (11 - weighted(&nine[..8], w) % 11) % 11;
    let digit = match check(&[3, 2, 7, 6, 5, 4, 3, 2]) {
        10 => check(&[7, 4, 3, 2, 5, 2, 7, 6]),
        r => r,
    };
    digit == u32::from(nine[8])
}

/// Singapore NRIC or FIN: a series letter, seven digits, a check letter.
pub(super) fn sg_nric(value: &[u8]) -> bool {
    let Some(c) = alnum_exactly::<9>(value) else { return false };
    let Some(d) = exactly::<7>(&c[1..8]) else { return false };
    let (offset, letters): (u32, &[u8; 11]) = match c[0] {
        b'S' => (0, b"JZIHGFEDCBA"),
        b'T' => (4, b"JZIHGFEDCBA"),
        b'F' => (0, b"XWUTRQPNMLK"),
        b'G' => (4, b"XWUTRQPNMLK"),
        b'M' => (3, b"XWUTRQPNJLK"),
        _ => return false,
    };
    let sum = offset + weighted(&d, &[2, 7, 6, 5, 4, 3, 2]);
    letters[sum as usize % 11] == c[8]
}

/// South Korean resident registration number: a date, and a check digit mod 11 for those born before October 2020.
pub(super) fn kr_rrn(value: &[u8]) -> bool {
    let Some(d) = exactly::<13>(value) else { return false };
    let check = (11 - weighted(&d[..12], &[2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5]) % 11) % 10;
    let random = matches!(d[6], 3 | 4 | 7 | 8) && number(&d[..2]) >= 20;
    let dated = is_day(number(&d[4..6]), number(&d[2..4])) && (1..=8).contains(&d[6]);
    dated && (random || check == u32::from(d[12]))
}

/// Chinese resident identity number: region, date of birth, check character (ISO 7064 MOD 11-2, GB 11643).
pub(super) fn cn_id(value: &[u8]) -> bool {
    const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    let Some(c) = alnum_exactly::<18>(value) else { return false };
    let Some(d) = exactly::<17>(&c[..17]) else { return false };
    let dated = matches!(number(&d[6..10]), 1850..=2100) && is_day(number(&d[12..14]), number(&d[10..12]));
    let region = matches!(number(&d[..2]), 11..=15 | 21..=23 | 31..=37 | 41..=46 | 50..=54 | 61..=65 | 71 | 81..=83);
    region && dated && b"10X98765432"[weighted(&d, &WEIGHTS) as usize % 11] == c[17]
}

/// Taiwanese identity number: a region letter, sex or residence digit, check digit mod 10.
pub(super) fn tw_id(value: &[u8]) -> bool {
    const REGIONS: &[u8; 26] = b"ABCDEFGHJKLMNPQRSTUVXYWZIO";
    let Some(c) = alnum_exactly::<10>(value) else { return false };
    let (Some(region), Some(d)) = (REGIONS.iter().position(|&r| r == c[0]), exactly::<9>(&c[1..])) else {
        return false;
    };
    let region = region as u32 + 10;
    let sum = region / 10 + region % 10 * 9 + weighted(&d, &[8, 7, 6, 5, 4, 3, 2, 1, 1]);
    matches!(d[0], 1 | 2 | 8 | 9) && sum.is_multiple_of(10)
}

/// Hong Kong identity card: one or two letters, six digits, check character mod 11, often in brackets.
pub(super) fn hk_id(value: &[u8]) -> bool {
    let mut plain = [b' '; 12];
    if value.len() > plain.len() {
        return false;
    }
    for (to, &b) in plain.iter_mut().zip(value) {
        *to = if matches!(b, b'(' | b')') { b' ' } else { b };
    }
    let Some((c, n @ (8 | 9))) = alnum_up_to::<9>(&plain) else { return false };
    let worth = |b: u8| if b.is_ascii_digit() { u32::from(b - b'0') } else { u32::from(b - b'A') + 10 };
    let (letters, rest) = c[..n].split_at(n - 7);
    let Some(d) = exactly::<6>(&rest[..6]) else { return false };
    let first = if letters.len() == 2 { worth(letters[0]) * 9 } else { 36 * 9 };
    let sum = first + worth(letters[letters.len() - 1]) * 8 + weighted(&d, &[7, 6, 5, 4, 3, 2]);
    let check = if rest[6] == b'A' { 10 } else { worth(rest[6]) };
    letters.iter().all(u8::is_ascii_uppercase) && check <= 10 && (sum + check).is_multiple_of(11)
}

/// Thai national number: thirteen digits, first not 0, check digit mod 11.
pub(super) fn th_id(value: &[u8]) -> bool {
    let Some(d) = exactly::<13>(value) else { return false };
    let sum = weighted(&d[..12], &[13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2]);
    d[0] != 0 && !all_same(&d) && (11 - sum % 11) % 10 == u32::from(d[12])
}

/// Japanese individual number: twelve digits, check digit mod 11.
pub(super) fn jp_my_number(value: &[u8]) -> bool {
    let Some(d) = exactly::<12>(value) else { return false };
    let check = match weighted(&d[..11], &[6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2]) % 11 {
        0 | 1 => 0,
        r => 11 - r,
    };
    !all_same(&d) && check == u32::from(d[11])
}

/// Turkish identity number: eleven digits, first not 0, two check digits.
pub(super) fn tr_kimlik(value: &[u8]) -> bool {
    let Some(d) = exactly::<11>(value) else { return false };
    let odd = weighted(&d[..9], &[1, 0, 1, 0, 1, 0, 1, 0, 1]);
    let even = weighted(&d[..8], &[0, 1, 0, 1, 0, 1, 0, 1]);
    let tenth = (odd * 7 + 100 - even) % 10;
    d[0] != 0 && tenth == u32::from(d[9]) && (odd + even + tenth) % 10 == u32::from(d[10])
}

/// Israeli identity number: up to nine digits, padded on the left, Luhn.
pub(super) fn il_id(value: &[u8]) -> bool {
    up_to::<9>(value).is_some_and(|(d, n)| n >= 8 && d != [0; 9] && luhn_sum(&d[..n]))
}

/// South African identity number: date, citizenship digit, Luhn.
pub(super) fn za_id(value: &[u8]) -> bool {
    exactly::<13>(value).is_some_and(|d| is_day(number(&d[4..6]), number(&d[2..4])) && d[10] <= 2 && luhn_sum(&d))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn india() {
        assert!(verhoeff(&[2, 3, 6, 3]) && !verhoeff(&[2, 3, 6, 4]) && !verhoeff(&[3, 2, 6, 3]));
        assert!(aadhaar(b"2341 2341 2346") && !aadhaar(b"2341 2341 2347") && !aadhaar(b"0341 2341 2346"));
    }

    #[test]
    fn oceania() {
        assert!(au_tfn(b"123 456 782") && au_tfn(b"37118629") && !au_tfn(b"123456789") && !au_tfn(b"000000000"));
        assert!(au_medicare(b"2123 45670 1") && !au_medicare(b"2123 45671 1") && !au_medicare(b"7123456701"));
        assert!(nz_ird(b"49-091-850") && nz_ird(b"136410132") && !nz_ird(b"136410133") && !nz_ird(b"9125568"));
    }

    #[test]
    fn east_asia() {
        assert!(sg_nric(b"S1234567D") && sg_nric(b"f1234567N") && !sg_nric(b"S1234567A") && !sg_nric(b"A1234567D"));
        assert!(kr_rrn(b"900101-1234568") && !kr_rrn(b"900101-1234567") && !kr_rrn(b"901301-1234568"));
        assert!(kr_rrn(b"210305-3123456"), "no checksum since October 2020");
        assert!(cn_id(b"11010519491231002X") && !cn_id(b"110105194912310021") && !cn_id(b"110105194913310021"));
        assert!(tw_id(b"A123456789") && !tw_id(b"A123456788") && !tw_id(b"A523456789"));
        assert!(hk_id(b"A123456(3)") && hk_id(b"G123456(A)") && !hk_id(b"A123456(4)"));
        assert!(th_id(b"1-2345-45678-78-1") && !th_id(b"1-2345-45678-78-9") && !th_id(b"0-2345-45678-78-1"));
        assert!(jp_my_number(b"1234 5678 9018") && !jp_my_number(b"1234 5678 9012"));
    }

    #[test]
    fn turkey_israel_south_africa() {
        assert!(tr_kimlik(b"10000000146") && !tr_kimlik(b"10000000147") && !tr_kimlik(b"00000000146"));
        assert!(il_id(b"3933742-3") && il_id(b"039337423") && !il_id(b"39337424") && !il_id(b"000000000"));
        assert!(za_id(b"8001015009087") && !za_id(b"8001015009088") && !za_id(b"8013015009087"));
    }
}
