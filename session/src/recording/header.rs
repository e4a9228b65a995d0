//! What a recording says of its session.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::document::SessionType;
use crate::ids::{AccountId, NodeId, Region, SessionId};
use crate::keys::EncryptionContext;
use crate::record::Session;

/// Says what was recorded; the first thing in a recording.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Header {
    /// The session.
    pub session_id: SessionId,
    /// The account that it belongs to.
    pub account_id: AccountId,
    /// The region that it belongs to.
    pub region: Region,
    /// The node that it ran on.
    pub target: NodeId,
    /// The ARN of who started it.
    pub owner: String,
    /// Why, as its owner said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The document's name.
    pub document_name: String,
    /// What kind of session it was.
    pub session_type: SessionType,
    /// When it started; times of events count from here.
    pub start_date: Timestamp,
    /// The key that wraps the session's own, as the document names it; `None` for a session in the clear.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kms_key_id: Option<String>,
}

impl Header {
    /// Describes a session.
    pub fn of(session: &Session) -> Self {
        let document = &session.start.document;
        let key = &document.inputs.kms_key_id;
        Self {
            session_id: session.id.clone(),
            account_id: session.account.clone(),
            region: session.region.clone(),
            target: session.node.clone(),
            owner: session.owner_arn.clone(),
            reason: session.reason.clone(),
            document_name: session.start.document_name.clone(),
            session_type: document.session_type,
            start_date: session.started_at,
            kms_key_id: (!key.is_empty()).then(|| key.clone()),
        }
    }

    /// Says whether the output is ciphertext.
    pub fn is_encrypted(&self) -> bool {
        self.kms_key_id.is_some()
    }

    /// Returns what the session's data key is bound to.
    pub fn encryption_context(&self) -> EncryptionContext {
        let pairs = [
            ("aws:ssm:SessionId", self.session_id.as_str()),
            ("aws:ssm:TargetId", self.target.as_str()),
        ];
        pairs
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect()
    }
}
