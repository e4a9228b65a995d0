//! Requests to S3: who asks is settled here, then the dialect reads the request, and each operation passes the same gate as
//! those of every other service.
//!
//! A signature is checked twice: its head here, as strictly as everywhere, before anything is read of the body; and by the
//! dialect, which goes on to the body's digest or to the signatures of its chunks.

mod body;
mod chunks;
mod host;
mod leftover;
mod link;
mod words;

use std::borrow::Cow;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use drawbridge_aws_dialects::error::{AwsError, Family};
use drawbridge_aws_dialects::sigv4;
use drawbridge_service_s3::{Document, Gate, Operation, RequestFacts, Took, dialect, is_control};
use drawbridge_session::{Authority as _, Caller, Decision, Need, Principal, SignedWith};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Version, header};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::{S3Auth, SecretKey};
use s3s::config::{S3Config, StaticConfigProvider};
use s3s::{Body, S3Error, S3ErrorCode, S3Response, S3Result, StdError};
use serde_json::Value;
use tokio::time::timeout;
use uuid::Uuid;

use super::authenticate::{AuthenticationError, Head, authenticate_head};
use super::pipeline::{Asked, Carriage, perform_with};
use super::{Gateway, Identity};
use crate::channels::is_upgrade;
use crate::connection::Peer;
use body::Paced;
use chunks::BoundedChunks;
pub(crate) use host::S3Hosts;
use leftover::lend;

/// Printed by clients, as S3 calls it.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-amz-request-id");
const EXTENDED_REQUEST_ID: HeaderName = HeaderName::from_static("x-amz-id-2");

/// Says how a body comes, and what was signed of it.
const CONTENT_SHA256: HeaderName = HeaderName::from_static("x-amz-content-sha256");

/// The most bytes of a document that a caller sends: a thousand keys to remove, with their XML.
const DOCUMENT_BYTES: usize = 4 * 1024 * 1024;

/// The same of nobody.
const STRANGERS_DOCUMENT_BYTES: usize = 16 * 1024;

/// Whether a request is for S3: by the service in its signature's scope, or, where nobody signed it, by its host, or
/// because nothing else here has its path.
pub(crate) fn claims(gateway: &Gateway, parts: &Parts, known_path: bool) -> bool {
    match sigv4::scope_service(parts) {
        Some(service) => service == "s3",
        // Not only buckets lie below the server's own name: AWS's agent can be told to call `ssm.<region>.<domain>`.
        None if is_upgrade(parts) || parts.headers.contains_key("x-amz-target") => false,
        // Of what cannot be read, S3's older signatures are the likeliest.
        None => !known_path || gateway.s3_hosts.claim(super::host(parts)),
    }
}

/// Answers a request to S3, whatever it is.
pub(crate) async fn answer<B>(
    gateway: &Arc<Gateway>,
    parts: Parts,
    body: B,
    peer: &Peer,
    id: Uuid,
) -> Response<Body>
where
    B: hyper::body::Body<Data = Bytes, Error: Into<StdError>> + Send + Unpin + 'static,
{
    let head_only = parts.method == Method::HEAD;
    let is_control = is_control(&parts.uri, &parts.headers);
    let closes = parts.version < Version::HTTP_2 && matches!(parts.method, Method::PUT | Method::POST);
    let waits = parts.headers.contains_key(header::EXPECT);
    let (body, leftover) = lend(body);
    let mut answer = match serve(gateway, parts, body, peer, id).await {
        Ok(answer) => answer,
        Err(error) => error_answer(&error, id),
    };
    if head_only && answer.status().is_client_error() {
        *answer.body_mut() = Body::empty();
    }
    // The dialect says so of `GetObject` only.
    if head_only && answer.headers().contains_key(header::CONTENT_RANGE) {
        *answer.status_mut() = StatusCode::PARTIAL_CONTENT;
    }
    let failed = answer.status().is_client_error() || answer.status().is_server_error();
    if failed {
        answer = words::told(answer, is_control);
    }
    let headers = answer.headers_mut();
    // A client that is not told would send its next request after what is left of a body that was refused.
    if failed && closes && !leftover.read(waits).await {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    if let Ok(id) = HeaderValue::from_str(&id.to_string()) {
        headers.insert(EXTENDED_REQUEST_ID, id.clone());
        headers.insert(REQUEST_ID, id);
    }
    answer
}

async fn serve<B>(
    gateway: &Arc<Gateway>,
    mut parts: Parts,
    body: B,
    peer: &Peer,
    id: Uuid,
) -> Result<Response<Body>, AwsError>
where
    B: hyper::body::Body<Data = Bytes, Error: Into<StdError>> + Send + Unpin + 'static,
{
    refuse_other_signatures(&parts)?;
    refuse_forms(&parts)?;
    let head = match authenticate_head(gateway, &parts, "s3").await {
        Ok(head) => Some(head),
        Err(AuthenticationError::Signature(sigv4::SignatureError::Missing)) => None,
        Err(error) => return Err(error.to_error(Family::S3)),
    };
    if head.as_ref().is_some_and(|head| head.presigned) {
        link::move_parameters(&mut parts)?;
    }
    join_encodings(&mut parts.headers);
    let chunked = is_chunked(&parts, head.as_ref());
    let facts = facts(gateway, head.as_ref(), peer, id);
    let key = head.as_ref().map(|head| SecretKey::from(head.secret.expose()));
    let document_bytes = if head.is_some() {
        DOCUMENT_BYTES
    } else {
        STRANGERS_DOCUMENT_BYTES
    };
    let identity = head.map_or_else(|| nobody(gateway), |head| head.identity);
    let caller = gateway.caller(identity, &parts, peer, id);
    let passage = Passage {
        gateway: Arc::clone(gateway),
        caller,
    };
    let mut service = dialect(Arc::new(passage), facts);
    service.set_host(gateway.s3_hosts.clone());
    service.set_auth(OneKey(key));
    service.set_access(DecidedLater);
    service.set_config(Arc::new(StaticConfigProvider::new(Arc::new(config(
        document_bytes,
    )))));
    let service = service.build();
    let carries = matches!(parts.method, Method::PUT | Method::POST);
    let body = Paced::new(body);
    let body = if chunked {
        Body::http_body_unsync(BoundedChunks::new(body))
    } else if puts_bucket(gateway, &parts) {
        let document = whole(body, document_bytes).await?;
        parts.extensions.insert(Document(document.clone()));
        Body::from(document)
    } else {
        Body::http_body_unsync(body)
    };
    let answering = service.call(Request::from_parts(parts, body));
    let answered = if carries {
        // The body's own pace bounds it.
        answering.await
    } else {
        let within = gateway.limits.answer_within;
        timeout(within, answering).await.map_err(|_elapsed| {
            tracing::error!(request.id = %id, "a request took longer than {} s", within.as_secs());
            Family::S3.internal()
        })?
    };
    answered.map_err(|error| {
        let error: StdError = error.into();
        tracing::error!(
            error = error.as_ref() as &dyn std::error::Error,
            "the S3 dialect failed"
        );
        Family::S3.internal()
    })
}

/// Whether a request puts a bucket, or a setting of one.
fn puts_bucket(gateway: &Gateway, parts: &Parts) -> bool {
    let path = parts.uri.path().trim_matches('/');
    let names_one = match gateway.s3_hosts.bucket(super::host(parts)) {
        Some(_) => path.is_empty(),
        None => !path.is_empty() && !path.contains('/'),
    };
    parts.method == Method::PUT && names_one
}

/// Reads the whole of a document.
async fn whole<B>(body: Paced<B>, most: usize) -> Result<Bytes, AwsError>
where
    B: hyper::body::Body<Data = Bytes, Error: Into<StdError>> + Unpin,
{
    let read = Limited::new(body, most).collect().await;
    let read = read.map_err(|error| {
        if error.is::<LengthLimitError>() {
            AwsError::new("MaxMessageLengthExceeded", "Your request was too big.")
        } else {
            AwsError::new("IncompleteBody", "The document of the request broke off.")
        }
    })?;
    Ok(read.to_bytes())
}

/// Refuses what is signed in a way that is not checked here: older signatures are refused, not taken for none.
fn refuse_other_signatures(parts: &Parts) -> Result<(), AwsError> {
    let authorization = parts.headers.get(header::AUTHORIZATION);
    let other_header =
        authorization.is_some_and(|value| !value.as_bytes().starts_with(sigv4::ALGORITHM.as_bytes()));
    let query = parts.uri.query().unwrap_or_default();
    let other_query = query
        .split('&')
        .any(|piece| piece.starts_with("AWSAccessKeyId=") || piece.starts_with("Signature="));
    if other_header || other_query {
        return Err(AwsError::new(
            "InvalidRequest",
            "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.",
        ));
    }
    Ok(())
}

/// Refuses uploads by a browser's form: they are signed by a policy of their own, which nobody here decides by.
fn refuse_forms(parts: &Parts) -> Result<(), AwsError> {
    let content_type = parts.headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    let prefix = b"multipart/";
    let is_form = content_type
        .and_then(|it| it.get(..prefix.len()))
        .is_some_and(|it| it.eq_ignore_ascii_case(prefix));
    if parts.method == Method::POST && is_form {
        return Err(Family::S3.unknown_operation("PostObject", ""));
    }
    Ok(())
}

/// Makes one line of the encodings of a body, which some clients write as two, and the dialect reads as one. That is how they
/// were signed, too.
fn join_encodings(headers: &mut HeaderMap) {
    let lines: Vec<_> = headers
        .get_all(header::CONTENT_ENCODING)
        .iter()
        .map(HeaderValue::as_bytes)
        .collect();
    if lines.len() > 1
        && let Ok(line) = HeaderValue::from_bytes(&lines.join(&b','))
    {
        headers.insert(header::CONTENT_ENCODING, line);
    }
}

/// Whether the dialect takes the body apart into chunks, which only a signature in the header can have it do.
fn is_chunked(parts: &Parts, head: Option<&Head>) -> bool {
    let mut texts = parts.headers.get_all(CONTENT_SHA256).iter();
    let streams = texts.any(|value| value.as_bytes().starts_with(b"STREAMING-"));
    streams && head.is_some_and(|head| !head.presigned)
}

fn facts(gateway: &Gateway, head: Option<&Head>, peer: &Peer, id: Uuid) -> RequestFacts {
    let link = head.filter(|head| head.presigned);
    RequestFacts {
        auth_type: head.map(|head| {
            if head.presigned {
                "REST-QUERY-STRING"
            } else {
                "REST-HEADER"
            }
        }),
        signature_age_ms: link
            .map(|head| gateway.clock.now().duration_since(head.signed_at).as_millis())
            .and_then(|ms| i64::try_from(ms).ok()),
        tls_version: peer.tls_version,
        request_id: id.to_string(),
    }
}

fn nobody(gateway: &Gateway) -> Identity {
    Identity {
        principal: Principal::Anonymous {
            account: gateway.account.clone(),
        },
        signed_with: SignedWith::Nothing,
        access_key_id: None,
        grant: None,
        region: gateway.region.clone(),
    }
}

fn config(document_bytes: usize) -> S3Config {
    let mut config = S3Config::default();
    config.xml_max_body_size = document_bytes;
    // Forms are refused before; these say so again.
    config.post_object_max_file_size = 0;
    config.form_max_fields_size = 0;
    config
}

fn error_answer(error: &AwsError, id: Uuid) -> Response<Body> {
    let code = S3ErrorCode::from_bytes(error.code().as_bytes()).unwrap_or(S3ErrorCode::InternalError);
    let mut told = S3Error::with_message(code, error.message().to_owned());
    told.set_status_code(error.status());
    told.set_request_id(id.to_string());
    told.to_http_response().unwrap_or_else(|_unwritable| {
        let mut answer = Response::new(Body::empty());
        *answer.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        answer
    })
}

/// Gives the dialect the one secret that has proven the request already.
struct OneKey(Option<SecretKey>);

#[async_trait]
impl S3Auth for OneKey {
    async fn get_secret_key(&self, _access_key: &str) -> S3Result<SecretKey> {
        let key = self.0.clone();
        key.ok_or_else(|| S3Error::with_message(S3ErrorCode::AccessDenied, "Access Denied"))
    }
}

/// Leaves every decision to the gate, which no operation gets around.
struct DecidedLater;

#[async_trait]
impl S3Access for DecidedLater {
    async fn check(&self, _context: &mut S3AccessContext<'_>) -> S3Result<()> {
        Ok(())
    }
}

/// The gate of one request.
struct Passage {
    gateway: Arc<Gateway>,
    caller: Caller,
}

#[async_trait]
impl Gate for Passage {
    async fn pass<I, O>(
        &self,
        operation: &'static Operation<I, O>,
        summary: Value,
        took: Took<I>,
    ) -> Result<S3Response<O>, AwsError>
    where
        I: Send + Sync + 'static,
        O: Send + 'static,
    {
        let asked = Asked {
            caller: self.caller.clone(),
            input: summary,
            valid: Ok(()),
            family: Family::S3,
        };
        let carriage = Carriage {
            take: Box::new(move |call| took.called(call)),
            show: |_| Cow::Owned(Value::Null),
        };
        perform_with(
            &self.gateway,
            &self.gateway.services.s3,
            operation,
            asked,
            carriage,
        )
        .await
    }

    async fn refuses_list(&self, need: Need) -> Option<AwsError> {
        match self.gateway.access.decide(&self.caller, &[need]).await {
            Ok(Decision::Allow(_)) => None,
            Ok(Decision::Deny(denied)) => Some(Family::S3.access_denied(&denied.to_string())),
            Err(error) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "cannot decide on a list"
                );
                Some(Family::S3.internal())
            }
        }
    }

    async fn region_of(&self, bucket: &str) -> Option<String> {
        let bucket = self.gateway.store.bucket(bucket).await.ok()??;
        Some(bucket.region.to_string())
    }
}
