//! Secrets of our own: what the configuration refers to, and the files that hold our keys.

mod file;
mod reference;

pub use file::{FileError, credential, random_hex, read, write};
pub use reference::{Secret, SecretError};
