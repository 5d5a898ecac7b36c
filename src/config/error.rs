//! What is wrong with a configuration, where it stands, and the way out.

use std::fmt;
use std::path::PathBuf;

use crate::redact::{PseudonymKey, Redacted, Redactor};

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file.
    pub file: PathBuf,
    /// Line, from 1; 0 when the problem is the file as a whole.
    pub line: usize,
    /// Column in characters, from 1.
    pub col: usize,
    /// Length of the underlined text in characters, at least 1.
    pub len: usize,
    /// The line as it stands in the file, without anything secret.
    pub source: String,
    /// What is wrong; lower case, no full stop.
    pub message: String,
    /// What would be right.
    pub help: Option<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if self.line == 0 {
            write!(f, ": {}", self.message)?;
        } else {
            let margin = " ".repeat(self.line.to_string().len());
            let (source, col) = window(&self.source, self.col);
            // The mark stays under what is shown of the line.
            let room = source.chars().count();
            let pad = " ".repeat((col - 1).min(room));
            let len = self.len.min((room + 1).saturating_sub(col)).max(1);
            writeln!(f, ":{}:{}: {}", self.line, self.col, self.message)?;
            writeln!(f, " {margin} |")?;
            writeln!(f, " {} | {source}", self.line)?;
            write!(f, " {margin} | {pad}{}", "^".repeat(len))?;
        }
        match &self.help {
            Some(help) => write!(f, "\n   help: {help}"),
            None => Ok(()),
        }
    }
}

/// The part of a line around column `col`, at most [`WIDEST`] characters, and the column in it.
fn window(line: &str, col: usize) -> (String, usize) {
    if line.chars().count() <= WIDEST {
        return (line.to_owned(), col);
    }
    let from = (col - 1).saturating_sub(WIDEST / 2);
    let cut: String = line.chars().skip(from).take(WIDEST).collect();
    if from == 0 { (format!("{cut}…"), col) } else { (format!("…{cut}…"), col - from + 1) }
}

/// Longer lines are shown in part, in characters.
const WIDEST: usize = 120;

/// All mistakes that were found in one go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// At least one, in the order of the file.
    pub problems: Vec<Problem>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, problem) in self.problems.iter().enumerate() {
            if n > 0 {
                f.write_str("\n\n")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

impl From<Problem> for ConfigError {
    fn from(problem: Problem) -> Self {
        Self { problems: vec![problem] }
    }
}

/// Words in a key's name that make its value secret.
const SECRET_NAMES: [&str; 8] =
    ["password", "passwd", "passphrase", "secret", "token", "api_key", "routing_key", "credential"];

/// Whether the value under this key must never be shown.
pub(super) fn is_secret_name(key: &str) -> bool {
    let key = key.to_ascii_lowercase().replace('-', "_");
    SECRET_NAMES.iter().any(|word| key.contains(word))
}

/// The line as it may be shown: behind a secret key, and behind byte `quiet` when it is given, there are only dots;
/// whatever else the redactor knows as a secret carries its label.
pub(super) fn shown(line: &str, quiet: Option<usize>) -> String {
    let lower = line.to_ascii_lowercase().replace('-', "_");
    let named = SECRET_NAMES.iter().filter_map(|word| lower.find(word)).min();
    let cut = named.into_iter().chain(quiet).min().and_then(|from| line[from..].find('=').map(|at| from + at + 1));
    let text = cut.map_or_else(|| line.to_owned(), |cut| format!("{} …", &line[..cut]));
    without_secrets(&text.replace('\t', " ").replace(char::is_control, "·"))
}

/// `text` as the redactor lets it pass.
pub(super) fn without_secrets(text: &str) -> String {
    let Ok(key) = PseudonymKey::random() else { return String::from("…") };
    let mut redacted = Redacted::default();
    Redactor::new(key).worker().redact(text.as_bytes(), &mut redacted);
    String::from_utf8_lossy(redacted.bytes()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_points_at_its_place() {
        let problem = Problem {
            file: "logwarden.toml".into(),
            line: 12,
            col: 3,
            len: 4,
            source: "  pths = []".into(),
            message: "unknown key `pths`".into(),
            help: Some("did you mean `paths`?".into()),
        };
        assert_eq!(
            problem.to_string(),
            "logwarden.toml:12:3: unknown key `pths`\n    |\n 12 |   pths = []\n    |   ^^^^\n   help: did you mean `paths`?"
        );
    }

    #[test]
    fn a_long_line_is_shown_in_part() {
        let line = "x".repeat(50_000);
        let problem = |col| Problem {
            file: "f".into(),
            line: 1,
            col,
            len: 3,
            source: line.clone(),
            message: "m".into(),
            help: None,
        };
        for col in [1, 60, 30_000, 50_000] {
            let text = problem(col).to_string();
            assert!(text.len() < 600 && text.contains('^'), "{col}: {text}");
        }
        assert_eq!(window("abc", 2), ("abc".to_owned(), 2));
    }

    #[test]
    fn secret_values_are_not_shown() {
        assert_eq!(shown("password = \"hunter2\" # mine", None), "password = …");
        assert_eq!(shown("Client-Secret = hunter2", None), "Client-Secret = …");
        assert_eq!(shown("smtp = { user = 'a', password = 'hunter2' }", None), "smtp = { user = 'a', password = …");
        assert_eq!(shown("paths = [\"/var/log\"]", None), "paths = [\"/var/log\"]");
        assert_eq!(shown("pasword = \"hunter2\"", Some(0)), "pasword = …");
    }
}
