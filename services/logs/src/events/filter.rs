//! `FilterLogEvents`: searches the streams of a group, in the order of time.
//!
//! A page may have few events, or none, and still a token: it has looked at enough, and the next goes on from there.

use std::sync::Arc;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::{Audit, Call, SignedWith};
use drawbridge_store::{LogBatchesOf, LogDirection, LogGroupId};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::get::MAX_EVENTS;
use super::pattern::Pattern;
use super::position::Position;
use super::reader::{self, Page, Wanted};
use super::retention::oldest_kept;
use crate::error::{invalid_parameter, invalid_token};
use crate::name::{on_group, one_of};
use crate::{Logs, Operation, input, page};

pub(crate) const OPERATION: Operation = Operation {
    name: NAME,
    action: "logs:FilterLogEvents",
    signed_with: SignedWith::AccessKey,
    needs: on_group,
    // A data event.
    audit: Audit::OFF,
    handler: |logs, call| Box::pin(filter(logs, call)),
};

const NAME: &str = "FilterLogEvents";

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Input {
    log_group_name: Option<String>,
    log_group_identifier: Option<String>,
    log_stream_names: Option<Vec<String>>,
    log_stream_name_prefix: Option<String>,
    start_time: Option<i64>,
    end_time: Option<i64>,
    filter_pattern: Option<String>,
    next_token: Option<String>,
    limit: Option<usize>,
}

impl Input {
    fn batches(&self, group: LogGroupId) -> Result<LogBatchesOf<'_>, AwsError> {
        match (&self.log_stream_names, &self.log_stream_name_prefix) {
            (Some(_), Some(_)) => Err(invalid_parameter(
                "logStreamNames and logStreamNamePrefix cannot be specified together.",
            )),
            (Some(names), None) => Ok(LogBatchesOf::Named(group, names)),
            (None, prefix) => Ok(LogBatchesOf::Prefixed(
                group,
                prefix.as_deref().unwrap_or_default(),
            )),
        }
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Output {
    events: Vec<Shown>,
    /// Always empty, as on AWS today.
    searched_log_streams: [(); 0],
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    log_stream_name: String,
    timestamp: i64,
    message: String,
    ingestion_time: i64,
    event_id: String,
}

async fn filter(logs: Arc<Logs>, call: Call) -> Result<Value, AwsError> {
    let (caller, _, input) = call.into_parts();
    let input: Input = input::read(input)?;
    let identifier = one_of(
        input.log_group_name.as_deref(),
        input.log_group_identifier.as_deref(),
    )?;
    let pattern = Pattern::parse(input.filter_pattern.as_deref().unwrap_or_default())?;
    let last: Option<String> = page::last(NAME, input.next_token.as_deref())?;
    let cut = match last {
        Some(text) => Position::parse(&text).ok_or_else(invalid_token)?,
        None => Position::FIRST,
    };
    let group = logs.group(&caller, identifier).await?;
    for name in input.log_stream_names.iter().flatten() {
        logs.stream(&group, name).await?;
    }
    let wanted = Wanted {
        of: input.batches(group.id)?,
        from_ms: input
            .start_time
            .unwrap_or(0)
            .max(oldest_kept(&group, logs.clock.now())),
        to_ms: input.end_time.unwrap_or(i64::MAX),
        cut,
        direction: LogDirection::Forward,
        pattern: &pattern,
        limit: input.limit.unwrap_or(MAX_EVENTS),
    };
    let page = reader::read(&logs, &caller, &group, wanted).await?;
    input::write(&shown(page)?)
}

fn shown(page: Page) -> Result<Output, AwsError> {
    let rest = page.rest.map(|rest| page::token(NAME, &rest.to_string()));
    Ok(Output {
        next_token: rest.transpose()?,
        searched_log_streams: [],
        events: page
            .events
            .into_iter()
            .map(|(position, read)| Shown {
                log_stream_name: read.stream,
                timestamp: position.time_ms,
                message: read.message,
                ingestion_time: read.ingested_at.as_millisecond(),
                event_id: position.to_string(),
            })
            .collect(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::House;

    fn found(answer: &Value) -> Vec<(&str, &str)> {
        let events = answer["events"].as_array().expect("a list");
        let text = |event: &'_ Value, member: &str| event[member].as_str().map(str::len);
        assert!(
            events
                .iter()
                .all(|event| text(event, "eventId") == Some(56) && event["ingestionTime"].is_i64())
        );
        events
            .iter()
            .filter_map(|event| Some((event["logStreamName"].as_str()?, event["message"].as_str()?)))
            .collect()
    }

    async fn house() -> House {
        let house = House::with_stream("group", "a1").await;
        for stream in ["a2", "b"] {
            house.give_stream("group", stream).await;
        }
        house.put("group", "b", &[(-5, "ERROR b"), (-2, "fine b")]).await;
        house
            .put("group", "a1", &[(-4, "fine a1"), (-1, "ERROR a1")])
            .await;
        house.put("group", "a2", &[(-3, "ERROR a2")]).await;
        house
    }

    #[tokio::test]
    async fn streams_are_interleaved_and_chosen_by_name_prefix_time_and_pattern() {
        let house = house().await;
        let now = house.now();
        for (more, expected) in [
            (
                json!({}),
                vec!["ERROR b", "fine a1", "ERROR a2", "fine b", "ERROR a1"],
            ),
            (
                json!({"filterPattern": "ERROR"}),
                vec!["ERROR b", "ERROR a2", "ERROR a1"],
            ),
            (
                json!({"logStreamNamePrefix": "a"}),
                vec!["fine a1", "ERROR a2", "ERROR a1"],
            ),
            (
                json!({"logStreamNames": ["b", "a2"]}),
                vec!["ERROR b", "ERROR a2", "fine b"],
            ),
            // Here the end is included, as on AWS.
            (
                json!({"startTime": now - 4, "endTime": now - 2}),
                vec!["fine a1", "ERROR a2", "fine b"],
            ),
            (
                json!({"filterPattern": "-ERROR", "logStreamNamePrefix": "b"}),
                vec!["fine b"],
            ),
        ] {
            for limit in [1, 2, 10_000] {
                let mut input = more.clone();
                input["logGroupName"] = "group".into();
                input["limit"] = limit.into();
                let mut messages = Vec::new();
                loop {
                    let answer = house.done("FilterLogEvents", input.clone()).await;
                    for (stream, message) in found(&answer) {
                        assert!(message.ends_with(stream), "{message} of {stream}");
                        messages.push(message.to_owned());
                    }
                    match answer["nextToken"].as_str() {
                        Some(token) => input["nextToken"] = token.into(),
                        None => break,
                    }
                }
                assert_eq!(messages, expected, "{more} by {limit}");
            }
        }
    }

    #[tokio::test]
    async fn a_search_that_finds_little_is_answered_as_far_as_it_came() {
        let house = House::with_stream("group", "stream").await;
        let long = "x".repeat(262_144 - 26);
        for at in 0..36 {
            let four: Vec<_> = (0..4).map(|nth| (at * 10 + nth, long.as_str())).collect();
            house.put("group", "stream", &four).await;
        }
        house.put("group", "stream", &[(1000, "needle")]).await;
        let mut input = json!({"logGroupName": "group", "filterPattern": "needle"});
        let first = house.done("FilterLogEvents", input.clone()).await;
        assert!(found(&first).is_empty());
        input["nextToken"] = first["nextToken"].clone();
        let second = house.done("FilterLogEvents", input).await;
        assert_eq!(found(&second), [("stream", "needle")]);
        assert_eq!(second.get("nextToken"), None);
    }

    /// Whoever writes to a group could otherwise have every search of others stand still at one moment for good.
    #[tokio::test]
    async fn a_search_goes_on_within_one_moment_however_much_was_written_then() {
        let house = House::with_stream("group", "stream").await;
        let long = "x".repeat(262_144 - 26);
        let four = vec![(0, long.as_str()); 4];
        for nth in 0..100 {
            house.put("group", "stream", &four).await;
            if nth == 50 {
                house.put("group", "stream", &[(0, "needle in it")]).await;
            }
        }
        house.put("group", "stream", &[(1, "needle behind it")]).await;
        let mut input = json!({"logGroupName": "group", "filterPattern": "needle"});
        let mut pages = Vec::new();
        loop {
            let answer = house.done("FilterLogEvents", input.clone()).await;
            let found: Vec<_> = found(&answer)
                .iter()
                .map(|(_, message)| (*message).to_owned())
                .collect();
            pages.push(found);
            match answer["nextToken"].as_str() {
                Some(token) => input["nextToken"] = token.into(),
                None => break,
            }
        }
        let expected: [&[&str]; 4] = [&[], &["needle in it"], &[], &["needle behind it"]];
        assert_eq!(pages, expected);
    }

    #[tokio::test]
    async fn refuses_what_is_wrong() {
        let house = house().await;
        let on = |more: Value| {
            let mut input = json!({"logGroupName": "group"});
            for (key, value) in more.as_object().into_iter().flatten() {
                input[key] = value.clone();
            }
            input
        };
        let another = page::token("Another", &"0".repeat(56)).expect("written");
        let no_position = page::token(NAME, &"x").expect("written");
        house
            .refuses(
                NAME,
                &[
                    (json!({}), "InvalidParameterException"),
                    (
                        on(json!({"filterPattern": "[a, b]"})),
                        "InvalidParameterException",
                    ),
                    (
                        on(json!({"filterPattern": "x".repeat(1025)})),
                        "InvalidParameterException",
                    ),
                    (
                        on(json!({"logStreamNames": ["b"], "logStreamNamePrefix": "b"})),
                        "InvalidParameterException",
                    ),
                    (on(json!({"logStreamNames": []})), "InvalidParameterException"),
                    (
                        on(json!({"logStreamNames": ["b", "none"]})),
                        "ResourceNotFoundException",
                    ),
                    (on(json!({"limit": 0})), "InvalidParameterException"),
                    (on(json!({"nextToken": "x"})), "InvalidParameterException"),
                    (on(json!({ "nextToken": another })), "InvalidParameterException"),
                    (
                        on(json!({ "nextToken": no_position })),
                        "InvalidParameterException",
                    ),
                    (json!({"logGroupName": "other"}), "ResourceNotFoundException"),
                ],
            )
            .await;
    }
}
