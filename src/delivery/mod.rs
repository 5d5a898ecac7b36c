//! Where alerts go out: routes, retries, mail and webhooks.
//!
//! Every message is a row in the store's outbox before anything is sent. Each receiver has a task of its own that takes
//! its rows in order, sends, and files what came of it; so receivers never wait for one another, and a row that was in
//! flight when the process died is sent again under the same id.

mod chart;
mod clean;
mod clock;
mod command;
mod config;
mod diagnose;
mod email;
mod failing;
mod format;
mod guard;
mod health;
mod html;
mod incident;
mod message;
mod outcome;
mod pace;
mod probe;
mod retry;
mod route;
#[cfg(test)]
mod sample;
mod scrub;
mod sender;
mod service;
mod sign;
mod summary;
mod teller;
mod template;
mod tls;
mod trial;
mod webhook;
mod words;
mod worker;

pub use clock::{Clock, SystemClock};
pub use config::{
    CommandConfig, EmailConfig, ReceiverConfig, RouteConfig, TemplateConfig, TlsMode, WebhookConfig, WebhookFormat,
};
pub use guard::Reach;
pub use incident::incident_markdown;
pub use outcome::{Cause, Failure, Outcome};
pub use pace::DayTime;
pub use retry::{Next, Schedule, retry_after};
pub use route::Router;
pub use service::{Counts, Delivery, DeliveryError, Setup, check};
pub use sign::Signer;
pub use teller::Teller;
pub use trial::{TestOutcome, greet, kind, prove, send_test, test_alert};
