//! The shape of a rule pack, as written in TOML.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// How bad it is when this leaks, or how bad an alert is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Worth fixing.
    #[default]
    Warning,
    /// Worth waking somebody.
    Critical,
}

/// A check in code that a match must pass beyond its pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Validator {
    /// Payment card: 13–19 digits, Luhn (ISO/IEC 7812-1), issuer prefix and length.
    Card,
    /// IBAN: country length and mod 97 (ISO 13616).
    Iban,
    /// US social security number: area, group and serial rules.
    Ssn,
    /// JSON Web Token: the header must decode to JSON with `alg` (RFC 7515).
    Jwt,
    /// Base64 of `user:password` (RFC 7617).
    BasicAuth,
    /// Plain Luhn checksum.
    Luhn,
    /// UK NHS number (mod 11).
    Nhs,
    /// Canadian social insurance number (Luhn, first digit not 0 or 8).
    CaSin,
    /// Brazilian CPF (two mod 11 digits).
    Cpf,
    /// Brazilian CNPJ (two mod 11 digits).
    Cnpj,
    /// Polish PESEL (weights 1 3 7 9).
    Pesel,
    /// Dutch BSN (eleven test).
    Bsn,
    /// Indian Aadhaar (Verhoeff).
    Aadhaar,
    /// Spanish DNI or NIE (mod 23 letter).
    Dni,
    /// French NIR (mod 97).
    Nir,
    /// German Steuer-ID (ISO 7064 mod 11,10).
    SteuerId,
    /// Swedish personnummer (Luhn over ten digits).
    Personnummer,
    /// Mexican CURP (check digit).
    Curp,
    /// Italian codice fiscale (check letter).
    CodiceFiscale,
    /// Finnish henkilötunnus (mod 31 check character).
    Hetu,
    /// Norwegian fødselsnummer (two mod 11 digits).
    Fodselsnummer,
    /// Danish CPR (date in the first six digits).
    Cpr,
    /// Australian tax file number (mod 11).
    AuTfn,
    /// Australian Medicare number (mod 10).
    AuMedicare,
    /// US bank routing number (ABA, weights 3 7 1).
    AbaRouting,
    /// Turkish kimlik number.
    TrKimlik,
    /// Belgian national number (mod 97).
    BeNational,
    /// Portuguese NIF (mod 11).
    PtNif,
    /// South African id number (Luhn, date).
    ZaId,
    /// Singapore NRIC or FIN (check letter).
    SgNric,
    /// South Korean resident registration number.
    KrRrn,
    /// Chinese resident identity card (ISO 7064 mod 11-2).
    CnId,
    /// Swiss AHV number (EAN-13 over 756…).
    ChAhv,
    /// Vehicle identification number (ISO 3779 check digit).
    Vin,
    /// IMEI (Luhn over 15 digits).
    Imei,
    /// Bitcoin private key in wallet import format (Base58Check).
    BitcoinWif,
    /// Bitcoin address (Base58Check, Bech32, Bech32m).
    BitcoinAddress,
    /// US national provider identifier (Luhn with 80840).
    UsNpi,
    /// US DEA registration number.
    UsDea,
    /// Chilean RUT (mod 11).
    ClRut,
    /// Argentine CUIT or CUIL (mod 11).
    ArCuit,
    /// New Zealand IRD number (mod 11).
    NzIrd,
    /// Taiwanese identity number.
    TwId,
    /// Hong Kong identity card.
    HkId,
    /// Thai national number (mod 11).
    ThId,
    /// Japanese individual number (mod 11).
    JpMyNumber,
    /// Israeli identity number (Luhn).
    IlId,
    /// Polish NIP (mod 11).
    PlNip,
    /// Czech or Slovak birth number.
    CzRodneCislo,
    /// Hungarian tax identification number (mod 11).
    HuTaxId,
    /// Romanian CNP (mod 11).
    RoCnp,
    /// Bulgarian EGN (mod 11).
    BgEgn,
    /// Slovenian EMŠO or another JMBG (mod 11).
    SiEmso,
    /// Slovenian tax number (mod 11).
    SiTaxId,
    /// Croatian OIB (ISO 7064 mod 11,10).
    HrOib,
    /// Austrian social insurance number (mod 11).
    AtSvnr,
    /// German pension insurance number.
    DeSvnr,
    /// German identity card number.
    DeIdCard,
    /// Estonian or Lithuanian personal code (mod 11).
    EeIsikukood,
    /// Greek AMKA (date, Luhn).
    GrAmka,
    /// Greek AFM (mod 11).
    GrAfm,
    /// UK national insurance number (letters that are given out).
    UkNino,
    /// UK unique taxpayer reference (mod 11).
    UkUtr,
    /// Irish PPS number (mod 23).
    IePps,
    /// French tax number (mod 511).
    FrSpi,
}

/// One detector.
///
/// A rule is woken in one of three ways, by the fields that it sets:
/// - `prefixes`: the literal that every match starts with; the pattern is tried right there (the byte to the left is no
///   letter or digit; nothing is asked of the byte to the right). A match begins with a letter or digit and at least
///   six bytes of letters, digits and `_ - . + /`: other places are never looked at. Where several rules share a
///   literal, the first in order that matches wins, so the longer pattern comes first;
/// - `keywords`: words that stand within 40 bytes before the value, not in the middle of a longer word; between the two
///   stand only word characters, spaces, quotes and signs of assignment; the pattern must match one whole token;
/// - `fields`: names of fields, options or variables whose value is taken; with a pattern, the value must match it.
///
/// A rule may set more than one; each is tried by itself. Rules without any of them are the built-in shapes (`builtin`).
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RuleDef {
    /// Unique lower-case name, for example `openai-api-key`.
    pub id: String,
    /// The label written in place of a match, for example `OPENAI_API_KEY`: `[A-Z][A-Z0-9_]+`.
    #[serde(rename = "type")]
    pub kind: String,
    /// One line for people.
    pub description: String,
    /// How bad a leak of this is.
    #[serde(default)]
    pub severity: Severity,
    /// Whether the label carries a pseudonym (`[TYPE:tag]`), because the value identifies a caller.
    #[serde(default)]
    pub tag: bool,
    /// Literals that a match starts with, case-sensitive, at least two bytes each.
    #[serde(default)]
    pub prefixes: Vec<String>,
    /// Words near which a value counts, in lower case; matched without regard to case.
    #[serde(default)]
    pub keywords: Vec<String>,
    /// Field names in snake case; camel case, kebab case and dots are the same to us.
    #[serde(default)]
    pub fields: Vec<String>,
    /// Regular expression, anchored where the rule is woken. Group 1, when present, is the part that goes.
    #[serde(default)]
    pub pattern: Option<String>,
    /// A further check in code.
    #[serde(default)]
    pub validator: Option<Validator>,
    /// Least Shannon entropy of the matched part, in bits a byte.
    #[serde(default)]
    pub entropy: Option<f32>,
    /// The name of a shape that is built into the engine (`email`, `url-userinfo`, ...).
    #[serde(default)]
    pub builtin: Option<String>,
    /// Off unless the configuration turns it on.
    #[serde(default)]
    pub off: bool,
    /// Where to revoke a credential of this kind, or the first step to take.
    #[serde(default)]
    pub revoke: Option<String>,
    /// Where the format is described.
    #[serde(default)]
    pub reference: Option<String>,
    /// Texts in which the rule must fire; `«` and `»` stand around the part that must go.
    #[serde(default)]
    pub examples: Vec<String>,
    /// Texts in which the rule must not fire.
    #[serde(default)]
    pub negatives: Vec<String>,
}

/// Words that make a field name sensitive, as whole tokens; `api_key` is the two tokens in a row.
///
/// A name is cut into lower-case tokens at case changes and at everything that is no letter or digit. An entry matches where
/// its tokens stand in a row anywhere in the name; the longest entry wins, and a strong one before a weak one.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct FieldClasses {
    /// Label types of the classes below whose labels carry a pseudonym, because the value identifies a caller.
    #[serde(default)]
    pub tagged: Vec<String>,
    /// Any value of such a field goes: names by label.
    #[serde(default)]
    pub strong: BTreeMap<String, Vec<String>>,
    /// The value goes when it looks like a secret.
    #[serde(default)]
    pub weak: BTreeMap<String, Vec<String>>,
    /// Rows of tokens inside which a word of the classes above does not count.
    #[serde(default)]
    pub deny: Vec<String>,
    /// Last tokens that make a name a measure or a description rather than a secret (`count`, `type`, `expires`), when
    /// the entry itself does not reach to the end of the name.
    #[serde(default)]
    pub deny_suffix: Vec<String>,
    /// Personal data by field name: the value goes when it fits the type.
    #[serde(default)]
    pub personal: BTreeMap<String, Vec<String>>,
}
