//! What answers of several nouns have in common.

use drawbridge_session::iam::PolicyArn;
use jiff::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;

/// Everything but RFC 3986's unreserved characters.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Writes a policy document as answers have it.
pub(crate) fn encoded(document: &str) -> String {
    utf8_percent_encode(document, RESERVED).to_string()
}

/// Writes a moment as the dialects expect it: seconds since the epoch, of which IAM shows no fractions.
pub(crate) fn seconds(at: Timestamp) -> i64 {
    at.as_second()
}

/// The permissions boundary of a user or role.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Boundary {
    permissions_boundary_type: &'static str,
    permissions_boundary_arn: String,
}

impl Boundary {
    /// Shows a boundary.
    pub(crate) fn of(arn: &PolicyArn) -> Self {
        Self {
            // What AWS answers, whatever its model says.
            permissions_boundary_type: "Policy",
            permissions_boundary_arn: arn.to_string(),
        }
    }
}
