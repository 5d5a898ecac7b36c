//! Each format against the packages that its service publishes: what they parse or build is what we send.

use std::path::PathBuf;
use std::process::Command;

use logwarden::alert::{Alert, Status};

use super::http::{Receiver, Reply};
use super::kit::{Rig, alert, secs};
use crate::support::{find, root, skip};

/// The same alert with much in it, hostile and long, then its end.
fn alerts() -> Vec<Alert> {
    let mut rich = alert(1, 1);
    rich.summary = format!("<!channel> @everyone [x](http://e.example) {}", "ä".repeat(400));
    rich.why = "w".repeat(5_000);
    rich.evidence.observed = Some(5_200.0);
    rich.evidence.expected = Some(40.0);
    rich.evidence.lines = vec!["```<script>``` & \"quotes\"".repeat(40); 5];
    rich.runbook[0].link = Some("https://platform.example.com/keys?a=b&c=d".to_owned());
    rich.likely_causes = vec!["c".repeat(2_000); 10];
    rich.links.page = Some("https://logwarden.example.com/#/alerts/1".to_owned());
    let mut over = rich.clone();
    over.status = Status::Resolved;
    over.ends_at = Some(rich.updated_at.plus(secs(60)));
    over.updated_at = rich.updated_at.plus(secs(60));
    vec![rich, over]
}

/// What is posted for [`alerts`] in `format`.
async fn posted(format: &str) -> Vec<serde_json::Value> {
    let dir = tempfile::tempdir().unwrap();
    let http = Receiver::start(|_| Reply::Status(202, "")).await;
    let config = format!(
        "type = 'webhook'\nformat = '{format}'\ntoken = '0123456789abcdef0123456789abcdef'\nurl = '{}'",
        http.url()
    );
    let rig = Rig::new(dir.path(), &[("hook", config)]);
    rig.raise(&alerts());
    rig.drain(secs(2)).await;
    http.seen().iter().map(|r| r.json()).collect()
}

/// Runs `script` with the bodies as JSON on its standard input; `None` when the packages are not there.
fn judged(mut command: Command, bodies: &[serde_json::Value]) -> (bool, String) {
    let input = serde_json::to_vec(bodies).unwrap();
    let ran = crate::support::run_command(&mut command, &input);
    (ran.code == 0, format!("{}{}", ran.text(), ran.err))
}

fn python(module: &str, script: &str) -> Option<Command> {
    let venv = root().join("target/venv/bin/python3");
    let has = |p: &PathBuf| {
        Command::new(p).args(["-c", &format!("import {module}")]).output().is_ok_and(|o| o.status.success())
    };
    let program = [Some(venv), find("python3")].into_iter().flatten().find(has)?;
    let mut command = Command::new(program);
    command.args(["-c", script]);
    Some(command)
}

fn node(package: &str, script: &str) -> Option<Command> {
    let modules = root().join("target/npm/node_modules");
    if !modules.join(package).is_dir() {
        return None;
    }
    let mut command = Command::new(find("node")?);
    command.args(["-e", script]).current_dir(root().join("target/npm"));
    Some(command)
}

async fn check(format: &str, package: &str, command: Option<Command>) {
    let Some(command) = command else {
        return skip(&format!("delivery::shapes::{format}"), &format!("the package {package} is not there"));
    };
    let bodies = posted(format).await;
    assert_eq!(bodies.len(), 2);
    let (fine, said) = tokio::task::block_in_place(|| judged(command, &bodies));
    assert!(fine && said.contains("checked 2"), "{format}: {said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn slack_sdk_reads_our_blocks_as_they_are() {
    const SCRIPT: &str = r#"
import json, sys
from slack_sdk.models.attachments import BlockAttachment
from slack_sdk.models.blocks import Block
bodies = json.load(sys.stdin)
for body in bodies:
    assert set(body) == {"text", "attachments"}, body.keys()
    for a in body["attachments"]:
        blocks = Block.parse_all(a["blocks"])
        assert len(blocks) <= 50
        for block in blocks:
            block.validate_json()
        assert [b.to_dict() for b in blocks] == a["blocks"]
        built = BlockAttachment(blocks=blocks, color=a["color"], fallback=a["fallback"]).to_dict()
        assert built == a, (built, a)
print("checked", len(bodies))
"#;
    check("slack", "slack_sdk", python("slack_sdk", SCRIPT)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cloudevents_reads_our_event() {
    const SCRIPT: &str = r#"
import json, sys
from cloudevents.v1.http import from_json
bodies = json.load(sys.stdin)
for body in bodies:
    event = from_json(json.dumps(body))
    assert event["specversion"] == "1.0" and event["type"].startswith("logwarden.alert.")
    assert event["id"] == body["id"] and event.data["schema"] == "logwarden.alert/v1"
assert len({b["id"] for b in bodies}) == 2
print("checked", len(bodies))
"#;
    check("cloudevents", "cloudevents", python("cloudevents.v1.http", SCRIPT)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn opsgenie_sdk_knows_our_fields() {
    const SCRIPT: &str = r#"
import json, sys
import opsgenie_sdk
bodies = json.load(sys.stdin)
for body, kind in zip(bodies, (opsgenie_sdk.CreateAlertPayload, opsgenie_sdk.CloseAlertPayload)):
    built = {k: v for k, v in kind(**body).to_dict().items() if v not in (None, [], {})}
    assert built == {k: v for k, v in body.items() if v not in (None, [], {})}, (built, body)
    assert all(isinstance(v, str) for v in body.get("details", {}).values())
print("checked", len(bodies))
"#;
    check("opsgenie", "opsgenie-sdk", python("opsgenie_sdk", SCRIPT)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pagerduty_builds_the_event_that_we_send() {
    const SCRIPT: &str = r#"
import json, sys
import pagerduty
bodies = json.load(sys.stdin)
sent = []
class Capture(pagerduty.EventsApiV2Client):
    def post(self, path, json=None, **more):
        assert path == "/v2/enqueue", path
        sent.append(json)
        raise KeyboardInterrupt
for body in bodies:
    client = Capture(body["routing_key"])
    ours = {k: v for k, v in body.items() if k not in ("routing_key", "client", "client_url")}
    try:
        if body["event_action"] == "trigger":
            p = dict(body["payload"])
            client.trigger(p.pop("summary"), p.pop("source"), dedup_key=body["dedup_key"], severity=p.pop("severity"),
                           custom_details=p.pop("custom_details"), payload=p, links=body["links"])
        else:
            client.resolve(body["dedup_key"])
    except KeyboardInterrupt:
        pass
    assert sent[-1] == ours, (sent[-1], ours)
assert bodies[0]["dedup_key"] == bodies[1]["dedup_key"] and bodies[1]["event_action"] == "resolve"
print("checked", len(sent))
"#;
    check("pagerduty", "pagerduty", python("pagerduty", SCRIPT)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn adaptivecards_reads_our_card_without_a_complaint() {
    const SCRIPT: &str = r#"
globalThis.self = globalThis;
const AC = require('adaptivecards/dist/adaptivecards.js');
const bodies = JSON.parse(require('fs').readFileSync(0));
for (const body of bodies) {
    if (body.type !== 'message' || body.attachments.length !== 1) throw new Error('envelope');
    const { contentType, content } = body.attachments[0];
    if (contentType !== 'application/vnd.microsoft.card.adaptive') throw new Error(contentType);
    const context = new AC.SerializationContext();
    const card = new AC.AdaptiveCard();
    card.parse(content, context);
    const told = card.validateProperties().validationEvents.map(e => e.message);
    for (let i = 0; i < context.eventCount; i++) told.push(context.getEventAt(i).message);
    if (told.length) throw new Error(told.join('; '));
    if (card.getItemCount() !== content.body.length || card.getActionCount() !== content.actions.length) throw new Error('lost');
    const back = card.toJSON(new AC.SerializationContext());
    if (back.body.length !== content.body.length) throw new Error('body');
}
console.log('checked', bodies.length);
"#;
    check("teams", "adaptivecards", node("adaptivecards", SCRIPT)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn discord_builders_build_the_embed_that_we_send() {
    const SCRIPT: &str = r#"
const { EmbedBuilder } = require('@discordjs/builders');
const assert = require('assert');
const bodies = JSON.parse(require('fs').readFileSync(0));
for (const body of bodies) {
    assert.deepStrictEqual(body.allowed_mentions, { parse: [] });
    assert.ok(body.embeds.length <= 10);
    for (const e of body.embeds) {
        const built = new EmbedBuilder().setTitle(e.title).setDescription(e.description).setColor(e.color)
            .addFields(e.fields).setFooter(e.footer).setTimestamp(new Date(e.timestamp)).setURL(e.url).toJSON();
        assert.deepStrictEqual(JSON.parse(JSON.stringify(built)), e);
        const total = [e.title, e.description, e.footer.text, ...e.fields.flatMap(f => [f.name, f.value])];
        assert.ok(total.join('').length <= 6000);
    }
}
console.log('checked', bodies.length);
"#;
    check("discord", "@discordjs/builders", node("@discordjs/builders", SCRIPT)).await;
}
