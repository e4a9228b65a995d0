//! Query operations: form fields in, XML out. The scope of the signature names the service.

use std::sync::Arc;

use bytes::Bytes;
use drawbridge_aws_dialects::error::AwsError;
use drawbridge_aws_dialects::query::{self, Form};
use drawbridge_aws_dialects::sigv4;
use http::request::Parts;
use http::{Method, StatusCode};
use hyper::body::Incoming;
use serde_json::Value;
use uuid::Uuid;

use super::pipeline::Asked;
use super::services::ServiceName;
use super::{Answer, Gateway, authenticate, body};
use crate::connection::Peer;

pub(crate) async fn answer(
    gateway: &Arc<Gateway>,
    parts: Parts,
    body: Incoming,
    peer: &Peer,
    id: Uuid,
) -> Answer {
    // Whoever signs for none of these, or not at all, is answered in the words of `sts`.
    let named = sigv4::parse(&parts)
        .ok()
        .and_then(|signed| ServiceName::of_scope(&signed.scope().service));
    let service = named.unwrap_or(ServiceName::Sts);
    let answered = match body::read(body, gateway).await {
        Ok(body) => dispatch(gateway, service, &parts, body, peer, id).await,
        Err(error) => Err(error),
    };
    match answered {
        Ok(document) => Answer::query(StatusCode::OK, document),
        Err(error) => {
            let (status, document) = query::error_response(service.model(), &error, &id.to_string());
            Answer::query(status, document)
        }
    }
}

async fn dispatch(
    gateway: &Arc<Gateway>,
    service: ServiceName,
    parts: &Parts,
    body: Bytes,
    peer: &Peer,
    id: Uuid,
) -> Result<String, AwsError> {
    let family = service.model().family();
    let identity = authenticate(gateway, parts, &body, service.model().signing_name())
        .await
        .map_err(|error| error.to_error(family))?;
    let form = match parts.method {
        Method::GET => Form::parse(parts.uri.query().unwrap_or_default().as_bytes())?,
        _ => Form::parse(&body)?,
    };
    let model = query::operation(service.model(), &form)?;
    let (input, valid) = match query::read(model, &form) {
        Ok(input) => (input, Ok(())),
        Err(error) => (Value::Null, Err(error)),
    };
    let asked = Asked {
        caller: gateway.caller(identity, parts, peer, id),
        input,
        valid,
        family,
    };
    let output = service.call(gateway, model.name(), asked).await?;
    Ok(query::response(model, &output, &id.to_string()))
}
