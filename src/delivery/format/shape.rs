//! Which shape a receiver expects.

use serde_json::{Value, json};

use super::post::Post;
use super::{alertmanager, chat, incident};
use crate::alert::{Alert, Status};
use crate::delivery::config::WebhookFormat;
use crate::delivery::template::{Escape, Said};

/// Where a format's service listens, when there is only one such service.
pub fn default_url(format: WebhookFormat) -> Option<&'static str> {
    match format {
        WebhookFormat::Pagerduty => Some("https://events.pagerduty.com/v2/enqueue"),
        WebhookFormat::Opsgenie => Some("https://api.opsgenie.com/v2/alerts"),
        _ => None,
    }
}

/// Whether the receiver keeps an alert open until it is told of its end.
pub fn keeps_state(format: WebhookFormat) -> bool {
    matches!(format, WebhookFormat::Pagerduty | WebhookFormat::Opsgenie | WebhookFormat::Alertmanager)
}

/// Whether the token goes into the body.
pub fn token_in_body(format: WebhookFormat) -> bool {
    format == WebhookFormat::Pagerduty
}

/// How values in a template of the operator's own are written; `None` where there is no place for one.
pub(crate) fn escape(format: WebhookFormat) -> Option<Escape> {
    match format {
        WebhookFormat::Generic => Some(Escape::Json),
        WebhookFormat::Slack => Some(Escape::Slack),
        WebhookFormat::Discord | WebhookFormat::Teams => Some(Escape::Markdown),
        WebhookFormat::Pagerduty | WebhookFormat::Opsgenie | WebhookFormat::Alertmanager => Some(Escape::Plain),
        WebhookFormat::Cloudevents => None,
    }
}

/// The request that tells `alert`; `id` is the message's id (alert id and transition), `said` what templates made of it.
pub(crate) fn post(format: WebhookFormat, alert: &Alert, id: &str, token: Option<&str>, said: &Said) -> Post {
    // Where headline and text are fields, a template's words stand in for the alert's own.
    let spoken = || Alert {
        summary: said.subject.clone().unwrap_or_else(|| alert.summary.clone()),
        why: said.body.clone().unwrap_or_else(|| alert.why.clone()),
        ..alert.clone()
    };
    match format {
        WebhookFormat::Generic => {
            let own = said.body.as_ref().and_then(|body| serde_json::from_str(body).ok());
            Post::json(own.unwrap_or_else(|| json!(alert)))
        }
        WebhookFormat::Slack => Post::json(chat::slack(alert, said)),
        WebhookFormat::Discord => Post::json(chat::discord(alert, said)),
        WebhookFormat::Teams => Post::json(chat::teams(alert, said)),
        WebhookFormat::Pagerduty => Post::json(incident::pagerduty(&spoken(), token.unwrap_or_default())),
        WebhookFormat::Opsgenie => incident::opsgenie(&spoken()),
        WebhookFormat::Alertmanager => alertmanager::post(std::slice::from_ref(&spoken())),
        WebhookFormat::Cloudevents => {
            Post { content_type: "application/cloudevents+json", ..Post::json(cloudevent(alert, id)) }
        }
    }
}

/// The request that tells Alertmanager which alerts still hold.
pub fn remind(alerts: &[Alert]) -> Post {
    alertmanager::post(alerts)
}

/// CloudEvents 1.0, structured mode.
fn cloudevent(alert: &Alert, id: &str) -> Value {
    let status = if alert.status == Status::Firing { "firing" } else { "resolved" };
    let host: String = url::form_urlencoded::byte_serialize(alert.host.as_bytes()).collect();
    json!({
        "specversion": "1.0",
        "id": id,
        "source": format!("/logwarden/{host}"),
        "type": format!("logwarden.alert.{status}"),
        "subject": alert.fingerprint,
        "time": alert.updated_at,
        "datacontenttype": "application/json",
        "data": alert,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::sample::{alert, snapshots};

    fn body(format: WebhookFormat, alert: &Alert) -> Value {
        post(format, alert, "01KQFD7V000000000000000000.firing-1777636860000", Some("TOKEN"), &Said::default()).body
    }

    fn pretty(format: WebhookFormat) -> String {
        serde_json::to_string_pretty(&body(format, &alert())).unwrap()
    }

    #[test]
    fn each_format_has_its_shape() {
        use WebhookFormat::*;
        for format in [Generic, Slack, Discord, Teams, Pagerduty, Opsgenie, Alertmanager, Cloudevents] {
            let name = format!("webhook_{format:?}").to_lowercase();
            snapshots(|| insta::assert_snapshot!(name, pretty(format)));
        }
    }

    #[test]
    fn what_keeps_state_is_told_of_the_end_under_the_same_name() {
        let mut over = alert();
        over.status = Status::Resolved;
        over.ends_at = Some(over.updated_at);
        let pd = |a: &Alert| body(WebhookFormat::Pagerduty, a);
        assert_eq!(pd(&over)["event_action"], "resolve");
        assert_eq!(pd(&over)["dedup_key"], pd(&alert())["dedup_key"]);
        let am = |a: &Alert| body(WebhookFormat::Alertmanager, a);
        assert_eq!(am(&over)[0]["labels"], am(&alert())[0]["labels"]);
        assert_eq!(am(&over)[0]["endsAt"], "2026-05-01T12:01:00.000Z");
        let close = post(WebhookFormat::Opsgenie, &over, "id", None, &Said::default());
        assert_eq!(close.path, "/01KQFD7V000000000000000000/close?identifierType=alias");
    }

    #[test]
    fn nobody_can_be_called_and_no_markup_begins() {
        let mut a = alert();
        let hostile = "<!channel> <https://evil|here> @everyone ``` **b** [x](http://evil) <@U1>";
        a.summary = hostile.to_owned();
        a.why = hostile.to_owned();
        a.host = hostile.to_owned();
        a.evidence.lines = vec![hostile.to_owned()];
        a.likely_causes = vec![hostile.to_owned()];
        let slack = body(WebhookFormat::Slack, &a).to_string();
        assert!(!slack.contains("<!") && !slack.contains("<https://evil") && !slack.contains("<@"), "{slack}");
        assert_eq!(slack.matches("```").count(), 2, "the block of evidence is opened and closed once");
        let discord = body(WebhookFormat::Discord, &a);
        assert_eq!(discord["allowed_mentions"], json!({"parse": []}));
        assert_eq!(discord.to_string().matches("```").count(), 2);
        let embed = &discord["embeds"][0];
        for part in [&embed["title"], &embed["description"], &embed["footer"]["text"]] {
            assert!(!part.as_str().unwrap().contains("[x]("), "{part}");
        }
        assert!(!body(WebhookFormat::Teams, &a).to_string().contains("[x]("));
    }

    #[test]
    fn bodies_stay_within_the_limits_of_their_services() {
        let mut a = alert();
        let long = "ä".repeat(5_000);
        a.summary.clone_from(&long);
        a.why.clone_from(&long);
        a.evidence.lines = vec![long.clone(); 5];
        a.likely_causes = vec![long.clone(); 20];
        a.runbook[0].step.clone_from(&long);
        let length = |v: &Value| v.as_str().map_or(0, |s| s.chars().count());
        let discord = body(WebhookFormat::Discord, &a);
        assert!(length(&discord["embeds"][0]["title"]) <= 256 && length(&discord["embeds"][0]["description"]) <= 4096);
        assert!(discord["embeds"][0]["fields"].as_array().unwrap().iter().all(|f| length(&f["value"]) <= 1024));
        let total: usize = discord["embeds"][0]["fields"].as_array().unwrap().iter().map(|f| length(&f["value"])).sum();
        assert!(total + length(&discord["embeds"][0]["description"]) <= 5_000);
        assert!(length(&body(WebhookFormat::Pagerduty, &a)["payload"]["summary"]) <= 1024);
        assert!(length(&body(WebhookFormat::Opsgenie, &a)["message"]) <= 130);
        let slack = body(WebhookFormat::Slack, &a);
        for block in slack["attachments"][0]["blocks"].as_array().unwrap() {
            assert!(length(&block["text"]["text"]) <= 3_000, "{block}");
        }
        assert!(body(WebhookFormat::Teams, &a).to_string().len() < 28_000);
    }
}
