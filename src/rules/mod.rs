//! Rules as data: what a detector is, where packs come from, and the proof that each rule does what it says.

mod load;
mod model;
mod validate;

pub use load::{Pack, PackError, embedded, load_pack};
pub use model::{FieldClasses, RuleDef, Severity, Validator};
pub use validate::check as validate;
