//! National numbers of the Americas.

use super::digits::{all_same, alnum_exactly, alnum_up_to, exactly, is_day, luhn_sum, number, weighted};

/// US social security number: no area 000, 666 or 900 and above, no group 00, no serial 0000 (SSA).
pub(super) fn ssn(value: &[u8]) -> bool {
    let Some(d) = exactly::<9>(value) else { return false };
    let (area, group, serial) = (number(&d[..3]), number(&d[3..5]), number(&d[5..]));
    !matches!(area, 0 | 666 | 900..) && group != 0 && serial != 0 && !all_same(&d)
}

/// US national provider identifier: Luhn with 80840 in front, which adds 24 (CMS).
pub(super) fn us_npi(value: &[u8]) -> bool {
    let Some(d) = exactly::<10>(value) else { return false };
    let mut whole = [8, 0, 8, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    whole[5..].copy_from_slice(&d);
    matches!(d[0], 1 | 2) && luhn_sum(&whole)
}

/// US DEA registration: two letters (the second may be 9), six digits and a check digit.
pub(super) fn us_dea(value: &[u8]) -> bool {
    let Some(c) = alnum_exactly::<9>(value) else { return false };
    let letters = c[0].is_ascii_uppercase() && (c[1].is_ascii_uppercase() || c[1] == b'9');
    let Some(d) = exactly::<7>(&c[2..]) else { return false };
    letters && weighted(&d, &[1, 2, 1, 2, 1, 2]) % 10 == u32::from(d[6])
}

/// Canadian social insurance number: Luhn, first digit not 0 or 8.
pub(super) fn ca_sin(value: &[u8]) -> bool {
    exactly::<9>(value).is_some_and(|d| !matches!(d[0], 0 | 8) && luhn_sum(&d))
}

/// Brazilian CPF: two check digits mod 11.
pub(super) fn cpf(value: &[u8]) -> bool {
    let Some(d) = exactly::<11>(value) else { return false };
    let digit =
        |n: usize| (2..=n as u32 + 1).rev().zip(&d[..n]).map(|(w, &x)| w * u32::from(x)).sum::<u32>() * 10 % 11 % 10;
    !all_same(&d) && digit(9) == u32::from(d[9]) && digit(10) == u32::from(d[10])
}

/// Brazilian CNPJ, digits or (since 2026) letters in the first twelve places: two check digits mod 11.
pub(super) fn cnpj(value: &[u8]) -> bool {
    const WEIGHTS: [u32; 13] = [6, 5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2];
    let Some(c) = alnum_exactly::<14>(value) else { return false };
    let v = c.map(|b| b - b'0');
    let digit = |n: usize| match weighted(&v[..n], &WEIGHTS[13 - n..]) % 11 {
        0 | 1 => 0,
        r => 11 - r,
    };
    c[12..].iter().all(u8::is_ascii_digit)
        && !all_same(&v)
        && digit(12) == u32::from(v[12])
        && digit(13) == u32::from(v[13])
}

/// Mexican CURP: date of birth, sex, and a check digit mod 10 over an alphabet with Ñ.
pub(super) fn curp(value: &[u8]) -> bool {
    let Some(c) = alnum_exactly::<18>(value) else { return false };
    let worth = |b: u8| match b {
        b'0'..=b'9' => u32::from(b - b'0'),
        b'A'..=b'N' => u32::from(b - b'A') + 10,
        _ => u32::from(b - b'A') + 11, // Ñ takes 24.
    };
    let shape = c[..4].iter().all(u8::is_ascii_uppercase)
        && matches!(c[10], b'H' | b'M' | b'X')
        && c[11..16].iter().all(u8::is_ascii_uppercase)
        && c[17].is_ascii_digit();
    let Some(date) = exactly::<6>(&c[4..10]) else { return false };
    let sum: u32 = c[..17].iter().zip((2..=18).rev()).map(|(&b, w)| worth(b) * w).sum();
    shape && is_day(number(&date[4..]), number(&date[2..4])) && (10 - sum % 10) % 10 == worth(c[17])
}

/// Chilean RUT: seven or eight digits and a check character mod 11, `K` for 10.
pub(super) fn cl_rut(value: &[u8]) -> bool {
    let Some((c, n @ 8..=9)) = alnum_up_to::<9>(value) else { return false };
    let (body, check) = (&c[..n - 1], c[n - 1]);
    if !body.iter().all(u8::is_ascii_digit) || body.windows(2).all(|w| w[0] == w[1]) {
        return false;
    }
    let sum: u32 =
        body.iter().rev().zip([2, 3, 4, 5, 6, 7].iter().cycle()).map(|(&b, w)| u32::from(b - b'0') * w).sum();
    let expected = match 11 - sum % 11 {
        11 => b'0',
        10 => b'K',
        r => b'0' + r as u8,
    };
    check == expected
}

/// Argentine CUIT or CUIL: a known kind in the first two digits and a check digit mod 11.
pub(super) fn ar_cuit(value: &[u8]) -> bool {
    let Some(d) = exactly::<11>(value) else { return false };
    let kind = matches!(number(&d[..2]), 20 | 23..=27 | 30 | 33 | 34);
    let check = match 11 - weighted(&d[..10], &[5, 4, 3, 2, 7, 6, 5, 4, 3, 2]) % 11 {
        11 => 0,
        10 => 9,
        r => r,
    };
    kind && check == u32::from(d[10])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn united_states() {
        assert!(ssn(b"536-90-4399") && ssn(b"536904399"));
        assert!(!ssn(b"000-12-3456") && !ssn(b"666-12-3456") && !ssn(b"900-12-3456") && !ssn(b"536-00-4399"));
        assert!(!ssn(b"536-90-0000") && !ssn(b"53690439"));
        assert!(us_npi(b"1234567893") && !us_npi(b"1234567890") && !us_npi(b"3234567893"));
        assert!(us_dea(b"BB1388568") && us_dea(b"F91234563") && !us_dea(b"BB1388567") && !us_dea(b"111388568"));
    }

    #[test]
    fn canada_mexico_chile_argentina() {
        assert!(ca_sin(b"130 692 544") && !ca_sin(b"130 692 545") && !ca_sin(b"046454286"));
        assert!(curp(b"BOXW310820HNERXN09") && !curp(b"BOXW310820HNERXN08") && !curp(b"BOXW311320HNERXN09"));
        assert!(cl_rut(b"12.531.909-2") && cl_rut(b"12345670-K") && !cl_rut(b"12.531.909-3") && !cl_rut(b"11111111-1"));
        assert!(ar_cuit(b"20-05536168-2") && !ar_cuit(b"20-05536168-3") && !ar_cuit(b"10-05536168-2"));
    }

    #[test]
    fn brazil() {
        assert!(cpf(b"390.533.447-05") && !cpf(b"390.533.447-06") && !cpf(b"111.111.111-11"));
        assert!(cnpj(b"11.222.333/0001-81") && !cnpj(b"11.222.333/0001-82"));
        assert!(cnpj(b"12.ABC.345/01DE-35") && !cnpj(b"12.ABC.345/01DE-36"));
    }
}
