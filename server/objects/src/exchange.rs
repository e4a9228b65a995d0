//! HTTP exchanges with the other store, over the way out that all of our programs take.
//!
//! An answer that refuses is made an error here, with the store's own code and words: further up the client forgets the status
//! on some ways.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use drawbridge_aws_client::{Answer, CallError, Connector, Endpoint, Proxies, Timeouts, Tls};
use http::{HeaderValue, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::{Body, Frame, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpRequestBody, HttpResponse,
    HttpResponseBody, HttpService,
};
use tokio::time::{Sleep, sleep};

use crate::config::Backing;
use crate::error::ConnectError;

/// How long a name is looked up and a connection made.
const CONNECT: Duration = Duration::from_secs(5);

/// How long one request may take, answer included: a part of a blob passes in it at 140 KB/s.
const REQUEST: Duration = Duration::from_secs(60);

/// Connections that are kept between requests.
const MAX_IDLE: usize = 16;

/// The most bytes of a refusal that are read.
const MAX_REFUSAL: usize = 64 * 1024;

const USER_AGENT: &str = concat!("drawbridge/", env!("CARGO_PKG_VERSION"));

/// Opens connections as the configuration and the environment say.
#[derive(Debug, Clone)]
pub(crate) struct WayOut {
    outside: Connector,
    /// To this machine, and to where a machine of AWS's asks for its credentials.
    near: Connector,
}

impl WayOut {
    pub(crate) fn new(backing: &Backing) -> Result<Self, ConnectError> {
        let environment = &backing.environment;
        let tls = match &backing.bucket.ca_file {
            Some(file) => Tls::of_file(file)?,
            None => Tls::of_environment(environment)?,
        };
        let timeouts = Timeouts {
            connect: CONNECT,
            call: REQUEST,
        };
        let connector = |proxies| Connector::new(tls.clone(), proxies).with_timeouts(timeouts);
        Ok(Self {
            outside: connector(Proxies::of_environment(environment)?),
            near: connector(Proxies::none()),
        })
    }
}

impl HttpConnector for WayOut {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(Exchanges {
            way: self.clone(),
            idle: Arc::default(),
        }))
    }
}

type Sender = SendRequest<HttpRequestBody>;

/// Connections that nobody uses.
type Idle = Arc<Mutex<Vec<(Endpoint, Sender)>>>;

#[derive(Debug)]
struct Exchanges {
    way: WayOut,
    idle: Idle,
}

#[async_trait]
impl HttpService for Exchanges {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let mut deadline = Box::pin(sleep(REQUEST));
        let (head, body) = tokio::select! {
            answer = self.exchange(request) => answer?,
            () = &mut deadline => return Err(too_slow()),
        };
        let (answer, lease) = body;
        let body = HttpResponseBody::new(Answered::new(answer, lease, deadline));
        if is_refusal(head.status) {
            return Err(refusal(head, body).await);
        }
        Ok(HttpResponse::from_parts(head, body))
    }
}

impl Exchanges {
    /// Sends a request over a connection that is kept, or a new one.
    async fn exchange(
        &self,
        request: HttpRequest,
    ) -> Result<(http::response::Parts, (Incoming, Lease)), HttpError> {
        let (endpoint, mut request) = addressed(request)?;
        while let Some(mut sender) = self.take(&endpoint) {
            if sender.ready().await.is_err() {
                continue;
            }
            match sender.try_send_request(request).await {
                Ok(answer) => return Ok(self.leased(answer, endpoint, sender)),
                Err(mut failed) => match failed.take_message() {
                    // The connection had ended before a byte was sent.
                    Some(unsent) => request = unsent,
                    None => return Err(HttpError::new(HttpErrorKind::Interrupted, failed.into_error())),
                },
            }
        }
        let connector = if endpoint.is_tls() {
            &self.way.outside
        } else {
            &self.way.near
        };
        let stream = connector.connect(&endpoint).await.map_err(unreachable)?;
        let interrupted = |error: hyper::Error| HttpError::new(HttpErrorKind::Interrupted, error);
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(interrupted)?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection to the store of objects ended");
            }
        });
        let answer = sender.send_request(request).await.map_err(interrupted)?;
        Ok(self.leased(answer, endpoint, sender))
    }

    fn take(&self, endpoint: &Endpoint) -> Option<Sender> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|(_, sender)| !sender.is_closed());
        let found = idle.iter().rposition(|(other, _)| other == endpoint)?;
        Some(idle.swap_remove(found).1)
    }

    fn leased(
        &self,
        answer: http::Response<Incoming>,
        endpoint: Endpoint,
        sender: Sender,
    ) -> (http::response::Parts, (Incoming, Lease)) {
        let (head, body) = answer.into_parts();
        let lease = Lease {
            endpoint,
            sender,
            idle: Arc::clone(&self.idle),
        };
        (head, (body, lease))
    }
}

/// A connection that somebody reads an answer from.
struct Lease {
    endpoint: Endpoint,
    sender: Sender,
    idle: Idle,
}

impl Lease {
    /// Keeps it for the next request.
    fn give_back(self) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.sender.is_closed() && idle.len() < MAX_IDLE {
            idle.push((self.endpoint, self.sender));
        }
    }
}

/// The body of an answer; its connection is given back at its end, and closed without one.
struct Answered {
    body: Incoming,
    lease: Option<Lease>,
    deadline: Pin<Box<Sleep>>,
}

impl Answered {
    fn new(body: Incoming, lease: Lease, deadline: Pin<Box<Sleep>>) -> Self {
        let mut answered = Self {
            body,
            lease: Some(lease),
            deadline,
        };
        answered.give_back_at_end();
        answered
    }

    fn give_back_at_end(&mut self) {
        if self.body.is_end_stream()
            && let Some(lease) = self.lease.take()
        {
            lease.give_back();
        }
    }
}

impl Body for Answered {
    type Data = Bytes;
    type Error = HttpError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, HttpError>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if let Poll::Ready(frame) = polled {
            let frame =
                frame.map(|frame| frame.map_err(|error| HttpError::new(HttpErrorKind::Interrupted, error)));
            self.give_back_at_end();
            return Poll::Ready(frame);
        }
        match self.deadline.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(Some(Err(too_slow()))),
            Poll::Pending => Poll::Pending,
        }
    }
}

/// Splits where a request goes from what is sent there.
fn addressed(request: HttpRequest) -> Result<(Endpoint, Request<HttpRequestBody>), HttpError> {
    let wrong = |reason| {
        let url = request.uri().to_string();
        HttpError::new(HttpErrorKind::Unknown, CallError::Url { url, reason })
    };
    let endpoint = Endpoint::of_uri(request.uri()).map_err(|_| wrong("it names no server"))?;
    let path = request.uri().path_and_query().map_or("/", |it| it.as_str());
    let path: Uri = path.parse().map_err(|_| wrong("it is not a path"))?;
    let host = HeaderValue::try_from(endpoint.authority()).map_err(|_| wrong("it names no server"))?;
    let mut request = request;
    *request.uri_mut() = path;
    let headers = request.headers_mut();
    headers.insert(header::HOST, host);
    headers.insert(header::USER_AGENT, HeaderValue::from_static(USER_AGENT));
    Ok((endpoint, request))
}

fn unreachable(error: CallError) -> HttpError {
    let kind = if error.is_transient() {
        HttpErrorKind::Connect
    } else {
        HttpErrorKind::Unknown
    };
    HttpError::new(kind, error)
}

fn too_slow() -> HttpError {
    HttpError::new(HttpErrorKind::Timeout, CallError::Timeout(REQUEST))
}

/// What does not become right by being asked again: not what is slow, too much at once, or the store's own fault.
fn is_refusal(status: StatusCode) -> bool {
    let passes = matches!(
        status,
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS
    );
    (status.is_redirection() || status.is_client_error()) && !passes
}

async fn refusal(head: http::response::Parts, body: HttpResponseBody) -> HttpError {
    // Without it there is still the status.
    let body = Limited::new(body, MAX_REFUSAL).collect().await;
    let answer = Answer {
        status: head.status,
        headers: head.headers,
        body: body.map_or_else(|_| Bytes::new(), |body| body.to_bytes()),
    };
    HttpError::new(HttpErrorKind::Unknown, answer.into_error())
}
