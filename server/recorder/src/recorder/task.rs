//! The task that lets recordings come on.

use std::sync::Arc;
use std::time::Duration;

use drawbridge_session::Relay;
use drawbridge_session::recording::Shelf;
use tokio::sync::Notify;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::Inner;

/// How often recordings take over what the journal got.
const PERIOD: Duration = Duration::from_secs(1);

/// How often it is tried again to tell of complete recordings, or to publish them.
const RETRY_PERIOD: Duration = Duration::from_secs(60);

/// How long a server that stops goes on publishing. The next one publishes the rest.
pub(super) const LAST_COPIES_WITHIN: Duration = Duration::from_secs(5);

/// What lets recordings come on; to be run beside the server.
pub struct RecorderTask {
    pub(super) inner: Arc<Inner>,
    pub(super) shelf: Option<Arc<dyn Shelf>>,
    pub(super) last_copies_within: Duration,
}

impl RecorderTask {
    /// Has readable copies of complete recordings put onto a shelf, except of encrypted ones.
    #[must_use]
    pub fn with_shelf(self, shelf: Arc<dyn Shelf>) -> Self {
        Self {
            shelf: Some(shelf),
            ..self
        }
    }

    /// Lets recordings come on until it is told to stop, then once more, without waiting long for a shelf. Sessions that
    /// should be recorded and cannot be are ended through `relay`.
    pub async fn run(self, relay: Arc<dyn Relay>, stop: CancellationToken) {
        let (recorded, told) = (CancellationToken::new(), CancellationToken::new());
        let recording = async {
            self.record(relay.as_ref(), &stop).await;
            recorded.cancel();
        };
        let inner = &self.inner;
        let telling = async {
            again(&recorded, &inner.written, || inner.tell_of_finished()).await;
            told.cancel();
        };
        // Apart, so that a slow shelf holds up no recording, and nothing that is told of one.
        let publishing = async {
            let published = again(&told, &inner.told, || inner.publish_told(self.shelf.as_deref()));
            let until_given_up = async {
                told.cancelled().await;
                sleep(self.last_copies_within).await;
            };
            tokio::select! {
                () = published => {}
                () = until_given_up => {
                    inner.hurry.cancel();
                    tracing::info!("copies of recordings are left to the next start");
                }
            }
        };
        tokio::join!(recording, telling, publishing);
    }

    async fn record(&self, relay: &dyn Relay, stop: &CancellationToken) {
        loop {
            let is_last = stop.is_cancelled();
            let troubled = Arc::clone(&self.inner)
                .blocking(|inner| Ok(inner.advance_all()))
                .await;
            for (session, reason) in troubled.unwrap_or_default() {
                // One that is over meanwhile needs no end.
                let _ = relay.terminate(&session, &reason).await;
            }
            if is_last {
                return;
            }
            tokio::select! {
                () = sleep(PERIOD) => {}
                () = self.inner.wake.notified() => {}
                () = stop.cancelled() => {}
            }
        }
    }
}

/// Acts whenever there is something to do, and again where that failed, until it is told to stop, then once more.
async fn again<F: Future<Output = ()>>(stop: &CancellationToken, wake: &Notify, act: impl Fn() -> F) {
    loop {
        let is_last = stop.is_cancelled();
        act().await;
        if is_last {
            return;
        }
        tokio::select! {
            () = sleep(RETRY_PERIOD) => {}
            () = wake.notified() => {}
            () = stop.cancelled() => {}
        }
    }
}
