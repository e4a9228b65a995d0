//! The conditions of RFC 9110, section 13.2.2, on an object that is read.

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_store::{Content, ObjectVersion};
use http::{StatusCode, header};
use jiff::Timestamp;
use s3s::dto::{self, ETagCondition};

use crate::error::{precondition_failed, with_headers};
use crate::wire::{condition, http_date, moment};

/// What a request says must be so of the object, as its four headers have it.
#[derive(Debug, Default)]
pub(crate) struct Conditions<'a> {
    pub(crate) matches: Option<&'a ETagCondition>,
    pub(crate) none_matches: Option<&'a ETagCondition>,
    pub(crate) modified_since: Option<&'a dto::Timestamp>,
    pub(crate) unmodified_since: Option<&'a dto::Timestamp>,
}

impl Conditions<'_> {
    /// Refuses a read whose conditions do not hold: `412`, or `304` for who has the object already.
    pub(crate) fn check(
        &self,
        version: &ObjectVersion,
        content: &Content,
        now: Timestamp,
    ) -> Result<(), AwsError> {
        let is = |wanted: &ETagCondition| condition(wanted).is_none_or(|etag| etag == content.etag);
        // Headers have whole seconds.
        let modified = version.modified_at.as_second();
        let later_than = |at: &dto::Timestamp| moment(at).is_some_and(|at| modified > at.as_second());
        let holds = match (self.matches, self.unmodified_since) {
            (Some(wanted), _) => is(wanted),
            (None, Some(at)) => !later_than(at),
            (None, None) => true,
        };
        if !holds {
            return Err(precondition_failed());
        }
        let changed = match (self.none_matches, self.modified_since) {
            (Some(known), _) => !is(known),
            // Who names a time to come knows nothing yet.
            (None, Some(at)) => later_than(at) || moment(at).is_some_and(|at| at > now),
            (None, None) => true,
        };
        if changed {
            return Ok(());
        }
        Err(not_modified(version, content))
    }

    /// The same for a copy, which has no answer for who has the object already.
    pub(crate) fn check_copy(
        &self,
        version: &ObjectVersion,
        content: &Content,
        now: Timestamp,
    ) -> Result<(), AwsError> {
        self.check(version, content, now)
            .map_err(|_| precondition_failed())
    }
}

/// The answer for who has the object already, with what it is known by.
fn not_modified(version: &ObjectVersion, content: &Content) -> AwsError {
    let headers = [
        (header::ETAG, format!("\"{}\"", content.etag)),
        (header::LAST_MODIFIED, http_date(version.modified_at)),
    ];
    let error = AwsError::new("NotModified", "Not Modified").with_status(StatusCode::NOT_MODIFIED);
    with_headers(error, headers)
}
