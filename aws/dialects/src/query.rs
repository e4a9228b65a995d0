//! The query dialects: form fields in (`Action`, `Version`, `X.member.N`), XML out.
//!
//! There are two, that of `sts` and `iam` ([`Family::Query`]) and that of `ec2` ([`Family::Ec2`]); which one an
//! operation speaks is in its model. A gateway parses a [`Form`], finds the [`operation`], [`read`]s its input, and
//! writes a [`response`] or an [`error_response`]. A client writes a [`call`] and reads the answer to it
//! ([`read_response`]).

mod answer;
mod call;
mod form;
mod input;
mod refusal;

use serde_json::Value;

use crate::constraint;
use crate::error::{AwsError, Family};
use crate::model::{Operation, Service};

pub use answer::{error_response, response};
pub use call::{AnswerError, call, read_response};
pub use form::{Form, MAX_FIELDS};

/// The content type of answers.
pub const CONTENT_TYPE: &str = "text/xml";

/// The content type of calls.
pub const FORM_TYPE: &str = "application/x-www-form-urlencoded";

/// Finds the operation that a form asks for.
///
/// # Errors
/// `MissingAction` without an `Action`; `InvalidAction` for an operation that the service does not have, or not in
/// the form's `Version`. EC2 answers any version.
pub fn operation<'a>(service: &'a Service, form: &Form) -> Result<&'a Operation, AwsError> {
    let Some(name) = form.action() else {
        return Err(AwsError::new(
            "MissingAction",
            "The request must contain the parameter Action",
        ));
    };
    let version = form.version().unwrap_or("NO_VERSION_SPECIFIED");
    service
        .operation(name)
        .filter(|_| service.family() == Family::Ec2 || version == service.wire.api_version)
        .ok_or_else(|| {
            let shown = constraint::shorten(name);
            service
                .family()
                .unknown_operation(&shown, &constraint::shorten(version))
        })
}

/// Turns form fields into the operation's input, as JSON would carry it, and validates it.
///
/// Fields that the model does not know are left out. An empty text is a value for [`Family::Query`]; EC2 takes it for
/// none, save among the elements of a list (a tag's value).
///
/// # Errors
/// A field that cannot be read as its type, or a list whose elements are not numbered from 1 without a gap:
/// `MalformedInput`, for EC2 `InvalidParameterValue`. A broken constraint: `ValidationError` with all of them, for EC2
/// `MissingParameter` or `InvalidParameterValue` with the first.
pub fn read(operation: &Operation, form: &Form) -> Result<Value, AwsError> {
    let input = input::input(operation, form)?;
    constraint::check(operation, &input).map_err(|refusal| refusal::refused(operation.family(), refusal))?;
    Ok(input)
}

#[cfg(test)]
mod tests;
