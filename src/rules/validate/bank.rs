//! Bank accounts: IBAN and the US routing number.

use super::digits::{alnum_up_to, exactly, number, weighted};

/// Longest IBAN of the registry.
const IBAN_MAX: usize = 34;

/// Country and length of its IBAN (SWIFT IBAN registry).
const IBAN_LENGTHS: &[(&[u8; 2], usize)] = &[
    (b"AD", 24),
    (b"AE", 23),
    (b"AL", 28),
    (b"AT", 20),
    (b"AZ", 28),
    (b"BA", 20),
    (b"BE", 16),
    (b"BG", 22),
    (b"BH", 22),
    (b"BI", 27),
    (b"BR", 29),
    (b"BY", 28),
    (b"CH", 21),
    (b"CR", 22),
    (b"CY", 28),
    (b"CZ", 24),
    (b"DE", 22),
    (b"DJ", 27),
    (b"DK", 18),
    (b"DO", 28),
    (b"DZ", 26),
    (b"EE", 20),
    (b"EG", 29),
    (b"ES", 24),
    (b"FI", 18),
    (b"FK", 18),
    (b"FO", 18),
    (b"FR", 27),
    (b"GB", 22),
    (b"GE", 22),
    (b"GI", 23),
    (b"GL", 18),
    (b"GR", 27),
    (b"GT", 28),
    (b"HN", 28),
    (b"HR", 21),
    (b"HU", 28),
    (b"IE", 22),
    (b"IL", 23),
    (b"IQ", 23),
    (b"IR", 26),
    (b"IS", 26),
    (b"IT", 27),
    (b"JO", 30),
    (b"KW", 30),
    (b"KZ", 20),
    (b"LB", 28),
    (b"LC", 32),
    (b"LI", 21),
    (b"LT", 20),
    (b"LU", 20),
    (b"LV", 21),
    (b"LY", 25),
    (b"MA", 28),
    (b"MC", 27),
    (b"MD", 24),
    (b"ME", 22),
    (b"MK", 19),
    (b"MN", 20),
    (b"MR", 27),
    (b"MT", 31),
    (b"MU", 30),
    (b"NI", 28),
    (b"NL", 18),
    (b"NO", 15),
    (b"OM", 23),
    (b"PK", 24),
    (b"PL", 28),
    (b"PS", 29),
    (b"PT", 25),
    (b"QA", 29),
    (b"RO", 24),
    (b"RS", 22),
    (b"RU", 33),
    (b"SA", 24),
    (b"SC", 31),
    (b"SD", 18),
    (b"SE", 24),
    (b"SI", 19),
    (b"SK", 24),
    (b"SM", 27),
    (b"SN", 28),
    (b"SO", 23),
    (b"ST", 25),
    (b"SV", 28),
    (b"TL", 23),
    (b"TN", 24),
    (b"TR", 26),
    (b"UA", 29),
    (b"VA", 22),
    (b"VG", 24),
    (b"XK", 20),
    (b"YE", 30),
];

/// IBAN: the country's length and remainder 1 mod 97 (ISO 13616, ISO 7064 MOD 97-10).
pub(super) fn iban(value: &[u8]) -> bool {
    let Some((c, n)) = alnum_up_to::<IBAN_MAX>(value) else { return false };
    let c = &c[..n];
    if n < 15 || !IBAN_LENGTHS.iter().any(|(country, len)| c.starts_with(*country) && n == *len) {
        return false;
    }
    c[2].is_ascii_digit() && c[3].is_ascii_digit() && mod_97(c[4..].iter().chain(&c[..4])) == 1
}

/// Remainder mod 97 with letters read as two digits, A = 10.
fn mod_97<'a>(chars: impl Iterator<Item = &'a u8>) -> u32 {
    chars.fold(0, |r, &b| match b {
        b'0'..=b'9' => (r * 10 + u32::from(b - b'0')) % 97,
        _ => (r * 100 + u32::from(b - b'A') + 10) % 97,
    })
}

/// US bank routing number: Federal Reserve district and weights 3 7 1.
pub(super) fn aba_routing(value: &[u8]) -> bool {
    let Some(d) = exactly::<9>(value) else { return false };
    let district = number(&d[..2]);
    matches!(district, 1..=12 | 21..=32 | 61..=72 | 80) && weighted(&d, &[3, 7, 1, 3, 7, 1, 3, 7, 1]).is_multiple_of(10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ibans() {
        for good in [
            "GB82 WEST 1234 5698 7654 32",
            "DE89370400440532013000",
            "FR14 2004 1010 0505 0001 3M02 606",
            "NO9386011117947",
        ] {
            assert!(iban(good.as_bytes()), "{good}");
        }
        for bad in [
            "GB82 WEST 1234 5698 7654 33",
            "DE8937040044053201300",
            "ZZ89370400440532013000",
            "DEAB370400440532013000",
            "",
        ] {
            assert!(!iban(bad.as_bytes()), "{bad}");
        }
    }

    #[test]
    fn routing_numbers() {
        assert!(aba_routing(b"011000015") && aba_routing(b"021-000-021"));
        assert!(!aba_routing(b"011000016") && !aba_routing(b"000000000") && !aba_routing(b"991000015"));
    }
}
