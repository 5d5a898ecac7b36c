//! `alerts silence`: alerts of some shape that nobody is told of for a while.

use std::io::Write;
use std::time::Duration;

use owo_colors::OwoColorize;

use super::exit::Exit;
use super::state;
use super::style::plain;
use crate::alert::KINDS;
use crate::config;
use crate::store::{Matcher, MatcherError, Silence};
use crate::units::{Timestamp, UnitError, parse_duration};

/// What can be done with silences.
#[derive(Debug, clap::Subcommand)]
pub enum Verb {
    /// Begin one: `kind=new_ip key=billing-prod` must both fit
    Add {
        /// kind=, key= (name, pseudonym or type), group=, source= or fingerprint=; `*` stands for anything
        #[arg(required = true, value_name = "MATCHER", value_parser = matcher)]
        matchers: Vec<Matcher>,
        /// How long
        #[arg(long = "for", value_name = "DURATION", default_value = "2h", value_parser = duration)]
        length: Duration,
        /// Why
        #[arg(long, short = 'm', default_value = "", hide_default_value = true, value_name = "TEXT")]
        comment: String,
        #[command(flatten)]
        state: state::Args,
    },
    /// Show those that have not ended
    List {
        #[command(flatten)]
        state: state::Args,
    },
    /// End one now
    End {
        /// The silence's id
        id: String,
        #[command(flatten)]
        state: state::Args,
    },
}

/// A matcher that can fit something.
fn matcher(text: &str) -> Result<Matcher, String> {
    let matcher: Matcher = text.parse().map_err(|error: MatcherError| error.to_string())?;
    if let Some(kind) = matcher.unknown_kind() {
        let nearest = config::nearest(kind, KINDS.iter().map(|info| info.name));
        let nearest = nearest.map(|name| format!("; did you mean `{name}`?"));
        return Err(format!("there is no kind `{kind}`{}", nearest.unwrap_or_default()));
    }
    Ok(matcher)
}

fn duration(text: &str) -> Result<Duration, UnitError> {
    parse_duration(text)
}

/// Does it.
pub fn run(verb: &Verb) -> anyhow::Result<Exit> {
    let now = Timestamp::from(chrono::Utc::now());
    let mut out = anstream::stdout().lock();
    match verb {
        Verb::Add { matchers, length, comment, state } => {
            let silence = state.ear()?.silence(matchers, *length, comment)?;
            writeln!(out, "{}", line(&silence))?;
        }
        Verb::List { state } => {
            let silences = state.open()?.silences(now)?;
            silences.iter().try_for_each(|silence| writeln!(out, "{}", line(silence)))?;
            if silences.is_empty() {
                writeln!(out, "no silences")?;
            }
        }
        Verb::End { id, state } => {
            state.ear()?.end_silence(id)?;
            writeln!(out, "{id} has ended")?;
        }
    }
    Ok(Exit::OK)
}

fn line(silence: &Silence) -> String {
    let matchers: Vec<String> = silence.matchers.iter().map(ToString::to_string).collect();
    let comment = if silence.comment.is_empty() { String::new() } else { format!(": {}", silence.comment) };
    format!(
        "{}  until {}  {}  by {}{}",
        silence.id.dimmed(),
        silence.ends_at.rfc3339(),
        plain(&matchers.join(" ")).bold(),
        plain(&silence.author),
        plain(&comment)
    )
}
