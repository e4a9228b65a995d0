//! `drawbridge sessions show`: everything about a session, and where everything lies.

use std::process::ExitCode;

use anyhow::Result;
use drawbridge_plugin::api::{Api, SessionRecord};
use drawbridge_session::recording::bucket_name;

use super::refused;
use super::table::{json, local_time, printable};

/// Runs the command.
pub(super) async fn show(api: &Api, session: &str, as_json: bool) -> Result<ExitCode> {
    let record = api.describe_session_recording(session).await.map_err(refused)?;
    match as_json {
        true => print!("{}", json(&record)?),
        false => print!("{}", text(&record)),
    }
    Ok(ExitCode::SUCCESS)
}

fn text(record: &SessionRecord) -> String {
    let header = &record.header;
    let optional = |text: &Option<String>| text.clone().unwrap_or_default();
    let (bucket, group) = (&record.s3_bucket_name, &record.cloud_watch_log_group_name);
    let facts = [
        ("session", header.session_id.to_string()),
        ("status", record.status.clone()),
        ("node", header.target.to_string()),
        ("document", header.document_name.clone()),
        ("owner", header.owner.clone()),
        ("reason", optional(&header.reason)),
        ("started", started(record)),
        (
            "ended",
            record
                .end_date
                .map_or_else(String::new, |end| local_time(Some(end))),
        ),
        ("details", optional(&record.details)),
        (
            "exit code",
            record.exit_code.map_or_else(String::new, |code| code.to_string()),
        ),
        ("key", optional(&header.kms_key_id)),
        ("recording", recording(record)),
        ("chain head", optional(&record.head)),
        ("copies", copies(record)),
        ("log in S3", place("s3://", bucket, "/", &record.s3_key)),
        (
            "log stream",
            place("", group, " ", &record.cloud_watch_log_stream_name),
        ),
        ("", logs(bucket.is_some() || group.is_some())),
    ];
    facts
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| format!("{name:<11} {}\n", printable(&value)))
        .collect()
}

fn started(record: &SessionRecord) -> String {
    #[expect(
        clippy::cast_precision_loss,
        reason = "seconds of our times are far inside an f64"
    )]
    let seconds = record.header.start_date.as_second() as f64;
    local_time(Some(seconds))
}

fn recording(record: &SessionRecord) -> String {
    let (Some(blocks), Some(bytes)) = (record.blocks, record.bytes) else {
        return "none".to_owned();
    };
    let stands = match (&record.broken, record.complete) {
        (Some(broken), _) => format!("BROKEN: {broken}"),
        (None, Some(true)) => "complete and whole".to_owned(),
        (None, _) => "whole so far, without its end".to_owned(),
    };
    format!("{blocks} blocks, {bytes} bytes, {stands}")
}

/// Where the server puts the readable copies of a recording that is complete and that it can read.
fn copies(record: &SessionRecord) -> String {
    let header = &record.header;
    if record.complete != Some(true) || header.is_encrypted() {
        return String::new();
    }
    let (bucket, id) = (
        bucket_name(&header.account_id, &header.region),
        &header.session_id,
    );
    format!("s3://{bucket}/{id}.txt, s3://{bucket}/{id}.cast")
}

/// Nobody here knows whether the node could write its logs.
fn logs(are_named: bool) -> String {
    let said = "the logs are the node's: what it could not write is missing there, and named in the log of its agent";
    if are_named { said.to_owned() } else { String::new() }
}

fn place(before: &str, folder: &Option<String>, between: &str, name: &Option<String>) -> String {
    match (folder, name) {
        (Some(folder), Some(name)) => format!("{before}{folder}{between}{name}"),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn says_where_everything_lies_and_nothing_that_a_terminal_obeys() {
        let record: SessionRecord = serde_json::from_value(json!({
            "Header": {
                "SessionId": "a-1", "AccountId": "123456789012", "Region": "us-east-1", "Target": "mi-0a1b2c3d4e5f67890",
                "Owner": "o", "DocumentName": "D", "SessionType": "Standard_Stream", "StartDate": "2026-01-01T00:00:00Z",
                "Reason": "evil\u{1b}]52;c;x\u{7}",
            },
            "Status": "Terminated", "ExitCode": 3, "Blocks": 4, "Bytes": 500, "Complete": true, "Head": "ab",
            "S3BucketName": "b", "S3Key": "p/a-1.log",
        }))
        .expect("readable");
        let text = text(&record);
        for line in [
            "session     a-1\n",
            "exit code   3\n",
            "recording   4 blocks, 500 bytes, complete and whole\n",
            "log in S3   s3://b/p/a-1.log\n",
            "            the logs are the node's: what it could not write is missing there",
            "copies      s3://drawbridge-recordings-123456789012-us-east-1/a-1.txt, s3://",
        ] {
            assert!(text.contains(line), "{text}");
        }
        assert!(!text.contains(['\u{1b}', '\u{7}']) && !text.contains("log stream"));
    }
}
