//! Reading a request's body: bounded in size, in time, and in what all of them together may hold.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use http_body_util::BodyExt;
use hyper::body::{Body, Bytes};

/// A body may pause this long.
const PAUSE: Duration = Duration::from_secs(10);

/// A body has this long, and the time that its bytes take at [`SLOWEST`].
const WHOLE: Duration = Duration::from_secs(30);

/// A client slower than this over a long body is cut off, in bytes a second.
const SLOWEST: u64 = 64 << 10;

/// Why a body was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// Longer than it may be.
    #[error("the body is over the limit of {0} bytes")]
    TooLong(u64),
    /// The client takes too long.
    #[error("the body came too slowly")]
    Slow,
    /// The client went away or broke the protocol.
    #[error("the body broke off")]
    Broken,
    /// All requests together hold as much as they may.
    #[error("requests that are being read hold as much memory as they may")]
    Full,
}

/// What all requests together may hold in memory, in bytes.
#[derive(Clone)]
pub struct Budget {
    held: Arc<AtomicU64>,
    most: u64,
}

/// What one request holds of a [`Budget`]; given back when it is dropped.
pub struct Share {
    budget: Budget,
    holds: u64,
}

impl Budget {
    /// At most `most` bytes.
    pub fn new(most: u64) -> Self {
        Self { held: Arc::default(), most }
    }

    /// A share that holds nothing yet.
    pub fn share(&self) -> Share {
        Share { budget: self.clone(), holds: 0 }
    }
}

impl Share {
    /// Takes `bytes` more.
    ///
    /// # Errors
    /// [`BodyError::Full`] when there is not as much left.
    pub fn grow(&mut self, bytes: u64) -> Result<(), BodyError> {
        let before = self.budget.held.fetch_add(bytes, Ordering::Relaxed);
        if before + bytes > self.budget.most {
            self.budget.held.fetch_sub(bytes, Ordering::Relaxed);
            return Err(BodyError::Full);
        }
        self.holds += bytes;
        Ok(())
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.budget.held.fetch_sub(self.holds, Ordering::Relaxed);
    }
}

/// Reads all of `body`, at most `most` bytes, on account of `share`.
///
/// # Errors
/// [`BodyError`].
pub async fn read_body<B>(body: B, most: u64, share: &mut Share) -> Result<Vec<u8>, BodyError>
where
    B: Body<Data = Bytes> + Unpin,
{
    read_patiently(body, most, share, PAUSE).await
}

async fn read_patiently<B>(mut body: B, most: u64, share: &mut Share, pause: Duration) -> Result<Vec<u8>, BodyError>
where
    B: Body<Data = Bytes> + Unpin,
{
    let announced = body.size_hint().lower();
    if announced > most {
        return Err(BodyError::TooLong(most));
    }
    let began = Instant::now();
    let mut whole = Vec::new();
    loop {
        let deadline = WHOLE + Duration::from_secs(whole.len() as u64 / SLOWEST);
        let left = deadline.checked_sub(began.elapsed()).ok_or(BodyError::Slow)?;
        let frame = tokio::time::timeout(pause.min(left), body.frame()).await.map_err(|_| BodyError::Slow)?;
        let Some(frame) = frame else { return Ok(whole) };
        let Ok(data) = frame.map_err(|_| BodyError::Broken)?.into_data() else { continue };
        if whole.len() as u64 + data.len() as u64 > most {
            return Err(BodyError::TooLong(most));
        }
        share.grow(data.len() as u64)?;
        whole.extend_from_slice(&data);
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::Full;

    use super::*;

    #[tokio::test]
    async fn size_and_shares_are_bounded() {
        let budget = Budget::new(100);
        let body = |n| Full::new(Bytes::from(vec![b'x'; n]));
        let mut one = budget.share();
        assert_eq!(read_body(body(60), 60, &mut one).await.unwrap().len(), 60);
        assert_eq!(read_body(body(61), 60, &mut budget.share()).await, Err(BodyError::TooLong(60)));
        assert_eq!(read_body(body(41), 60, &mut budget.share()).await, Err(BodyError::Full));
        drop(one);
        assert!(read_body(body(41), 60, &mut budget.share()).await.is_ok());
        assert_eq!(budget.held.load(Ordering::Relaxed), 0);
    }

    /// Sends one byte, then nothing.
    struct Drip(bool);

    impl Body for Drip {
        type Data = Bytes;
        type Error = std::convert::Infallible;

        fn poll_frame(
            mut self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<hyper::body::Frame<Bytes>, Self::Error>>> {
            if std::mem::replace(&mut self.0, true) {
                return std::task::Poll::Pending;
            }
            std::task::Poll::Ready(Some(Ok(hyper::body::Frame::data(Bytes::from_static(b"x")))))
        }
    }

    #[tokio::test]
    async fn a_body_that_stops_is_given_up() {
        let budget = Budget::new(100);
        let got = read_patiently(Drip(false), 10, &mut budget.share(), Duration::from_millis(20)).await;
        assert_eq!(got, Err(BodyError::Slow));
    }
}
