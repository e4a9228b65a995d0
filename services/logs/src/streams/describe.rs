//! `DescribeLogStreams`: lists the streams of a group by their names or their last events.

use std::sync::Arc;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::{Audit, Call, SignedWith};
use drawbridge_store::{ListedLogStreams, LogStream, LogStreamOrder};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::sequence_token;
use crate::error::{internal, invalid_parameter};
use crate::name::{group_arn, on_group, one_of};
use crate::{Logs, Operation, input, page};

pub(crate) const OPERATION: Operation = Operation {
    name: NAME,
    action: "logs:DescribeLogStreams",
    signed_with: SignedWith::AccessKey,
    needs: on_group,
    audit: Audit::READ,
    handler: |logs, call| Box::pin(describe(logs, call)),
};

const NAME: &str = "DescribeLogStreams";

/// The most streams of a page, which is also the default.
const MAX_STREAMS: u32 = 50;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Input {
    log_group_name: Option<String>,
    log_group_identifier: Option<String>,
    log_stream_name_prefix: Option<String>,
    order_by: Option<OrderBy>,
    #[serde(default)]
    descending: bool,
    next_token: Option<String>,
    limit: Option<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
enum OrderBy {
    LogStreamName,
    LastEventTime,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Output {
    log_streams: Vec<Shown>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    creation_time: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_event_timestamp: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_event_timestamp: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_ingestion_time: Option<i64>,
    /// A stream has none until something is written to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    upload_sequence_token: Option<String>,
    arn: String,
    /// Always 0, as on AWS today; the group has a number.
    stored_bytes: u64,
    log_stream_name: String,
}

impl Shown {
    fn new(group: &str, stream: LogStream) -> Self {
        let is_written = stream.last_batch > 0;
        Self {
            creation_time: stream.created_at.as_millisecond(),
            first_event_timestamp: stream.first_event_ms,
            last_event_timestamp: is_written.then_some(stream.last_event_ms),
            last_ingestion_time: stream.last_ingestion_at.map(|at| at.as_millisecond()),
            upload_sequence_token: is_written.then(|| sequence_token(stream.last_batch)),
            arn: format!("{group}:log-stream:{}", stream.name),
            stored_bytes: 0,
            log_stream_name: stream.name,
        }
    }
}

async fn describe(logs: Arc<Logs>, call: Call) -> Result<Value, AwsError> {
    let (caller, _, input) = call.into_parts();
    let input: Input = input::read(input)?;
    let identifier = one_of(
        input.log_group_name.as_deref(),
        input.log_group_identifier.as_deref(),
    )?;
    let prefix = input.log_stream_name_prefix.as_deref().unwrap_or_default();
    let order = match input.order_by {
        Some(OrderBy::LastEventTime) if !prefix.is_empty() => {
            return Err(invalid_parameter(
                "Cannot order by LastEventTime with a logStreamNamePrefix.",
            ));
        }
        Some(OrderBy::LastEventTime) => LogStreamOrder::LastEvent,
        Some(OrderBy::LogStreamName) | None => LogStreamOrder::Name,
    };
    let after: Option<(i64, String)> = page::last(NAME, input.next_token.as_deref())?;
    let limit = input.limit.unwrap_or(MAX_STREAMS);
    let group = logs.group(&caller, identifier).await?;
    let which = ListedLogStreams {
        prefix,
        order,
        descending: input.descending,
        after: after.as_ref().map(|(at, name)| (*at, name.as_str())),
        // One more tells whether there are more.
        limit: limit + 1,
    };
    let mut streams = logs.store.log_streams(group.id, which).await.map_err(internal)?;
    let more = streams.len() > limit as usize;
    streams.truncate(limit as usize);
    let last = streams.last().filter(|_| more);
    let next = last.map(|last| page::token(NAME, &(last.last_event_ms, &last.name)));
    let arn = group_arn(group.at());
    input::write(&Output {
        next_token: next.transpose()?,
        log_streams: streams
            .into_iter()
            .map(|stream| Shown::new(&arn, stream))
            .collect(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::House;

    async fn names(house: &House, mut input: Value) -> Vec<String> {
        let mut names = Vec::new();
        loop {
            let answer = house.done("DescribeLogStreams", input.clone()).await;
            let streams = answer["logStreams"].as_array().expect("a list");
            names.extend(
                streams
                    .iter()
                    .filter_map(|it| it["logStreamName"].as_str().map(str::to_owned)),
            );
            match answer["nextToken"].as_str() {
                Some(token) => input["nextToken"] = token.into(),
                None => return names,
            }
        }
    }

    #[tokio::test]
    async fn lists_in_every_order_whatever_the_page_size() {
        let house = House::with_stream("group", "c").await;
        for stream in ["a", "ab", "b"] {
            house.give_stream("group", stream).await;
        }
        house.put("group", "b", &[(-5, "x")]).await;
        house.put("group", "a", &[(-1, "x")]).await;
        house.put("group", "a", &[(-9, "late")]).await;
        for limit in 1..6 {
            let by = |order: &str, descending: bool| json!({"logGroupName": "group", "limit": limit, "orderBy": order, "descending": descending});
            assert_eq!(
                names(&house, by("LogStreamName", false)).await,
                ["a", "ab", "b", "c"]
            );
            assert_eq!(
                names(&house, by("LogStreamName", true)).await,
                ["c", "b", "ab", "a"]
            );
            assert_eq!(
                names(&house, by("LastEventTime", false)).await,
                ["ab", "c", "b", "a"]
            );
            assert_eq!(
                names(&house, by("LastEventTime", true)).await,
                ["a", "b", "c", "ab"]
            );
            let prefixed = json!({"logGroupName": "group", "limit": limit, "logStreamNamePrefix": "a"});
            assert_eq!(names(&house, prefixed).await, ["a", "ab"]);
        }
    }

    #[tokio::test]
    async fn shows_what_aws_does() {
        let house = House::with_stream("group", "stream").await;
        let arn = "arn:aws:logs:us-east-1:123456789012:log-group:group";
        let input = json!({ "logGroupIdentifier": arn });
        let now = house.now();
        let mut expected = json!({
            "creationTime": now,
            "arn": format!("{arn}:log-stream:stream"),
            "storedBytes": 0,
            "logStreamName": "stream",
        });
        let answer = house.done("DescribeLogStreams", input.clone()).await;
        assert_eq!(answer, json!({"logStreams": [expected]}));
        house.put("group", "stream", &[(-7, "x"), (-3, "y")]).await;
        expected["firstEventTimestamp"] = (now - 7).into();
        expected["lastEventTimestamp"] = (now - 3).into();
        expected["lastIngestionTime"] = now.into();
        expected["uploadSequenceToken"] = sequence_token(1).into();
        let answer = house.done("DescribeLogStreams", input).await;
        assert_eq!(answer, json!({"logStreams": [expected]}));
    }

    #[tokio::test]
    async fn a_deleted_stream_leaves_nothing_to_the_next_of_its_name() {
        let house = House::with_stream("group", "stream").await;
        house.put("group", "stream", &[(0, "x")]).await;
        let stream = json!({"logGroupName": "group", "logStreamName": "stream"});
        house.done("DeleteLogStream", stream.clone()).await;
        let gone = [(stream.clone(), "ResourceNotFoundException")];
        house.refuses("DeleteLogStream", &gone).await;
        house.refuses("GetLogEvents", &gone).await;
        house.give_stream("group", "stream").await;
        let exists = [(stream.clone(), "ResourceAlreadyExistsException")];
        house.refuses("CreateLogStream", &exists).await;
        let answer = house.done("GetLogEvents", stream).await;
        assert_eq!(answer["events"], json!([]));
        let groups = house.done("DescribeLogGroups", json!({})).await;
        assert_eq!(groups["logGroups"][0]["storedBytes"], 0);
    }

    #[tokio::test]
    async fn refuses_what_is_wrong() {
        let house = House::with_stream("group", "stream").await;
        let on = |members: Value| {
            let mut input = json!({"logGroupName": "group"});
            for (key, value) in members.as_object().into_iter().flatten() {
                input[key] = value.clone();
            }
            input
        };
        house
            .refuses(
                "DescribeLogStreams",
                &[
                    (json!({}), "InvalidParameterException"),
                    (on(json!({"limit": 0})), "InvalidParameterException"),
                    (on(json!({"limit": 51})), "InvalidParameterException"),
                    (on(json!({"orderBy": "Size"})), "InvalidParameterException"),
                    (on(json!({"nextToken": "x"})), "InvalidParameterException"),
                    (
                        on(json!({"orderBy": "LastEventTime", "logStreamNamePrefix": "s"})),
                        "InvalidParameterException",
                    ),
                    (json!({"logGroupName": "other"}), "ResourceNotFoundException"),
                ],
            )
            .await;
        house
            .refuses(
                "CreateLogStream",
                &[
                    (on(json!({})), "InvalidParameterException"),
                    (on(json!({"logStreamName": "a:b"})), "InvalidParameterException"),
                    (on(json!({"logStreamName": "a*"})), "InvalidParameterException"),
                    (
                        json!({"logGroupName": "other", "logStreamName": "a"}),
                        "ResourceNotFoundException",
                    ),
                ],
            )
            .await;
    }
}
