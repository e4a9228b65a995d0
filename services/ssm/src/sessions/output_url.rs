//! Where the logs of a session are that its node writes.

use drawbridge_session::document::{Inputs, SessionType};
use drawbridge_session::{Caller, Session};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;

use crate::Ssm;

/// Where the logs of a session are that its node writes; empty texts where there are none.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct OutputUrl {
    s3_output_url: String,
    cloud_watch_output_url: String,
}

const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'/');

impl OutputUrl {
    /// Says it by the document of the session. A bucket or group that only the node knows by its name is not told.
    pub(super) fn of(ssm: &Ssm, caller: &Caller, session: &Session) -> Self {
        let document = &session.start.document;
        if document.session_type == SessionType::Port {
            return Self::default();
        }
        let inputs = &document.inputs;
        Self {
            s3_output_url: transcript(ssm, caller, session, inputs).unwrap_or_default(),
            cloud_watch_output_url: stream(ssm, caller, session, inputs).unwrap_or_default(),
        }
    }
}

/// The address of the object, which whoever may read it gets with a signed request.
fn transcript(ssm: &Ssm, caller: &Caller, session: &Session, inputs: &Inputs) -> Option<String> {
    let bucket = known(&inputs.s3_bucket_name)?;
    let key = inputs.transcript_key(&session.id);
    let host = ssm.host_of("s3", caller);
    Some(format!(
        "https://{host}/{}/{}",
        encode(bucket),
        encode(known(&key)?)
    ))
}

/// An address in the form of AWS's console, which names the group and the stream.
fn stream(ssm: &Ssm, caller: &Caller, session: &Session, inputs: &Inputs) -> Option<String> {
    let group = known(&inputs.cloud_watch_log_group_name)?;
    let host = ssm.host_of("logs", caller);
    let region = &session.region;
    Some(format!(
        "https://{host}/cloudwatch/home?region={region}#logEventViewer:group={};stream={}",
        encode(group),
        session.id.url_segment()
    ))
}

/// A name that is no placeholder.
fn known(name: &str) -> Option<&str> {
    (!name.is_empty() && !name.contains("{{")).then_some(name)
}

fn encode(text: &str) -> String {
    utf8_percent_encode(text, ENCODED).to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::testing::House;

    /// What a session with this document says of its logs.
    async fn urls(session_type: &str, inputs: Value) -> (String, Value) {
        let house = House::new().await;
        let properties = match session_type {
            "Port" => json!({"portNumber": "22"}),
            _ => json!({"linux": {"commands": "date"}}),
        };
        let document = json!({"schemaVersion": "1.0", "sessionType": session_type, "inputs": inputs,
                              "properties": properties});
        let input = json!({"Name": "Own", "DocumentType": "Session", "Content": document.to_string()});
        house.done("CreateDocument", input).await;
        let node = house.online_node().await;
        let input = json!({"Target": node.id, "DocumentName": "Own"});
        let started = house.done("StartSession", input).await;
        let listed = house.ask("DescribeSessions", json!({"State": "Active"})).await;
        let session = started["SessionId"].as_str().expect("an id").to_owned();
        (
            session,
            listed.expect("listed")["Sessions"][0]["OutputUrl"].clone(),
        )
    }

    #[tokio::test]
    async fn a_session_says_where_its_logs_are() {
        let inputs =
            json!({"s3BucketName": "logs", "s3KeyPrefix": "dev/a b", "cloudWatchLogGroupName": "/ssm/x#y"});
        let (session, urls) = urls("InteractiveCommands", inputs).await;
        let s3 = urls["S3OutputUrl"].as_str().expect("a text");
        let (host, path) = s3
            .strip_prefix("https://")
            .and_then(|url| url.split_once('/'))
            .expect("a URL");
        assert_eq!(path, format!("logs/dev/a%20b/{session}.log"));
        let expected = format!(
            "https://{host}/cloudwatch/home?region=us-east-1#logEventViewer:group=/ssm/x%23y;stream={session}"
        );
        assert_eq!(urls["CloudWatchOutputUrl"], expected);
    }

    #[tokio::test]
    async fn connections_have_none_and_names_that_only_the_node_knows_are_not_told() {
        let none = json!({"S3OutputUrl": "", "CloudWatchOutputUrl": ""});
        let inputs = json!({"s3BucketName": "logs", "cloudWatchLogGroupName": "group"});
        assert_eq!(urls("Port", inputs).await.1, none);
        let inputs = json!({"s3BucketName": "{{ssm:bucket}}", "cloudWatchLogGroupName": "{{ssm:group}}"});
        assert_eq!(urls("InteractiveCommands", inputs).await.1, none);
        assert_eq!(urls("InteractiveCommands", json!({})).await.1, none);
    }
}
