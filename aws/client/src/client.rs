//! Signed calls to one endpoint.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use aws_lc_rs::digest;
use bytes::Bytes;
use drawbridge_aws_dialects::sigv4::{self, Payload, Signing};
use drawbridge_aws_dialects::{json11, model, query, xml};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri, header};
use http_body_util::Full;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tokio::time::timeout;

use crate::auth::Auth;
use crate::call::{CallError, Service};
use crate::connect::Connector;
use crate::endpoint::Endpoint;
use crate::failure;
use crate::kept::KeptConnection;
use crate::websocket::{self, WebSocket};

/// The clock that signatures are dated with.
pub type Now = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// A clock that is off by more than this is corrected by the server's (servers allow five minutes).
const TOLERATED_SKEW: SignedDuration = SignedDuration::from_mins(4);

const USER_AGENT: &str = concat!("drawbridge/", env!("CARGO_PKG_VERSION"));

/// What a REST path answered.
#[derive(Debug, Clone)]
pub struct Answer {
    /// HTTP status.
    pub status: StatusCode,
    /// The header fields.
    pub headers: HeaderMap,
    /// The whole body, at most 4 MiB.
    pub body: Bytes,
}

impl Answer {
    /// The text of the first XML element of that name, such as `TokenValue`.
    pub fn xml_text(&self, name: &str) -> Option<String> {
        xml::element_text(std::str::from_utf8(&self.body).ok()?, name)
    }

    /// Reads the answer as a failure: the service's code and message, or the bare status.
    pub fn into_error(self) -> CallError {
        failure::of_answer(self.status, &self.headers, &self.body)
    }
}

/// Calls one endpoint, keeping one connection between calls.
pub struct Client {
    endpoint: Endpoint,
    region: String,
    connector: Connector,
    now: Now,
    /// What must be added to our clock to agree with the server's, in seconds.
    skew_seconds: AtomicI64,
    kept: KeptConnection,
}

impl Client {
    /// Makes a client; nothing is connected until the first call.
    pub fn new(endpoint: Endpoint, region: impl Into<String>, connector: Connector, now: Now) -> Self {
        Self {
            endpoint,
            region: region.into(),
            connector,
            now,
            skew_seconds: AtomicI64::new(0),
            kept: KeptConnection::default(),
        }
    }

    /// The endpoint it calls.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// The region it signs for.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// Calls a JSON 1.1 operation: `POST /` with `X-Amz-Target: <prefix>.<operation>`.
    ///
    /// A clock that is wrong is corrected once by the server's `Date`, and the call made again.
    ///
    /// # Errors
    /// [`CallError::Aws`] when the service says no; see [`CallError`] for the rest.
    pub async fn call_json(
        &self,
        service: Service,
        operation: &str,
        input: &Value,
        auth: Auth<'_>,
    ) -> Result<Value, CallError> {
        let target = format!("{}.{operation}", service.target_prefix);
        let answer = self
            .signed(
                service,
                "/",
                json11::CONTENT_TYPE,
                Some(&target),
                input.to_string(),
                auth,
            )
            .await?;
        if !answer.status.is_success() {
            return Err(answer.into_error());
        }
        if answer.body.is_empty() {
            return Ok(Value::Object(serde_json::Map::new()));
        }
        serde_json::from_slice(&answer.body).map_err(|error| CallError::Body {
            reason: error.to_string(),
        })
    }

    /// Calls an operation of IAM, whose input has texts only: a form to `/`, answered in XML.
    ///
    /// # Errors
    /// [`CallError::Aws`] when the service says no; see [`CallError`] for the rest.
    ///
    /// # Panics
    /// If IAM's model does not have the operation.
    pub async fn call_iam(
        &self,
        operation: &str,
        fields: &[(&str, &str)],
        auth: Auth<'_>,
    ) -> Result<Value, CallError> {
        let operation = model::iam()
            .operation(operation)
            .expect("callers name operations of the model");
        let form = query::call(operation, fields);
        let answer = self
            .signed(Service::IAM, "/", query::FORM_TYPE, None, form, auth)
            .await?;
        if !answer.status.is_success() {
            return Err(answer.into_error());
        }
        query::read_response(operation, &answer.body).map_err(|error| CallError::Body {
            reason: error.to_string(),
        })
    }

    /// Posts a JSON body to a path of the message gateway and returns whatever status it answers.
    ///
    /// # Errors
    /// Only when there is no answer; see [`CallError`].
    pub async fn post(
        &self,
        service: Service,
        path: &str,
        input: &Value,
        auth: Auth<'_>,
    ) -> Result<Answer, CallError> {
        self.signed(service, path, "application/json", None, input.to_string(), auth)
            .await
    }

    /// Opens a websocket to an absolute `wss://` (or `ws://`) URL, which may be on another host than the endpoint.
    ///
    /// With [`Auth::Credentials`] the upgrade is signed for `ssmmessages`, unless the URL is presigned already. The
    /// URL is used verbatim: what is percent-encoded in it stays so.
    ///
    /// # Errors
    /// See [`CallError`]; a refused upgrade is [`CallError::Aws`] or [`CallError::Status`].
    pub async fn open_websocket(&self, url: &str, auth: Auth<'_>) -> Result<WebSocket, CallError> {
        let bad = |reason| CallError::Url {
            url: url.to_owned(),
            reason,
        };
        let uri: Uri = url.parse().map_err(|_| bad("it is not a URL"))?;
        let endpoint = Endpoint::of_uri(&uri).map_err(|error| bad(error.reason()))?;
        let presigned = uri
            .query()
            .is_some_and(|query| query.contains("X-Amz-Signature="));
        let auth = if presigned { Auth::Unsigned } else { auth };
        let limit = self.connector.timeouts().call;
        let open = async {
            let mut corrected = false;
            loop {
                let mut request = websocket::upgrade(&uri, &endpoint)?;
                request = self.sign(request, Service::SSMMESSAGES, &[], auth)?;
                let stream = self.connector.connect(&endpoint).await?;
                match websocket::open(request, stream).await {
                    Err(refused)
                        if !corrected && self.corrects_clock(&endpoint, &refused.headers, &refused.error) =>
                    {
                        corrected = true;
                    }
                    outcome => return outcome.map_err(|refused| refused.error),
                }
            }
        };
        timeout(limit, open)
            .await
            .map_err(|_| CallError::Timeout(limit))?
    }

    /// Sends a request to a path and returns whatever status it answers.
    ///
    /// # Errors
    /// Only when there is no answer; see [`CallError`].
    pub async fn send(
        &self,
        service: Service,
        request: Request<Bytes>,
        auth: Auth<'_>,
    ) -> Result<Answer, CallError> {
        let limit = self.connector.timeouts().call;
        let (mut head, body) = request.into_parts();
        head.headers
            .insert(header::HOST, value(&self.endpoint.authority())?);
        head.headers
            .insert(header::USER_AGENT, HeaderValue::from_static(USER_AGENT));
        let call = async {
            let mut corrected = false;
            loop {
                let request = Request::from_parts(head.clone(), ());
                let request = self.sign(request, service, &body, auth)?;
                let request = request.map(|()| Full::new(body.clone()));
                let answer = self
                    .kept
                    .exchange(&self.connector, &self.endpoint, request)
                    .await?;
                if answer.status.is_success() || corrected {
                    return Ok(answer);
                }
                let error = failure::of_answer(answer.status, &answer.headers, &answer.body);
                if !self.corrects_clock(&self.endpoint, &answer.headers, &error) {
                    return Ok(answer);
                }
                corrected = true;
            }
        };
        timeout(limit, call)
            .await
            .map_err(|_| CallError::Timeout(limit))?
    }

    async fn signed(
        &self,
        service: Service,
        path: &str,
        content_type: &'static str,
        target: Option<&str>,
        body: String,
        auth: Auth<'_>,
    ) -> Result<Answer, CallError> {
        let mut request = Request::new(Bytes::from(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = path.parse().map_err(|_| CallError::Url {
            url: path.to_owned(),
            reason: "it is not a path",
        })?;
        let headers = request.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        if let Some(target) = target {
            headers.insert("x-amz-target", value(target)?);
        }
        self.send(service, request, auth).await
    }

    fn sign(
        &self,
        request: Request<()>,
        service: Service,
        body: &[u8],
        auth: Auth<'_>,
    ) -> Result<Request<()>, CallError> {
        let (mut parts, ()) = request.into_parts();
        let signing = Signing {
            region: &self.region,
            service: service.signing_name,
            now: self.corrected_now(),
        };
        match auth {
            Auth::Unsigned => {}
            Auth::Credentials(credentials) => {
                sigv4::sign(&mut parts, Payload::Signed, &sha256(body), credentials, signing)?;
            }
            Auth::Node(signer) => sigv4::sign_rsa(&mut parts, &sha256(body), signer, signing)?,
        }
        hide(&mut parts);
        Ok(Request::from_parts(parts, ()))
    }

    fn corrected_now(&self) -> Timestamp {
        let now = (self.now)();
        let skew = SignedDuration::from_secs(self.skew_seconds.load(Ordering::Relaxed));
        now.saturating_add(skew).unwrap_or(now)
    }

    /// Whether the refusal is about time and the server's `Date` differs enough from ours to try again with it.
    ///
    /// Only over TLS: anyone can write a `Date` into plain HTTP.
    fn corrects_clock(&self, endpoint: &Endpoint, headers: &HeaderMap, error: &CallError) -> bool {
        const ABOUT_TIME: [&str; 4] = [
            "InvalidSignatureException",
            "SignatureDoesNotMatch",
            "RequestExpired",
            "RequestTimeTooSkewed",
        ];
        if !endpoint.is_tls() || !error.code().is_some_and(|code| ABOUT_TIME.contains(&code)) {
            return false;
        }
        let Some(date) = headers.get(header::DATE).and_then(|date| date.to_str().ok()) else {
            return false;
        };
        let Ok(server) = jiff::fmt::rfc2822::parse(date) else {
            return false;
        };
        if server.timestamp().duration_since(self.corrected_now()).abs() < TOLERATED_SKEW {
            return false;
        }
        let skew = server.timestamp().duration_since((self.now)());
        tracing::warn!(
            skew_seconds = skew.as_secs(),
            "this machine's clock is wrong; signing with the server's"
        );
        self.skew_seconds.store(skew.as_secs(), Ordering::Relaxed);
        true
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client")
            .field("endpoint", &self.endpoint)
            .field("region", &self.region)
            .finish_non_exhaustive()
    }
}

/// Keeps signatures and tokens out of anything that prints headers.
fn hide(parts: &mut Parts) {
    for name in ["authorization", "x-amz-security-token"] {
        if let Some(value) = parts.headers.get_mut(name) {
            value.set_sensitive(true);
        }
    }
}

fn sha256(body: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest::digest(&digest::SHA256, body).as_ref());
    out
}

fn value(text: &str) -> Result<HeaderValue, CallError> {
    HeaderValue::from_str(text).map_err(|_| CallError::Url {
        url: text.to_owned(),
        reason: "it cannot be sent in a header",
    })
}
