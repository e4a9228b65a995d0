//! The order to start a session (`protocol.md` 8.4).

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::NodeExtension;
use crate::payload::PayloadError;

/// Orders a node to start a session; there is no answer to it but the session's data channel.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct InteractiveShell {
    /// JSON text of a [`ShellContent`].
    pub content: String,
    /// Session id.
    pub task_id: String,
    /// Always `interactive_shell`.
    pub topic: String,
    /// Always 1.
    pub schema_version: u32,
}

/// Is what the order is about.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ShellContent {
    /// Name of the session document.
    #[serde(default)]
    pub document_name: String,
    /// The session document, schema 1.0; its types live with the session model.
    pub document_content: Value,
    /// Session id; the node's files and its data channel are named after it.
    pub session_id: String,
    /// Values of the document's parameters, scalars.
    #[serde(default)]
    pub parameters: Map<String, Value>,
    /// Account to run as when not blank, over the document's default.
    #[serde(default)]
    pub run_as_user: String,
    /// ARN of the principal who asked.
    #[serde(default)]
    pub session_owner: String,
    /// What our agent may use; only to an agent that named its capabilities.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drawbridge: Option<NodeExtension>,
}

impl InteractiveShell {
    /// Wraps the content for sending.
    pub fn new(content: &ShellContent) -> InteractiveShell {
        InteractiveShell {
            task_id: content.session_id.clone(),
            content: crate::payload::to_text(content),
            topic: "interactive_shell".to_owned(),
            schema_version: 1,
        }
    }

    /// Reads the content.
    ///
    /// # Errors
    ///
    /// The content is not JSON of the known shape, its document is not of schema 1.0, or it is about another session
    /// than the envelope.
    pub fn parse_content(&self) -> Result<ShellContent, PayloadError> {
        let content: ShellContent = serde_json::from_str(&self.content)?;
        if content
            .document_content
            .get("schemaVersion")
            .and_then(Value::as_str)
            != Some("1.0")
        {
            return Err(PayloadError::SchemaVersion);
        }
        if content.session_id != self.task_id {
            return Err(PayloadError::Contradiction);
        }
        Ok(content)
    }
}
