//! Texts of the operator's own, on every road.

use logwarden::delivery::ReceiverConfig;

use super::http::{Receiver, Reply};
use super::kit::{Rig, alert, receiver, secs};
use super::smtp::{Manners, Server};

#[tokio::test(flavor = "multi_thread")]
async fn own_texts_go_out_in_every_format() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(Manners::default()).await;
    let http = Receiver::start(|_| Reply::Status(200, "")).await;
    let hook = |format: &str, template: &str| {
        format!(
            "type = 'webhook'\nformat = '{format}'\ntoken = 'T'\nurl = '{}{format}'\n[template]\n{template}",
            http.url()
        )
    };
    let both = "subject = '*{{ state }}* {{ summary }}'\nbody = 'because {{ why }}'";
    let receivers = [
        (
            "mail",
            server.config("tls = 'off'\n[template]\nsubject = '{{ state }} {{ key.tag }}'\nbody = 'See {{ id }}'"),
        ),
        ("slack", hook("slack", both)),
        ("discord", hook("discord", both)),
        ("teams", hook("teams", both)),
        ("pagerduty", hook("pagerduty", both)),
        ("opsgenie", hook("opsgenie", both)),
        ("alertmanager", hook("alertmanager", both)),
        ("generic", hook("generic", "body = '{\"text\": {{ \"*\" ~ summary ~ \"*\" }}, \"n\": {{ count }}}'")),
    ];
    let rig = Rig::new(dir.path(), &receivers);
    let mut a = alert(1, 1);
    a.summary = "<!here> \"x\"\r\nBcc: y".to_owned();
    rig.raise(std::slice::from_ref(&a));
    rig.drain(secs(2)).await;
    let mail = server.mails().remove(0);
    assert_eq!(mail.header("Subject"), "WARNING 00000000000001");
    assert!(
        mail.data.contains("See 01KQFD7V000000000000000001") && !mail.data.contains("Do this first"),
        "{}",
        mail.data
    );
    let got = |format: &str| {
        http.seen().into_iter().find(|r| r.line.contains(&format!("/hook{format}"))).map(|r| r.json()).unwrap()
    };
    assert_eq!(got("slack")["text"], "*WARNING* &lt;!here&gt; \"x\"  Bcc: y");
    assert_eq!(got("slack")["attachments"][0]["blocks"][0]["text"]["text"], "because A test wants it.");
    assert_eq!(got("discord")["embeds"][0]["title"], "*WARNING* \\<!here\\> \"x\"  Bcc: y");
    assert_eq!(got("discord")["embeds"][0]["description"], "because A test wants it.");
    let card = got("teams")["attachments"][0]["content"]["body"].clone();
    assert_eq!((card.as_array().unwrap().len(), &card[1]["text"]), (2, &"because A test wants it.".into()));
    assert_eq!(got("pagerduty")["payload"]["summary"], "*WARNING* <!here> \"x\"  Bcc: y");
    assert_eq!(got("pagerduty")["payload"]["custom_details"]["why"], "because A test wants it.");
    assert_eq!(got("opsgenie")["message"], "*WARNING* <!here> \"x\"  Bcc: y");
    assert_eq!(got("alertmanager")[0]["annotations"]["description"], "because A test wants it.");
    assert_eq!(got("generic"), serde_json::json!({"text": "*<!here> \"x\"  Bcc: y*", "n": 1}));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_template_that_loops_or_fails_costs_no_message() {
    let dir = tempfile::tempdir().unwrap();
    let http = Receiver::start(|_| Reply::Status(200, "")).await;
    let hook = |body: &str| {
        format!("type = 'webhook'\nformat = 'slack'\nurl = '{}'\n[template]\nbody = '''{body}'''", http.url())
    };
    let receivers = [
        ("fails", hook("{{ key.owner.name }}")),
        ("loops", hook("{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}")),
    ];
    let rig = Rig::new(dir.path(), &receivers);
    rig.raise(&[alert(1, 1)]);
    rig.drain(secs(5)).await;
    assert_eq!(http.seen().len(), 2);
    assert!(http.seen().iter().all(|r| r.json().to_string().contains("1. Revoke the key")), "the built-in text");
    let receipts = rig.store.receipts(&alert(1, 1).id).unwrap();
    let said = |name: &str| receipts.iter().find(|r| r.receiver == name).and_then(|r| r.error.clone()).unwrap();
    assert!(receipts.iter().all(|r| r.state == "sent"));
    assert!(
        said("loops").contains("built-in text was used, because template.body takes more than 50000 steps"),
        "{receipts:?}"
    );
    assert!(said("fails").contains("template.body uses something that is not there in line 1"), "{receipts:?}");
    assert_eq!(rig.counts("loops").sent, 1);
}

#[test]
fn templates_that_have_no_place_or_cannot_be_read_are_refused() {
    let cases = [
        ("format = 'cloudevents'\n[template]\nbody = 'x'", "no place in this format"),
        ("[template]\nsubject = 'x'", "write it into `template.body`"),
        ("format = 'slack'\n[template]\nbody = '{{ summary'", "template.body cannot be read in line 1"),
        ("format = 'slack'\n[template]\nbody = '{{ sumary }}'", "template.body uses something that is not there"),
        ("[template]\nbody = '{\"text\": \"{{ summary }}\"}'", "values bring their own quotes"),
    ];
    for (text, want) in cases {
        let config: ReceiverConfig = receiver(&format!("type = 'webhook'\nurl = 'http://127.0.0.1:9/'\n{text}"));
        let error = logwarden::delivery::prove(&config).unwrap_err();
        assert!(error.contains(want), "{text}: {error}");
    }
}
