//! Variables that are none.

use super::{Finding, Severity, Subject};

/// Finds `${…}` in documents of a version that takes it literally.
pub(super) fn check(subject: &Subject<'_>, findings: &mut Vec<Finding>) {
    for placed in subject.statements().filter(|placed| !placed.has_variables()) {
        if let Some(text) = placed.texts().find(|text| text.contains("${")) {
            let message = format!("takes `{text}` literally: the version of the document has no variables");
            let hint = "write \"Version\": \"2012-10-17\" at the top of the document";
            findings.push(placed.finding(
                Severity::Warning,
                "variable-in-old-version",
                message,
                hint.to_owned(),
            ));
        }
    }
}

/// Says whether a text needs the name of a user.
pub(super) fn uses_user_name(text: &str) -> bool {
    text.to_ascii_lowercase().contains("${aws:username}")
}
