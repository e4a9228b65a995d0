//! An error as a client sees it: a code, a message and a status, independent of the wire it travels on.

use std::borrow::Cow;
use std::fmt;

use http::{HeaderName, HeaderValue, StatusCode};

use crate::constraint::shorten;

/// Names a wire family, because one mistake has a different code on each of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Family {
    /// JSON 1.1 (`ssm`, `ec2messages`, `kms`, `logs`, …): client errors are status 400.
    Json,
    /// Query with XML answers (`sts`, `iam`): authentication errors are status 403.
    Query,
    /// Query in EC2's own manner (`ec2`): most authentication errors are one code with status 401.
    Ec2,
    /// The message gateway's REST paths (`ssmmessages`): JSON in, XML out.
    Rest,
    /// REST with XML in and out (`s3`), and codes of its own.
    S3,
}

impl Family {
    /// Makes the error for who may not do this; `reason` names who, what and why.
    pub fn access_denied(self, reason: &str) -> AwsError {
        match self {
            Self::Json => AwsError::new("AccessDeniedException", reason),
            Self::Query | Self::S3 => {
                AwsError::new("AccessDenied", reason).with_status(StatusCode::FORBIDDEN)
            }
            Self::Ec2 => AwsError::new(
                "UnauthorizedOperation",
                format!("You are not authorized to perform this operation. {reason}"),
            )
            .with_status(StatusCode::FORBIDDEN),
            Self::Rest => AwsError::new("AccessDeniedException", reason).with_status(StatusCode::FORBIDDEN),
        }
    }

    /// Makes the error for an operation that the service does not have in that version of its interface.
    pub fn unknown_operation(self, name: &str, version: &str) -> AwsError {
        match self {
            Self::Json | Self::Rest => AwsError::unknown_operation(name),
            Self::S3 => AwsError::new(
                "NotImplemented",
                "A header or query you provided requested a function that is not implemented.",
            )
            .with_status(StatusCode::NOT_IMPLEMENTED),
            Self::Query => AwsError::new(
                "InvalidAction",
                format!("Could not find operation {name} for version {version}"),
            ),
            Self::Ec2 => AwsError::new(
                "InvalidAction",
                format!("The action {name} is not valid for this web service."),
            ),
        }
    }

    /// Makes the error for a fault of the server.
    pub fn internal(self) -> AwsError {
        AwsError::internal(match self {
            Self::Json => "InternalServerError",
            Self::Query => "InternalFailure",
            Self::Ec2 | Self::S3 => "InternalError",
            Self::Rest => "InternalServerException",
        })
    }

    /// Makes the same fault where whoever reads it can help: the disk of the server is full.
    pub fn no_room(self) -> AwsError {
        AwsError {
            message: "The server has no room left on its disk.".into(),
            ..self.internal()
        }
    }
}

/// An AWS error response: the short code, the text for people and the HTTP status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AwsError {
    code: Cow<'static, str>,
    message: String,
    status: StatusCode,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl AwsError {
    /// Makes a client error (status 400) with the code clients branch on and the text they print.
    pub fn new(code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self {
            code: code.into(),
            message: message.into(),
            status: StatusCode::BAD_REQUEST,
            headers: Vec::new(),
        }
    }

    /// Makes the error for an operation nobody implements; agents fall back on exactly this code.
    pub fn unknown_operation(name: &str) -> Self {
        let message = match name {
            "" => "This server has no such operation.".to_owned(),
            name => format!("This server has no operation {}.", shorten(name)),
        };
        Self::new("UnknownOperationException", message)
    }

    /// Makes a `ValidationException` with a text of its own, for rules that the models cannot state.
    pub fn validation(message: impl Into<String>) -> Self {
        Self::new("ValidationException", message)
    }

    /// Makes a server fault (status 500) whose text says nothing about the inside.
    pub fn internal(code: impl Into<Cow<'static, str>>) -> Self {
        Self::new(code, "An internal error occurred.").with_status(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// Makes a fault that passes (status 503): clients try again by themselves, and wait longer each time.
    pub fn unavailable(code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self::new(code, message).with_status(StatusCode::SERVICE_UNAVAILABLE)
    }

    /// Replaces the status.
    #[must_use]
    pub fn with_status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// Adds a header; only S3 tells clients of something in them besides the error.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// The code that clients branch on, without prefix.
    pub fn code(&self) -> &str {
        &self.code
    }

    /// The text for people.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// What [`with_header`](Self::with_header) added.
    pub fn headers(&self) -> &[(HeaderName, HeaderValue)] {
        &self.headers
    }
}

impl fmt::Display for AwsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.message.is_empty() {
            f.write_str(&self.code)
        } else {
            write!(f, "{}: {}", self.code, self.message)
        }
    }
}

impl std::error::Error for AwsError {}

#[cfg(test)]
mod tests {
    use super::{AwsError, Family};

    fn told(error: &AwsError) -> (u16, &str) {
        (error.status().as_u16(), error.code())
    }

    #[test]
    fn every_family_has_its_own_words() {
        for (family, denied, unknown, internal) in [
            (
                Family::Json,
                (400, "AccessDeniedException"),
                (400, "UnknownOperationException"),
                (500, "InternalServerError"),
            ),
            (
                Family::Query,
                (403, "AccessDenied"),
                (400, "InvalidAction"),
                (500, "InternalFailure"),
            ),
            (
                Family::Ec2,
                (403, "UnauthorizedOperation"),
                (400, "InvalidAction"),
                (500, "InternalError"),
            ),
            (
                Family::Rest,
                (403, "AccessDeniedException"),
                (400, "UnknownOperationException"),
                (500, "InternalServerException"),
            ),
            (
                Family::S3,
                (403, "AccessDenied"),
                (501, "NotImplemented"),
                (500, "InternalError"),
            ),
        ] {
            let error = family.access_denied("User: x is not authorized");
            assert_eq!(told(&error), denied);
            assert!(error.message().ends_with("User: x is not authorized"));
            assert_eq!(told(&family.unknown_operation("Fly", "2010-05-08")), unknown);
            assert_eq!(told(&family.internal()), internal);
        }
    }
}
