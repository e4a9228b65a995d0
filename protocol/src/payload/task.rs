//! The report of a session's end, from node to server (`protocol.md` 8.6).

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Reports that a session is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct TaskComplete {
    /// Always 1.
    #[serde(default)]
    pub schema_version: u32,
    /// Session id.
    pub task_id: String,
    /// Always `agent_task_complete`.
    #[serde(default)]
    pub topic: String,
    /// How it ended.
    pub final_task_status: TaskStatus,
    /// Always false.
    #[serde(default)]
    pub is_routing_failure: bool,
    /// Always empty.
    #[serde(default)]
    pub aws_account_id: String,
    /// Node id.
    #[serde(default)]
    pub instance_id: String,
    /// What went wrong, else empty.
    #[serde(default)]
    pub output: String,
    /// Bucket of the transcript, or empty.
    #[serde(default)]
    pub s3_bucket: String,
    /// Key of the transcript, or empty.
    #[serde(default)]
    pub s3_url_suffix: String,
    /// Log group of the transcript, or empty.
    #[serde(default)]
    pub cwl_group: String,
    /// Log stream of the transcript, or empty.
    #[serde(default)]
    pub cwl_stream: String,
    /// Which sending of the same report this is, from 1.
    #[serde(default)]
    pub retry_number: u32,
}

/// Names how a session ended; a cancelled one counts as a success.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum TaskStatus {
    /// `Success`.
    Success,
    /// `Failed`.
    Failed,
    /// `Cancelled`.
    Cancelled,
    /// `TimedOut`.
    TimedOut,
    /// Anything else.
    Unknown(String),
}

/// Answers a [`TaskComplete`], so that it is not sent again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct TaskAcknowledge {
    /// Always 1.
    #[serde(default)]
    pub schema_version: u32,
    /// Id of the report's frame: the only key that is matched.
    pub message_id: Uuid,
    /// Session id.
    #[serde(default)]
    pub task_id: String,
    /// Always `agent_task_complete`.
    #[serde(default)]
    pub topic: String,
}

impl TaskComplete {
    /// Writes a report.
    pub fn new(
        session_id: impl Into<String>,
        node_id: impl Into<String>,
        status: TaskStatus,
        output: impl Into<String>,
    ) -> TaskComplete {
        TaskComplete {
            schema_version: 1,
            task_id: session_id.into(),
            topic: TOPIC.to_owned(),
            final_task_status: status,
            is_routing_failure: false,
            aws_account_id: String::new(),
            instance_id: node_id.into(),
            output: output.into(),
            s3_bucket: String::new(),
            s3_url_suffix: String::new(),
            cwl_group: String::new(),
            cwl_stream: String::new(),
            retry_number: 1,
        }
    }
}

impl TaskAcknowledge {
    /// Answers the report that came in the frame with this id.
    pub fn new(message_id: Uuid, session_id: impl Into<String>) -> TaskAcknowledge {
        TaskAcknowledge {
            schema_version: 1,
            message_id,
            task_id: session_id.into(),
            topic: TOPIC.to_owned(),
        }
    }
}

impl From<String> for TaskStatus {
    fn from(name: String) -> TaskStatus {
        match name.as_str() {
            "Success" => TaskStatus::Success,
            "Failed" => TaskStatus::Failed,
            "Cancelled" => TaskStatus::Cancelled,
            "TimedOut" => TaskStatus::TimedOut,
            _ => TaskStatus::Unknown(name),
        }
    }
}

impl From<TaskStatus> for String {
    fn from(status: TaskStatus) -> String {
        match status {
            TaskStatus::Success => "Success".to_owned(),
            TaskStatus::Failed => "Failed".to_owned(),
            TaskStatus::Cancelled => "Cancelled".to_owned(),
            TaskStatus::TimedOut => "TimedOut".to_owned(),
            TaskStatus::Unknown(name) => name,
        }
    }
}

const TOPIC: &str = "agent_task_complete";
