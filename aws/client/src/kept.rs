//! One HTTP/1.1 connection kept between calls.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::task::AbortHandle;

use crate::call::CallError;
use crate::client::Answer;
use crate::connect::Connector;
use crate::endpoint::Endpoint;

/// The largest answer accepted, in bytes.
const MAX_ANSWER_BYTES: usize = 4 * 1024 * 1024;

/// How long an idle connection is kept; it costs memory at both ends, and middle boxes drop older ones.
const KEEP_IDLE: Duration = Duration::from_secs(15);

/// The connection of the last call, for the next one; calls at the same time open their own.
#[derive(Default)]
pub(crate) struct KeptConnection {
    idle: Arc<Mutex<Option<Idle>>>,
}

/// A connection that nobody uses; dropping it closes it.
struct Idle {
    sender: SendRequest<Full<Bytes>>,
    /// Closes the connection when it stays idle; stopped when it does not.
    closing: CloseLater,
}

struct CloseLater(AbortHandle);

impl Drop for CloseLater {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl KeptConnection {
    /// Sends a request over the kept connection, or a new one, and reads the whole answer.
    pub(crate) async fn exchange(
        &self,
        connector: &Connector,
        endpoint: &Endpoint,
        request: Request<Full<Bytes>>,
    ) -> Result<Answer, CallError> {
        let mut request = request;
        if let Some(mut sender) = self.take()
            && sender.ready().await.is_ok()
        {
            match sender.try_send_request(request).await {
                Ok(response) => return self.finish(sender, response).await,
                Err(mut failed) => match failed.take_message() {
                    // The connection died before a byte was sent: a new one may carry the same request.
                    Some(unsent) => request = unsent,
                    None => return Err(CallError::Http(failed.into_error())),
                },
            }
        }
        let stream = connector.connect(endpoint).await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(CallError::Http)?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "connection ended");
            }
        });
        let response = sender.send_request(request).await.map_err(CallError::Http)?;
        self.finish(sender, response).await
    }

    async fn finish(
        &self,
        sender: SendRequest<Full<Bytes>>,
        response: hyper::Response<Incoming>,
    ) -> Result<Answer, CallError> {
        let (head, body) = response.into_parts();
        let body = match Limited::new(body, MAX_ANSWER_BYTES).collect().await {
            Ok(body) => body.to_bytes(),
            Err(error) if error.is::<LengthLimitError>() => {
                return Err(CallError::TooLarge {
                    limit_bytes: MAX_ANSWER_BYTES,
                });
            }
            Err(error) => {
                return Err(match error.downcast::<hyper::Error>() {
                    Ok(error) => CallError::Http(*error),
                    Err(error) => CallError::Body {
                        reason: error.to_string(),
                    },
                });
            }
        };
        if !sender.is_closed() {
            self.keep(sender);
        }
        Ok(Answer {
            status: head.status,
            headers: head.headers,
            body,
        })
    }

    fn keep(&self, sender: SendRequest<Full<Bytes>>) {
        let place = Arc::downgrade(&self.idle);
        let closing = tokio::spawn(async move {
            tokio::time::sleep(KEEP_IDLE).await;
            if let Some(place) = place.upgrade() {
                place.lock().unwrap_or_else(PoisonError::into_inner).take();
            }
        });
        let idle = Idle {
            sender,
            closing: CloseLater(closing.abort_handle()),
        };
        *self.idle.lock().unwrap_or_else(PoisonError::into_inner) = Some(idle);
    }

    fn take(&self) -> Option<SendRequest<Full<Bytes>>> {
        let Idle { sender, closing } = self.idle.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        drop(closing);
        (!sender.is_closed()).then_some(sender)
    }
}
