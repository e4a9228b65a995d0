//! Policy documents: the text that is kept, and what it was read as.

use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::error::IamError;
use crate::policy::{Policy, PolicyKind};

/// A policy document that was read once; in JSON it is its text.
#[derive(Debug, Clone)]
pub struct Document {
    text: Arc<str>,
    policy: Arc<Policy>,
}

impl Document {
    /// Reads the document of a user, group, role or managed policy.
    pub fn identity(text: &str) -> Result<Self, IamError> {
        Self::parse(text, PolicyKind::Identity)
    }

    /// Reads the trust policy of a role.
    pub fn trust(text: &str) -> Result<Self, IamError> {
        Self::parse(text, PolicyKind::Trust)
    }

    fn parse(text: &str, kind: PolicyKind) -> Result<Self, IamError> {
        match Policy::parse(text, kind) {
            Ok(policy) => Ok(Self {
                text: text.into(),
                policy: Arc::new(policy),
            }),
            Err(error) => Err(IamError::MalformedPolicyDocument(error.to_string())),
        }
    }

    /// Returns the text as it was given.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns what the text was read as.
    pub fn policy(&self) -> &Arc<Policy> {
        &self.policy
    }

    /// Returns the characters that count towards quotas: all but white space.
    pub fn size(&self) -> usize {
        self.text
            .chars()
            .filter(|character| !character.is_whitespace())
            .count()
    }

    /// Reads the stored form of a trust policy.
    pub(super) fn deserialize_trust<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::trust(&text).map_err(serde::de::Error::custom)
    }
}

impl PartialEq for Document {
    fn eq(&self, other: &Self) -> bool {
        self.policy.kind() == other.policy.kind() && self.text == other.text
    }
}

impl Serialize for Document {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Document {
    /// Reads an identity policy; a trust policy says so at its field.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::identity(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALLOW: &str = r#"{"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}"#;

    #[test]
    fn white_space_does_not_count() {
        let document = Document::identity(&format!("\n\t {ALLOW} \r\n")).expect("valid");
        assert_eq!(document.size(), ALLOW.replace(' ', "").len());
        assert!(document.text().starts_with("\n\t "));
    }

    #[test]
    fn says_where_the_mistake_is() {
        let error = Document::identity(&ALLOW.replace("Allow", "Permit")).expect_err("malformed");
        assert_eq!(error.code(), "MalformedPolicyDocument");
        assert_eq!(error.to_string(), "Statement.Effect: must be Allow or Deny");
    }

    #[test]
    fn is_its_text_in_json() {
        let document = Document::identity(ALLOW).expect("valid");
        let json = serde_json::to_string(&document).expect("serializes");
        assert_eq!(json, serde_json::to_string(ALLOW).expect("serializes"));
        assert_eq!(serde_json::from_str::<Document>(&json).expect("valid"), document);
        assert!(serde_json::from_str::<Document>("\"{}\"").is_err());
    }
}
