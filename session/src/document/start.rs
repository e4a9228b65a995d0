//! What a session runs, as it was when the session started.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{DEFAULT_SHELL_DOCUMENT, NeedsOurAgent, SessionDocument};
use crate::policy::AuthorizedSession;

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
    /// Every kind.
    pub const ALL: [Self; 4] = [
        Self::StandardStream,
        Self::InteractiveCommands,
        Self::NonInteractiveCommands,
        Self::Port,
    ];

    /// Returns the word of the wire, which is also the plugin's name on the node.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::StandardStream => "Standard_Stream",
            Self::InteractiveCommands => "InteractiveCommands",
            Self::NonInteractiveCommands => "NonInteractiveCommands",
            Self::Port => "Port",
        }
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// What a session runs: the document as it was when the session started, and the values of its parameters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SessionStart {
    /// The document's name.
    pub document_name: String,
    /// The document with its values, a snapshot: a later change of the document does not reach a running session.
    pub document: SessionDocument,
    /// The values of its parameters.
    #[serde(default)]
    pub parameters: BTreeMap<String, Vec<String>>,
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
    /// The values are in the document already, so the agent is given none. Whoever sends it may add keys: agents ignore
    /// what they do not know. Only our agent is told of Drawbridge's own settings.
    ///
    /// # Errors
    ///
    /// When AWS's agent would not do what they say of tunnels.
    pub fn interactive_shell(
        &self,
        authorized: &AuthorizedSession,
        to_our_agent: bool,
    ) -> Result<Value, NeedsOurAgent> {
        let document = match to_our_agent {
            true => self.document.clone(),
            false => self.document.for_awss_agent()?,
        };
        Ok(json!({
            "DocumentName": self.document_name,
            "DocumentContent": document,
            "SessionId": authorized.session(),
            "Parameters": {},
            "RunAsUser": self.run_as_user.as_deref().unwrap_or(""),
            "SessionOwner": authorized.owner_arn(),
        }))
    }
}
