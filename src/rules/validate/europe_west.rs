//! National numbers of Britain, Ireland, the Netherlands, Belgium and France.

use super::digits::{all_same, alnum_exactly, alnum_up_to, exactly, number, up_to, weighted};

/// UK NHS number: check digit mod 11.
pub(super) fn nhs(value: &[u8]) -> bool {
    let Some(d) = exactly::<10>(value) else { return false };
    let check = (11 - weighted(&d[..9], &[10, 9, 8, 7, 6, 5, 4, 3, 2]) % 11) % 11;
    !all_same(&d) && check == u32::from(d[9])
}

/// UK national insurance number: two letters that are given out, six digits, A to D (HMRC NIM39110).
pub(super) fn uk_nino(value: &[u8]) -> bool {
    let Some((c, n @ (8 | 9))) = alnum_up_to::<9>(value) else { return false };
    let pair = [c[0], c[1]];
    let letters = pair.iter().all(|b| b.is_ascii_uppercase() && !b"DFIQUV".contains(b)) && c[1] != b'O';
    let given_out = ![*b"BG", *b"GB", *b"KN", *b"NK", *b"NT", *b"TN", *b"ZZ"].contains(&pair);
    letters && given_out && c[2..8].iter().all(u8::is_ascii_digit) && (n == 8 || matches!(c[8], b'A'..=b'D'))
}

/// UK unique taxpayer reference: ten digits, the first is the check digit; a trailing `K` is allowed.
pub(super) fn uk_utr(value: &[u8]) -> bool {
    let value = value.strip_suffix(b"K").or_else(|| value.strip_suffix(b"k")).unwrap_or(value);
    let Some(d) = exactly::<10>(value) else { return false };
    let rest = weighted(&d[1..], &[6, 7, 8, 9, 10, 5, 4, 3, 2]) % 11;
    !all_same(&d) && b"21987654321"[rest as usize] == d[0] + b'0'
}

/// Irish PPS number: seven digits, check letter mod 23, an optional second letter counted with weight 9.
pub(super) fn ie_pps(value: &[u8]) -> bool {
    let Some((c, n @ (8 | 9))) = alnum_up_to::<9>(value) else { return false };
    let Some(d) = exactly::<7>(&c[..7]) else { return false };
    let second = match (n, c[8]) {
        (8, _) | (9, b'W') => 0,
        (9, b @ b'A'..=b'I') => u32::from(b - b'A') + 1,
        _ => return false,
    };
    let sum = weighted(&d, &[8, 7, 6, 5, 4, 3, 2]) + second * 9;
    b"WABCDEFGHIJKLMNOPQRSTUV"[(sum % 23) as usize] == c[7]
}

/// Dutch BSN: the eleven test, on seven to nine digits padded on the left.
pub(super) fn bsn(value: &[u8]) -> bool {
    let Some((d, n @ 7..=9)) = up_to::<9>(value) else { return false };
    let mut nine = [0; 9];
    nine[9 - n..].copy_from_slice(&d[..n]);
    let sum = weighted(&nine[..8], &[9, 8, 7, 6, 5, 4, 3, 2]);
    !all_same(&nine) && sum > 0 && sum % 11 == u32::from(nine[8])
}

/// Belgian national number: 97 minus the first nine digits mod 97, with a 2 in front for those born since 2000.
pub(super) fn be_national(value: &[u8]) -> bool {
    let Some(d) = exactly::<11>(value) else { return false };
    let (body, check) = (number(&d[..9]), number(&d[9..]));
    body > 0 && (97 - body % 97 == check || 97 - (2_000_000_000 + body) % 97 == check)
}

/// French NIR: sex, year, month, department (2A and 2B count as 19 and 18), key 97 minus the number mod 97.
pub(super) fn nir(value: &[u8]) -> bool {
    let Some(mut c) = alnum_exactly::<15>(value) else { return false };
    match &c[5..7] {
        b"2A" => c[5..7].copy_from_slice(b"19"),
        b"2B" => c[5..7].copy_from_slice(b"18"),
        _ => {}
    }
    let Some(d) = exactly::<15>(&c) else { return false };
    let month = number(&d[3..5]);
    matches!(d[0], 1..=4 | 7 | 8)
        && (matches!(month, 1..=12 | 20..=42 | 50..=99))
        && 97 - number(&d[..13]) % 97 == number(&d[13..])
}

/// French tax number (SPI): thirteen digits, the last three are the first ten mod 511.
pub(super) fn fr_spi(value: &[u8]) -> bool {
    exactly::<13>(value)
        .is_some_and(|d| d[0] <= 3 && number(&d[..10]) > 0 && number(&d[..10]) % 511 == number(&d[10..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn britain_and_ireland() {
        assert!(nhs(b"943 476 5919") && !nhs(b"943 476 5918") && !nhs(b"0000000000"));
        assert!(uk_nino(b"AB 12 34 56 C") && uk_nino(b"ab123456") && !uk_nino(b"GB123456A") && !uk_nino(b"AB123456E"));
        assert!(uk_utr(b"1123456789") && uk_utr(b"1123456789K") && !uk_utr(b"2123456789"));
        assert!(ie_pps(b"1234567FA") && ie_pps(b"1234567T") && !ie_pps(b"1234567A") && !ie_pps(b"1234567FZ"));
    }

    #[test]
    fn low_countries_and_france() {
        assert!(bsn(b"111222333") && bsn(b"1855013") && !bsn(b"111222334") && !bsn(b"000000000"));
        assert!(be_national(b"85.07.30-033.28") && be_national(b"17073003384") && !be_national(b"85.07.30-033.29"));
        assert!(nir(b"2 55 08 14 168 025 38") && nir(b"255081416802538") && !nir(b"255081416802539"));
        assert!(nir(b"1 80 01 2A 001 001 61") && !nir(b"1 80 01 2B 001 001 61"));
        assert!(fr_spi(b"30 23 217 600 053") && !fr_spi(b"30 23 217 600 054"));
    }
}
