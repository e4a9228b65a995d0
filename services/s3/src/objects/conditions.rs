//! The conditions of RFC 9110, section 13.2.2, on an object that is read.

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_store::{Content, ObjectVersion};
use http::StatusCode;
use s3s::dto::{ETagCondition, Timestamp};

use crate::error::precondition_failed;
use crate::wire::{condition, moment};

/// What a request says must be so of the object, as its four headers have it.
#[derive(Debug, Default)]
pub(crate) struct Conditions<'a> {
    pub(crate) matches: Option<&'a ETagCondition>,
    pub(crate) none_matches: Option<&'a ETagCondition>,
    pub(crate) modified_since: Option<&'a Timestamp>,
    pub(crate) unmodified_since: Option<&'a Timestamp>,
}

impl Conditions<'_> {
    /// Refuses a read whose conditions do not hold: `412`, or `304` for who has the object already.
    pub(crate) fn check(&self, version: &ObjectVersion, content: &Content) -> Result<(), AwsError> {
        let is = |wanted: &ETagCondition| condition(wanted).is_none_or(|etag| etag == content.etag);
        // Headers have whole seconds.
        let modified = version.modified_at.as_second();
        let later_than = |at: &Timestamp| moment(at).is_some_and(|at| modified > at.as_second());
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
            (None, Some(at)) => later_than(at),
            (None, None) => true,
        };
        if changed {
            return Ok(());
        }
        Err(AwsError::new("NotModified", "Not Modified").with_status(StatusCode::NOT_MODIFIED))
    }

    /// The same for a copy, which has no answer for who has the object already.
    pub(crate) fn check_copy(&self, version: &ObjectVersion, content: &Content) -> Result<(), AwsError> {
        self.check(version, content).map_err(|_| precondition_failed())
    }
}
