//! Chats: Slack, Discord, Teams. Short: what happened, the numbers, the first step, a little evidence.

use serde_json::{Value, json};

use crate::alert::{Alert, Status};
use crate::delivery::template::Said;
use crate::delivery::{clean, words};

/// Longest evidence line in a chat, in characters.
const EVIDENCE: usize = 180;

/// Longest piece of prose in a chat, in characters.
const PROSE: usize = 500;

/// How many evidence lines a chat shows.
const LINES: usize = 3;

/// Evidence for a code block, which nothing in it can close.
fn block(alert: &Alert) -> String {
    let lines = words::evidence(alert, EVIDENCE);
    lines.into_iter().take(LINES).map(|l| l.replace('`', "ˋ")).collect::<Vec<_>>().join("\n")
}

fn figures(alert: &Alert) -> String {
    let figures = words::figures(alert);
    figures.iter().map(|f| format!("{} {}", f.name, f.text)).collect::<Vec<_>>().join(" · ")
}

/// The key's last 24 hours in one line.
fn day(alert: &Alert) -> Option<String> {
    words::day(alert).map(|(line, scale)| format!("{line} {} ({scale})", words::DAY.to_lowercase()))
}

/// How to prove the audit log later, in one line.
fn witness(alert: &Alert) -> Option<String> {
    words::witness(alert).map(|command| format!("To prove the audit log up to here: {command}"))
}

/// What is behind it.
fn footer(alert: &Alert) -> String {
    clean::line(&format!("{} · {}", alert.kind, alert.id), 200).replace('`', "ˋ").replace('[', "(").replace(']', ")")
}

/// Slack incoming webhook: `text` is the headline, also of notifications; the blocks under it are in an attachment for
/// the colour.
pub(super) fn slack(alert: &Alert, said: &Said) -> Value {
    let headline = said.subject.clone().unwrap_or_else(|| clean::slack(&words::headline(alert)));
    let title = said.subject.clone().unwrap_or_else(|| format!("*{headline}*"));
    let section = |text: String| json!({"type": "section", "text": {"type": "mrkdwn", "text": text}});
    let mut blocks = Vec::new();
    match &said.body {
        Some(body) => blocks.push(section(cut(body, 2_900))),
        None => {
            blocks.push(section(clean::slack(&words::at_once(alert))));
            slack_body(alert, &section, &mut blocks);
        }
    }
    blocks.push(small(&footer(alert)));
    if let Some(page) = words::page(alert) {
        let button = json!({"type": "button", "text": {"type": "plain_text", "text": "Open"}, "url": page});
        blocks.push(json!({"type": "actions", "elements": [button]}));
    }
    json!({
        "text": title,
        "attachments": [{"color": format!("#{:06x}", words::colour(alert)), "fallback": headline, "blocks": blocks}],
    })
}

fn cut(text: &str, limit: usize) -> String {
    text.chars().take(limit).collect()
}

/// A block of small print.
fn small(text: &str) -> Value {
    json!({"type": "context", "elements": [{"type": "mrkdwn", "text": clean::slack(text)}]})
}

fn slack_body(alert: &Alert, section: &impl Fn(String) -> Value, blocks: &mut Vec<Value>) {
    blocks.push(section(clean::slack(&clean::line(&alert.why, PROSE))));
    let figures = figures(alert);
    if !figures.is_empty() {
        blocks.push(section(clean::slack(&figures)));
    }
    if let Some(day) = day(alert) {
        blocks.push(small(&day));
    }
    let steps = words::steps(alert).into_iter().take(LINES).enumerate();
    let steps: Vec<String> = steps
        .map(|(i, (step, link))| {
            let step = clean::slack(&step);
            format!("{}. {}", i + 1, link.map_or(step.clone(), |l| format!("<{}|{step}>", clean::slack(l))))
        })
        .collect();
    if alert.status == Status::Firing && !steps.is_empty() {
        blocks.push(section(format!("*Do this first*\n{}", steps.join("\n"))));
    }
    let evidence = block(alert);
    if !evidence.is_empty() {
        blocks.push(section(format!("```{}```", clean::slack(&evidence))));
    }
    blocks.extend(witness(alert).map(|witness| small(&witness)));
}

/// Discord webhook: one embed; nobody is mentioned whatever the text says.
pub(super) fn discord(alert: &Alert, said: &Said) -> Value {
    let headline = || clean::line(&clean::markdown(&words::headline(alert)), 250);
    let why = || clean::markdown(&format!("{}\n{}", words::at_once(alert), clean::line(&alert.why, PROSE)));
    let mut embed = json!({
        "title": said.subject.clone().unwrap_or_else(headline),
        "description": said.body.as_ref().map_or_else(why, |body| cut(body, 4_000)),
        "color": words::colour(alert),
        "fields": if said.body.is_some() { Vec::new() } else { discord_fields(alert) },
        "footer": {"text": footer(alert)},
        "timestamp": alert.updated_at,
    });
    if let Some(page) = words::page(alert) {
        embed["url"] = json!(page);
    }
    json!({"embeds": [embed], "allowed_mentions": {"parse": []}})
}

fn discord_fields(alert: &Alert) -> Vec<Value> {
    let mut fields = Vec::new();
    let mut add = |name: &str, value: String| {
        if !value.is_empty() {
            fields.push(json!({"name": name, "value": value}));
        }
    };
    add("Numbers", clean::markdown(&figures(alert)));
    if let Some((line, scale)) = words::day(alert) {
        add(words::DAY, format!("{line}\n{}", clean::markdown(&scale)));
    }
    if alert.status == Status::Firing {
        let step = |(step, link): (String, Option<&str>)| {
            let step = clean::markdown(&clean::line(&step, 150));
            link.map_or(step.clone(), |l| format!("[{step}]({l})"))
        };
        let steps: Vec<String> = words::steps(alert).into_iter().take(LINES).map(step).collect();
        add("Do this first", clean_cut(&steps, 1_000));
    }
    let evidence = block(alert);
    if !evidence.is_empty() {
        add("Evidence (redacted)", format!("```\n{evidence}\n```"));
    }
    add("Audit log", witness(alert).map_or_else(String::new, |line| clean::markdown(&line)));
    fields
}

/// As many whole lines as fit.
fn clean_cut(lines: &[String], limit: usize) -> String {
    let mut out = String::new();
    for line in lines {
        if out.chars().count() + line.chars().count() + 1 > limit {
            break;
        }
        if !out.is_empty() {
            out.push('\n');
        }
        out.push_str(line);
    }
    out
}

/// Teams workflow: an Adaptive Card. Text blocks know a little Markdown, so it is escaped.
pub(super) fn teams(alert: &Alert, said: &Said) -> Value {
    let colour = match words::state(alert) {
        "RESOLVED" => "Good",
        "CRITICAL" => "Attention",
        "WARNING" => "Warning",
        _ => "Accent",
    };
    let text = |t: String| json!({"type": "TextBlock", "text": t, "wrap": true});
    let headline = said.subject.clone().unwrap_or_else(|| clean::markdown(&words::headline(alert)));
    let mut body = vec![
        json!({"type": "TextBlock", "text": headline, "wrap": true, "weight": "Bolder", "size": "Medium", "color": colour}),
    ];
    let steps: Vec<(String, Option<&str>)> = words::steps(alert).into_iter().take(LINES).collect();
    match &said.body {
        Some(own) => body.extend(own.split("\n\n").map(|part| text(cut(part, 4_000)))),
        None => teams_body(alert, &steps, &text, &mut body),
    }
    let open = |title: &str, url: &str| json!({"type": "Action.OpenUrl", "title": title, "url": url});
    let mut actions: Vec<Value> = steps.iter().filter_map(|(s, l)| l.map(|l| open(&clean::line(s, 60), l))).collect();
    actions.extend(words::page(alert).map(|p| open("Open in logwarden", p)));
    json!({
        "type": "message",
        "attachments": [{
            "contentType": "application/vnd.microsoft.card.adaptive",
            "contentUrl": null,
            "content": {
                "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                "type": "AdaptiveCard",
                "version": "1.4",
                "body": body,
                "actions": actions,
            },
        }],
    })
}

fn teams_body(alert: &Alert, steps: &[(String, Option<&str>)], text: &impl Fn(String) -> Value, body: &mut Vec<Value>) {
    body.push(text(clean::markdown(&words::at_once(alert))));
    body.push(text(clean::markdown(&clean::line(&alert.why, PROSE))));
    let fact = |(title, value): (&str, String)| json!({"title": title, "value": clean::markdown(&value)});
    let figures = words::figures(alert).into_iter().map(|f| (f.name, f.text));
    let facts: Vec<Value> = figures.chain(words::facts(alert)).map(fact).collect();
    body.push(json!({"type": "FactSet", "facts": facts}));
    body.extend(day(alert).map(|line| text(clean::markdown(&line))));
    if alert.status == Status::Firing {
        body.extend(steps.iter().enumerate().map(|(i, (s, _))| text(clean::markdown(&format!("{}. {s}", i + 1)))));
    }
    let evidence = words::evidence(alert, EVIDENCE);
    let mono = |l: String| json!({"type": "TextBlock", "text": clean::markdown(&l), "wrap": true, "fontType": "Monospace", "size": "Small"});
    body.extend(evidence.into_iter().take(LINES).map(mono));
    body.extend(witness(alert).map(|line| text(clean::markdown(&line))));
}
