//! HTTP/1.1 with its timers armed, and answers that tell a client no more than it needs.

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http_body_util::Full;
use hyper::body::{Body, Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::watch;
use ulid::Ulid;

use super::gate::Pass;
use super::listen::Accepted;

/// The longest head of a request, in bytes.
pub const HEADER_BYTES: usize = 16 << 10;

/// How long a client has for the head of a request, also of the next one on the same connection.
pub const HEADER_TIME: Duration = Duration::from_secs(10);

/// What a request is answered with.
pub type Answer = Response<Full<Bytes>>;

/// Serves one connection to its end. A client that is slow, or has to make room for others, is cut off; `handle` says
/// with [`Pass::owed`] when it has all of a request.
pub async fn serve<F, W, B>(accepted: Accepted, mut stop: watch::Receiver<bool>, handle: F)
where
    F: Fn(Request<Incoming>, Arc<Pass>) -> W,
    W: Future<Output = Response<B>>,
    B: Body<Data = Bytes, Error = Infallible> + 'static,
{
    let Accepted { wire, pass, .. } = accepted;
    let pass = Arc::new(pass);
    let service = service_fn(|request: Request<Incoming>| {
        let answered = handle(request, Arc::clone(&pass));
        let pass = &pass;
        async move {
            let answer = answered.await;
            pass.waits(Instant::now());
            Ok::<_, Infallible>(answer)
        }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEADER_TIME).max_header_size(HEADER_BYTES);
    let connection = builder.serve_connection(TokioIo::new(wire), service);
    tokio::pin!(connection);
    let mut ending = *stop.borrow();
    if ending {
        connection.as_mut().graceful_shutdown();
    }
    loop {
        tokio::select! {
            // how a connection ends is the client's business
            _ = connection.as_mut() => return,
            () = pass.sent_away() => return,
            changed = stop.changed(), if !ending => {
                ending = changed.is_err() || *stop.borrow();
                if ending {
                    connection.as_mut().graceful_shutdown();
                }
            }
        }
    }
}

/// An answer with a JSON body.
pub fn answer(status: StatusCode, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}

/// A refusal: the client gets the status's own words and an id; `why` goes into our log under that id.
pub fn refusal(status: StatusCode, why: &str) -> Answer {
    let id = Ulid::r#gen().to_string();
    tracing::info!(id, status = status.as_u16(), "a request was refused: {why}");
    let word = status.canonical_reason().unwrap_or("error").to_ascii_lowercase();
    answer(status, format!("{{\"error\":\"{word}\",\"id\":\"{id}\"}}\n"))
}
