//! The operator's word: through the running service where it has a socket, else into the state itself.

use std::time::Duration;

use anyhow::Context;
use serde_json::{Value, json};

use super::client::Client;
use super::exit::{Exit, Failure};
use super::state;
use crate::daemon::now;
use crate::redact::Redactor;
use crate::store::{Matcher, Silence, Store};
use crate::units::format_duration;

/// Who hears it.
pub enum Ear {
    /// The service: it knows at once, and writes alone.
    Service(Client),
    /// The state, when no service answers. What people write is redacted before it is kept.
    State(Box<Store>, Box<Redactor>),
}

impl state::Args {
    /// Who is there to hear the operator's word.
    pub fn ear(&self) -> anyhow::Result<Ear> {
        let client = Client::Unix(self.socket()?);
        if client.answers() {
            return Ok(Ear::Service(client));
        }
        let store = self.open_beside()?;
        Ok(Ear::State(Box::new(store), Box::new(Redactor::new(state::passing_key()?))))
    }
}

fn refused(why: String) -> Failure {
    Failure::new(Exit::FOUND, format!("the service refused: {why}"))
}

impl Ear {
    /// Says that the alert `id` is in hand.
    pub fn ack(&self, id: &str, comment: &str) -> anyhow::Result<()> {
        let author = state::operator();
        match self {
            Self::Service(client) => {
                let body = json!({ "author": author, "comment": comment });
                client.post(&format!("alerts/{id}/ack"), &body).map(drop).map_err(|why| refused(why).into())
            }
            Self::State(store, redactor) => {
                store.ack(id, &clean(redactor, &author), &clean(redactor, comment), now())?;
                written(store);
                Ok(())
            }
        }
    }

    /// Begins a silence.
    pub fn silence(&self, matchers: &[Matcher], length: Duration, comment: &str) -> anyhow::Result<Silence> {
        let author = state::operator();
        match self {
            Self::Service(client) => {
                let shown: Vec<String> = matchers.iter().map(ToString::to_string).collect();
                let length = format_duration(length);
                let body = json!({ "matchers": shown, "for": length, "author": author, "comment": comment });
                let answer = client.post("silences", &body).map_err(refused)?;
                read(&answer, matchers).context("the service gave an answer that cannot be read")
            }
            Self::State(store, redactor) => {
                let now = now();
                let silence = Silence {
                    id: ulid::Ulid::r#gen().to_string(),
                    matchers: matchers.to_vec(),
                    starts_at: now,
                    ends_at: now.plus(length),
                    author: clean(redactor, &author),
                    comment: clean(redactor, comment),
                };
                store.silence(&silence)?;
                written(store);
                Ok(silence)
            }
        }
    }

    /// Ends a silence.
    pub fn end_silence(&self, id: &str) -> anyhow::Result<()> {
        let (id, author) = (id.to_ascii_uppercase(), state::operator());
        let ended = match self {
            Self::Service(client) => client.post(&format!("silences/{id}/end"), &json!({ "author": author })).is_ok(),
            Self::State(store, redactor) => {
                let ended = store.end_silence(&id, &clean(redactor, &author), now())?;
                written(store);
                ended
            }
        };
        if ended {
            return Ok(());
        }
        let failure = Failure::new(Exit::FOUND, format!("there is no silence `{id}` to end"));
        Err(failure.help("`logwarden alerts silence list` shows the ids").into())
    }
}

/// The audit log gets it now; where that fails it waits in the state, and the next service writes it.
pub fn written(store: &Store) {
    let _it_waits = store.flush_audit();
}

fn clean(redactor: &Redactor, text: &str) -> String {
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(500).collect();
    String::from_utf8_lossy(&redactor.worker().redact_line(line.trim().as_bytes())).into_owned()
}

fn read(answer: &Value, matchers: &[Matcher]) -> Option<Silence> {
    let text = |name: &str| answer[name].as_str().map(str::to_owned);
    let time = |name: &str| serde_json::from_value(answer[name].clone()).ok();
    Some(Silence {
        id: text("id")?,
        matchers: matchers.to_vec(),
        starts_at: time("starts_at")?,
        ends_at: time("ends_at")?,
        author: text("author")?,
        comment: text("comment")?,
    })
}
