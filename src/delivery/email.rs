//! Mail over SMTP.

use std::time::{Duration, SystemTime};

use lettre::address::Envelope;
use lettre::message::header::{self, ContentTransferEncoding, ContentType, Header, HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart, SinglePart};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::Tls;
use lettre::transport::smtp::extension::ClientId;
use lettre::transport::smtp::{self, response::Category};
use lettre::{Address, AsyncSmtpTransport, AsyncTransport, Tokio1Executor};
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::chart::Chart;
use super::config::{EmailConfig, TlsMode};
use super::guard::{Reach, look_up};
use super::message::{Message, message};
use super::outcome::{Cause, Failure, Outcome, chain};
use super::probe::Probe;
use super::template::Said;
use super::{clean, diagnose, tls};
use crate::net::host_name;
use crate::store::OutboxRow;
use crate::units::Timestamp;

/// A receiver of mail, ready to send.
pub struct EmailSender {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    to: Vec<Mailbox>,
    host: String,
    port: u16,
    /// For a whole conversation; lettre by itself limits the connecting only.
    timeout: Duration,
    /// Who has the message that is on its way, when it went to each by itself.
    have: Mutex<(String, Vec<Address>)>,
    probe: Option<Probe>,
}

/// A header that only has to be written.
macro_rules! text_header {
    ($kind:ident, $name:literal) => {
        #[derive(Clone)]
        struct $kind(String);

        impl Header for $kind {
            fn name() -> HeaderName {
                HeaderName::new_from_ascii_str($name)
            }

            fn parse(s: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
                Ok(Self(s.to_owned()))
            }

            fn display(&self) -> HeaderValue {
                HeaderValue::new(Self::name(), clean::line(&self.0, 900))
            }
        }
    };
}

text_header!(ListId, "List-Id");
text_header!(AutoSubmitted, "Auto-Submitted");
text_header!(AutoResponseSuppress, "X-Auto-Response-Suppress");
text_header!(Importance, "Importance");
text_header!(AlertFingerprint, "X-Logwarden-Fingerprint");

impl EmailSender {
    /// A sender for `config`; reads its password and certificates, connects to nothing.
    ///
    /// # Errors
    /// When an address is none, TLS is off for a server elsewhere, or a secret or certificate cannot be had.
    pub fn new(config: &EmailConfig) -> Result<Self, String> {
        let mailbox = |text: &String| {
            text.parse::<Mailbox>().map_err(|e| format!("`{}` is not a mail address: {e}", clean::line(text, 100)))
        };
        let to = config.to.iter().map(mailbox).collect::<Result<Vec<_>, _>>()?;
        if to.is_empty() {
            return Err("`to` is empty; name at least one recipient".to_owned());
        }
        let tls = match config.tls {
            TlsMode::Starttls => Tls::Required(tls::for_smtp(&config.host, config.ca_file.as_deref())?),
            TlsMode::Implicit => Tls::Wrapper(tls::for_smtp(&config.host, config.ca_file.as_deref())?),
            TlsMode::Off if is_loopback(&config.host) => Tls::None,
            TlsMode::Off => {
                return Err(
                    "`tls = \"off\"` is only for a server on this machine (127.0.0.1, ::1 or localhost)".to_owned()
                );
            }
        };
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(config.host.as_str())
            .port(config.port())
            .tls(tls)
            .timeout(Some(config.timeout));
        if let Some(name) = hostname() {
            builder = builder.hello_name(ClientId::Domain(name));
        }
        match (&config.username, &config.password) {
            (Some(user), Some(password)) => {
                let password = password.resolve().map_err(|e| format!("password: {e}"))?;
                builder = builder.credentials(Credentials::new(user.clone(), password.as_str().to_owned()));
            }
            (None, None) => {}
            _ => return Err("`username` and `password` belong together; set both or none".to_owned()),
        }
        Ok(Self {
            transport: builder.build(),
            from: mailbox(&config.from)?,
            to,
            host: config.host.clone(),
            port: config.port(),
            timeout: config.timeout,
            have: Mutex::default(),
            probe: Probe::mail(config),
        })
    }

    /// Sends one alert. When a recipient is refused for good, the others still get it.
    pub(super) async fn send(&self, row: &OutboxRow, chart: Option<&Chart>, said: &Said, now: Timestamp) -> Outcome {
        let bytes = match self.build(row, &message(&row.alert, chart, said), now) {
            Ok(bytes) => bytes,
            Err(error) => return Outcome::Refused(Failure::new(Cause::Refused, error)),
        };
        if let Err(e) = look_up(&self.host, self.port, Reach::Any).await {
            return Outcome::Down(e.into());
        }
        let all: Vec<Address> = self.to.iter().map(|m| m.email.clone()).collect();
        let id = row.message_id();
        let mut have = self.have.lock().await;
        if have.0 != id {
            *have = (id, Vec::new());
        }
        if have.1.is_empty() {
            let first = self.attempt(&all, &bytes).await;
            if all.len() == 1 || !matches!(first, Outcome::Refused(_)) {
                return first;
            }
        }
        self.each(all, &bytes, &mut have.1).await
    }

    /// Sends to each recipient by itself, but for those who `have` it from an earlier attempt.
    async fn each(&self, all: Vec<Address>, bytes: &[u8], have: &mut Vec<Address>) -> Outcome {
        let mut refused = Vec::new();
        let mut answer = String::new();
        for one in all {
            if have.contains(&one) {
                continue;
            }
            match self.attempt(std::slice::from_ref(&one), bytes).await {
                Outcome::Refused(failure) => {
                    refused.push(format!("{} at {}: {}", one.user(), one.domain(), failure.error))
                }
                Outcome::Sent(said) | Outcome::Partly { answer: said, .. } => {
                    answer = said;
                    have.push(one);
                }
                // The rest comes later; who has it does not get it again.
                later => return later,
            }
        }
        let refused = refused.join("; ");
        if have.is_empty() {
            return Outcome::Refused(Failure::new(Cause::Refused, refused));
        }
        let flaw = || Failure::new(Cause::Recipient, format!("not taken for {refused}"));
        Outcome::Sent(answer).but((!refused.is_empty()).then(flaw))
    }

    /// The look at how private the way is.
    pub(super) fn probe(&self) -> Option<Probe> {
        self.probe.clone()
    }

    /// Talks to the server as for a mail, but says goodbye before there is one.
    pub async fn greet(&self) -> Outcome {
        if let Err(e) = look_up(&self.host, self.port, Reach::Any).await {
            return Outcome::Down(e.into());
        }
        match timeout(self.timeout, self.transport.test_connection()).await {
            Ok(Ok(true)) => Outcome::Sent("answers, and accepts the login if there is one".to_owned()),
            Ok(Ok(false)) => Outcome::Down(Failure::new(Cause::Server, "the server does not want to talk now")),
            Ok(Err(e)) => self.verdict(&e),
            Err(_) => self.late(),
        }
    }

    async fn attempt(&self, to: &[Address], bytes: &[u8]) -> Outcome {
        let envelope = match Envelope::new(Some(self.from.email.clone()), to.to_vec()) {
            Ok(envelope) => envelope,
            Err(e) => return Outcome::Refused(Failure::new(Cause::Refused, e.to_string())),
        };
        match timeout(self.timeout, self.transport.send_raw(&envelope, bytes)).await {
            Ok(Ok(answer)) => {
                let text: Vec<&str> = answer.message().collect();
                Outcome::Sent(clean::line(&format!("{} {}", answer.code(), text.join(" ")), 200))
            }
            Ok(Err(e)) => self.verdict(&e),
            Err(_) => self.late(),
        }
    }

    fn late(&self) -> Outcome {
        let place = self.place();
        Outcome::Failed(Failure::new(
            Cause::Timeout,
            format!("no answer in time from {place} (`timeout` says how long)"),
        ))
    }

    fn place(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// Connection, TLS, login and "service not available" are the server's trouble; other answers are about this
    /// message.
    fn verdict(&self, e: &smtp::Error) -> Outcome {
        let place = self.place();
        let Some(code) = e.status() else {
            let failure = diagnose::connection(e, &place).unwrap_or_else(|| unanswered(e, &place));
            let connected = matches!(failure.cause, Cause::Cut | Cause::Timeout);
            return if connected { Outcome::Failed(failure) } else { Outcome::Down(failure) };
        };
        let said = chain(e);
        let said = said.split_once("): ").map_or(said.as_str(), |(_, text)| text);
        let said = format!("{place} answered {code} {said}");
        match code.to_string().as_str() {
            "534" | "535" | "538" | "530" => {
                let error =
                    format!("the server does not accept our login; are `username` and `password` right? {said}");
                Outcome::Down(Failure::new(Cause::Login, error))
            }
            "454" => Outcome::Down(Failure::new(Cause::Server, said)),
            _ if code.category == Category::Connections => Outcome::Down(Failure::new(Cause::Server, said)),
            _ if e.is_permanent() => Outcome::Refused(Failure::new(Cause::Refused, said)),
            _ => Outcome::Failed(Failure::new(Cause::Server, said)),
        }
    }

    /// The message as it goes over the wire. Every text passes lettre's builder as a `String` in quoted-printable, so
    /// that no line of it can end the message or begin a header.
    fn build(&self, row: &OutboxRow, message: &Message, now: Timestamp) -> Result<Vec<u8>, String> {
        let domain = self.from.email.domain();
        let part = |kind: ContentType, body: &str| {
            SinglePart::builder().header(kind).header(ContentTransferEncoding::QuotedPrintable).body(body.to_owned())
        };
        let boundary = format!("=_{}", row.message_id().replace(|c: char| !c.is_ascii_alphanumeric(), "_"));
        let body = MultiPart::alternative()
            .boundary(boundary)
            .singlepart(part(ContentType::TEXT_PLAIN, &message.text))
            .singlepart(part(ContentType::TEXT_HTML, &message.html));
        let thread = format!("<{}@{domain}>", word(&row.alert.id));
        let mut mail = lettre::Message::builder()
            .from(self.from.clone())
            .subject(clean::line(&message.subject, 220))
            .date(SystemTime::UNIX_EPOCH + now.since(Timestamp(0)))
            .message_id(Some(format!("<{}@{domain}>", word(&row.message_id()))))
            .in_reply_to(thread.clone())
            .references(thread)
            .header(ListId(format!(
                "<{}.logwarden.{domain}>",
                row.receiver.replace(|c: char| !c.is_ascii_alphanumeric(), "-")
            )))
            .header(AutoSubmitted("auto-generated".to_owned()))
            .header(AutoResponseSuppress("All".to_owned()))
            .header(AlertFingerprint(word(&row.alert.fingerprint)))
            .header(header::UserAgent::from(concat!("logwarden/", env!("CARGO_PKG_VERSION")).to_owned()));
        if row.lane() == crate::store::Lane::Urgent {
            mail = mail.header(Importance("high".to_owned()));
        }
        for to in &self.to {
            mail = mail.to(to.clone());
        }
        Ok(mail.multipart(body).map_err(|e| chain(&e))?.formatted())
    }
}

/// Ids in headers: only characters that need no quoting.
fn word(id: &str) -> String {
    id.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_')).take(120).collect()
}

fn is_loopback(host: &str) -> bool {
    let ip = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
    ip.map_or_else(|_| host.eq_ignore_ascii_case("localhost"), |ip| ip.to_canonical().is_loopback())
}

fn hostname() -> Option<String> {
    let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
    host_name().filter(|name| name.chars().all(fine))
}

/// What the client itself has to say: no STARTTLS, no common way to log in, an answer that is none.
fn unanswered(e: &smtp::Error, place: &str) -> Failure {
    let said = chain(e);
    if said.to_ascii_lowercase().contains("starttls") {
        let hint = "set `tls = \"implicit\"` if this port speaks TLS from the first byte";
        return Failure::new(
            Cause::Tls,
            format!("{place} does not offer STARTTLS, and nothing is sent in the clear; {hint}"),
        );
    }
    let cause = if e.is_client() {
        Cause::Login
    } else if e.is_tls() {
        Cause::Tls
    } else if e.is_response() || e.is_transport_shutdown() {
        Cause::Cut
    } else {
        Cause::Unreachable
    };
    Failure::new(cause, format!("{place}: {said}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::sample::alert;

    fn config() -> EmailConfig {
        toml::from_str(
            "host = '127.0.0.1'\ntls = 'off'\nfrom = 'Wärter <lw@example.com>'\nto = ['a@example.com', 'B <b@example.org>']",
        )
        .unwrap()
    }

    #[test]
    fn what_cannot_work_is_refused_before_anything_is_sent() {
        let refused = |change: fn(&mut EmailConfig)| {
            let mut c = config();
            change(&mut c);
            EmailSender::new(&c).err().unwrap()
        };
        assert!(refused(|c| c.host = "mail.example.com".to_owned()).contains("only for a server on this machine"));
        assert!(refused(|c| c.from = "nobody".to_owned()).contains("`nobody`"));
        assert!(refused(|c| c.to.push("x@y\r\nBcc: z@w".to_owned())).contains("not a mail address"));
        assert!(refused(|c| c.to.clear()).contains("empty"));
        assert!(refused(|c| c.username = Some("u".to_owned())).contains("belong together"));
        assert!(
            refused(|c| (c.tls, c.ca_file) = (TlsMode::Starttls, Some("/nowhere.pem".into()))).contains("/nowhere.pem")
        );
    }

    #[test]
    fn hostile_text_adds_no_header_and_ends_no_message() {
        let mut a = alert();
        a.summary = "spike\r\nBcc: evil@example.net\r\n\r\n<b>\n.\n".to_owned();
        a.why = "one\n.\nRCPT TO:<evil@example.net>\r\n.\r\n".to_owned();
        a.id = "01K\r\nX-Evil: 1".to_owned();
        a.fingerprint = "f\nX-Evil: 2".to_owned();
        let row = OutboxRow { receiver: "ops\r\nX-Evil: 3".to_owned(), alert: a };
        let sender = EmailSender::new(&config()).unwrap();
        let bytes = sender
            .build(&row, &message(&row.alert, None, &Said::default()), Timestamp::from_secs(1_777_636_800))
            .unwrap();
        let text = String::from_utf8(bytes).unwrap();
        assert!(!text.replace("\r\n", "").contains(['\r', '\n']), "no bare CR or LF anywhere");
        let head = text.split("\r\n\r\n").next().unwrap();
        assert!(head.lines().all(|l| !l.starts_with("X-Evil") && !l.starts_with("Bcc")), "{head}");
        assert!(text.lines().all(|l| l != "."));
        assert!(
            head.contains("Auto-Submitted: auto-generated")
                && head.contains("List-Id: <ops--X-Evil--3.logwarden.example.com>")
        );
    }

    #[tokio::test]
    async fn a_server_that_is_not_there_is_down_and_not_the_messages_fault() {
        let mut c = config();
        c.port = Some(1);
        let row = OutboxRow { receiver: "ops".to_owned(), alert: alert() };
        let outcome = EmailSender::new(&c).unwrap().send(&row, None, &Said::default(), Timestamp(0)).await;
        assert!(matches!(&outcome, Outcome::Down(f) if f.cause == Cause::Unreachable), "{outcome:?}");
    }
}
