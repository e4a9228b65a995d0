//! Calls about recordings.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use drawbridge_aws_client::Service;
use drawbridge_session::recording::{Event, Happening, Header};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Api, ApiError};

/// Some events of a recording.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct RecordingPage {
    /// What the session was.
    pub header: Header,
    events: Vec<WireEvent>,
    /// Where to go on; `None` behind the end.
    #[serde(default)]
    pub next_token: Option<String>,
    /// Whether these are the last events.
    pub complete: bool,
}

impl RecordingPage {
    /// Takes the events; what this program does not know is left out.
    pub fn take_events(&mut self) -> Vec<Event> {
        let events = std::mem::take(&mut self.events);
        events.into_iter().filter_map(WireEvent::event).collect()
    }
}

/// What there is of a session and its recording, as `DescribeSessionRecording` shows it.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct SessionRecord {
    /// What the session was.
    pub header: Header,
    /// `Connected`, `Terminated` and so on.
    pub status: String,
    /// When it ended, in seconds since the epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_date: Option<f64>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<String>,
    /// The exit code, where one is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// How many blocks the recording has; `None` where there is no recording.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blocks: Option<u64>,
    /// How long it is as it is kept, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// Whether its end is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub complete: Option<bool>,
    /// The hash of its last block.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head: Option<String>,
    /// What is wrong with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broken: Option<String>,
    /// The bucket of the node's log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub s3_bucket_name: Option<String>,
    /// The log's key in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub s3_key: Option<String>,
    /// The group of the node's log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cloud_watch_log_group_name: Option<String>,
    /// The log's stream in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cloud_watch_log_stream_name: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct WireEvent {
    at: u64,
    kind: String,
    #[serde(default)]
    bytes: Option<String>,
    #[serde(default)]
    columns: Option<u16>,
    #[serde(default)]
    rows: Option<u16>,
    #[serde(default)]
    exit_code: Option<i32>,
    #[serde(default)]
    text: Option<String>,
}

impl WireEvent {
    fn event(self) -> Option<Event> {
        let bytes = |text: Option<String>| BASE64_STANDARD.decode(text?).ok();
        let what = match self.kind.as_str() {
            "Output" => Happening::Output(bytes(self.bytes)?),
            "Errors" => Happening::Errors(bytes(self.bytes)?),
            "Key" => Happening::Key(bytes(self.bytes)?),
            "Beside" => Happening::Beside(bytes(self.bytes)?),
            "Resize" => Happening::Resize {
                columns: self.columns?,
                rows: self.rows?,
            },
            "Exit" => Happening::Exit(self.exit_code?),
            "End" => Happening::End {
                exit_code: self.exit_code,
                why: self.text?,
            },
            "Note" => Happening::Note(self.text?),
            _ => return None,
        };
        Some(Event { at_ms: self.at, what })
    }
}

impl Api {
    /// Reads some of a session's recording, from where a page before ended.
    pub async fn session_recording(
        &self,
        session_id: &str,
        from: Option<&str>,
    ) -> Result<RecordingPage, ApiError> {
        let mut input = json!({ "SessionId": session_id });
        if let Some(from) = from {
            input["NextToken"] = json!(from);
        }
        self.call(Service::DRAWBRIDGE, "GetSessionRecording", &input)
            .await
    }

    /// Asks what there is of a session and its recording.
    pub async fn describe_session_recording(&self, session_id: &str) -> Result<SessionRecord, ApiError> {
        let input = json!({ "SessionId": session_id });
        self.call(Service::DRAWBRIDGE, "DescribeSessionRecording", &input)
            .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_kind_and_leaves_out_what_it_does_not_know() {
        let page = json!({
            "Header": {
                "SessionId": "a-1", "AccountId": "123456789012", "Region": "us-east-1", "Target": "mi-0a1b2c3d4e5f67890",
                "Owner": "o", "DocumentName": "D", "SessionType": "Standard_Stream", "StartDate": "2026-01-01T00:00:00Z",
            },
            "Complete": true,
            "Events": [
                {"At": 1, "Kind": "Resize", "Columns": 80, "Rows": 24},
                {"At": 2, "Kind": "Output", "Bytes": "JCA="},
                {"At": 2, "Kind": "Beside", "Bytes": "JCA="},
                {"At": 2, "Kind": "Smell", "Bytes": "JCA="},
                {"At": 2, "Kind": "Output", "Bytes": "!"},
                {"At": 3, "Kind": "End", "Text": "done"},
            ],
        });
        let mut page: RecordingPage = serde_json::from_value(page).expect("readable");
        let whats: Vec<_> = page.take_events().into_iter().map(|event| event.what).collect();
        assert_eq!(
            whats,
            [
                Happening::Resize {
                    columns: 80,
                    rows: 24
                },
                Happening::Output(b"$ ".to_vec()),
                Happening::Beside(b"$ ".to_vec()),
                Happening::End {
                    exit_code: None,
                    why: "done".into()
                },
            ]
        );
        assert_eq!(page.next_token, None);
    }
}
