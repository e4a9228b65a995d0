//! `DescribeSessionRecording`: what there is of a session and its recording, and where its logs lie.

use std::sync::Arc;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::recording::Header;
use drawbridge_session::{Audit, Call, Session, SignedWith};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::get_recording::refused;
use super::{OneSession, does_not_exist, needs_session};
use crate::{Operation, Ssm, input, wire};

pub(crate) const OPERATION: Operation = Operation {
    name: "DescribeSessionRecording",
    action: "drawbridge:DescribeSessionRecording",
    signed_with: SignedWith::AccessKey,
    needs: needs_session,
    audit: Audit::READ,
    handler: |ssm, call| Box::pin(describe(ssm, call)),
};

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Output {
    header: Header,
    status: &'static str,
    #[serde(
        serialize_with = "wire::epoch_if_any",
        skip_serializing_if = "Option::is_none"
    )]
    end_date: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exit_code: Option<i32>,
    #[serde(flatten)]
    recording: Option<Kept>,
    #[serde(flatten)]
    logs: Logs,
}

/// What there is of the recording; nothing of a session without one.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Kept {
    blocks: u64,
    bytes: u64,
    complete: bool,
    head: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    broken: Option<String>,
}

/// Where the node was told to put its logs.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Logs {
    #[serde(skip_serializing_if = "Option::is_none")]
    s3_bucket_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    s3_key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cloud_watch_log_group_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cloud_watch_log_stream_name: Option<String>,
}

async fn describe(ssm: Arc<Ssm>, call: Call) -> Result<Value, AwsError> {
    let (caller, _, input) = call.into_parts();
    let OneSession { session_id } = input::read(input)?;
    let session = ssm.session(&caller, &session_id).await?;
    let session = session.ok_or_else(|| does_not_exist(&session_id))?;
    let found = ssm.recordings.describe(&session.id).await;
    let found = found.map_err(|error| refused(&session_id, error))?;
    let ending = session.state.ending();
    input::write(&Output {
        header: Header::of(&session),
        status: session.state.as_str(),
        end_date: ending.map(|ending| ending.at),
        details: ending.map(|ending| ending.details.clone()),
        exit_code: ending.and_then(|ending| ending.exit_code),
        recording: found.map(|found| Kept {
            blocks: found.blocks,
            bytes: found.bytes,
            complete: found.is_complete,
            head: found.head,
            broken: found.broken,
        }),
        logs: Logs::of(&session),
    })
}

impl Logs {
    /// Names what a node writes to; source: `protocol.md` 10.3, 10.4.
    fn of(session: &Session) -> Self {
        let inputs = &session.start.document.inputs;
        let given = |text: &String| (!text.is_empty()).then(|| text.clone());
        let bucket = given(&inputs.s3_bucket_name);
        let group = given(&inputs.cloud_watch_log_group_name);
        Self {
            s3_key: bucket.is_some().then(|| inputs.transcript_key(&session.id)),
            s3_bucket_name: bucket,
            cloud_watch_log_stream_name: group.is_some().then(|| session.id.to_string()),
            cloud_watch_log_group_name: group,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::{House, Recorded};

    #[tokio::test]
    async fn tells_what_there_is_of_a_session() {
        let house = House::new().await;
        let (id, _) = house.started().await;
        let bare = house
            .done("DescribeSessionRecording", json!({"SessionId": id}))
            .await;
        assert_eq!(bare.get("Blocks"), None);
        assert_eq!(bare["Status"], "Connecting");
        let recorded = Recorded {
            events: Vec::new(),
            per_page: 1,
        };
        house.recordings.give(&house, &id, recorded).await;
        house.end(&id).await;
        let full = house
            .done("DescribeSessionRecording", json!({"SessionId": id}))
            .await;
        assert_eq!(full["Status"], "Terminated");
        assert_eq!(full["ExitCode"], 0);
        assert_eq!(full["Details"], "exit");
        assert_eq!(full["Blocks"], 2);
        assert_eq!(full["Complete"], true);
        assert_eq!(full.get("S3BucketName"), None);
    }

    #[tokio::test]
    async fn tells_where_the_node_puts_its_logs() {
        let house = House::new().await;
        let (id, _) = house.started().await;
        let stored = house
            .service
            .session(&house.admin(), id.as_str())
            .await
            .expect("asked");
        let mut session = stored.expect("there");
        let inputs = &mut session.start.document.inputs;
        inputs.s3_bucket_name = "logs".into();
        inputs.s3_key_prefix = "/a:b//c/".into();
        inputs.cloud_watch_log_group_name = "group".into();
        let logs = Logs::of(&session);
        assert_eq!(logs.s3_key, Some(format!("ab/c/{id}.log")));
        assert_eq!(logs.cloud_watch_log_stream_name, Some(id.to_string()));
    }

    #[tokio::test]
    async fn others_are_told_nothing() {
        let house = House::new().await;
        let (id, _) = house.started().await;
        let input = json!({"SessionId": id});
        let denied = house
            .ask_as(house.as_role("bob"), "DescribeSessionRecording", input.clone())
            .await;
        assert_eq!(denied.expect_err("denied").code(), "AccessDeniedException");
        let elsewhere = house.other_admin().await;
        let unknown = house.ask_as(elsewhere, "DescribeSessionRecording", input).await;
        assert_eq!(unknown.expect_err("not theirs").code(), "DoesNotExistException");
    }
}
