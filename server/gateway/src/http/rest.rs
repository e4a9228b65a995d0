//! The message gateway's calls: JSON in, XML out, 201 or failure.

use std::sync::Arc;

use drawbridge_aws_dialects::error::{AwsError, Family};
use drawbridge_service_ssmmessages::{CREATE_CONTROL_CHANNEL, CREATE_DATA_CHANNEL, SsmMessages};
use drawbridge_session::Operation;
use http::request::Parts;
use hyper::body::Incoming;
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use uuid::Uuid;

use super::pipeline::{Asked, perform};
use super::{Answer, Gateway, authenticate, body};
use crate::connection::Peer;

pub(crate) async fn create_control_channel(
    gateway: &Arc<Gateway>,
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
    gateway: &Arc<Gateway>,
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
    gateway: &Arc<Gateway>,
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
    gateway: &Arc<Gateway>,
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
        .map_err(|error| error.to_error(Family::Rest))?;
    let input = input.ok_or_else(|| AwsError::validation("the path does not name a channel"))?;
    let asked = Asked {
        caller: gateway.caller(identity, parts, peer, id),
        input,
        valid: Ok(()),
        family: Family::Rest,
    };
    perform(gateway, &gateway.services.ssmmessages, operation, asked).await
}
