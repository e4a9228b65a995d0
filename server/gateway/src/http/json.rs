//! JSON 1.1 operations: `POST /` with `X-Amz-Target`.

use bytes::Bytes;
use drawbridge_aws_dialects::error::{AwsError, Family};
use drawbridge_aws_dialects::json11;
use drawbridge_aws_dialects::model::{self, Service};
use drawbridge_aws_dialects::sigv4::{self, SignatureError};
use drawbridge_session::{Caller, Principal, SignedWith};
use http::request::Parts;
use hyper::body::Incoming;
use serde_json::Value;
use uuid::Uuid;

use super::authenticate::AuthenticationError;
use super::{Answer, Gateway, Identity, authenticate, body, internal};
use crate::connection::Peer;

/// A family of operations by the prefix of their targets.
#[derive(Debug, Clone, Copy)]
enum Target {
    Ssm,
    Drawbridge,
    Ec2Messages,
}

impl Target {
    fn of_prefix(prefix: &str) -> Option<Target> {
        match prefix {
            "AmazonSSM" => Some(Target::Ssm),
            "Drawbridge" => Some(Target::Drawbridge),
            "EC2WindowsMessageDeliveryService" => Some(Target::Ec2Messages),
            _ => None,
        }
    }

    fn signing_name(self) -> &'static str {
        match self {
            Target::Ssm | Target::Drawbridge => "ssm",
            Target::Ec2Messages => "ec2messages",
        }
    }

    fn model(self) -> &'static Service {
        match self {
            Target::Ssm => model::ssm(),
            Target::Drawbridge => model::drawbridge(),
            Target::Ec2Messages => model::ec2messages(),
        }
    }
}

pub(crate) async fn answer(gateway: &Gateway, parts: Parts, body: Incoming, peer: &Peer, id: Uuid) -> Answer {
    let body = match body::read(body, gateway).await {
        Ok(body) => body,
        Err(error) => return Answer::json_error(&error),
    };
    match dispatch(gateway, &parts, body, peer, id).await {
        Ok(output) => Answer::json(&output),
        Err(error) => Answer::json_error(&error),
    }
}

async fn dispatch(
    gateway: &Gateway,
    parts: &Parts,
    body: Bytes,
    peer: &Peer,
    id: Uuid,
) -> Result<Value, AwsError> {
    let header = parts
        .headers
        .get("x-amz-target")
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let (prefix, name) = json11::target(header).unwrap_or_default();
    let target = Target::of_prefix(prefix);
    let signing_name = target.map_or("ssm", Target::signing_name);
    let identity = identify(gateway, parts, &body, signing_name, target, name).await?;
    let target = target.ok_or_else(AwsError::unknown_operation)?;
    let caller = gateway.caller(identity, parts, peer, id);
    let input = read_json(&body)?;
    call(gateway, target, name, caller, input).await
}

/// Who asks. Only the operations that take no signature are open to nobody.
async fn identify(
    gateway: &Gateway,
    parts: &Parts,
    body: &[u8],
    signing_name: &'static str,
    target: Option<Target>,
    name: &str,
) -> Result<Identity, AwsError> {
    if !sigv4::is_signed(parts) && takes_no_signature(target, name) {
        let principal = Principal::Anonymous {
            account: gateway.account.clone(),
        };
        let region = gateway.region.clone();
        return Ok(Identity {
            principal,
            signed_with: SignedWith::Nothing,
            region,
        });
    }
    authenticate(gateway, parts, body, signing_name)
        .await
        .map_err(|error| match error {
            // A target that nobody knows names no service either: its scope cannot be wrong.
            AuthenticationError::Signature(SignatureError::WrongService { .. }) if target.is_none() => {
                AwsError::unknown_operation()
            }
            AuthenticationError::Signature(error) => error.to_error(Family::Json),
            AuthenticationError::Store(error) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "cannot check a signature"
                );
                internal(Family::Json)
            }
        })
}

fn takes_no_signature(target: Option<Target>, name: &str) -> bool {
    use drawbridge_service_ssm::Ssm;
    match target {
        Some(Target::Ssm) => {
            Ssm::operation(name).is_some_and(|operation| operation.signed_with == SignedWith::Nothing)
        }
        Some(Target::Drawbridge | Target::Ec2Messages) | None => false,
    }
}

fn read_json(body: &[u8]) -> Result<Value, AwsError> {
    if body.trim_ascii().is_empty() {
        return Ok(Value::Object(serde_json::Map::new()));
    }
    serde_json::from_slice(body)
        .map_err(|_not_json| AwsError::new("SerializationException", "the request's body is not valid JSON"))
}

async fn call(
    gateway: &Gateway,
    target: Target,
    name: &str,
    caller: Caller,
    input: Value,
) -> Result<Value, AwsError> {
    use drawbridge_service_ec2messages::Ec2Messages;
    use drawbridge_service_ssm::Ssm;
    let model = target
        .model()
        .operation(name)
        .ok_or_else(AwsError::unknown_operation)?;
    json11::validate(model, &input)?;
    let services = &gateway.services;
    match target {
        Target::Ssm => {
            let operation = Ssm::operation(name).ok_or_else(AwsError::unknown_operation)?;
            services.ssm.call(operation, caller, input).await
        }
        Target::Drawbridge => {
            let operation = Ssm::drawbridge_operation(name).ok_or_else(AwsError::unknown_operation)?;
            services.ssm.call(operation, caller, input).await
        }
        Target::Ec2Messages => {
            let operation = Ec2Messages::operation(name).ok_or_else(AwsError::unknown_operation)?;
            services.ec2messages.call(operation, caller, input).await
        }
    }
}
