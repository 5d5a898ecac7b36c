//! Colours for people: on a terminal, unless `NO_COLOR` or `--color` says otherwise.

use anstream::ColorChoice;

/// The values of `--color`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum ColorArg {
    /// On a terminal, unless NO_COLOR is set.
    #[default]
    Auto,
    /// Always, also into pipes and files.
    Always,
    /// Never.
    Never,
}

impl ColorArg {
    /// Makes the choice for the whole process.
    pub fn apply(self) {
        match self {
            Self::Auto => ColorChoice::Auto,
            Self::Always => ColorChoice::Always,
            Self::Never => ColorChoice::Never,
        }
        .write_global();
    }
}

/// Text that came from outside, safe for a terminal: control characters become `·`.
pub fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\t' { '·' } else { c }).collect()
}

/// A number with what it counts: `1 key`, `2 keys`.
pub fn count(n: impl Into<u64>, what: &str) -> String {
    let n = n.into();
    if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_not_many() {
        assert_eq!([count(0u32, "key"), count(1u32, "key"), count(2u64, "key")], ["0 keys", "1 key", "2 keys"]);
    }

    #[test]
    fn a_terminal_gets_no_orders_from_a_log() {
        assert_eq!(plain("a\x1b[31mb\u{9b}c\r\nd\te"), "a·[31mb·c··d\te");
    }
}
