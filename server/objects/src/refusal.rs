//! What the other store refuses, told by its own code and words.
//!
//! The client's errors lose the status on some ways. So an answer that refuses is made an error where it comes in, and found
//! again among the causes of whatever the client makes of it.

use std::error::Error;
use std::io;

use async_trait::async_trait;
use bytes::Bytes;
use drawbridge_aws_client::{Answer, CallError};
use http::StatusCode;
use http_body_util::{BodyExt as _, Limited};
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpService,
    ReqwestConnector,
};

/// The most bytes of a refusal that are read.
const MAX_REFUSAL: usize = 64 * 1024;

/// Connects as the client's own connector does.
#[derive(Debug)]
pub(crate) struct RefusalConnector;

impl HttpConnector for RefusalConnector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let client = ReqwestConnector::default().connect(options)?;
        Ok(HttpClient::new(Refusing(client)))
    }
}

#[derive(Debug)]
struct Refusing(HttpClient);

#[async_trait]
impl HttpService for Refusing {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let answer = self.0.execute(request).await?;
        if !is_refusal(answer.status()) {
            return Ok(answer);
        }
        let (head, body) = answer.into_parts();
        // Without it there is still the status.
        let body = Limited::new(body, MAX_REFUSAL).collect().await;
        let answer = Answer {
            status: head.status,
            headers: head.headers,
            body: body.map_or_else(|_| Bytes::new(), |body| body.to_bytes()),
        };
        Err(HttpError::new(
            HttpErrorKind::Unknown,
            Refusal(answer.into_error()),
        ))
    }
}

/// What does not become right by being asked again: not what is slow, too much at once, or the store's own fault.
fn is_refusal(status: StatusCode) -> bool {
    let passes = matches!(
        status,
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS
    );
    (status.is_redirection() || status.is_client_error()) && !passes
}

/// An answer that refuses.
#[derive(Debug, thiserror::Error)]
#[error("the store refuses it: {0}")]
pub(crate) struct Refusal(CallError);

impl Refusal {
    /// Finds the refusal among the causes of an error.
    pub(crate) fn behind<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a Self> {
        causes(error).find_map(|cause| cause.downcast_ref())
    }

    /// Returns the status, if the store gave one that is known.
    pub(crate) fn status(&self) -> Option<StatusCode> {
        match &self.0 {
            CallError::Aws { status, .. } | CallError::Status { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// Returns the code, such as `NoSuchKey`.
    pub(crate) fn code(&self) -> Option<&str> {
        self.0.code()
    }
}

/// An error and what caused it, outermost first.
pub(crate) fn causes<'a>(
    error: &'a (dyn Error + 'static),
) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| {
        // One that wraps another passes over it otherwise.
        let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        match wrapped {
            Some(wrapped) => Some(wrapped as &(dyn Error + 'static)),
            None => Error::source(*error),
        }
    })
}
