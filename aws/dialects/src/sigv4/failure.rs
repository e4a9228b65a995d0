//! Every way in which a signature can be wrong, and what each wire family calls it.

use http::StatusCode;
use jiff::{SignedDuration, Timestamp};

use super::verify::S3_SKEW_SECONDS;
use crate::error::{AwsError, Family};

/// Why a request's signature was refused.
///
/// The variants after [`SignatureError::Mismatch`] are never found by this crate: the caller, which knows the
/// keys and the session tokens, returns them so that all refusals are worded in one place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// No signature at all.
    #[error("request carries no signature")]
    Missing,
    /// A signature is there but cannot be read; the text follows AWS's words.
    #[error("{0}")]
    Incomplete(String),
    /// The same thing was said twice, or in two places.
    #[error("ambiguous {0}")]
    Ambiguous(&'static str),
    /// Something that must be covered by the signature is not.
    #[error("`{0}` must be a signed header")]
    HeaderNotSigned(String),
    /// The path or a query parameter is not valid percent-encoding, or the path is not in normal form.
    #[error("malformed request target")]
    MalformedTarget,
    /// The scope's day is not the day of the request's date.
    #[error("credential scope is of {scope}, the request of {request}")]
    ScopeDate {
        /// `YYYYMMDD` of the scope.
        scope: String,
        /// `YYYYMMDD` of the request.
        request: String,
        /// The request's whole date.
        amz_date: String,
    },
    /// Signed too long ago.
    #[error("signature expired")]
    Expired {
        /// When the client signed.
        signed_at: Timestamp,
        /// The earliest moment accepted.
        earliest: Timestamp,
        /// The server's time.
        now: Timestamp,
        /// How long the signature was valid.
        lifetime: SignedDuration,
    },
    /// Signed too far in the future.
    #[error("signature not yet current")]
    NotYetCurrent {
        /// When the client signed.
        signed_at: Timestamp,
        /// The latest moment accepted.
        latest: Timestamp,
        /// The server's time.
        now: Timestamp,
    },
    /// The body does not have the announced digest.
    #[error("body does not match `x-amz-content-sha256`")]
    PayloadMismatch,
    /// The signature is well formed and wrong.
    #[error("signature does not match")]
    Mismatch,
    /// The scope names another region than the server serves.
    #[error("credential scope names the wrong region")]
    WrongRegion,
    /// The scope names another service than the request addresses.
    #[error("credential scope names the wrong service")]
    WrongService {
        /// The signing name that the request needs.
        expected: &'static str,
    },
    /// Nobody has this access key.
    #[error("unknown access key")]
    UnknownAccessKey,
    /// The access key exists but the session token is not its own, or is missing.
    #[error("invalid session token")]
    InvalidSessionToken,
    /// The session token has expired.
    #[error("session token expired")]
    ExpiredSessionToken,
}

impl SignatureError {
    /// Words the refusal as AWS does on `family`.
    ///
    /// JSON answers status 400 throughout; query and REST answer 403, or 400 for what cannot even be read; EC2 has
    /// one code for most refusals, with status 401.
    pub fn to_error(&self, family: Family) -> AwsError {
        let code = self.code();
        match family {
            Family::Json => AwsError::new(code.json, self.message(family)),
            Family::Query => AwsError::new(code.query, self.message(family)).with_status(code.status),
            Family::Ec2 => self.ec2_error(),
            Family::Rest => AwsError::new(code.json, self.message(family)).with_status(code.status),
            Family::S3 => self.s3_error(),
        }
    }

    fn s3_error(&self) -> AwsError {
        let message = self.message(Family::S3);
        let denied = |code, message: String| AwsError::new(code, message).with_status(StatusCode::FORBIDDEN);
        match self {
            Self::Missing => denied("AccessDenied", "Access Denied".to_owned()),
            Self::Incomplete(_) | Self::Ambiguous(_) | Self::ScopeDate { .. } | Self::WrongService { .. } => {
                AwsError::new("AuthorizationHeaderMalformed", message)
            }
            Self::WrongRegion => AwsError::new("AuthorizationHeaderMalformed", message),
            Self::HeaderNotSigned(name) => denied(
                "AccessDenied",
                format!("There were headers present in the request which were not signed: {name}"),
            ),
            // Only a link says for itself how long it is good.
            Self::Expired { lifetime, .. } if lifetime.as_secs() != S3_SKEW_SECONDS => {
                denied("AccessDenied", "Request has expired".to_owned())
            }
            Self::Expired { .. } | Self::NotYetCurrent { .. } => denied(
                "RequestTimeTooSkewed",
                "The difference between the request time and the current time is too large.".to_owned(),
            ),
            Self::MalformedTarget => AwsError::new("InvalidURI", "Couldn't parse the specified URI."),
            Self::PayloadMismatch => AwsError::new(
                "XAmzContentSHA256Mismatch",
                "The provided 'x-amz-content-sha256' header does not match what was computed.",
            ),
            Self::Mismatch => denied("SignatureDoesNotMatch", message),
            Self::UnknownAccessKey => denied(
                "InvalidAccessKeyId",
                "The AWS Access Key Id you provided does not exist in our records.".to_owned(),
            ),
            Self::InvalidSessionToken => AwsError::new(
                "InvalidToken",
                "The provided token is malformed or otherwise invalid.",
            ),
            Self::ExpiredSessionToken => AwsError::new("ExpiredToken", "The provided token has expired."),
        }
    }

    fn ec2_error(&self) -> AwsError {
        let message = self.message(Family::Ec2);
        match self {
            Self::Missing => {
                AwsError::new("MissingAuthenticationToken", message).with_status(StatusCode::FORBIDDEN)
            }
            Self::Incomplete(_) | Self::Ambiguous(_) => AwsError::new("IncompleteSignature", message),
            Self::Expired { .. } | Self::NotYetCurrent { .. } | Self::ExpiredSessionToken => {
                AwsError::new("RequestExpired", "Request has expired.")
            }
            Self::HeaderNotSigned(_)
            | Self::ScopeDate { .. }
            | Self::WrongRegion
            | Self::WrongService { .. } => {
                AwsError::new("AuthFailure", message).with_status(StatusCode::UNAUTHORIZED)
            }
            Self::MalformedTarget
            | Self::PayloadMismatch
            | Self::Mismatch
            | Self::UnknownAccessKey
            | Self::InvalidSessionToken => AwsError::new(
                "AuthFailure",
                "AWS was not able to validate the provided access credentials",
            )
            .with_status(StatusCode::UNAUTHORIZED),
        }
    }

    fn code(&self) -> Code {
        match self {
            Self::Missing => Code::forbidden(
                "MissingAuthenticationTokenException",
                "MissingAuthenticationToken",
            ),
            Self::Incomplete(_) | Self::Ambiguous(_) => Code {
                json: "IncompleteSignatureException",
                query: "IncompleteSignature",
                status: StatusCode::BAD_REQUEST,
            },
            Self::HeaderNotSigned(_)
            | Self::MalformedTarget
            | Self::ScopeDate { .. }
            | Self::Expired { .. }
            | Self::NotYetCurrent { .. }
            | Self::PayloadMismatch
            | Self::Mismatch
            | Self::WrongRegion
            | Self::WrongService { .. } => {
                Code::forbidden("InvalidSignatureException", "SignatureDoesNotMatch")
            }
            Self::UnknownAccessKey | Self::InvalidSessionToken => {
                Code::forbidden("UnrecognizedClientException", "InvalidClientTokenId")
            }
            Self::ExpiredSessionToken => Code::forbidden("ExpiredTokenException", "ExpiredToken"),
        }
    }

    fn message(&self, family: Family) -> String {
        match self {
            Self::Missing if matches!(family, Family::Query | Family::Ec2) => "Request is missing Authentication Token".to_owned(),
            Self::Missing => "Missing Authentication Token".to_owned(),
            Self::Incomplete(text) => text.clone(),
            Self::Ambiguous(what) => format!("The request states more than one {what}"),
            Self::HeaderNotSigned(name) if name == "host" => {
                "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.".to_owned()
            }
            Self::HeaderNotSigned(name) => {
                format!("'{name}' must be a 'SignedHeader' in the AWS Authorization.")
            }
            Self::ScopeDate { scope, request, amz_date } => format!(
                "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: \
                 '{scope}' != '{request}', from '{amz_date}'."
            ),
            Self::Expired { signed_at, earliest, now, lifetime } => format!(
                "Signature expired: {} is now earlier than {} ({} - {}.)",
                basic(*signed_at),
                basic(*earliest),
                basic(*now),
                span(*lifetime),
            ),
            Self::NotYetCurrent { signed_at, latest, now } => format!(
                "Signature not yet current: {} is still later than {} ({} + 5 min.)",
                basic(*signed_at),
                basic(*latest),
                basic(*now),
            ),
            Self::MalformedTarget | Self::PayloadMismatch | Self::Mismatch => {
                "The request signature we calculated does not match the signature you provided. Check your AWS \
                 Secret Access Key and signing method. Consult the service documentation for details."
                    .to_owned()
            }
            Self::WrongRegion => "Credential should be scoped to a valid region.".to_owned(),
            Self::WrongService { expected } => {
                format!("Credential should be scoped to correct service: '{expected}'.")
            }
            Self::UnknownAccessKey | Self::InvalidSessionToken => {
                "The security token included in the request is invalid.".to_owned()
            }
            Self::ExpiredSessionToken => "The security token included in the request is expired".to_owned(),
        }
    }
}

/// One refusal's code on either kind of wire.
struct Code {
    json: &'static str,
    query: &'static str,
    status: StatusCode,
}

impl Code {
    fn forbidden(json: &'static str, query: &'static str) -> Self {
        Self {
            json,
            query,
            status: StatusCode::FORBIDDEN,
        }
    }
}

fn basic(at: Timestamp) -> String {
    at.strftime("%Y%m%dT%H%M%SZ").to_string()
}

/// Whole minutes as `5 min`, anything else in seconds.
fn span(lifetime: SignedDuration) -> String {
    match lifetime.as_secs() {
        seconds if seconds % 60 == 0 => format!("{} min", seconds / 60),
        seconds => format!("{seconds} sec"),
    }
}
