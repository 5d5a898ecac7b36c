//! Rules as data: what a detector is, where packs come from, and the proof that each rule does what it says.

mod check;
mod load;
mod model;
#[cfg(test)]
mod proof;
mod validate;

pub use check::Example;
pub use load::{
    PATTERN_LIMIT, Pack, PackError, compile_pattern, embedded, load_embedded, load_pack, load_user_packs, rule_line,
};
pub use model::{FieldClasses, RuleDef, Severity, Validator};
pub use validate::check as validate;
