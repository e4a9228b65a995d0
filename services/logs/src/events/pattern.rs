//! Filter patterns.

use drawbridge_aws_dialects::error::AwsError;

use crate::error::invalid_parameter;

/// Which messages are wanted.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Pattern {
    /// All of them.
    All,
}

impl Pattern {
    /// Reads a pattern; the empty one wants everything.
    pub(crate) fn parse(text: &str) -> Result<Self, AwsError> {
        if text.trim().is_empty() {
            return Ok(Self::All);
        }
        Err(invalid_parameter(format!(
            "Invalid filter pattern: {text}: only the empty one is supported."
        )))
    }

    /// Says whether a message is wanted.
    pub(crate) fn matches(&self, _message: &str) -> bool {
        true
    }
}
