//! A body that must keep coming: one that stops, or crawls, ends with an error.

use std::fmt;
use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use hyper::body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};

/// How long a body may pause.
const PAUSE: Duration = Duration::from_secs(30);

/// How long a body may take besides what its length is worth at [`SLOWEST`].
const GRACE: Duration = Duration::from_secs(60);

/// Bytes in a second that a body comes with at least, on average.
const SLOWEST: u64 = 4 * 1024;

/// The body did not keep coming.
#[derive(Debug)]
pub(crate) struct TooSlow;

impl fmt::Display for TooSlow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the body comes too slowly")
    }
}

impl std::error::Error for TooSlow {}

/// A body with a pace.
pub(crate) struct Paced<B> {
    body: B,
    began: Instant,
    received: u64,
    deadline: Pin<Box<Sleep>>,
}

impl<B> Paced<B> {
    /// Begins to count.
    pub(crate) fn new(body: B) -> Self {
        let began = Instant::now();
        Self {
            body,
            began,
            received: 0,
            deadline: Box::pin(sleep_until(began + PAUSE)),
        }
    }

    /// The next pause ends, or the pace is too slow for what has come.
    fn next_deadline(&self) -> Instant {
        let by_pace = self.began + GRACE + Duration::from_secs(self.received / SLOWEST);
        by_pace.min(Instant::now() + PAUSE)
    }
}

impl<B> Body for Paced<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<s3s::StdError>,
{
    type Data = Bytes;
    type Error = s3s::StdError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = &mut *self;
        if let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(context) {
            if let Some(Ok(frame)) = &frame {
                this.received += frame.data_ref().map_or(0, |data| data.remaining() as u64);
                let next = this.next_deadline();
                this.deadline.as_mut().reset(next);
            }
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        ready!(this.deadline.as_mut().poll(context));
        Poll::Ready(Some(Err(Box::new(TooSlow))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::{BodyExt as _, StreamBody};

    use super::*;

    /// A frame of `length` bytes every `every`.
    fn drip(every: Duration, length: usize) -> impl Body<Data = Bytes, Error = std::io::Error> + Unpin {
        let frames = futures_util::stream::unfold((), move |()| async move {
            tokio::time::sleep(every).await;
            Some((Ok(Frame::data(Bytes::from(vec![0; length]))), ()))
        });
        StreamBody::new(Box::pin(frames))
    }

    async fn frames_until_it_ends(body: impl Body<Data = Bytes, Error = std::io::Error> + Unpin) -> usize {
        let mut body = Paced::new(body);
        let mut frames = 0;
        while frames < 1000 {
            match body.frame().await {
                Some(Ok(_)) => frames += 1,
                Some(Err(error)) => {
                    assert!(error.downcast_ref::<TooSlow>().is_some(), "{error}");
                    return frames;
                }
                None => break,
            }
        }
        frames
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_stops_crawls_or_keeps_coming() {
        let seconds = Duration::from_secs;
        assert_eq!(frames_until_it_ends(drip(seconds(31), 1 << 20)).await, 0);
        let crawled = frames_until_it_ends(drip(seconds(20), 1)).await;
        assert!((2..5).contains(&crawled), "{crawled} frames");
        assert_eq!(frames_until_it_ends(drip(seconds(1), 8 * 1024)).await, 1000);
    }
}
