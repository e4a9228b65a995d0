//! Reading a request's body within its limits.

use bytes::Bytes;
use drawbridge_aws_dialects::error::AwsError;
use http::StatusCode;
use http_body_util::{BodyExt, Limited};
use hyper::body::{Body, Incoming};
use tokio::time::timeout;

use crate::limits::Limits;

/// Reads the whole body.
///
/// # Errors
///
/// It is too long, comes too slowly, or breaks off.
pub(crate) async fn read(body: Incoming, limits: &Limits) -> Result<Bytes, AwsError> {
    let too_large = || {
        let text = format!("the request's body is larger than {} bytes", limits.body_bytes);
        AwsError::new("RequestEntityTooLargeException", text).with_status(StatusCode::PAYLOAD_TOO_LARGE)
    };
    if body.size_hint().lower() > limits.body_bytes as u64 {
        return Err(too_large());
    }
    match timeout(
        limits.body_within,
        Limited::new(body, limits.body_bytes).collect(),
    )
    .await
    {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => Err(too_large()),
        Ok(Err(_broken)) => Err(AwsError::new(
            "SerializationException",
            "the request's body broke off",
        )),
        Err(_elapsed) => {
            let text = format!(
                "the request's body did not arrive within {} s",
                limits.body_within.as_secs()
            );
            Err(AwsError::new("RequestTimeoutException", text).with_status(StatusCode::REQUEST_TIMEOUT))
        }
    }
}
