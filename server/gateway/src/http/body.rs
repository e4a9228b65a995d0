//! Reading a request's body within its limits.
//!
//! A signature covers the body, so the body is read before anybody knows whose it is. Strangers must not fill the
//! memory with them: a short body is read from anyone, a long one waits for a place.

use bytes::{Bytes, BytesMut};
use drawbridge_aws_dialects::error::AwsError;
use http::StatusCode;
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use tokio::time::timeout;

use super::Gateway;
use crate::limits::Limits;

/// Reads the whole body.
///
/// # Errors
///
/// It is too long, comes too slowly, or breaks off.
pub(crate) async fn read(body: Incoming, gateway: &Gateway) -> Result<Bytes, AwsError> {
    let within = gateway.limits.body_within;
    timeout(within, collect(body, gateway))
        .await
        .unwrap_or_else(|_elapsed| {
            let text = format!("the request's body did not arrive within {} s", within.as_secs());
            Err(AwsError::new("RequestTimeoutException", text).with_status(StatusCode::REQUEST_TIMEOUT))
        })
}

async fn collect(mut body: Incoming, gateway: &Gateway) -> Result<Bytes, AwsError> {
    let limits = &gateway.limits;
    if body.size_hint().lower() > limits.body_bytes as u64 {
        return Err(too_large(limits));
    }
    let mut collected = BytesMut::new();
    let mut place = None;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_broken| broke_off())?.into_data() else {
            continue;
        };
        let length = collected.len() + data.len();
        if length > limits.body_bytes {
            return Err(too_large(limits));
        }
        if length > limits.short_body_bytes && place.is_none() {
            place = gateway.long_bodies.acquire().await.ok();
        }
        collected.extend_from_slice(&data);
    }
    Ok(collected.freeze())
}

fn too_large(limits: &Limits) -> AwsError {
    let text = format!("the request's body is larger than {} bytes", limits.body_bytes);
    AwsError::new("RequestEntityTooLargeException", text).with_status(StatusCode::PAYLOAD_TOO_LARGE)
}

fn broke_off() -> AwsError {
    AwsError::new("SerializationException", "the request's body broke off")
}
