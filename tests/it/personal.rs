//! Structured personal data: numbers made up to fit their check digits go under their field and beside their word, and
//! digits of the same length stay where nothing says what they are.

use logwarden::redact::{PseudonymKey, Redactor, Worker};
use logwarden::rules::{Validator, validate};

/// A kind of number: its field, its word in a sentence, its check, and how it is written. In a spelling `9` stands for a
/// digit, `@` for a letter, `#` for either; everything else for itself.
type Kind = (&'static str, &'static str, Option<Validator>, &'static [&'static str]);

const KINDS: &[Kind] = &[
    ("card_number", "card", Some(Validator::Card), &["4999999999999999", "5199 9999 9999 9999", "3799-999999-99999"]),
    (
        "iban",
        "iban",
        Some(Validator::Iban),
        &["DE99999999999999999999", "NL99ABNA9999999999", "GB99WEST99999999999999"],
    ),
    ("ssn", "ssn", Some(Validator::Ssn), &["999-99-9999", "999999999", "999 99 9999"]),
    ("email", "mail", None, &["a9b@example.com", "first.last99@mail.example.org"]),
    ("phone", "phone", None, &["+1 415 999 9999", "+44 20 9999 9999", "415-999-9999", "(415) 999-9999"]),
    ("nhs_number", "nhs", Some(Validator::Nhs), &["9999999999", "999 999 9999"]),
    ("sin", "sin", Some(Validator::CaSin), &["999999999", "999 999 999", "999-999-999"]),
    ("cpf", "cpf", Some(Validator::Cpf), &["99999999999", "999.999.999-99"]),
    ("cnpj", "cnpj", Some(Validator::Cnpj), &["99999999000199", "99.999.999/0001-99"]),
    ("pesel", "pesel", Some(Validator::Pesel), &["99999999999"]),
    ("bsn", "bsn", Some(Validator::Bsn), &["999999999"]),
    ("aadhaar", "aadhaar", Some(Validator::Aadhaar), &["999999999999", "9999 9999 9999"]),
    ("dni", "dni", Some(Validator::Dni), &["99999999@", "X9999999@"]),
    ("nir", "nir", Some(Validator::Nir), &["199099999999999", "299029999999999"]),
    ("steuer_id", "steuer", Some(Validator::SteuerId), &["99999999999", "99 999 999 999"]),
    ("personnummer", "personnummer", Some(Validator::Personnummer), &["990999-9999", "199909999999"]),
    ("curp", "curp", Some(Validator::Curp), &["@@@@990999H@@@@@99"]),
    ("codice_fiscale", "codice_fiscale", Some(Validator::CodiceFiscale), &["@@@@@@99A99@999@"]),
    ("hetu", "hetu", Some(Validator::Hetu), &["199999-999#", "099999A999#"]),
    ("fodselsnummer", "fodselsnummer", Some(Validator::Fodselsnummer), &["19099999999"]),
    ("cpr", "cpr", Some(Validator::Cpr), &["190999-9999", "1909999999"]),
    ("tfn", "tfn", Some(Validator::AuTfn), &["999999999", "999 999 999"]),
    ("medicare_number", "medicare", Some(Validator::AuMedicare), &["2999999999", "2999 99999 9"]),
    ("routing_number", "routing", Some(Validator::AbaRouting), &["099999999", "219999999"]),
    ("tckn", "tckn", Some(Validator::TrKimlik), &["99999999999"]),
    ("niss", "niss", Some(Validator::BeNational), &["99.09.19-999.99", "99091999999"]),
    ("nif", "nif", Some(Validator::PtNif), &["299999999", "299 999 999"]),
    ("sa_id_number", "sa_id", Some(Validator::ZaId), &["9909199999089"]),
    ("nric", "nric", Some(Validator::SgNric), &["S9999999@", "T9999999@"]),
    ("rrn", "rrn", Some(Validator::KrRrn), &["990919-1999999"]),
    ("idcard", "idcard", Some(Validator::CnId), &["11010519990919999#"]),
    ("ahv", "ahv", Some(Validator::ChAhv), &["756.9999.9999.99", "7569999999999"]),
    ("vin", "vin", Some(Validator::Vin), &["1M8GDM9A#KP999999"]),
    ("imei", "imei", Some(Validator::Imei), &["999999999999999"]),
    ("nino", "nino", Some(Validator::UkNino), &["AB999999C", "CE999999A"]),
    ("utr", "utr", Some(Validator::UkUtr), &["9999999999"]),
    ("ppsn", "ppsn", Some(Validator::IePps), &["9999999@", "9999999@A"]),
    ("nip", "nip", Some(Validator::PlNip), &["9999999999", "999-999-99-99"]),
    ("rodne_cislo", "rodne", Some(Validator::CzRodneCislo), &["990919/9999", "9909199999"]),
    ("cnp", "cnp", Some(Validator::RoCnp), &["1990919999999"]),
    ("egn", "egn", Some(Validator::BgEgn), &["9909199999"]),
    ("jmbg", "jmbg", Some(Validator::SiEmso), &["1909999509999"]),
    ("oib", "oib", Some(Validator::HrOib), &["99999999999"]),
    ("amka", "amka", Some(Validator::GrAmka), &["19099999999"]),
    ("afm", "afm", Some(Validator::GrAfm), &["999999999"]),
    ("isikukood", "isikukood", Some(Validator::EeIsikukood), &["39909199999"]),
    ("at_svnr", "svnr", Some(Validator::AtSvnr), &["9999190999", "9999 190999"]),
    ("rut", "rut", Some(Validator::ClRut), &["19.999.999-9", "19999999-9"]),
    ("cuit", "cuit", Some(Validator::ArCuit), &["20-99999999-9", "20999999999"]),
    ("ird_number", "ird", Some(Validator::NzIrd), &["99-999-999", "099999999"]),
    ("my_number", "my_number", Some(Validator::JpMyNumber), &["999999999999", "9999 9999 9999"]),
    ("thai_id", "thai_id", Some(Validator::ThId), &["1999999999999", "1-9999-99999-99-9"]),
    ("hkid", "hkid", Some(Validator::HkId), &["A9999999", "A999999(9)"]),
    ("tw_id", "tw_id", Some(Validator::TwId), &["A199999999", "B299999999"]),
    ("npi", "npi", Some(Validator::UsNpi), &["1999999999"]),
    ("dea_number", "dea", Some(Validator::UsDea), &["BB9999999"]),
    (
        "btc_address",
        "bitcoin",
        None,
        &["1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"],
    ),
];

/// How many numbers of each spelling are tried.
const EACH: usize = 40;

/// How many bare numbers of each length are tried.
const BARE: usize = 200;

/// A small generator, so that a run can be repeated.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    /// A text of this spelling that passes the check.
    fn number(&mut self, spelling: &str, check: Option<Validator>) -> String {
        for _ in 0..200_000 {
            let text: String = spelling.chars().map(|c| self.stand_in(c)).collect();
            if check.is_none_or(|v| validate(v, text.as_bytes())) {
                return text;
            }
        }
        panic!("no number like {spelling} passes {check:?}");
    }

    fn stand_in(&mut self, c: char) -> char {
        const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ";
        let digit = |n| char::from(b'0' + n as u8);
        match c {
            '9' => digit(self.roll(10)),
            '@' => char::from(LETTERS[self.roll(26) as usize]),
            '#' if self.roll(36) < 10 => digit(self.roll(10)),
            '#' => char::from(LETTERS[self.roll(26) as usize]),
            other => other,
        }
    }
}

/// A spelling in which `@` or `9` is meant as such: addresses, and digits that are part of an example.
fn is_fixed(spelling: &str) -> bool {
    spelling.contains(".com") || spelling.contains(".org") || spelling.len() > 30
}

/// Whether the number is gone from what the redactor makes of `line`.
fn goes(worker: &mut Worker, line: &str, number: &str) -> bool {
    let out = String::from_utf8(worker.redact_line(line.as_bytes())).unwrap();
    !out.contains(number)
}

#[test]
fn numbers_go_under_their_field_and_beside_their_word() {
    let redactor = Redactor::new(PseudonymKey::random().unwrap());
    let mut dice = Dice(7);
    let mut table = Vec::new();
    for &(field, word, check, spellings) in KINDS {
        let (mut tried, mut under, mut beside, mut missed) = (0, 0, 0, String::new());
        for spelling in spellings {
            for _ in 0..EACH {
                let number = if is_fixed(spelling) { (*spelling).to_owned() } else { dice.number(spelling, check) };
                let named = format!(r#"{{"level":"info","{field}":"{number}"}}"#);
                let said = format!("customer gave {word}: {number} today");
                // What a worker has seen once it remembers, so each line gets its own.
                let is_under = goes(&mut redactor.worker(), &named, &number);
                let is_beside = goes(&mut redactor.worker(), &said, &number);
                if !(is_under && is_beside) {
                    missed = number;
                }
                (tried, under, beside) = (tried + 1, under + usize::from(is_under), beside + usize::from(is_beside));
            }
        }
        if under * 100 < tried * 98 || beside * 100 < tried * 98 {
            table.push(format!("{field}: {under} under the field, {beside} beside `{word}` of {tried}, not {missed}"));
        }
    }
    assert!(table.is_empty(), "\n{}", table.join("\n"));
}

#[test]
fn bare_digits_stay() {
    let redactor = Redactor::new(PseudonymKey::random().unwrap());
    let mut dice = Dice(11);
    let mut table = Vec::new();
    for &(field, .., spellings) in KINDS.iter().filter(|k| k.0 != "card_number") {
        for spelling in spellings.iter().filter(|s| s.bytes().all(|b| b.is_ascii_digit())) {
            let touched = (0..BARE).filter(|_| {
                let number = dice.number(spelling, None);
                goes(&mut redactor.worker(), &format!(r#"{{"level":"info","items":{number}}}"#), &number)
                    || goes(&mut redactor.worker(), &format!("moved {number} rows to the archive"), &number)
            });
            let touched = touched.count();
            if touched * 50 > BARE {
                table.push(format!("{field}: {touched} of {BARE} like {spelling}"));
            }
        }
    }
    assert!(table.is_empty(), "\n{}", table.join("\n"));
}
