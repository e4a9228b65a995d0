//! The message gateway's calls: JSON in, XML out, 201 or failure.

use std::sync::Arc;

use drawbridge_aws_dialects::error::{AwsError, Family};
use drawbridge_service_ssmmessages::{CREATE_CONTROL_CHANNEL, CREATE_DATA_CHANNEL, SsmMessages};
use drawbridge_session::Operation;
use http::StatusCode;
use http::request::Parts;
use hyper::body::Incoming;
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use uuid::Uuid;

use super::authenticate::AuthenticationError;
use super::{Answer, Gateway, authenticate, body, internal};
use crate::connection::Peer;

pub(crate) async fn create_control_channel(
    gateway: &Gateway,
    parts: Parts,
    body: Incoming,
    peer: &Peer,
    id: Uuid,
    node: &str,
) -> Answer {
    let input = |node: &str| json!({ "InstanceId": node });
    answer(
        gateway,
        parts,
        body,
        peer,
        id,
        &CREATE_CONTROL_CHANNEL,
        path_segment(node).map(|node| input(&node)),
    )
    .await
}

pub(crate) async fn create_data_channel(
    gateway: &Gateway,
    parts: Parts,
    body: Incoming,
    peer: &Peer,
    id: Uuid,
    session: &str,
) -> Answer {
    let input = |session: &str| json!({ "SessionId": session });
    let segment = path_segment(session).map(|session| input(&session));
    answer(gateway, parts, body, peer, id, &CREATE_DATA_CHANNEL, segment).await
}

/// The last segment of a path, decoded; `None` when it is not text or not the last.
pub(crate) fn path_segment(segment: &str) -> Option<String> {
    let decoded = percent_decode_str(segment).decode_utf8().ok()?;
    (!segment.contains('/')).then(|| decoded.into_owned())
}

async fn answer(
    gateway: &Gateway,
    parts: Parts,
    body: Incoming,
    peer: &Peer,
    id: Uuid,
    operation: &'static Operation<SsmMessages, AwsError>,
    input: Option<Value>,
) -> Answer {
    match dispatch(gateway, &parts, body, peer, id, operation, input).await {
        Ok(output) => Answer::rest(operation.name, &output),
        Err(error) => Answer::rest_error(&error),
    }
}

async fn dispatch(
    gateway: &Gateway,
    parts: &Parts,
    body: Incoming,
    peer: &Peer,
    id: Uuid,
    operation: &'static Operation<SsmMessages, AwsError>,
    input: Option<Value>,
) -> Result<Value, AwsError> {
    let body = body::read(body, gateway).await?;
    let identity = authenticate(gateway, parts, &body, "ssmmessages")
        .await
        .map_err(|error| match error {
            AuthenticationError::Signature(error) => error.to_error(Family::Rest),
            AuthenticationError::Store(error) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "cannot check a signature"
                );
                internal(Family::Rest)
            }
        })?;
    let input = input.ok_or_else(|| AwsError::validation("the path does not name a channel"))?;
    let caller = gateway.caller(identity, parts, peer, id);
    let call = operation.authorize(caller, input).map_err(|denied| {
        AwsError::new("AccessDeniedException", denied.to_string()).with_status(StatusCode::FORBIDDEN)
    })?;
    (operation.handler)(Arc::clone(&gateway.services.ssmmessages), call).await
}
