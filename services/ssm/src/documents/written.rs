//! Texts that become documents, and documents that become texts.

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::document::{Content, DocumentFormat, Strictness};
use serde::Deserialize;

use super::error::invalid_content;
use crate::error::internal;

/// The formats that a request can name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum WireFormat {
    #[default]
    Json,
    Yaml,
    Text,
}

impl WireFormat {
    /// Returns the format in which a document of the request is written.
    pub(super) fn written(self) -> Result<DocumentFormat, AwsError> {
        match self {
            Self::Json => Ok(DocumentFormat::Json),
            Self::Yaml => Ok(DocumentFormat::Yaml),
            Self::Text => Err(AwsError::new(
                "InvalidDocumentContent",
                "Documents of type Session are written in JSON or YAML, not as TEXT.",
            )),
        }
    }

    /// Returns the format in which a document is asked for; one that is asked for as text stays as it is.
    pub(super) fn wanted(self, written: DocumentFormat) -> DocumentFormat {
        match self {
            Self::Json => DocumentFormat::Json,
            Self::Yaml => DocumentFormat::Yaml,
            Self::Text => written,
        }
    }
}

/// Checks a document that somebody wants to keep.
pub(super) fn check(text: &str, format: DocumentFormat) -> Result<Content, AwsError> {
    Content::parse(text, format).map_err(|error| invalid_content(&error))
}

/// Reads a document that was checked when it was stored, if by other rules.
pub(super) fn stored(text: &str, format: DocumentFormat) -> Result<Content, AwsError> {
    let value = format.read(text).map_err(internal)?;
    Content::read(&value, Strictness::Lenient).map_err(internal)
}

/// Writes a document in another format; in its own it stays as it was given, to the byte.
pub(super) fn convert(
    text: String,
    written: DocumentFormat,
    wanted: DocumentFormat,
) -> Result<String, AwsError> {
    if written == wanted {
        return Ok(text);
    }
    let value = written.read(&text).map_err(internal)?;
    wanted.write(&value).map_err(internal)
}

#[cfg(test)]
mod tests {
    use super::*;

    use drawbridge_session::document::{BUILTIN_NAMES, builtin};
    use serde_json::json;

    #[test]
    fn a_document_says_the_same_in_both_formats() {
        let tricky = json!({
            "texts": ["true", "no", "~", "null", "1.0", "0644", "0x1F", "1e3", "2026-01-01", "", " x ", "a: b", "- a", "#",
                "'", "\"", "{{ name }}", "multi\nline\n", "tab\t", "\u{7f}\u{0}", "é😀", "*a", "&a", "!a", "%a", "@a", "?", "<<",
                "12:30:45", "+1", ".5", ".inf", "-", "=", "\r\n", "trailing \n\n", "---", "..."],
            "true": true, "null": null, "1": 1, "-1": -1, "": {}, "a: b": [[]], "nested": {"x": [{"y": "z"}, []]},
        })
        .to_string();
        let texts = BUILTIN_NAMES.map(|name| builtin(name).expect("known").0.to_owned());
        for text in texts.into_iter().chain([tricky]) {
            let yaml = convert(text.clone(), DocumentFormat::Json, DocumentFormat::Yaml).expect("converted");
            let value = DocumentFormat::Json.read(&text).expect("valid");
            assert_eq!(DocumentFormat::Yaml.read(&yaml), Ok(value.clone()), "{yaml}");
            let json = convert(yaml, DocumentFormat::Yaml, DocumentFormat::Json).expect("converted");
            assert_eq!(DocumentFormat::Json.read(&json), Ok(value), "{json}");
            let same = convert(text.clone(), DocumentFormat::Json, DocumentFormat::Json);
            assert_eq!(same, Ok(text));
        }
    }
}
