//! Payment cards and the other numbers with an issuer: IMEI, VIN.

use super::digits::{all_same, alnum_exactly, exactly, luhn_sum, number, up_to};

/// Payment card: 13–19 digits, Luhn, and an issuer that gives out numbers of that length.
pub(super) fn card(value: &[u8]) -> bool {
    let Some((d, n)) = up_to::<19>(value) else { return false };
    let d = &d[..n];
    n >= 13 && !all_same(d) && luhn_sum(d) && issuer_gives(number(&d[..6]), n)
}

/// Whether a scheme gives out numbers of `len` digits that start with these six (the published ranges of each scheme).
fn issuer_gives(iin: u64, len: usize) -> bool {
    let four = iin / 100;
    match iin {
        // Visa
        400_000..=499_999 => matches!(len, 13 | 16 | 19),
        // Mastercard
        510_000..=559_999 | 222_100..=272_099 => len == 16,
        // American Express
        340_000..=349_999 | 370_000..=379_999 => len == 15,
        // Diners Club
        360_000..=369_999 => len == 14,
        300_000..=305_999 | 309_500..=309_599 | 380_000..=399_999 => matches!(len, 14 | 16),
        // JCB
        352_800..=358_999 => (16..=19).contains(&len),
        // Mir
        220_000..=220_499 => (16..=19).contains(&len),
        // Verve
        506_099..=506_198 | 507_865..=507_964 | 650_002..=650_027 => matches!(len, 16 | 18 | 19),
        // Discover, UnionPay, InterPayment
        601_100..=601_199 | 644_000..=659_999 | 620_000..=629_999 | 636_000..=636_999 => (16..=19).contains(&len),
        // RuPay
        508_000..=508_999 | 600_000..=609_999 | 810_000..=829_999 => len == 16,
        // Troy
        979_200..=979_299 => len == 16,
        // Maestro
        _ => matches!(four, 5018 | 5019 | 5020 | 5038 | 5893 | 6304 | 6759 | 6761..=6763 | 6771) && len <= 19,
    }
}

/// Any digits with a Luhn check digit, two at least.
pub(super) fn luhn(value: &[u8]) -> bool {
    up_to::<32>(value).is_some_and(|(d, n)| n >= 2 && luhn_sum(&d[..n]))
}

/// IMEI: 15 digits, Luhn (3GPP TS 23.003).
pub(super) fn imei(value: &[u8]) -> bool {
    exactly::<15>(value).is_some_and(|d| !all_same(&d) && luhn_sum(&d))
}

/// VIN: 17 characters, the ninth is a check character (ISO 3779, 49 CFR 565).
pub(super) fn vin(value: &[u8]) -> bool {
    const WEIGHTS: [u32; 17] = [8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2];
    let Some(c) = alnum_exactly::<17>(value) else { return false };
    let mut sum = 0;
    for (&b, weight) in c.iter().zip(WEIGHTS) {
        let v = match b {
            b'0'..=b'9' => b - b'0',
            b'A'..=b'H' => b - b'A' + 1,
            b'J'..=b'N' => b - b'J' + 1,
            b'P' => 7,
            b'R' => 9,
            b'S'..=b'Z' => b - b'S' + 2,
            _ => return false,
        };
        sum += u32::from(v) * weight;
    }
    let expected = match sum % 11 {
        10 => b'X',
        r => b'0' + r as u8,
    };
    c[8] == expected && !c.windows(2).all(|w| w[0] == w[1])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cards_of_the_schemes() {
        for good in [
            "4111 1111 1111 1111",
            "5500-0055-5555-5559",
            "2223003122003222",
            "3782 822463 10005",
            "30569309025904",
            "6011111111111117",
            "3530111333300000",
            "6200000000000005",
            "4222222222222",
        ] {
            assert!(card(good.as_bytes()), "{good}");
        }
        for bad in [
            "4111111111111112",
            "0000000000000000",
            "1111111111111117",
            "411111111111",
            "9999999999999995",
            "37828224631000 5x",
            "41111111111111111111",
        ] {
            assert!(!card(bad.as_bytes()), "{bad}");
        }
    }

    #[test]
    fn phones_and_vehicles() {
        assert!(imei(b"49-015420-323751-8") && imei(b"490154203237518"));
        assert!(!imei(b"490154203237519") && !imei(b"000000000000000"));
        assert!(vin(b"1M8GDM9AXKP042788") && vin(b"1m8gdm9axkp042788"));
        assert!(!vin(b"1M8GDM9A1KP042788") && !vin(b"IM8GDM9AXKP042788"));
        assert!(luhn(b"79927398713") && !luhn(b"79927398710") && !luhn(b"0"));
    }
}
