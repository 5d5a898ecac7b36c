//! The server: a request comes in, is looked at, and is answered.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{
    ACCEPT, ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue, REFERRER_POLICY,
    RETRY_AFTER, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Request, Response, StatusCode};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use super::alerts::{self, ActError};
use super::api;
use super::body::{Out, Reply};
use super::config::HttpConfig;
use super::face::Face;
use super::guard::{Guard, Refused, Way};
use super::keys;
use super::live::Live;
use super::metrics::{Format, metrics};
use super::page::Page;
use super::query::Query;
use super::route::{Act, NoRoom, Read, Room, room};
use crate::net::{
    Accepted, Budget, Gate, Pace, Pass, Server, Token, accept_tcp, accept_unix, answer, read_body, refusal, serve,
};

/// Longest body of an operator's word.
const MOST_BODY: u64 = 16 << 10;

/// What all bodies together may hold.
const MOST_BODIES: u64 = 1 << 20;

/// What we listen on.
pub struct Doors {
    /// The port; the part of a split service that has no network has none.
    pub tcp: Option<std::net::TcpListener>,
    /// TLS of the port.
    pub tls: Option<TlsAcceptor>,
    /// The Unix socket.
    pub unix: Option<std::os::unix::net::UnixListener>,
}

/// The window, ready to be opened.
pub struct Web {
    face: Arc<Face>,
    guard: Guard,
    page: Page,
    live: Live,
    pace: Pace,
    budget: Budget,
    connections: usize,
    stop: watch::Receiver<bool>,
}

impl Web {
    /// The window on `face`; it closes when `stop` becomes true.
    pub fn new(face: Arc<Face>, config: &HttpConfig, token: Option<Token>, stop: watch::Receiver<bool>) -> Self {
        let beyond = !config.listen.ip().to_canonical().is_loopback();
        let certificates = config.tls.as_ref().is_some_and(|tls| tls.client_ca.is_some());
        let token_for_reads = config.token_for_reads || (beyond && !certificates);
        Self {
            face,
            guard: Guard { hosts: config.hosts.clone(), token, token_for_reads },
            page: Page::new(),
            live: Live::new(),
            pace: Pace::new(config.max_requests_per_second),
            budget: Budget::new(MOST_BODIES),
            connections: config.max_connections,
            stop,
        }
    }

    /// Serves until it is time to end.
    ///
    /// # Errors
    /// When a socket cannot be used.
    pub async fn run(self, doors: Doors) -> io::Result<()> {
        let this = Arc::new(self);
        let server = |tls| Server {
            gate: Gate::new(this.connections, this.connections),
            tls,
            stop: this.stop.clone(),
            refused: Arc::new(|| tracing::debug!("a connection to the page was refused: there are too many")),
        };
        let tcp = async {
            let Some(listener) = doors.tcp else { return Ok(()) };
            let web = Arc::clone(&this);
            accept_tcp(listener, server(doors.tls), move |accepted| {
                let web = Arc::clone(&web);
                Box::pin(async move { web.connection(accepted, Way::Tcp).await })
            })
            .await
        };
        let unix = async {
            let Some(listener) = doors.unix else { return Ok(()) };
            let web = Arc::clone(&this);
            accept_unix(listener, server(None), move |accepted| {
                let web = Arc::clone(&web);
                Box::pin(async move { web.connection(accepted, Way::Unix).await })
            })
            .await
        };
        let (tcp, unix, ()) = tokio::join!(tcp, unix, this.live.run(&this.face, this.stop.clone()));
        tcp.and(unix)
    }

    async fn connection(&self, accepted: Accepted, way: Way) {
        let peer = accepted.peer;
        serve(accepted, self.stop.clone(), |request, pass| async move {
            let mut reply = self.reply(request, &pass, peer, way).await;
            self.dress(&mut reply);
            reply
        })
        .await;
    }

    async fn reply(&self, request: Request<Incoming>, pass: &Pass, peer: IpAddr, way: Way) -> Reply {
        let room = match room(request.method(), request.uri().path()) {
            Ok(room) => room,
            Err(no) => return no_room(no),
        };
        if let Err(refused) = self.guard.place(request.headers(), way) {
            return refuse(refused);
        }
        if way == Way::Tcp
            && let Err(wait) = self.pace.take(peer, Instant::now())
        {
            let mut reply = whole(refusal(StatusCode::TOO_MANY_REQUESTS, "page: too many requests"));
            reply.headers_mut().insert(RETRY_AFTER, HeaderValue::from(wait.as_secs() + 1));
            return reply;
        }
        let open = matches!(room, Room::Page | Room::Health | Room::Ready);
        let allowed = match &room {
            Room::Act(_) => self.guard.act(request.headers(), way),
            _ if open => Ok(()),
            _ => self.guard.read(request.headers(), way),
        };
        if let Err(refused) = allowed {
            return refuse(refused);
        }
        match room {
            Room::Act(act) => self.act(act, request, pass).await,
            room => {
                pass.owed();
                self.show(room, &request).await
            }
        }
    }

    async fn show(&self, room: Room, request: &Request<Incoming>) -> Reply {
        match room {
            Room::Page => {
                let html = HeaderValue::from_static("text/html; charset=utf-8");
                typed(StatusCode::OK, html, self.page.html.clone())
            }
            Room::Health => health(api::is_alive(&self.face), Vec::new()),
            Room::Ready => {
                let why = api::not_ready(&self.face);
                health(why.is_empty(), why)
            }
            Room::Metrics => {
                let accept = request.headers().get(ACCEPT).and_then(|v| v.to_str().ok()).unwrap_or_default();
                let (format, face) = (Format::wanted(accept), Arc::clone(&self.face));
                let text = tokio::task::spawn_blocking(move || metrics(&face, format)).await.unwrap_or_default();
                typed(StatusCode::OK, HeaderValue::from_static(format.content_type()), text)
            }
            Room::Events => match self.live.listen(self.stop.clone()) {
                Some(stream) => {
                    let mut reply = Response::new(Out::Stream(stream));
                    let kind = HeaderValue::from_static("text/event-stream; charset=utf-8");
                    reply.headers_mut().insert(CONTENT_TYPE, kind);
                    reply
                }
                None => whole(refusal(StatusCode::SERVICE_UNAVAILABLE, "page: too many listen already")),
            },
            Room::Read(read) => self.read(read, &Query::new(request.uri().query().unwrap_or_default())).await,
            Room::Act(_) => whole(refusal(StatusCode::METHOD_NOT_ALLOWED, "page: another method belongs to this path")),
        }
    }

    async fn read(&self, read: Read, query: &Query) -> Reply {
        let face = &self.face;
        match read {
            Read::Keys => match keys::keys(face, query).await {
                Err(why) => bad_request(&why),
                Ok(Some(value)) => json_reply(&value),
                Ok(None) => {
                    whole(refusal(StatusCode::SERVICE_UNAVAILABLE, "page: no list of keys could be had in time"))
                }
            },
            Read::Key(key) => match keys::key(face, &key).await {
                Some(value) => json_reply(&value),
                None => whole(refusal(StatusCode::NOT_FOUND, "page: no such key")),
            },
            Read::Status => {
                let (face, history) = (Arc::clone(face), self.live.history());
                blocking(move || Ok(Some(api::status(&face, &history)))).await
            }
            Read::Sources => {
                face.board.look(face.now());
                json_reply(&api::sources(face))
            }
            Read::Redactions => json_reply(&api::redactions(face)),
            Read::Alerts => {
                let (face, query) = (Arc::clone(face), query.clone());
                blocking(move || Ok(Some(alerts::alerts(&face, &query)?))).await
            }
            Read::Alert(id) => {
                let face = Arc::clone(face);
                blocking(move || Ok(alerts::alert(&face, &id)?)).await
            }
            Read::Silences => {
                let face = Arc::clone(face);
                blocking(move || Ok(Some(alerts::silences(&face)?))).await
            }
        }
    }

    async fn act(&self, act: Act, request: Request<Incoming>, pass: &Pass) -> Reply {
        let is_json = request.headers().get(CONTENT_TYPE).is_some_and(|v| {
            let essence = v.as_bytes().split(|b| *b == b';').next().unwrap_or(b"");
            essence.trim_ascii().eq_ignore_ascii_case(b"application/json")
        });
        if !is_json {
            return whole(refusal(StatusCode::UNSUPPORTED_MEDIA_TYPE, "page: the body must be application/json"));
        }
        let mut share = self.budget.share();
        let body = match read_body(request.into_body(), MOST_BODY, &mut share).await {
            Ok(body) => body,
            Err(error) => return whole(refusal(StatusCode::BAD_REQUEST, &format!("page: {error}"))),
        };
        pass.owed();
        let face = Arc::clone(&self.face);
        blocking(move || {
            let done = match act {
                Act::Ack(id) => alerts::ack(&face, &id, &body),
                Act::Silence => alerts::silence(&face, &body),
                Act::EndSilence(id) => alerts::end_silence(&face, &id, &body),
            };
            done.map(Some)
        })
        .await
    }

    /// What every answer wears.
    fn dress(&self, reply: &mut Reply) {
        let html = reply.headers().get(CONTENT_TYPE).is_some_and(|v| v.as_bytes().starts_with(b"text/html"));
        let policy = if html { &*self.page.policy } else { "default-src 'none'; frame-ancestors 'none'" };
        let fixed = [
            (X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (REFERRER_POLICY, "no-referrer"),
            (CACHE_CONTROL, "no-store"),
            (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
            (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
            (HeaderName::from_static("x-frame-options"), "DENY"),
        ];
        for (name, value) in fixed {
            reply.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        if let Ok(policy) = HeaderValue::from_str(policy) {
            reply.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
        }
    }
}

/// Runs what may wait for the disk.
async fn blocking(work: impl FnOnce() -> Result<Option<Value>, ActError> + Send + 'static) -> Reply {
    match tokio::task::spawn_blocking(work).await {
        Ok(Ok(Some(value))) => json_reply(&value),
        Ok(Ok(None)) => whole(refusal(StatusCode::NOT_FOUND, "page: there is nothing of this id")),
        Ok(Err(error @ ActError::NotFound)) => whole(refusal(StatusCode::NOT_FOUND, &format!("page: {error}"))),
        Ok(Err(ActError::Invalid(why))) => bad_request(&why),
        Ok(Err(ActError::Store(error))) => whole(refusal(StatusCode::INTERNAL_SERVER_ERROR, &format!("page: {error}"))),
        Err(_) => whole(refusal(StatusCode::INTERNAL_SERVER_ERROR, "page: a mistake of ours")),
    }
}

fn bad_request(why: &str) -> Reply {
    whole(answer(StatusCode::BAD_REQUEST, json!({"error": "bad request", "why": why}).to_string()))
}

fn whole(answer: Response<Full<Bytes>>) -> Reply {
    answer.map(Out::Whole)
}

fn json_reply(value: &Value) -> Reply {
    whole(answer(StatusCode::OK, value.to_string()))
}

fn typed(status: StatusCode, kind: HeaderValue, body: impl Into<Bytes>) -> Reply {
    let mut reply = whole(answer(status, body));
    reply.headers_mut().insert(CONTENT_TYPE, kind);
    reply
}

fn health(well: bool, why: Vec<String>) -> Reply {
    let status = if well { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    whole(answer(status, json!({"ok": well, "why": why}).to_string()))
}

fn no_room(no: NoRoom) -> Reply {
    match no {
        NoRoom::NotFound => whole(refusal(StatusCode::NOT_FOUND, "page: nothing is at this path")),
        NoRoom::Method(allow) => {
            let why = "page: another method belongs to this path";
            let mut reply = whole(refusal(StatusCode::METHOD_NOT_ALLOWED, why));
            reply.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
            reply
        }
    }
}

fn refuse(refused: Refused) -> Reply {
    match refused {
        Refused::Host => {
            whole(refusal(StatusCode::MISDIRECTED_REQUEST, "page: asked for under a name that is not in `hosts`"))
        }
        Refused::Origin => whole(refusal(StatusCode::FORBIDDEN, "page: asked for by a page from elsewhere")),
        Refused::NoToken => {
            let why = "to act over the network, set `token` in [http]; the Unix socket needs none";
            whole(answer(StatusCode::FORBIDDEN, json!({"error": "forbidden", "why": why}).to_string()))
        }
        Refused::Token => {
            let mut reply = whole(refusal(StatusCode::UNAUTHORIZED, "page: no token, or a wrong one"));
            reply.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            reply
        }
    }
}
