//! How slowly a body may come. An upload holds a place that others wait for.
//!
//! Only the time that the server waits for the client counts, not the time that it takes itself.

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use tokio::time::{Instant, timeout};

use crate::config::Limits;
use crate::error::IndexError;

/// How a body has come so far.
struct Pace {
    stall: Duration,
    rate: u64,
    limit: Duration,
    /// How long it was waited for altogether.
    waited: Duration,
    /// How long since the rate was looked at last, and what came meanwhile.
    window: Duration,
    came: u64,
}

/// The body, as long as it neither stands still nor trickles.
pub(super) fn paced(
    body: Body,
    limits: &Limits,
) -> impl Stream<Item = Result<Bytes, IndexError>> + Send + use<> {
    let pace = Pace {
        stall: limits.stall,
        rate: limits.upload_rate,
        limit: limits.upload_time,
        waited: Duration::ZERO,
        window: Duration::ZERO,
        came: 0,
    };
    let start = (body.into_data_stream(), Some(pace));
    let stream = futures_util::stream::unfold(start, |(mut stream, pace)| async move {
        let mut pace = pace?;
        let began = Instant::now();
        let patience = pace.stall.min(pace.limit.saturating_sub(pace.waited));
        let result = match timeout(patience, stream.next()).await {
            Ok(None) => return None,
            Ok(Some(Ok(bytes))) => pace.judge(began.elapsed(), bytes.len()).map(|()| bytes),
            Ok(Some(Err(error))) => Err(IndexError::bad_request(format!("the upload broke off: {error}"))),
            Err(_) => Err(pace.missing(began.elapsed())),
        };
        let pace = result.is_ok().then_some(pace);
        Some((result, (stream, pace)))
    });
    // Read on after its end by whoever drains it.
    stream.fuse()
}

impl Pace {
    fn judge(&mut self, waited: Duration, bytes: usize) -> Result<(), IndexError> {
        self.waited += waited;
        self.window += waited;
        self.came = self.came.saturating_add(bytes as u64);
        if self.waited > self.limit {
            return Err(self.too_long());
        }
        if self.window < self.stall {
            return Ok(());
        }
        if u128::from(self.came) * 1000 < u128::from(self.rate) * self.window.as_millis() {
            let (came, seconds, rate) = (self.came, self.window.as_secs(), self.rate);
            let why = format!("{came} bytes in {seconds} seconds, at least {rate} a second are asked for");
            return Err(IndexError::TooSlow { why });
        }
        self.window = Duration::ZERO;
        self.came = 0;
        Ok(())
    }

    /// Nothing came for so long.
    fn missing(&self, waited: Duration) -> IndexError {
        if self.waited + waited >= self.limit {
            return self.too_long();
        }
        IndexError::Stalled { seconds: self.stall.as_secs() }
    }

    fn too_long(&self) -> IndexError {
        IndexError::TooSlow { why: format!("it took more than {} seconds", self.limit.as_secs()) }
    }
}

/// Reads on for a while after a refusal: a client that is still sending would see a broken connection
/// instead of the answer.
pub(super) async fn drain(body: &mut (impl Stream<Item = Result<Bytes, IndexError>> + Unpin)) {
    let read = async {
        let mut left: usize = 256 * 1024 * 1024;
        while let Some(Ok(bytes)) = body.next().await {
            left = left.saturating_sub(bytes.len());
            if left == 0 {
                break;
            }
        }
    };
    let _ = timeout(Duration::from_secs(20), read).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pace() -> Pace {
        Pace {
            stall: Duration::from_secs(60),
            rate: 1000,
            limit: Duration::from_secs(600),
            waited: Duration::ZERO,
            window: Duration::ZERO,
            came: 0,
        }
    }

    #[test]
    fn l5_a_trickle_is_refused_after_a_window_and_a_slow_line_is_not() {
        let mut trickle = pace();
        trickle.judge(Duration::from_secs(50), 1).unwrap();
        let error = trickle.judge(Duration::from_secs(50), 1).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the upload is too slow: 2 bytes in 100 seconds, at least 1000 a second are asked for"
        );
        assert_eq!(error.status(), 408);
        let mut slow = pace();
        for _ in 0..59 {
            slow.judge(Duration::from_secs(10), 10_000).unwrap();
        }
        assert!(matches!(slow.missing(Duration::from_secs(5)), IndexError::Stalled { seconds: 60 }));
        // What came fast before does not help later.
        let mut stopping = pace();
        stopping.judge(Duration::from_secs(60), 100_000_000).unwrap();
        assert!(stopping.judge(Duration::from_secs(60), 1).is_err());
    }

    #[test]
    fn l5_no_upload_is_waited_for_without_end() {
        let mut pace = pace();
        for _ in 0..10 {
            pace.judge(Duration::from_secs(60), 1_000_000).unwrap();
        }
        let error = pace.judge(Duration::from_secs(1), 1_000_000).unwrap_err();
        assert_eq!(error.to_string(), "the upload is too slow: it took more than 600 seconds");
        assert!(matches!(pace.missing(Duration::ZERO), IndexError::TooSlow { .. }));
        // The time that the server takes itself is not the client's.
        let mut judged = self::pace();
        for _ in 0..1000 {
            judged.judge(Duration::ZERO, 1).unwrap();
        }
    }
}
