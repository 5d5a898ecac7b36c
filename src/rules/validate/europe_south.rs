//! National numbers of Spain, Portugal, Italy and Greece.

use super::digits::{all_same, alnum_exactly, exactly, is_day, luhn_sum, number, weighted};

/// Spanish DNI or NIE: the letter follows from the number mod 23; X, Y, Z of a NIE count as 0, 1, 2.
pub(super) fn dni(value: &[u8]) -> bool {
    let Some(mut c) = alnum_exactly::<9>(value) else { return false };
    if matches!(c[0], b'X' | b'Y' | b'Z') {
        c[0] -= b'X' - b'0';
    }
    exactly::<8>(&c[..8]).is_some_and(|d| b"TRWAGMYFPDXBNJZSQVHLCKE"[(number(&d) % 23) as usize] == c[8])
}

/// Portuguese NIF: check digit mod 11.
pub(super) fn pt_nif(value: &[u8]) -> bool {
    let Some(d) = exactly::<9>(value) else { return false };
    let check = match weighted(&d[..8], &[9, 8, 7, 6, 5, 4, 3, 2]) % 11 {
        0 | 1 => 0,
        r => 11 - r,
    };
    d[0] != 0 && !all_same(&d) && check == u32::from(d[8])
}

/// Italian codice fiscale: the last letter follows from odd and even places (decree of 23 December 1976).
pub(super) fn codice_fiscale(value: &[u8]) -> bool {
    const ODD: [u32; 26] =
        [1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23];
    let Some(c) = alnum_exactly::<16>(value) else { return false };
    let worth = |b: u8| if b.is_ascii_digit() { b - b'0' } else { b - b'A' };
    let sum: u32 = c[..15]
        .iter()
        .enumerate()
        .map(|(i, &b)| if i % 2 == 0 { ODD[usize::from(worth(b))] } else { u32::from(worth(b)) })
        .sum();
    let month = b"ABCDEHLMPRST".contains(&c[8]);
    month && c[..6].iter().all(u8::is_ascii_uppercase) && c[15] == b'A' + (sum % 26) as u8
}

/// Greek AMKA: date of birth, Luhn.
pub(super) fn gr_amka(value: &[u8]) -> bool {
    exactly::<11>(value).is_some_and(|d| is_day(number(&d[..2]), number(&d[2..4])) && luhn_sum(&d))
}

/// Greek AFM: powers of two, mod 11.
pub(super) fn gr_afm(value: &[u8]) -> bool {
    let Some(d) = exactly::<9>(value) else { return false };
    let sum = weighted(&d[..8], &[256, 128, 64, 32, 16, 8, 4, 2]);
    !all_same(&d) && sum % 11 % 10 == u32::from(d[8])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spain_and_portugal() {
        assert!(
            dni(b"12345678Z") && dni(b"12345678-z") && dni(b"X1234567L") && !dni(b"12345678A") && !dni(b"1234567Z")
        );
        assert!(pt_nif(b"501964843") && pt_nif(b"581 348 915") && !pt_nif(b"501964842") && !pt_nif(b"000000000"));
    }

    #[test]
    fn italy_and_greece() {
        assert!(codice_fiscale(b"RSSMRA85T10A562S") && codice_fiscale(b"mrtmtt91d08f205j"));
        assert!(!codice_fiscale(b"RSSMRA85T10A562T") && !codice_fiscale(b"RSSMRA85Z10A562S"));
        assert!(gr_amka(b"01013099997") && !gr_amka(b"01013099998") && !gr_amka(b"32013099997"));
        assert!(gr_afm(b"094259216") && !gr_afm(b"094259217"));
    }
}
