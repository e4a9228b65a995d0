//! JSON 1.1 operations: `POST /` with `X-Amz-Target`.

use std::sync::Arc;

use bytes::Bytes;
use drawbridge_aws_dialects::error::{AwsError, Family};
use drawbridge_aws_dialects::json11;
use drawbridge_aws_dialects::sigv4::{self, SignatureError};
use drawbridge_session::{Principal, SignedWith};
use http::request::Parts;
use hyper::body::Incoming;
use serde_json::Value;
use uuid::Uuid;

use super::authenticate::AuthenticationError;
use super::pipeline::Asked;
use super::services::ServiceName;
use super::{Answer, Gateway, Identity, authenticate, body};
use crate::connection::Peer;

pub(crate) async fn answer(
    gateway: &Arc<Gateway>,
    parts: Parts,
    body: Incoming,
    peer: &Peer,
    id: Uuid,
) -> Answer {
    let body = match body::read_times(body, gateway, times_as_long(&parts)).await {
        Ok(body) => body,
        Err(error) => return Answer::json_error(&error),
    };
    match dispatch(gateway, &parts, body, peer, id).await {
        Ok(output) => Answer::json(&output),
        Err(error) => Answer::json_error(&error),
    }
}

/// The events of a batch have 1 MiB at most, and escaped six times that; what is around them has less than 1 MiB.
const LOG_EVENTS: (&str, u32) = ("Logs_20140328.PutLogEvents", 7);

/// How many times as long as others a body may be.
fn times_as_long(parts: &Parts) -> u32 {
    let (long, times) = LOG_EVENTS;
    if target(parts) == long { times } else { 1 }
}

fn target(parts: &Parts) -> &str {
    let header = parts.headers.get("x-amz-target");
    header.and_then(|value| value.to_str().ok()).unwrap_or_default()
}

async fn dispatch(
    gateway: &Arc<Gateway>,
    parts: &Parts,
    body: Bytes,
    peer: &Peer,
    id: Uuid,
) -> Result<Value, AwsError> {
    let (prefix, name) = json11::target(target(parts)).unwrap_or_default();
    let service = ServiceName::of_target(prefix);
    let identity = identify(gateway, parts, &body, service, name).await?;
    let service = service.ok_or_else(|| AwsError::unknown_operation(name))?;
    let model = service
        .model()
        .operation(name)
        .ok_or_else(|| AwsError::unknown_operation(name))?;
    let input = read_json(&body)?;
    let asked = Asked {
        caller: gateway.caller(identity, parts, peer, id),
        valid: json11::validate(model, &input).map_err(AwsError::from),
        input,
        family: Family::Json,
    };
    service.call(gateway, name, asked).await
}

/// Who asks. Only the operations that take no signature are open to nobody.
async fn identify(
    gateway: &Gateway,
    parts: &Parts,
    body: &[u8],
    service: Option<ServiceName>,
    name: &str,
) -> Result<Identity, AwsError> {
    if !sigv4::is_signed(parts) && service.is_some_and(|service| service.takes_no_signature(name)) {
        return Ok(Identity {
            principal: Principal::Anonymous {
                account: gateway.account.clone(),
            },
            signed_with: SignedWith::Nothing,
            access_key_id: None,
            grant: None,
            region: gateway.region.clone(),
        });
    }
    let signing_name = service.map_or("ssm", |service| service.model().signing_name());
    authenticate(gateway, parts, body, signing_name)
        .await
        .map_err(|error| match error {
            // A target that nobody knows names no service either: its scope cannot be wrong.
            AuthenticationError::Signature(SignatureError::WrongService { .. }) if service.is_none() => {
                AwsError::unknown_operation(name)
            }
            error => error.to_error(Family::Json),
        })
}

fn read_json(body: &[u8]) -> Result<Value, AwsError> {
    if body.trim_ascii().is_empty() {
        return Ok(Value::Object(serde_json::Map::new()));
    }
    serde_json::from_slice(body)
        .map_err(|_not_json| AwsError::new("SerializationException", "the request's body is not valid JSON"))
}
