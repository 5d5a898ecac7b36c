//! The receiver for HTTP.

use std::io;
use std::net::{IpAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use hyper::body::Incoming;
use hyper::header::{
    ALLOW, AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE,
};
use hyper::{Request, StatusCode};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use super::inlet::Inlet;
use super::route::{About, NoRoom, Room, room, shape};
use super::tally::sum_up;
use crate::net::{
    Accepted, Answer, BodyError, Budget, Gate, Pace, Pass, Server, Share, Token, accept_tcp, answer, read_body,
    refusal, serve,
};
use crate::sources::config::{Door, HttpSource};
use crate::sources::meter::{Meter, Refusal};
use crate::sources::shapes::{Coding, Shape, ShapeError, Taken, decode, take};

/// A receiver that is ready to listen.
pub struct HttpReceiver {
    name: String,
    config: HttpSource,
    token: Option<Token>,
    tls: Option<TlsAcceptor>,
    inlet: Inlet,
    meter: Arc<Meter>,
    pace: Pace,
    budget: Budget,
}

impl HttpReceiver {
    /// The receiver of source `name`.
    pub fn new(
        name: String,
        config: HttpSource,
        token: Option<Token>,
        tls: Option<TlsAcceptor>,
        inlet: Inlet,
        meter: Arc<Meter>,
    ) -> Self {
        let (pace, budget) = (Pace::new(config.max_requests_per_second), Budget::new(config.max_memory));
        Self { name, config, token, tls, inlet, meter, pace, budget }
    }

    /// Serves on `listener` until `stop` becomes true, and what is under way then to its end.
    ///
    /// # Errors
    /// When the socket cannot be used.
    pub async fn run(self, listener: TcpListener, stop: watch::Receiver<bool>) -> io::Result<()> {
        let meter = Arc::clone(&self.meter);
        let server = Server {
            gate: Gate::new(self.config.max_connections, self.config.max_connections_per_address),
            tls: self.tls.clone(),
            stop: stop.clone(),
            refused: Arc::new(move || meter.refuse(Refusal::Connection)),
        };
        let told = tokio::spawn(sum_up(self.name.clone(), Arc::clone(&self.meter), stop.clone()));
        let this = Arc::new(self);
        let served = accept_tcp(listener, server, move |accepted| {
            let (this, stop) = (Arc::clone(&this), stop.clone());
            Box::pin(async move { this.connection(accepted, stop).await })
        });
        let result = served.await;
        // it ends by the same word
        let _ended = told.await;
        result
    }

    async fn connection(&self, accepted: Accepted, stop: watch::Receiver<bool>) {
        self.meter.connections.fetch_add(1, Ordering::Relaxed);
        let peer = accepted.peer;
        serve(accepted, stop, |request, pass| self.answer(request, pass, peer)).await;
        self.meter.connections.fetch_sub(1, Ordering::Relaxed);
    }

    async fn answer(&self, request: Request<Incoming>, pass: Arc<Pass>, peer: IpAddr) -> Answer {
        let room = match room(&self.config.receive, request.method(), request.uri().path()) {
            Ok(room) => room,
            Err(NoRoom::NotFound) => return refusal(StatusCode::NOT_FOUND, "nothing is at this path"),
            Err(NoRoom::Method) => {
                let mut answer = refusal(StatusCode::METHOD_NOT_ALLOWED, "another method belongs to this path");
                answer.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
                return answer;
            }
        };
        if let Err(wait) = self.pace.take(peer, Instant::now()) {
            let mut answer = self.refuse(Refusal::Rate, StatusCode::TOO_MANY_REQUESTS, &"too many requests");
            retry_after(&mut answer, wait.as_secs() + 1);
            return answer;
        }
        if !self.knows(&request) {
            let mut answer = self.refuse(Refusal::Unauthorized, StatusCode::UNAUTHORIZED, &"no token, or a wrong one");
            answer.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            return answer;
        }
        match room {
            Room::About(about) => tell(about),
            Room::Lines(door) => self.lines(door, request, &pass, peer).await,
        }
    }

    fn knows(&self, request: &Request<Incoming>) -> bool {
        let Some(token) = &self.token else { return true };
        let shown = |name: HeaderName| request.headers().get(name).map(HeaderValue::as_bytes);
        shown(AUTHORIZATION).is_some_and(|value| token.shown_in(value))
            || shown(HeaderName::from_static("x-api-key")).is_some_and(|value| token.is(value))
    }

    async fn lines(&self, door: Door, request: Request<Incoming>, pass: &Pass, peer: IpAddr) -> Answer {
        let header = |name| request.headers().get(name).map(HeaderValue::as_bytes).unwrap_or_default();
        let Some((shape, coding)) = shape(door, header(CONTENT_TYPE), header(CONTENT_ENCODING)) else {
            let why = "a content type or an encoding that is not taken here";
            return self.refuse(Refusal::Invalid, StatusCode::UNSUPPORTED_MEDIA_TYPE, &why);
        };
        let mut share = self.budget.share();
        let body = match read_body(request.into_body(), self.config.max_body, &mut share).await {
            Ok(body) => body,
            Err(error) => return self.unread(error),
        };
        pass.owed();
        let taken = match self.take(shape, coding, body, share).await {
            Ok(taken) => taken,
            Err(error) => return self.unusable(error),
        };
        let (taken, _share) = taken;
        for _ in 0..taken.refused {
            self.meter.refuse(Refusal::TooLarge);
        }
        let report = Report { lines: taken.lines, refused: taken.refused, items: taken.items, errors: taken.errors };
        if !taken.parts.is_empty() {
            let stream = self.inlet.stream_of(peer).await;
            let committed = async {
                let told = self.inlet.send(&stream, taken.parts).await.ok()?;
                told.await.ok()
            };
            if !matches!(tokio::time::timeout(self.config.answer_within, committed).await, Ok(Some(()))) {
                return self.busy("the lines could not be committed in time; some may be, and come twice");
            }
        }
        report.answer(shape)
    }

    /// Decompresses and cuts up `body`, on a thread where that may take its time.
    async fn take(
        &self,
        shape: Shape,
        coding: Coding,
        body: Vec<u8>,
        mut share: Share,
    ) -> Result<(Taken, Share), ShapeError> {
        let (most, line) = (self.config.max_decompressed, usize::try_from(self.config.max_line).unwrap_or(usize::MAX));
        let work = move || {
            let mut grow = |n| share.grow(n).map_err(|_| ShapeError::Busy);
            let body = decode(coding, body, most, &mut grow)?;
            // the lines are a second copy, and what is parsed on the way a third
            grow(2 * body.len() as u64)?;
            Ok((take(shape, &body, line)?, share))
        };
        tokio::task::spawn_blocking(work).await.unwrap_or(Err(ShapeError::Busy))
    }

    fn refuse(&self, why: Refusal, status: StatusCode, what: &dyn std::fmt::Display) -> Answer {
        self.meter.refuse(why);
        refusal(status, &format!("source {}: {what}", self.name))
    }

    fn busy(&self, what: &str) -> Answer {
        let mut answer = self.refuse(Refusal::Busy, StatusCode::SERVICE_UNAVAILABLE, &what);
        retry_after(&mut answer, 5);
        answer
    }

    fn unread(&self, error: BodyError) -> Answer {
        match error {
            BodyError::TooLong(_) => self.refuse(Refusal::TooLarge, StatusCode::PAYLOAD_TOO_LARGE, &error),
            BodyError::Slow => self.refuse(Refusal::Slow, StatusCode::REQUEST_TIMEOUT, &error),
            BodyError::Broken => self.refuse(Refusal::Invalid, StatusCode::BAD_REQUEST, &error),
            BodyError::Full => self.busy(&error.to_string()),
        }
    }

    fn unusable(&self, error: ShapeError) -> Answer {
        match error {
            ShapeError::Bomb(_) => self.refuse(Refusal::TooLarge, StatusCode::PAYLOAD_TOO_LARGE, &error),
            ShapeError::Busy => self.busy(&error.to_string()),
            _ => self.refuse(Refusal::Invalid, StatusCode::BAD_REQUEST, &error),
        }
    }
}

/// What became of a body.
struct Report {
    lines: u64,
    refused: u64,
    items: String,
    errors: bool,
}

impl Report {
    /// The answer that the client of this shape expects.
    fn answer(&self, shape: Shape) -> Answer {
        let Self { lines, refused, items, errors } = self;
        match shape {
            Shape::Lines | Shape::Values => {
                answer(StatusCode::OK, format!("{{\"accepted\":{lines},\"withheld\":{refused}}}\n"))
            }
            Shape::LokiJson | Shape::LokiProtobuf => {
                let mut none = answer(StatusCode::NO_CONTENT, "");
                none.headers_mut().remove(CONTENT_TYPE);
                none
            }
            Shape::OtlpJson if *refused == 0 => answer(StatusCode::OK, "{\"partialSuccess\":{}}"),
            Shape::OtlpJson => {
                let body = format!(
                    "{{\"partialSuccess\":{{\"rejectedLogRecords\":\"{refused}\",\"errorMessage\":\"{TOO_LONG}\"}}}}"
                );
                answer(StatusCode::OK, body)
            }
            Shape::OtlpProtobuf => protobuf(*refused),
            Shape::Bulk => {
                let mut answer =
                    answer(StatusCode::OK, format!("{{\"took\":0,\"errors\":{errors},\"items\":[{items}]}}"));
                of_elasticsearch(&mut answer);
                answer
            }
        }
    }
}

const TOO_LONG: &str = "records over the limit of this receiver were withheld";

/// `ExportLogsServiceResponse { partial_success = 1 { int64 rejected = 1; string error = 2 } }`
fn protobuf(refused: u64) -> Answer {
    let mut body = Vec::new();
    if refused > 0 {
        let mut inner = vec![0x08];
        let mut rest = refused;
        while rest >= 0x80 {
            inner.push((rest & 0x7f) as u8 | 0x80);
            rest >>= 7;
        }
        inner.push(rest as u8);
        inner.extend_from_slice(&[0x12, TOO_LONG.len() as u8]);
        inner.extend_from_slice(TOO_LONG.as_bytes());
        body.extend_from_slice(&[0x0a, inner.len() as u8]);
        body.extend_from_slice(&inner);
    }
    let mut answer = answer(StatusCode::OK, body);
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
    answer
}

/// What clients of Elasticsearch ask before they send.
fn tell(about: About) -> Answer {
    let body = match about {
        About::Server => {
            r#"{"name":"logwarden","cluster_name":"logwarden","cluster_uuid":"_na_","version":{"number":"8.19.0","build_flavor":"default","build_type":"docker","build_hash":"0","build_date":"2025-01-01T00:00:00Z","build_snapshot":false,"lucene_version":"9.12.0","minimum_wire_compatibility_version":"7.17.0","minimum_index_compatibility_version":"7.0.0"},"tagline":"You Know, for Search"}"#
        }
        About::Health => r#"{"cluster_name":"logwarden","status":"green","timed_out":false,"number_of_nodes":1}"#,
        About::License => r#"{"license":{"status":"active","type":"basic","mode":"basic"}}"#,
    };
    let mut answer = answer(StatusCode::OK, body);
    of_elasticsearch(&mut answer);
    answer
}

/// Its clients want to see this header before they trust an answer.
fn of_elasticsearch(answer: &mut Answer) {
    let product = HeaderName::from_static("x-elastic-product");
    answer.headers_mut().insert(product, HeaderValue::from_static("Elasticsearch"));
}

fn retry_after(answer: &mut Answer, seconds: u64) {
    answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
}
