//! Query operations: form fields in, XML out. Only STS speaks it here.

use bytes::Bytes;
use drawbridge_aws_dialects::error::{AwsError, Family};
use drawbridge_aws_dialects::model;
use drawbridge_aws_dialects::query::{self, Form};
use drawbridge_service_sts::Sts;
use http::request::Parts;
use http::{Method, StatusCode};
use hyper::body::Incoming;
use uuid::Uuid;

use super::authenticate::AuthenticationError;
use super::{Answer, Gateway, authenticate, body, internal};
use crate::connection::Peer;

pub(crate) async fn answer(gateway: &Gateway, parts: Parts, body: Incoming, peer: &Peer, id: Uuid) -> Answer {
    let answered = match body::read(body, gateway).await {
        Ok(body) => dispatch(gateway, &parts, body, peer, id).await,
        Err(error) => Err(error),
    };
    match answered {
        Ok(document) => Answer::query(StatusCode::OK, document),
        Err(error) => {
            let (status, document) = query::error_response(model::sts(), &error, &id.to_string());
            Answer::query(status, document)
        }
    }
}

async fn dispatch(
    gateway: &Gateway,
    parts: &Parts,
    body: Bytes,
    peer: &Peer,
    id: Uuid,
) -> Result<String, AwsError> {
    let identity = authenticate(gateway, parts, &body, "sts")
        .await
        .map_err(|error| match error {
            AuthenticationError::Signature(error) => error.to_error(Family::Query),
            AuthenticationError::Store(error) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "cannot check a signature"
                );
                internal(Family::Query)
            }
        })?;
    let form = match parts.method {
        Method::GET => Form::parse(parts.uri.query().unwrap_or_default().as_bytes())?,
        _ => Form::parse(&body)?,
    };
    let model = query::operation(model::sts(), &form)?;
    let operation = Sts::operation(model.name())
        .ok_or_else(|| Family::Query.unknown_operation(model.name(), form.version().unwrap_or_default()))?;
    let input = query::read(model, &form)?;
    let caller = gateway.caller(identity, parts, peer, id);
    let output = gateway.services.sts.call(operation, caller, input).await?;
    Ok(query::response(model, &output, &id.to_string()))
}
