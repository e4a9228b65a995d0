//! Calls about sessions.

use std::collections::BTreeMap;

use drawbridge_aws_client::Service;
use drawbridge_protocol::Token;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Api, ApiError};
use crate::{JoinedKey, SessionTicket};

/// The request of `StartSession`.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct StartSession {
    /// The managed node.
    pub target: String,
    /// The session document; the account's shell without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub document_name: Option<String>,
    /// Parameters of the document, each a list of strings.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub parameters: BTreeMap<String, Vec<String>>,
    /// Why, for the record.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Which sessions to list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionListing {
    /// Those that run.
    Active,
    /// Those that are over.
    History,
}

/// One session as `DescribeSessions` shows it; what the server leaves out is empty.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct SessionSummary {
    /// The session.
    pub session_id: String,
    /// The managed node.
    pub target: String,
    /// `Connected`, `Connecting`, `Disconnected`, `Terminated`, `Terminating` or `Failed`.
    pub status: String,
    /// ARN of who started it.
    pub owner: String,
    /// Why it was started, as its owner said.
    pub reason: String,
    /// The session document.
    pub document_name: String,
    /// When it began, in seconds since the epoch.
    pub start_date: Option<f64>,
    /// When it ended, in seconds since the epoch.
    pub end_date: Option<f64>,
}

impl Api {
    /// Starts a session.
    pub async fn start_session(&self, request: &StartSession) -> Result<SessionTicket, ApiError> {
        let input = json!(request);
        let ticket: Ticket = self.call(Service::SSM, "StartSession", &input).await?;
        Ok(SessionTicket {
            target: Some(request.target.clone()),
            ..ticket.into()
        })
    }

    /// Asks for another token of a session whose connection was lost; `None` if there is nothing to resume.
    pub async fn resume_session(&self, session_id: &str) -> Result<Option<Token>, ApiError> {
        let input = json!({ "SessionId": session_id });
        let resumed: Resumed = self.call(Service::SSM, "ResumeSession", &input).await?;
        Ok(resumed.token_value.filter(|token| !token.is_empty()))
    }

    /// Ends a session.
    pub async fn terminate_session(&self, session_id: &str) -> Result<(), ApiError> {
        let input = json!({ "SessionId": session_id });
        let _: Value = self.call(Service::SSM, "TerminateSession", &input).await?;
        Ok(())
    }

    /// Asks to look at a running session without touching it.
    pub async fn watch_session(&self, session_id: &str) -> Result<SessionTicket, ApiError> {
        let input = json!({ "SessionId": session_id });
        let ticket: Ticket = self.call(Service::DRAWBRIDGE, "WatchSession", &input).await?;
        Ok(ticket.into())
    }

    /// Asks to take a running session over from its present client.
    pub async fn attach_session(&self, session_id: &str) -> Result<SessionTicket, ApiError> {
        let input = json!({ "SessionId": session_id });
        let ticket: Ticket = self.call(Service::DRAWBRIDGE, "AttachSession", &input).await?;
        Ok(ticket.into())
    }

    /// Lists sessions, newest first, all pages of them.
    pub async fn describe_sessions(&self, which: SessionListing) -> Result<Vec<SessionSummary>, ApiError> {
        let state = match which {
            SessionListing::Active => "Active",
            SessionListing::History => "History",
        };
        let mut sessions = Vec::new();
        let mut next_token = None;
        loop {
            let mut input = json!({ "State": state });
            if let Some(token) = next_token.take() {
                input["NextToken"] = Value::String(token);
            }
            let page: Page = self.call(Service::SSM, "DescribeSessions", &input).await?;
            sessions.extend(page.sessions);
            next_token = page.next_token.filter(|token| !token.is_empty());
            if next_token.is_none() {
                return Ok(sessions);
            }
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Ticket {
    session_id: String,
    token_value: Token,
    stream_url: String,
    #[serde(default)]
    encryption: Option<JoinedKey>,
}

impl From<Ticket> for SessionTicket {
    fn from(ticket: Ticket) -> Self {
        Self {
            session_id: ticket.session_id,
            token: ticket.token_value,
            stream_url: ticket.stream_url,
            target: None,
            joined_key: ticket.encryption,
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Resumed {
    #[serde(default)]
    token_value: Option<Token>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Page {
    #[serde(default)]
    sessions: Vec<SessionSummary>,
    #[serde(default)]
    next_token: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_says_only_what_was_asked() {
        let bare = StartSession {
            target: "mi-1".into(),
            ..StartSession::default()
        };
        assert_eq!(json!(bare), json!({ "Target": "mi-1" }));
        let parameters = BTreeMap::from([("portNumber".to_owned(), vec!["80".to_owned()])]);
        let full = StartSession {
            document_name: Some("D".into()),
            parameters,
            reason: Some("because".into()),
            ..bare
        };
        assert_eq!(
            json!(full),
            json!({ "Target": "mi-1", "DocumentName": "D", "Parameters": { "portNumber": ["80"] }, "Reason": "because" })
        );
    }

    #[test]
    fn a_resume_without_a_token_is_an_answer() {
        for answer in [json!({ "SessionId": "a" }), json!({ "TokenValue": null })] {
            let resumed: Resumed = serde_json::from_value(answer).unwrap();
            assert_eq!(resumed.token_value, None);
        }
    }

    #[test]
    fn a_sparse_listing_can_be_read() {
        let page: Page = serde_json::from_value(
            json!({ "Sessions": [{ "SessionId": "a", "StartDate": 1.5, "New": {} }] }),
        )
        .unwrap();
        assert_eq!(page.sessions[0].session_id, "a");
        assert_eq!(page.sessions[0].start_date, Some(1.5));
        assert_eq!(page.sessions[0].end_date, None);
        assert_eq!(page.next_token, None);
    }
}
