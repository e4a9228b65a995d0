//! Why a text is no session document.

/// Why a text is no session document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    /// It is longer than AWS allows.
    #[error("a document has at most {limit} bytes, this one has {actual}", limit = super::MAX_DOCUMENT_BYTES)]
    TooLong {
        /// Its length in bytes.
        actual: usize,
    },
    /// It is not JSON or YAML.
    #[error("the document cannot be read: {0}")]
    Syntax(String),
    /// It has another schema, or says none.
    #[error("`schemaVersion` must be \"1.0\", not {0}")]
    SchemaVersion(String),
    /// A value breaks a rule.
    #[error("`{path}` {rule}")]
    Content {
        /// Where, such as `inputs.runAsEnabled`.
        path: String,
        /// What is wrong, to complete "`path` …".
        rule: String,
    },
}

impl DocumentError {
    /// Names what is wrong at a place, to complete "`path` …".
    pub(super) fn at(path: impl Into<String>, rule: impl Into<String>) -> Self {
        Self::Content {
            path: path.into(),
            rule: rule.into(),
        }
    }
}
