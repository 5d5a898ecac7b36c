//! Mail against a server that behaves, and one that does not.

use std::collections::HashSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use logwarden::alert::Status;

use super::kit::{Rig, alert, mins, secs};
use super::smtp::{Manners, Server};
use super::tls::Authority;

fn error(rig: &Rig) -> String {
    rig.store.queues().unwrap()[0].error.clone().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_arrives_in_both_forms_and_in_its_thread() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(Manners::default()).await;
    let rig = Rig::new(dir.path(), &[("ops", server.config("tls = 'off'"))]);
    let mut over = alert(7, 1);
    (over.status, over.ends_at) = (Status::Resolved, Some(over.updated_at));
    rig.raise(&[alert(7, 1), over]);
    rig.drain(secs(1)).await;
    let [first, second] = &server.mails()[..] else { panic!("not two mails") };
    assert_eq!(
        (first.from.as_str(), &first.to[..]),
        ("lw@example.com", &["ops@example.com".into(), "sec@example.com".into()][..])
    );
    assert_eq!(first.header("Subject"), "[logwarden] WARNING: Alert number 7");
    assert_eq!(second.header("Subject"), "[logwarden] RESOLVED: Alert number 7");
    assert_eq!(first.header("References"), "<01KQFD7V000000000000000007@example.com>");
    assert_eq!(first.header("References"), second.header("References"));
    assert_ne!(first.header("Message-ID"), second.header("Message-ID"));
    assert_eq!(first.header("Auto-Submitted"), "auto-generated");
    assert_eq!(first.header("List-Id"), "<ops.logwarden.example.com>");
    assert_eq!(first.header("Date"), "Fri, 01 May 2026 12:00:00 +0000");
    assert!(first.header("Content-Type").starts_with("multipart/alternative"));
    for part in
        ["Content-Type: text/plain; charset=utf-8", "Content-Type: text/html; charset=utf-8", "1. Revoke the key"]
    {
        assert!(first.data.contains(part), "{part}\n{}", first.data);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_hour_without_a_server_loses_nothing_doubles_nothing_and_keeps_the_order() {
    let dir = tempfile::tempdir().unwrap();
    let mut server = Server::start(Manners::default()).await;
    let rig = Rig::new(dir.path(), &[("ops", server.config("tls = 'off'"))]);
    server.down().await;
    for n in 0..50 {
        rig.raise(&(0..10).map(|i| alert(10 * n + i, n % 5)).collect::<Vec<_>>());
        rig.pass(secs(70)).await;
    }
    rig.pass(secs(100)).await;
    assert!(server.mails().is_empty());
    server.up().await;
    let took = rig.drain(mins(16)).await;
    eprintln!("500 mails after an hour without a server: all out {took:?} after its return");
    let subjects: Vec<String> = server.mails().iter().map(|m| m.header("Subject")).collect();
    let want: Vec<String> = (0..500).map(|n| format!("[logwarden] WARNING: Alert number {n}")).collect();
    assert_eq!(subjects, want, "after {took:?}");
    let ids: HashSet<String> = server.mails().iter().map(|m| m.header("Message-ID")).collect();
    assert_eq!(ids.len(), 500);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_recipient_who_is_gone_does_not_silence_the_others() {
    let dir = tempfile::tempdir().unwrap();
    let refuse = vec![("ops@example.com".to_owned(), "550 5.1.1 no such user".to_owned())];
    let server = Server::start(Manners { refuse, ..Manners::default() }).await;
    let rig = Rig::new(dir.path(), &[("ops", server.config("tls = 'off'"))]);
    rig.raise(&[alert(1, 1)]);
    rig.drain(secs(1)).await;
    let mails = server.mails();
    assert_eq!((mails.len(), &mails[0].to[..]), (1, &["sec@example.com".to_owned()][..]));
    let receipt = &rig.store.receipts(&alert(1, 1).id).unwrap()[0];
    assert_eq!(receipt.state, "sent");
    assert!(receipt.error.as_ref().unwrap().contains("not taken for ops at example.com: "), "{receipt:?}");
    server.behave(|m| m.refuse.push(("sec@example.com".to_owned(), "550 5.1.1 no such user".to_owned())));
    rig.raise(&[alert(2, 1)]);
    rig.drain(secs(1)).await;
    assert!(error(&rig).contains("no such user"), "{}", error(&rig));
    assert_eq!(rig.store.queues().unwrap()[0].dead, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_a_mail_does_not_get_it_again_because_of_one_who_must_wait() {
    let dir = tempfile::tempdir().unwrap();
    let gone = ("ops@example.com".to_owned(), "550 5.1.1 no such user".to_owned());
    let wait = ("sec@example.com".to_owned(), "451 4.7.1 try later".to_owned());
    let server = Server::start(Manners { refuse: vec![gone.clone(), wait], ..Manners::default() }).await;
    let config = server.config("tls = 'off'").replace("'ops@example.com', ", "'ops@example.com', 'eve@example.com', ");
    let rig = Rig::new(dir.path(), &[("ops", config)]);
    rig.raise(&[alert(1, 1)]);
    rig.pass(secs(40)).await;
    assert_eq!(rig.store.queues().unwrap()[0].pending, 1, "one still waits");
    server.behave(|m| m.refuse = vec![gone]);
    rig.drain(mins(11)).await;
    let to: Vec<_> = server.mails().into_iter().flat_map(|m| m.to).collect();
    assert_eq!(to, ["eve@example.com", "sec@example.com"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn greylisting_and_lost_answers_are_tried_again_under_the_same_id() {
    let dir = tempfile::tempdir().unwrap();
    let after_data = vec!["451 4.7.1 try later".to_owned(), String::new()];
    let server = Server::start(Manners { after_data, ..Manners::default() }).await;
    let rig = Rig::new(dir.path(), &[("ops", server.config("tls = 'off'"))]);
    rig.raise(&[alert(1, 1)]);
    rig.drain(mins(5)).await;
    let ids: Vec<String> = server.mails().iter().map(|m| m.header("Message-ID")).collect();
    assert_eq!(ids.len(), 2, "the server took it, cut the line, and got it once more");
    assert_eq!(ids[0], ids[1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_keeps_mail_waiting_and_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::new(dir.path());
    let login = Some(STANDARD.encode("\0warden\0right"));
    let starttls = Some(authority.server(false).into());
    let server = Server::start(Manners { login, starttls, ..Manners::default() }).await;
    let ca = authority.ca_file.display();
    let config = server.config(&format!("ca_file = '{ca}'\nusername = 'warden'\npassword = 'wr0ngpw'"));
    let rig = Rig::new(&dir.path().join("state"), &[("ops", config)]);
    rig.raise(&[alert(1, 1)]);
    rig.pass(mins(5)).await;
    assert!(error(&rig).contains("authentication failed") && !error(&rig).contains("wr0ngpw"), "{}", error(&rig));
    assert_eq!(rig.store.queues().unwrap()[0].pending, 1);
    server.behave(|m| m.login = Some(STANDARD.encode("\0warden\0wr0ngpw")));
    rig.drain(mins(11)).await;
    assert_eq!(server.mails().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_said_in_the_clear_to_a_server_without_tls() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(Manners { login: Some("x".to_owned()), ..Manners::default() }).await;
    let config = server.config("tls = 'starttls'\nusername = 'warden'\npassword = 's3cret'");
    let rig = Rig::new(dir.path(), &[("ops", config)]);
    rig.raise(&[alert(1, 1)]);
    rig.pass(secs(20)).await;
    let said = server.commands();
    assert!(
        !said.is_empty() && said.iter().all(|c| c.starts_with("EHLO") || c == "QUIT" || c == "STARTTLS"),
        "{said:?}"
    );
    assert_eq!(rig.store.queues().unwrap()[0].pending, 1);
    assert!(error(&rig).to_lowercase().contains("tls"), "{}", error(&rig));
}

#[tokio::test(flavor = "multi_thread")]
async fn starttls_and_implicit_tls_work_and_certificates_are_verified() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::new(dir.path());
    let ca = format!("ca_file = '{}'", authority.ca_file.display());
    let start = |expired| Some(authority.server(expired).into());
    let upgraded = Server::start(Manners { starttls: start(false), ..Manners::default() }).await;
    let implicit = Server::start(Manners { implicit: start(false), ..Manners::default() }).await;
    let expired = Server::start(Manners { starttls: start(true), ..Manners::default() }).await;
    let rig = Rig::new(
        &dir.path().join("state"),
        &[
            ("expired", expired.config(&ca)),
            ("implicit", implicit.config(&format!("tls = 'implicit'\n{ca}"))),
            ("stranger", upgraded.config("")),
            ("upgraded", upgraded.config(&ca)),
        ],
    );
    rig.raise(&[alert(1, 1)]);
    rig.pass(secs(20)).await;
    assert_eq!((upgraded.mails().len(), implicit.mails().len(), expired.mails().len()), (1, 1, 0));
    let errors: Vec<String> = rig.store.queues().unwrap().into_iter().map(|q| q.error.unwrap_or_default()).collect();
    assert!(errors[0].contains("expired") && errors[2].contains("signed by nobody we trust"), "{errors:?}");
}
