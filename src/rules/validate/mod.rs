//! Checks beyond a pattern: check digits, dates and structure. Pure functions over bytes that allocate nothing.
//!
//! Separators (space, `-`, `.`, `/`) between digits are ignored; anything else that does not belong makes a value invalid.

mod americas;
mod asia_pacific;
mod bank;
mod cards;
mod digits;
mod europe_central;
mod europe_north;
mod europe_south;
mod europe_west;
mod tokens;

use super::model::Validator;

/// Whether `value` passes the check `v`. The value is the decoded match without surrounding quotes or spaces.
pub fn check(v: Validator, value: &[u8]) -> bool {
    use Validator as V;
    match v {
        V::Card => cards::card(value),
        V::Luhn => cards::luhn(value),
        V::Imei => cards::imei(value),
        V::Vin => cards::vin(value),
        V::Iban => bank::iban(value),
        V::AbaRouting => bank::aba_routing(value),
        V::Jwt => tokens::jwt(value),
        V::BasicAuth => tokens::basic_auth(value),
        V::BitcoinWif => tokens::bitcoin_wif(value),
        V::BitcoinAddress => tokens::bitcoin_address(value),
        V::Ssn => americas::ssn(value),
        V::UsNpi => americas::us_npi(value),
        V::UsDea => americas::us_dea(value),
        V::CaSin => americas::ca_sin(value),
        V::Cpf => americas::cpf(value),
        V::Cnpj => americas::cnpj(value),
        V::Curp => americas::curp(value),
        V::ClRut => americas::cl_rut(value),
        V::ArCuit => americas::ar_cuit(value),
        V::Aadhaar => asia_pacific::aadhaar(value),
        V::AuTfn => asia_pacific::au_tfn(value),
        V::AuMedicare => asia_pacific::au_medicare(value),
        V::NzIrd => asia_pacific::nz_ird(value),
        V::SgNric => asia_pacific::sg_nric(value),
        V::KrRrn => asia_pacific::kr_rrn(value),
        V::CnId => asia_pacific::cn_id(value),
        V::TwId => asia_pacific::tw_id(value),
        V::HkId => asia_pacific::hk_id(value),
        V::ThId => asia_pacific::th_id(value),
        V::JpMyNumber => asia_pacific::jp_my_number(value),
        V::TrKimlik => asia_pacific::tr_kimlik(value),
        V::IlId => asia_pacific::il_id(value),
        V::ZaId => asia_pacific::za_id(value),
        V::Pesel => europe_central::pesel(value),
        V::PlNip => europe_central::pl_nip(value),
        V::CzRodneCislo => europe_central::cz_rodne_cislo(value),
        V::HuTaxId => europe_central::hu_tax_id(value),
        V::RoCnp => europe_central::ro_cnp(value),
        V::BgEgn => europe_central::bg_egn(value),
        V::SiEmso => europe_central::si_emso(value),
        V::SiTaxId => europe_central::si_tax_id(value),
        V::HrOib => europe_central::hr_oib(value),
        V::AtSvnr => europe_central::at_svnr(value),
        V::ChAhv => europe_central::ch_ahv(value),
        V::SteuerId => europe_central::steuer_id(value),
        V::DeSvnr => europe_central::de_svnr(value),
        V::DeIdCard => europe_central::de_id_card(value),
        V::Personnummer => europe_north::personnummer(value),
        V::Hetu => europe_north::hetu(value),
        V::Fodselsnummer => europe_north::fodselsnummer(value),
        V::Cpr => europe_north::cpr(value),
        V::EeIsikukood => europe_north::ee_isikukood(value),
        V::Dni => europe_south::dni(value),
        V::PtNif => europe_south::pt_nif(value),
        V::CodiceFiscale => europe_south::codice_fiscale(value),
        V::GrAmka => europe_south::gr_amka(value),
        V::GrAfm => europe_south::gr_afm(value),
        V::Nhs => europe_west::nhs(value),
        V::UkNino => europe_west::uk_nino(value),
        V::UkUtr => europe_west::uk_utr(value),
        V::IePps => europe_west::ie_pps(value),
        V::Bsn => europe_west::bsn(value),
        V::BeNational => europe_west::be_national(value),
        V::Nir => europe_west::nir(value),
        V::FrSpi => europe_west::fr_spi(value),
    }
}
