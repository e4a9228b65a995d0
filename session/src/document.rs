//! Session documents, schema 1.0, and what a node is told to run.
//!
//! AWS's agent drops a start request silently when one JSON type in it is wrong, so these types write exactly the
//! types that it reads (`protocol.md` 8.4 and 11 describe them as observed).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::policy::AuthorizedSession;

/// Names the document that a session uses when the request names none.
pub const DEFAULT_SHELL_DOCUMENT: &str = "SSM-SessionManagerRunShell";

/// What a session runs and under which settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionDocument {
    /// Always `1.0`.
    pub schema_version: String,
    /// For people.
    #[serde(default)]
    pub description: String,
    /// The kind of session.
    pub session_type: SessionType,
    /// Logging, encryption, run-as and time limits.
    #[serde(default)]
    pub inputs: Inputs,
    /// The definitions of parameters, by name.
    #[serde(default)]
    pub parameters: BTreeMap<String, Value>,
    /// The particulars of the session type; null for a shell.
    #[serde(default)]
    pub properties: Value,
}

/// The kinds of session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum SessionType {
    /// A login shell.
    #[serde(rename = "Standard_Stream")]
    StandardStream,
    /// A command with a terminal.
    InteractiveCommands,
    /// A command without one.
    NonInteractiveCommands,
    /// A TCP tunnel.
    Port,
}

impl SessionType {
    /// Returns the word of the wire, which is also the plugin's name on the node.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::StandardStream => "Standard_Stream",
            Self::InteractiveCommands => "InteractiveCommands",
            Self::NonInteractiveCommands => "NonInteractiveCommands",
            Self::Port => "Port",
        }
    }
}

/// The settings of a session document; an empty text means unset.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Inputs {
    /// The bucket for the session's log.
    pub s3_bucket_name: String,
    /// The prefix of the log's key.
    pub s3_key_prefix: String,
    /// Whether the bucket must encrypt.
    pub s3_encryption_enabled: bool,
    /// The log group for the session's log.
    pub cloud_watch_log_group_name: String,
    /// Whether the log group must encrypt.
    pub cloud_watch_encryption_enabled: bool,
    /// Whether the log is streamed while the session runs; AWS's agent reads a JSON boolean only.
    pub cloud_watch_streaming_enabled: bool,
    /// The key that both ends encrypt with.
    pub kms_key_id: String,
    /// Whether the session runs as a user other than `ssm-user`.
    pub run_as_enabled: bool,
    /// That user.
    pub run_as_default_user: String,
    /// Minutes without input after which the server ends the session, `1` to `60`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub idle_session_timeout: String,
    /// Minutes after which the server ends the session, `1` to `1440`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub max_session_duration: String,
    /// What a shell runs first.
    pub shell_profile: ShellProfile,
}

/// What a shell runs first, by platform.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ShellProfile {
    /// On Windows.
    pub windows: String,
    /// On Linux and macOS.
    pub linux: String,
}

impl SessionDocument {
    /// Returns the built-in document of [`DEFAULT_SHELL_DOCUMENT`]: a shell, nothing logged, nothing encrypted.
    pub fn default_shell() -> Self {
        Self {
            schema_version: "1.0".to_owned(),
            description: "A shell on a managed node".to_owned(),
            session_type: SessionType::StandardStream,
            inputs: Inputs::default(),
            parameters: BTreeMap::new(),
            properties: Value::Null,
        }
    }
}

/// What a session runs: the document as it was when the session started, and the values of its parameters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SessionStart {
    /// The document's name.
    pub document_name: String,
    /// The document's content, a snapshot: a later change of the document does not reach a running session.
    pub document: SessionDocument,
    /// The values of parameters, flattened to scalars as agents want them.
    #[serde(default)]
    pub parameters: BTreeMap<String, String>,
    /// The account on the node, where it is not the document's.
    #[serde(default)]
    pub run_as_user: Option<String>,
}

impl SessionStart {
    /// Returns the start of a plain shell.
    pub fn default_shell() -> Self {
        Self {
            document_name: DEFAULT_SHELL_DOCUMENT.to_owned(),
            document: SessionDocument::default_shell(),
            parameters: BTreeMap::new(),
            run_as_user: None,
        }
    }

    /// Writes the `Content` object of an `interactive_shell` message, before it is made a text.
    ///
    /// Whoever sends it may add keys: agents ignore what they do not know.
    pub fn interactive_shell(&self, authorized: &AuthorizedSession) -> Value {
        json!({
            "DocumentName": self.document_name,
            "DocumentContent": self.document,
            "SessionId": authorized.session(),
            "Parameters": self.parameters,
            "RunAsUser": self.run_as_user.as_deref().unwrap_or(""),
            "SessionOwner": authorized.owner_arn(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_the_types_that_awss_agent_reads() {
        let content = serde_json::to_value(SessionDocument::default_shell()).expect("serializable");
        assert_eq!(content["schemaVersion"], "1.0");
        assert_eq!(content["sessionType"], "Standard_Stream");
        assert_eq!(content["properties"], Value::Null);
        assert_eq!(content["parameters"], json!({}));
        let inputs = &content["inputs"];
        for key in [
            "s3BucketName",
            "s3KeyPrefix",
            "cloudWatchLogGroupName",
            "kmsKeyId",
            "runAsDefaultUser",
        ] {
            assert_eq!(inputs[key], "", "{key}");
        }
        for key in [
            "s3EncryptionEnabled",
            "cloudWatchEncryptionEnabled",
            "cloudWatchStreamingEnabled",
            "runAsEnabled",
        ] {
            assert_eq!(inputs[key], false, "{key}");
        }
        assert_eq!(inputs["shellProfile"], json!({"windows": "", "linux": ""}));
        assert!(inputs.get("idleSessionTimeout").is_none());
    }

    #[test]
    fn reads_a_document_that_says_little() {
        let document: SessionDocument =
            serde_json::from_value(json!({"schemaVersion": "1.0", "sessionType": "Port"})).expect("valid");
        assert_eq!(document.session_type, SessionType::Port);
        assert_eq!(document.inputs, Inputs::default());
    }
}
