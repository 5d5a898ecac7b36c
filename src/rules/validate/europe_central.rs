//! National numbers of Germany, Austria, Switzerland and the countries east of them.

use super::digits::{all_same, alnum_exactly, alnum_up_to, exactly, is_day, mod_11_10, number, up_to, weighted};

/// Polish PESEL: weights 1 3 7 9.
pub(super) fn pesel(value: &[u8]) -> bool {
    let Some(d) = exactly::<11>(value) else { return false };
    !all_same(&d) && weighted(&d, &[1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1]).is_multiple_of(10)
}

/// Polish NIP: check digit mod 11.
pub(super) fn pl_nip(value: &[u8]) -> bool {
    let Some(d) = exactly::<10>(value) else { return false };
    !all_same(&d) && weighted(&d[..9], &[6, 5, 7, 2, 3, 4, 5, 6, 7]) % 11 == u32::from(d[9])
}

/// Czech and Slovak birth number: date (month raised by 20, 50 or 70), ten digits divisible by 11, or nine before 1954.
pub(super) fn cz_rodne_cislo(value: &[u8]) -> bool {
    let Some((d, n @ (9 | 10))) = up_to::<10>(value) else { return false };
    let (year, month, day) = (number(&d[..2]), number(&d[2..4]), number(&d[4..6]));
    let month = match month {
        1..=12 => month,
        21..=32 => month - 20,
        51..=62 => month - 50,
        71..=82 => month - 70,
        _ => return false,
    };
    let check = if n == 9 { year < 54 } else { number(&d[..9]) % 11 % 10 == u64::from(d[9]) };
    is_day(day, month) && check
}

/// Hungarian tax identification of a person: ten digits, check digit mod 11 with weights 1 to 9.
pub(super) fn hu_tax_id(value: &[u8]) -> bool {
    let Some(d) = exactly::<10>(value) else { return false };
    d[0] != 0 && !all_same(&d) && weighted(&d[..9], &[1, 2, 3, 4, 5, 6, 7, 8, 9]) % 11 == u32::from(d[9])
}

/// Romanian CNP: sex and century, date, check digit mod 11 (10 counts as 1).
pub(super) fn ro_cnp(value: &[u8]) -> bool {
    let Some(d) = exactly::<13>(value) else { return false };
    let check = match weighted(&d[..12], &[2, 7, 9, 1, 4, 6, 3, 5, 8, 2, 7, 9]) % 11 {
        10 => 1,
        r => r,
    };
    d[0] != 0 && is_day(number(&d[5..7]), number(&d[3..5])) && check == u32::from(d[12])
}

/// Bulgarian EGN: date (month raised by 20 or 40), check digit mod 11.
pub(super) fn bg_egn(value: &[u8]) -> bool {
    let Some(d) = exactly::<10>(value) else { return false };
    let month = match number(&d[2..4]) {
        m @ 1..=12 => m,
        m @ 21..=32 => m - 20,
        m @ 41..=52 => m - 40,
        _ => return false,
    };
    is_day(number(&d[4..6]), month) && weighted(&d[..9], &[2, 4, 8, 5, 10, 9, 7, 3, 6]) % 11 % 10 == u32::from(d[9])
}

/// Slovenian EMŠO and the other JMBG of the region: date, check digit mod 11.
pub(super) fn si_emso(value: &[u8]) -> bool {
    let Some(d) = exactly::<13>(value) else { return false };
    let check = (11 - weighted(&d[..12], &[7, 6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2]) % 11) % 11;
    is_day(number(&d[..2]), number(&d[2..4])) && check == u32::from(d[12])
}

/// Slovenian tax number: eight digits, check digit mod 11 (10 counts as 0, 11 is not given out).
pub(super) fn si_tax_id(value: &[u8]) -> bool {
    let Some(d) = exactly::<8>(value) else { return false };
    let check = match 11 - weighted(&d[..7], &[8, 7, 6, 5, 4, 3, 2]) % 11 {
        11 => return false,
        r => r % 10,
    };
    d[0] != 0 && check == u32::from(d[7])
}

/// Croatian OIB: ISO 7064 MOD 11,10.
pub(super) fn hr_oib(value: &[u8]) -> bool {
    exactly::<11>(value).is_some_and(|d| !all_same(&d) && mod_11_10(&d))
}

/// Austrian social insurance number: serial, check digit mod 11 in the fourth place, date of birth.
pub(super) fn at_svnr(value: &[u8]) -> bool {
    let Some(d) = exactly::<10>(value) else { return false };
    let sum = weighted(&d, &[3, 7, 9, 0, 5, 8, 4, 2, 1, 6]);
    let month = number(&d[6..8]);
    // Months above 12 are used when the serials of a day run out.
    let dated = (1..=15).contains(&month) && (1..=31).contains(&number(&d[4..6]));
    d[0] != 0 && dated && sum % 11 == u32::from(d[3])
}

/// Swiss AHV number: 756 and an EAN-13 check digit.
pub(super) fn ch_ahv(value: &[u8]) -> bool {
    let Some(d) = exactly::<13>(value) else { return false };
    d[..3] == [7, 5, 6] && weighted(&d, &[1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1]).is_multiple_of(10)
}

/// German tax identification number: ISO 7064 MOD 11,10; among the first ten digits one repeats, none above three times.
pub(super) fn steuer_id(value: &[u8]) -> bool {
    let Some(d) = exactly::<11>(value) else { return false };
    let mut counts = [0u8; 10];
    d[..10].iter().for_each(|&x| counts[usize::from(x)] += 1);
    counts.iter().any(|&c| c > 1) && counts.iter().all(|&c| c <= 3) && mod_11_10(&d)
}

/// German pension insurance number: area, date of birth, initial, serial, check digit mod 10.
pub(super) fn de_svnr(value: &[u8]) -> bool {
    const WEIGHTS: [u32; 12] = [2, 1, 2, 5, 7, 1, 2, 1, 2, 1, 2, 1];
    let Some(c) = alnum_exactly::<12>(value) else { return false };
    let letter = c[8];
    let digits = |b: &u8| b.is_ascii_digit();
    if !letter.is_ascii_uppercase() || !c[..8].iter().all(digits) || !c[9..].iter().all(digits) {
        return false;
    }
    let place = letter - b'A' + 1;
    let d = [c[0], c[1], c[2], c[3], c[4], c[5], c[6], c[7], place / 10 + b'0', place % 10 + b'0', c[9], c[10]]
        .map(|b| b - b'0');
    let sum: u32 = d.iter().zip(WEIGHTS).map(|(&x, w)| u32::from(x) * w).map(|p| p / 10 + p % 10).sum();
    let (day, month) = (number(&d[2..4]), number(&d[4..6]));
    (1..=12).contains(&month) && (1..=81).contains(&day) && sum % 10 == u32::from(c[11] - b'0')
}

/// German identity card or passport number: nine characters of its alphabet and, when given, a check digit (weights 7 3 1).
pub(super) fn de_id_card(value: &[u8]) -> bool {
    let Some((c, n @ (9 | 10))) = alnum_up_to::<10>(value) else { return false };
    let worth = |b: u8| if b.is_ascii_digit() { b - b'0' } else { b - b'A' + 10 };
    let own = |b: &u8| matches!(b, b'0'..=b'9' | b'C' | b'F'..=b'H' | b'J'..=b'N' | b'P' | b'R' | b'T' | b'V'..=b'Z');
    let body = &c[..9];
    let sum = weighted(&[0, 1, 2, 3, 4, 5, 6, 7, 8].map(|i: usize| worth(body[i])), &[7, 3, 1, 7, 3, 1, 7, 3, 1]);
    let letters = body.iter().any(u8::is_ascii_uppercase) && body.iter().any(u8::is_ascii_digit);
    letters && body.iter().all(own) && (n == 9 || sum % 10 == u32::from(c[9].wrapping_sub(b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn poland_czechia_hungary() {
        assert!(pesel(b"44051401359") && !pesel(b"44051401358") && !pesel(b"00000000000"));
        assert!(pl_nip(b"526-104-08-28") && !pl_nip(b"526-104-08-29"));
        assert!(cz_rodne_cislo(b"710319/2745") && cz_rodne_cislo(b"531231123") && !cz_rodne_cislo(b"991231123"));
        assert!(!cz_rodne_cislo(b"710319/2746") && !cz_rodne_cislo(b"711319/2745"));
        assert!(hu_tax_id(b"8234567896") && !hu_tax_id(b"8234567897"));
    }

    #[test]
    fn romania_bulgaria_slovenia_croatia() {
        assert!(ro_cnp(b"1800101221144") && !ro_cnp(b"1800101221145") && !ro_cnp(b"1801301221144"));
        assert!(bg_egn(b"7523169263") && bg_egn(b"8032056031") && !bg_egn(b"7523169264") && !bg_egn(b"7513169263"));
        assert!(si_emso(b"0101006500006") && !si_emso(b"0101006500007") && !si_emso(b"3201006500006"));
        assert!(si_tax_id(b"15012557") && !si_tax_id(b"15012558"));
        assert!(hr_oib(b"33392005961") && !hr_oib(b"33392005962") && !hr_oib(b"00000000000"));
    }

    #[test]
    fn austria_switzerland_germany() {
        assert!(at_svnr(b"1237 010180") && !at_svnr(b"1238 010180") && !at_svnr(b"1237 990180"));
        assert!(ch_ahv(b"756.9217.0769.85") && !ch_ahv(b"756.9217.0769.84") && !ch_ahv(b"755.9217.0769.85"));
        assert!(steuer_id(b"36 574 261 809") && !steuer_id(b"36574261890") && !steuer_id(b"12345678903"));
        assert!(de_svnr(b"15 070649 C103") && !de_svnr(b"15 070649 C102") && !de_svnr(b"15 071349 C103"));
        assert!(de_id_card(b"T220001293") && de_id_card(b"T22000129") && !de_id_card(b"T220001294"));
        assert!(!de_id_card(b"220001293") && !de_id_card(b"A22000129"));
    }
}
