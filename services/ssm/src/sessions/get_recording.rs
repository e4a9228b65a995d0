//! `GetSessionRecording`: what a session wrote, page by page, also while it runs.

use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::recording::{Event, Happening, Header, ReadError};
use drawbridge_session::{Audit, Call, SignedWith};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{does_not_exist, needs_session};
use crate::error::{internal, invalid_next_token};
use crate::{Operation, Ssm, input};

pub(crate) const OPERATION: Operation = Operation {
    name: "GetSessionRecording",
    action: "drawbridge:GetSessionRecording",
    signed_with: SignedWith::AccessKey,
    needs: needs_session,
    audit: Audit::READ,
    handler: |ssm, call| Box::pin(read(ssm, call)),
};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Input {
    session_id: String,
    next_token: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Output {
    header: Header,
    events: Vec<Shown>,
    /// Where to go on; none behind the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
    complete: bool,
}

/// An event on the wire: a time, a kind, and what the kind has.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Shown {
    at: u64,
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    columns: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rows: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exit_code: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
}

async fn read(ssm: Arc<Ssm>, call: Call) -> Result<Value, AwsError> {
    let (caller, _, input) = call.into_parts();
    let Input {
        session_id,
        next_token,
    } = input::read(input)?;
    let session = ssm.session(&caller, &session_id).await?;
    let session = session.ok_or_else(|| does_not_exist(&session_id))?;
    let page = ssm.recordings.read(&session.id, next_token.as_deref()).await;
    let page = page
        .map_err(|error| refused(&session_id, error))?
        .ok_or_else(|| not_recorded(&session_id))?;
    input::write(&Output {
        header: page.header,
        events: page.events.into_iter().map(Shown::from).collect(),
        next_token: (!page.is_complete).then_some(page.next),
        complete: page.is_complete,
    })
}

/// Says that there is a session and no recording of it.
pub(super) fn not_recorded(id: &str) -> AwsError {
    AwsError::new("DoesNotExistException", format!("Session {id} has no recording."))
}

pub(super) fn refused(id: &str, error: ReadError) -> AwsError {
    match error {
        ReadError::Position => invalid_next_token(),
        ReadError::Damaged(what) => {
            tracing::error!(session.id = id, what, "a recording is damaged");
            let text = format!("The recording of session {id} is damaged: {what}.");
            AwsError::new("InternalServerError", text)
        }
        error @ ReadError::Io(_) => internal(error),
    }
}

impl From<Event> for Shown {
    fn from(event: Event) -> Self {
        let bytes = |kind, bytes: &[u8]| Self {
            kind,
            bytes: Some(BASE64_STANDARD.encode(bytes)),
            ..Self::default()
        };
        let shown = match event.what {
            Happening::Output(content) => bytes("Output", &content),
            Happening::Errors(content) => bytes("Errors", &content),
            Happening::Key(content) => bytes("Key", &content),
            Happening::Beside(content) => bytes("Beside", &content),
            Happening::Resize { columns, rows } => Self {
                kind: "Resize",
                columns: Some(columns),
                rows: Some(rows),
                ..Self::default()
            },
            Happening::Exit(code) => Self {
                kind: "Exit",
                exit_code: Some(code),
                ..Self::default()
            },
            Happening::End { exit_code, why } => Self {
                kind: "End",
                exit_code,
                text: Some(why),
                ..Self::default()
            },
            Happening::Note(text) => Self {
                kind: "Note",
                text: Some(text),
                ..Self::default()
            },
        };
        Self {
            at: event.at_ms,
            ..shown
        }
    }
}

#[cfg(test)]
mod tests {
    use drawbridge_session::SessionId;
    use serde_json::json;

    use super::*;
    use crate::testing::{House, Recorded};

    fn event(at_ms: u64, what: Happening) -> Event {
        Event { at_ms, what }
    }

    async fn recorded(house: &House, id: &SessionId) {
        let events = vec![
            event(
                1,
                Happening::Resize {
                    columns: 80,
                    rows: 24,
                },
            ),
            event(2, Happening::Output(b"$ \xff".to_vec())),
            event(3, Happening::Errors(b"no".to_vec())),
            event(3, Happening::Beside(b"no".to_vec())),
            event(4, Happening::Exit(3)),
            event(5, Happening::Note("a note".to_owned())),
            event(
                6,
                Happening::End {
                    exit_code: None,
                    why: "done".to_owned(),
                },
            ),
        ];
        house
            .recordings
            .give(house, id, Recorded { events, per_page: 5 })
            .await;
    }

    #[tokio::test]
    async fn answers_what_happened_page_by_page() {
        let house = House::new().await;
        let (id, _) = house.started().await;
        recorded(&house, &id).await;
        let first = house.done("GetSessionRecording", json!({"SessionId": id})).await;
        assert_eq!(first["Header"]["SessionId"], json!(id));
        assert_eq!(first["Complete"], false);
        assert_eq!(
            first["Events"],
            json!([
                {"At": 1, "Kind": "Resize", "Columns": 80, "Rows": 24},
                {"At": 2, "Kind": "Output", "Bytes": "JCD/"},
                {"At": 3, "Kind": "Errors", "Bytes": "bm8="},
                {"At": 3, "Kind": "Beside", "Bytes": "bm8="},
                {"At": 4, "Kind": "Exit", "ExitCode": 3},
            ])
        );
        let more = json!({"SessionId": id, "NextToken": first["NextToken"]});
        let last = house.done("GetSessionRecording", more).await;
        assert_eq!(last["Complete"], true);
        assert_eq!(last.get("NextToken"), None);
        assert_eq!(
            last["Events"],
            json!([{"At": 5, "Kind": "Note", "Text": "a note"}, {"At": 6, "Kind": "End", "Text": "done"}])
        );
    }

    #[tokio::test]
    async fn refuses_what_is_wrong() {
        let house = House::new().await;
        let (id, _) = house.started().await;
        let (bare, _) = house.started().await;
        recorded(&house, &id).await;
        house
            .refuses(
                "GetSessionRecording",
                &[
                    (json!({}), "ValidationException"),
                    (json!({"SessionId": "../../root"}), "DoesNotExistException"),
                    (
                        json!({"SessionId": "admin-00000000000000000"}),
                        "DoesNotExistException",
                    ),
                    (json!({"SessionId": bare}), "DoesNotExistException"),
                    (
                        json!({"SessionId": id, "NextToken": "made up"}),
                        "InvalidNextToken",
                    ),
                ],
            )
            .await;
    }

    #[tokio::test]
    async fn others_read_nothing_though_they_know_the_id() {
        let house = House::new().await;
        let (id, _) = house.started().await;
        recorded(&house, &id).await;
        let input = json!({"SessionId": id});
        let stranger = house.as_role("bob");
        let denied = house.ask_as(stranger, "GetSessionRecording", input.clone()).await;
        assert_eq!(denied.expect_err("denied").code(), "AccessDeniedException");
        let elsewhere = house.other_admin().await;
        let unknown = house.ask_as(elsewhere, "GetSessionRecording", input).await;
        assert_eq!(unknown.expect_err("not theirs").code(), "DoesNotExistException");
    }
}
