//! What is left of a body whose request was refused.
//!
//! A connection that ends while its client still sends is reset, and the answer is lost with it: the client would tell its user
//! of a cut connection instead of the reason. So a little more is read before the answer.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::{Body, Frame, SizeHint};
use tokio::sync::oneshot;
use tokio::time::timeout;

/// The most bytes that are read for the answer's sake: the parts in which clients upload are shorter.
const MOST: u64 = 16 * 1024 * 1024;

/// How long these may take.
const WITHIN: Duration = Duration::from_secs(10);

/// A body that comes back from whoever reads it.
pub(super) struct Lent<B> {
    body: Option<B>,
    began: bool,
    back: Option<oneshot::Sender<Returned<B>>>,
}

/// What comes back of a [`Lent`] body.
pub(super) struct Leftover<B>(oneshot::Receiver<Returned<B>>);

struct Returned<B> {
    body: B,
    /// Whether anything of it was asked for.
    began: bool,
}

/// Lends a body to whoever answers the request.
pub(super) fn lend<B>(body: B) -> (Lent<B>, Leftover<B>) {
    let (back, returned) = oneshot::channel();
    let lent = Lent {
        body: Some(body),
        began: false,
        back: Some(back),
    };
    (lent, Leftover(returned))
}

impl<B: Body<Data = Bytes> + Unpin> Leftover<B> {
    /// Reads what was left, and says whether that was all. A client that `waits` to be asked for the body sends none, and a body
    /// that does not say how long it is may have no end.
    pub(super) async fn read(mut self, waits: bool) -> bool {
        let Ok(Returned { mut body, began }) = self.0.try_recv() else {
            return false;
        };
        if body.is_end_stream() {
            return true;
        }
        let is_short = body.size_hint().exact().is_some_and(|length| length <= MOST);
        if (waits && !began) || !is_short {
            return false;
        }
        let reading = async {
            while let Some(frame) = body.frame().await {
                if frame.is_err() {
                    return false;
                }
            }
            true
        };
        timeout(WITHIN, reading).await.unwrap_or(false)
    }
}

impl<B: Body + Unpin> Body for Lent<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        self.began = true;
        match &mut self.body {
            Some(body) => Pin::new(body).poll_frame(context),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map(Body::size_hint).unwrap_or_default()
    }
}

impl<B> Drop for Lent<B> {
    fn drop(&mut self) {
        if let (Some(body), Some(back)) = (self.body.take(), self.back.take()) {
            let began = self.began;
            // Nobody waits for the body of a request that was answered.
            let _ = back.send(Returned { body, began });
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{StreamExt as _, stream};
    use http_body_util::{Full, StreamBody};

    use super::*;

    /// A body that says how long it is.
    struct Announced<B>(B, u64);

    impl<B: Body + Unpin> Body for Announced<B> {
        type Data = B::Data;
        type Error = B::Error;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
            Pin::new(&mut self.0).poll_frame(context)
        }

        fn size_hint(&self) -> SizeHint {
            SizeHint::with_exact(self.1)
        }
    }

    /// A body that never ends.
    fn endless(every: Duration) -> impl Body<Data = Bytes, Error = std::io::Error> + Unpin {
        let frames = stream::repeat(()).then(move |()| async move {
            tokio::time::sleep(every).await;
            Ok(Frame::data(Bytes::from_static(&[0; 64 * 1024])))
        });
        StreamBody::new(Box::pin(frames))
    }

    async fn left<B: Body<Data = Bytes> + Unpin>(body: B, waits: bool) -> bool {
        let (lent, leftover) = lend(body);
        drop(lent);
        leftover.read(waits).await
    }

    #[tokio::test(start_paused = true)]
    async fn a_little_is_read_and_no_more() {
        let bytes = |length| Full::new(Bytes::from(vec![0; length]));
        let most = usize::try_from(MOST).expect("a length");
        assert!(left(bytes(0), true).await, "there is nothing to wait for");
        assert!(left(bytes(1), false).await);
        assert!(left(bytes(most), false).await);
        assert!(!left(bytes(most + 1), false).await, "too much is not begun");
        assert!(!left(bytes(1), true).await, "it does not come by itself");
        assert!(
            !left(endless(Duration::ZERO), false).await,
            "nobody knows how much"
        );
        let slow = Announced(endless(Duration::from_secs(1)), MOST);
        assert!(!left(slow, false).await);
    }

    #[tokio::test]
    async fn a_client_that_was_asked_for_its_body_sends_it() {
        let frames =
            [b"a", b"b"].map(|frame| Ok::<_, std::io::Error>(Frame::data(Bytes::from_static(frame))));
        let (mut lent, leftover) = lend(Announced(StreamBody::new(stream::iter(frames)), 1));
        lent.frame().await.expect("a frame").expect("read");
        drop(lent);
        assert!(leftover.read(true).await, "the second frame was the last");
    }

    #[tokio::test]
    async fn a_body_that_somebody_still_reads_is_theirs() {
        let (lent, leftover) = lend(Full::new(Bytes::from_static(b"a")));
        assert!(!leftover.read(false).await);
        drop(lent);
    }
}
