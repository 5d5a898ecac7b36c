//! Texts of the operator's own: templates over an alert. Values are escaped for where they go, so a template may carry
//! markup and a value cannot. A template that fails or never ends costs nothing but itself: the built-in text goes out.

use std::io;

use minijinja::value::{Serde, Value};
use minijinja::{Environment, ErrorKind, UndefinedBehavior};
use serde_json::json;

use super::config::TemplateConfig;
use super::trial::specimens;
use super::{clean, words};
use crate::alert::Alert;

/// Steps that a template may take.
const FUEL: u64 = 50_000;

/// Longest text that a template may make, in bytes.
const LONGEST: usize = 64 << 10;

/// Longest template, in bytes.
const LONGEST_SOURCE: usize = 64 << 10;

/// Longest value, in characters.
const VALUE: usize = 1_000;

/// Where a text goes, which decides what a value must not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Escape {
    /// Plain text: one line a value, nothing that acts.
    Plain,
    /// Slack's mrkdwn.
    Slack,
    /// Markdown, as Discord and Teams know it.
    Markdown,
    /// A JSON document: each value is written as JSON, strings with their quotes.
    Json,
}

/// What a template made of an alert; what there is no template for is `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Said {
    /// In place of the headline.
    pub subject: Option<String>,
    /// In place of the text.
    pub body: Option<String>,
    /// Why a template was not used.
    pub problem: Option<String>,
}

/// The templates of one receiver, compiled.
pub(super) struct Templates {
    env: Environment<'static>,
    escape: Escape,
    subject: bool,
    body: bool,
}

impl Templates {
    /// Compiles what `config` holds.
    ///
    /// # Errors
    /// When a template cannot be read; the text names the template and the line.
    pub(super) fn new(config: &TemplateConfig, escape: Escape) -> Result<Self, String> {
        let mut env = Environment::new();
        env.set_fuel(Some(FUEL));
        env.set_undefined_behavior(UndefinedBehavior::Strict);
        env.set_formatter(move |out, _, value| {
            let text = written(value, escape);
            out.write_str(&text).map_err(|e| minijinja::Error::from(ErrorKind::WriteFailure).with_source(e))
        });
        // What would let a value through as it is.
        env.remove_filter("safe");
        env.remove_filter("escape");
        env.remove_filter("e");
        env.add_filter("bar", |value: f64, most: f64| words::bar(value, most));
        for (name, source) in [("subject", &config.subject), ("body", &config.body)] {
            let Some(source) = source else { continue };
            if source.len() > LONGEST_SOURCE {
                return Err(format!("template.{name} is longer than {} KiB", LONGEST_SOURCE >> 10));
            }
            env.add_template_owned(name, source.clone()).map_err(|e| sentence(name, &e))?;
        }
        Ok(Self { env, escape, subject: config.subject.is_some(), body: config.body.is_some() })
    }

    /// Tries the templates on alerts of every sort.
    ///
    /// # Errors
    /// The first failure, for people.
    pub(super) fn prove(&self) -> Result<(), String> {
        for alert in specimens() {
            if let Some(problem) = self.say(&alert).problem {
                return Err(format!("{problem} (tried on an alert of kind {})", alert.kind));
            }
        }
        Ok(())
    }

    /// What the templates make of `alert`. When one fails, neither is used.
    pub(super) fn say(&self, alert: &Alert) -> Said {
        let context = context(alert);
        let one = |wanted: bool, name| wanted.then(|| self.render(name, &context)).transpose();
        match one(self.subject, "subject").and_then(|subject| Ok((subject, one(self.body, "body")?))) {
            Ok((subject, body)) => {
                Said { subject: subject.map(|s| clean::line(&s, 220)), body: body.map(clean::text), problem: None }
            }
            Err(problem) => Said { problem: Some(problem), ..Said::default() },
        }
    }

    fn render(&self, name: &str, context: &Value) -> Result<String, String> {
        let template = self.env.get_template(name).map_err(|e| sentence(name, &e))?;
        let mut out = Bounded(Vec::new());
        template.render_captured_to(context.clone(), &mut out).map_err(|e| sentence(name, &e))?;
        let text = String::from_utf8_lossy(&out.0).into_owned();
        if text.trim().is_empty() {
            return Err(format!("template.{name} makes an empty text"));
        }
        if self.escape == Escape::Json && name == "body" {
            serde_json::from_str::<serde::de::IgnoredAny>(&text).map_err(|e| {
                let hint = "values bring their own quotes: write {\"text\": {{ summary }}}";
                format!("template.body makes no JSON (line {} of what it makes); {hint}", e.line())
            })?;
        }
        Ok(text)
    }
}

/// A buffer with an end.
struct Bounded(Vec<u8>);

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > LONGEST {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The error in words, without any value of the alert.
fn sentence(name: &str, error: &minijinja::Error) -> String {
    let line = error.line().map_or(String::new(), |n| format!(" in line {n}"));
    let what = match error.kind() {
        ErrorKind::OutOfFuel => format!("takes more than {FUEL} steps; does it loop without end?"),
        ErrorKind::WriteFailure => format!("makes a text of more than {} KiB", LONGEST >> 10),
        ErrorKind::UndefinedError => format!("uses something that is not there{line}; guard it with {{% if ... %}}"),
        kind => match error.detail().filter(|_| kind == ErrorKind::SyntaxError) {
            Some(detail) => format!("cannot be read{line}: {detail}"),
            None => format!("fails{line}: {kind}"),
        },
    };
    clean::line(&format!("template.{name} {what}"), 300)
}

/// A value as it is written into a text.
fn written(value: &Value, escape: Escape) -> String {
    if escape == Escape::Json {
        return serde_json::to_string(value).unwrap_or_else(|_| "null".to_owned());
    }
    if value.is_none() || value.is_undefined() {
        return String::new();
    }
    let text = value.to_string();
    match escape {
        Escape::Plain | Escape::Json => text,
        Escape::Slack => clean::slack(&text),
        Escape::Markdown => clean::markdown(&text),
    }
}

/// What a template can use: every field of the alert, each string one clean line, and the words that messages are made
/// of.
fn context(alert: &Alert) -> Value {
    let mut map = match serde_json::to_value(alert) {
        Ok(serde_json::Value::Object(map)) => map,
        _ => serde_json::Map::new(),
    };
    map.values_mut().for_each(tidy);
    let most = words::figures(alert).iter().map(|f| f.value).fold(0.0, f64::max);
    let figures = words::figures(alert).into_iter().map(|f| {
        let bar = words::bar(f.value, most);
        json!({"name": f.name, "text": f.text, "value": f.value, "bar": bar})
    });
    let facts = words::facts(alert).into_iter().map(|(name, value)| json!({"name": name, "value": value}));
    let steps = words::steps(alert).into_iter().map(|(step, link)| json!({"step": step, "link": link}));
    let more = [
        ("state", json!(words::state(alert))),
        ("headline", json!(words::headline(alert))),
        ("key_name", json!(words::key_name(alert))),
        ("began", json!(words::time(alert.starts_at))),
        ("ended", json!(alert.ends_at.map(words::time))),
        ("page", json!(words::page(alert))),
        ("figures", figures.collect()),
        ("facts", facts.collect()),
        ("steps", steps.collect()),
    ];
    map.extend(more.into_iter().map(|(name, value)| (name.to_owned(), value)));
    Value::from(Serde(map))
}

fn tidy(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::String(text) => *text = clean::line(text, VALUE),
        serde_json::Value::Array(items) => items.iter_mut().for_each(tidy),
        serde_json::Value::Object(map) => map.values_mut().for_each(tidy),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::sample::alert;

    fn templates(subject: &str, body: &str, escape: Escape) -> Result<Templates, String> {
        let text = |t: &str| (!t.is_empty()).then(|| t.to_owned());
        Templates::new(&TemplateConfig { subject: text(subject), body: text(body) }, escape)
    }

    fn body(text: &str, escape: Escape) -> Said {
        templates("", text, escape).unwrap().say(&alert())
    }

    #[test]
    fn every_field_and_the_words_of_messages_can_be_used() {
        let subject = "{{ state }} {{ key_name }} on {{ host }}";
        let text = "{% for f in figures %}{{ f.name }}: {{ f.text }} {{ f.bar }}\n{% endfor %}\
                    {% for s in steps %}{{ loop.index }}. {{ s.step }}{% if s.link %} <{{ s.link }}>{% endif %}\n{% endfor %}\
                    {% if key.group %}{{ key.group | upper }}{% endif %} {{ evidence.observed | int }} {{ source | default('-') }}";
        let said = templates(subject, text, Escape::Plain).unwrap().say(&alert());
        assert_eq!(said.subject.unwrap(), "CRITICAL billing-prod on web-1");
        let got = said.body.unwrap();
        assert!(got.starts_with("observed: 5 200 requests ████"), "{got}");
        assert!(got.contains("1. Revoke or rotate the key <https://platform.openai.com/api-keys>\n2. Ask"), "{got}");
        assert!(got.ends_with("PROD 5200 nginx"), "{got}");
    }

    #[test]
    fn a_template_that_fails_or_never_ends_says_so_and_is_not_used() {
        let cases = [
            ("{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}", "loop without end"),
            ("{% for a in range(9999) %}0123456789{% endfor %}", "more than 64 KiB"),
            ("{{ 'x' * 100000 }}", "more than 64 KiB"),
            ("{{ sumary }}", "not there in line 1"),
            ("one\n{{ evidence.nothing.at.all }}", "not there in line 2"),
            ("{{ 1 // 0 }}", "template.body fails in line 1"),
            ("  ", "empty text"),
        ];
        for (text, want) in cases {
            let said = body(text, Escape::Plain);
            let problem = said.problem.unwrap_or_else(|| panic!("{text}"));
            assert!(problem.contains(want) && said.body.is_none(), "{text}: {problem}");
        }
        for (text, want) in [
            ("{{ summary", "cannot be read in line 1"),
            ("{% if %}", "cannot be read"),
            ("{% include 'x' %}", "unknown statement include"),
            ("{{ x | safe }}", ""),
        ] {
            let error = templates("", text, Escape::Plain).err().or_else(|| body(text, Escape::Plain).problem).unwrap();
            assert!(error.contains(want) && error.starts_with("template.body"), "{error}");
        }
    }

    #[test]
    fn a_value_cannot_leave_its_place() {
        let mut a = alert();
        a.summary = "<!channel> *b* [x](http://e)\r\n\"quoted\" \u{202e}x".to_owned();
        let say = |text: &str, escape| templates("", text, escape).unwrap().say(&a).body.unwrap();
        assert_eq!(say("*{{ summary }}*", Escape::Slack), "*&lt;!channel&gt; ∗b∗ [x](http://e)  \"quoted\"  x*");
        assert!(say("{{ summary }}", Escape::Markdown).starts_with("\\<!channel\\> \\*b\\* \\[x\\]\\("));
        assert_eq!(say("{{ summary }}", Escape::Plain).lines().count(), 1);
        let json = say(
            "{\"text\": {{ summary }}, \"n\": {{ count }}, \"key\": {{ key.tag }}, \"none\": {{ ends_at }}}",
            Escape::Json,
        );
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!((json["n"].as_i64(), json["key"].as_str()), (Some(3), Some("01k7q2m9xw3ht6")));
        assert!(json["text"].as_str().unwrap().ends_with("\"quoted\"  x"), "{json}");
        let off = say("{% autoescape false %}{{ summary }}{% endautoescape %}", Escape::Slack);
        assert!(!off.contains("<!channel>"), "{off}");
        let broken = templates("", "{\"text\": \"{{ summary }}\"}", Escape::Json).unwrap().say(&a);
        assert!(broken.problem.unwrap().contains("bring their own quotes"));
    }

    #[test]
    fn templates_are_tried_on_alerts_of_every_sort() {
        assert_eq!(templates("{{ headline }}", "{{ why }}", Escape::Plain).unwrap().prove(), Ok(()));
        let careless = templates("{{ key.label }}", "", Escape::Plain).unwrap();
        assert!(careless.say(&alert()).problem.is_none(), "with this alert it works");
        let problem = careless.prove().unwrap_err();
        assert!(problem.contains("{% if ... %}") && problem.contains("kind test"), "{problem}");
    }
}
