//! What goes wrong, in S3's codes and words.

use std::borrow::Cow;
use std::io;

use drawbridge_aws_dialects::error::{AwsError, Family};
use drawbridge_store::blobs::is_away;
use drawbridge_store::{LockError, NoRoom, PutObjectError, StoreError};
use http::{HeaderName, HeaderValue, StatusCode};
use s3s::{S3Error, S3ErrorCode};

/// Turns an error into the dialect's.
pub(crate) fn told(error: &AwsError) -> S3Error {
    let code = S3ErrorCode::from_bytes(error.code().as_bytes()).unwrap_or(S3ErrorCode::InternalError);
    let mut told = S3Error::with_message(code, Cow::Owned(error.message().to_owned()));
    told.set_status_code(error.status());
    told
}

/// The store or the blobs failed: it is logged, and the caller learns no more than that.
pub(crate) fn internal(error: impl std::error::Error + 'static) -> AwsError {
    tracing::error!(
        error = &error as &dyn std::error::Error,
        "an operation on objects failed"
    );
    Family::S3.internal()
}

/// The blobs failed: where their store is away the caller is to try again.
pub(crate) fn of_blobs(error: io::Error) -> AwsError {
    if !is_away(&error) {
        let is_full = matches!(
            error.kind(),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
        );
        let failed = internal(error);
        return if is_full { Family::S3.no_room() } else { failed };
    }
    tracing::warn!(
        error = &error as &dyn std::error::Error,
        "a request for objects was told to come back"
    );
    AwsError::unavailable(
        UNAVAILABLE,
        "The store of the objects cannot be reached. Please try again.",
    )
}

/// The upload would take what the server keeps of its disk for itself.
pub(crate) fn of_reserve(error: NoRoom) -> AwsError {
    AwsError::unavailable(UNAVAILABLE, error.to_string())
}

const UNAVAILABLE: &str = "ServiceUnavailable";

pub(crate) fn no_such_bucket(bucket: &str) -> AwsError {
    not_found(
        "NoSuchBucket",
        format!("The specified bucket does not exist: {bucket}"),
    )
}

pub(crate) const NO_SUCH_KEY: &str = "NoSuchKey";

pub(crate) fn no_such_key() -> AwsError {
    not_found(NO_SUCH_KEY, "The specified key does not exist.")
}

pub(crate) fn no_such_version() -> AwsError {
    not_found("NoSuchVersion", "The specified version does not exist.")
}

pub(crate) fn no_such_upload() -> AwsError {
    not_found(
        "NoSuchUpload",
        "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.",
    )
}

pub(crate) fn not_found(code: &'static str, message: impl Into<String>) -> AwsError {
    AwsError::new(code, message).with_status(StatusCode::NOT_FOUND)
}

pub(crate) fn invalid_argument(message: impl Into<String>) -> AwsError {
    AwsError::new("InvalidArgument", message)
}

pub(crate) fn invalid_request(message: impl Into<String>) -> AwsError {
    AwsError::new("InvalidRequest", message)
}

pub(crate) fn malformed_xml() -> AwsError {
    AwsError::new(
        "MalformedXML",
        "The XML you provided was not well-formed or did not validate against our published schema",
    )
}

pub(crate) fn not_implemented(what: &str) -> AwsError {
    AwsError::new("NotImplemented", format!("{what} is not implemented"))
        .with_status(StatusCode::NOT_IMPLEMENTED)
}

/// Adds headers whose values are of our own making.
pub(crate) fn with_headers(
    error: AwsError,
    headers: impl IntoIterator<Item = (HeaderName, String)>,
) -> AwsError {
    headers.into_iter().fold(error, |error, (name, value)| {
        match HeaderValue::from_str(&value) {
            Ok(value) => error.with_header(name, value),
            Err(_) => error,
        }
    })
}

/// What does not go with a resource of its kind.
pub(crate) fn method_not_allowed() -> AwsError {
    AwsError::new(
        "MethodNotAllowed",
        "The specified method is not allowed against this resource.",
    )
    .with_status(StatusCode::METHOD_NOT_ALLOWED)
}

pub(crate) fn locked() -> AwsError {
    AwsError::new(
        "AccessDenied",
        "Access Denied because object protected by object lock.",
    )
    .with_status(StatusCode::FORBIDDEN)
}

pub(crate) fn precondition_failed() -> AwsError {
    AwsError::new(
        "PreconditionFailed",
        "At least one of the pre-conditions you specified did not hold",
    )
    .with_status(StatusCode::PRECONDITION_FAILED)
}

/// The bucket cannot lock what the request wants locked.
pub(crate) fn no_locks() -> AwsError {
    invalid_request("Bucket is missing Object Lock Configuration")
}

/// Nothing was ever said of a lock or a hold on the version.
pub(crate) fn never_locked() -> AwsError {
    not_found(
        "NoSuchObjectLockConfiguration",
        "The specified object does not have a ObjectLock configuration",
    )
}

pub(crate) fn of_store(error: StoreError) -> AwsError {
    internal(error)
}

pub(crate) fn of_put(error: PutObjectError, bucket: &str) -> AwsError {
    match error {
        PutObjectError::NoBucket => no_such_bucket(bucket),
        PutObjectError::NoUpload => no_such_upload(),
        PutObjectError::Part => AwsError::new(
            "OperationAborted",
            "A conflicting conditional operation is currently in progress against this resource. Try again.",
        )
        .with_status(StatusCode::CONFLICT),
        PutObjectError::Condition => precondition_failed(),
        PutObjectError::Missing => no_such_key(),
        PutObjectError::Locked => locked(),
        PutObjectError::NoLocks => no_locks(),
        PutObjectError::Store(error) => internal(error),
    }
}

pub(crate) fn of_lock(error: LockError, version: Option<&str>) -> AwsError {
    match error {
        LockError::Locked => locked(),
        LockError::Missing if version.is_some() => no_such_version(),
        LockError::Missing => no_such_key(),
        LockError::Store(error) => internal(error),
    }
}
