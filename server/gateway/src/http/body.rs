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
    read_times(body, gateway, 1).await
}

/// Reads the whole body, which may be so many times as long as others: one that is takes as many places.
///
/// # Errors
///
/// See [`read`].
pub(crate) async fn read_times(body: Incoming, gateway: &Gateway, times: u32) -> Result<Bytes, AwsError> {
    let within = gateway.limits.body_within;
    timeout(within, collect(body, gateway, times))
        .await
        .unwrap_or_else(|_elapsed| {
            let text = format!("the request's body did not arrive within {} s", within.as_secs());
            Err(AwsError::new("RequestTimeoutException", text).with_status(StatusCode::REQUEST_TIMEOUT))
        })
}

async fn collect(mut body: Incoming, gateway: &Gateway, times: u32) -> Result<Bytes, AwsError> {
    let limits = &gateway.limits;
    // A body that does not say how long it is may be as long as others.
    let announced = body.size_hint().lower().div_ceil(limits.body_bytes as u64);
    let places = u32::try_from(announced.max(1)).unwrap_or(u32::MAX);
    if places > times {
        return Err(too_large(limits, times));
    }
    let most = limits.body_bytes.saturating_mul(places as usize);
    let mut collected = BytesMut::new();
    let mut place = None;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_broken| broke_off())?.into_data() else {
            continue;
        };
        let length = collected.len() + data.len();
        if length > most {
            return Err(too_large(limits, times));
        }
        if length > limits.short_body_bytes && place.is_none() {
            place = gateway.long_bodies.acquire_many(places).await.ok();
        }
        collected.extend_from_slice(&data);
    }
    Ok(collected.freeze())
}

fn too_large(limits: &Limits, times: u32) -> AwsError {
    let most = limits.body_bytes.saturating_mul(times as usize);
    let text = format!("the request's body is larger than {most} bytes");
    AwsError::new("RequestEntityTooLargeException", text).with_status(StatusCode::PAYLOAD_TOO_LARGE)
}

fn broke_off() -> AwsError {
    AwsError::new("SerializationException", "the request's body broke off")
}
