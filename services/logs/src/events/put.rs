//! `PutLogEvents`: stores events.

use std::sync::Arc;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::{Audit, Call, SignedWith};
use drawbridge_store::log_events::MAX_LOG_BATCH_SPAN_MS;
use drawbridge_store::{LogGroup, LogStream, NewLogBatch};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::batch::{self, Event, MAX_BATCH};
use super::retention::{days_before, oldest_kept};
use crate::error::{internal, invalid_parameter, no_room, no_stream};
use crate::name::on_stream;
use crate::streams::sequence_token;
use crate::{Logs, Operation, input};

pub(crate) const OPERATION: Operation = Operation {
    name: "PutLogEvents",
    action: "logs:PutLogEvents",
    signed_with: SignedWith::AccessKey,
    needs: on_stream,
    // A data event: it would fill the log with itself.
    audit: Audit::OFF,
    handler: |logs, call| Box::pin(put(logs, call)),
};

/// Events older than this are not taken.
const OLDEST_DAYS: u32 = 14;

/// Nor are those so far ahead.
const NEWEST_MS: i64 = 2 * 3600 * 1000;

/// The sequence token and the entity are taken and do not matter.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Input {
    log_group_name: String,
    log_stream_name: String,
    log_events: Vec<InputEvent>,
}

#[derive(Debug, Deserialize)]
struct InputEvent {
    timestamp: i64,
    message: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Output {
    next_sequence_token: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    rejected_log_events_info: Option<Rejected>,
}

/// What was not taken: the first events, up to an index, and the last ones, from an index.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Rejected {
    #[serde(skip_serializing_if = "Option::is_none")]
    too_new_log_event_start_index: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    too_old_log_event_end_index: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expired_log_event_end_index: Option<usize>,
}

async fn put(logs: Arc<Logs>, call: Call) -> Result<Value, AwsError> {
    let (caller, _, input) = call.into_parts();
    let Input {
        log_group_name,
        log_stream_name,
        log_events,
    } = input::read(input)?;
    let events: Vec<_> = log_events
        .into_iter()
        .map(|InputEvent { timestamp, message }| Event {
            time_ms: timestamp,
            message,
        })
        .collect();
    check(&events)?;
    let group = logs.group(&caller, &log_group_name).await?;
    let stream = logs.stream(&group, &log_stream_name).await?;
    let now = logs.clock.now();
    let (taken, rejected) = sort_out(&events, &group, now);
    let mut last_batch = stream.last_batch;
    if !taken.is_empty() {
        let mut upload = logs.reserve.upload();
        upload.admit(bytes_of(taken)).map_err(no_room)?;
        let key = logs.open_key(&caller, &group, &group.key).await?;
        let plain = batch::encode(taken).map_err(internal)?;
        let sealed = key.seal(&context(&group, &stream.name), plain, logs.random.as_ref());
        last_batch = store(&logs, &group, &stream, now, taken, &sealed).await?;
    }
    input::write(&Output {
        next_sequence_token: sequence_token(last_batch),
        rejected_log_events_info: (rejected != Rejected::default()).then_some(rejected),
    })
}

/// What a batch is sealed to, so that it is read in its own stream only.
pub(super) fn context(group: &LogGroup, stream: &str) -> Vec<u8> {
    let mut context = group.id.get().to_le_bytes().to_vec();
    context.extend_from_slice(stream.as_bytes());
    context
}

async fn store(
    logs: &Logs,
    group: &LogGroup,
    stream: &LogStream,
    now: Timestamp,
    taken: &[Event],
    sealed: &[u8],
) -> Result<i64, AwsError> {
    let times = taken.first().zip(taken.last());
    let (first_ms, last_ms) = times.map_or((0, 0), |(first, last)| (first.time_ms, last.time_ms));
    let batch = NewLogBatch {
        group: group.id,
        stream: stream.id,
        first_ms,
        last_ms,
        ingested_at: now,
        bytes: bytes_of(taken),
        key_number: group.key.number,
        sealed,
    };
    let id = logs.store.add_log_batch(batch).await.map_err(internal)?;
    id.ok_or_else(no_stream)
}

fn bytes_of(events: &[Event]) -> u64 {
    events.iter().map(Event::size).sum()
}

/// Checks what makes a whole batch invalid.
fn check(events: &[Event]) -> Result<(), AwsError> {
    let size = bytes_of(events);
    if size > MAX_BATCH {
        return Err(invalid_parameter(format!(
            "Upload too large: {size} bytes exceeds limit of {MAX_BATCH}"
        )));
    }
    if !events.is_sorted_by_key(|event| event.time_ms) {
        return Err(invalid_parameter(
            "Log events in a single PutLogEvents request must be in chronological order.",
        ));
    }
    let span = events
        .first()
        .zip(events.last())
        .map_or(0, |(first, last)| last.time_ms.saturating_sub(first.time_ms));
    if span > MAX_LOG_BATCH_SPAN_MS {
        return Err(invalid_parameter(
            "The batch of log events in a single PutLogEvents request cannot span more than 24 hours.",
        ));
    }
    Ok(())
}

/// Parts what is taken from what is too old or too new.
fn sort_out<'a>(events: &'a [Event], group: &LogGroup, now: Timestamp) -> (&'a [Event], Rejected) {
    let before = |time_ms: i64| events.partition_point(|event| event.time_ms < time_ms);
    let too_old = before(days_before(now, OLDEST_DAYS));
    let expired = before(oldest_kept(group, now));
    let newest = now.as_millisecond().saturating_add(NEWEST_MS);
    let too_new = before(newest.saturating_add(1));
    let rejected = Rejected {
        too_new_log_event_start_index: (too_new < events.len()).then_some(too_new),
        too_old_log_event_end_index: (too_old > 0).then_some(too_old),
        expired_log_event_end_index: (expired > 0).then_some(expired),
    };
    let taken = events.get(too_old.max(expired)..too_new).unwrap_or(&[]);
    (taken, rejected)
}

#[cfg(test)]
mod tests {
    use drawbridge_house::FakeDisk;
    use serde_json::json;

    use super::*;
    use crate::testing::House;

    const DAY_MS: i64 = 24 * 3600 * 1000;

    fn batch(events: &Value) -> Value {
        json!({"logGroupName": "group", "logStreamName": "stream", "logEvents": events})
    }

    async fn messages(house: &House) -> Vec<String> {
        let input = json!({"logGroupName": "group", "logStreamName": "stream", "startFromHead": true});
        let answer = house.done("GetLogEvents", input).await;
        let events = answer["events"].as_array().expect("a list");
        let texts = events.iter().filter_map(|event| event["message"].as_str());
        texts.map(str::to_owned).collect()
    }

    #[tokio::test]
    async fn stores_events_and_answers_a_token_that_the_stream_shows() {
        let house = House::with_stream("group", "stream").await;
        let answer = house
            .put("group", "stream", &[(-10, "first"), (0, "second")])
            .await;
        let token = answer["nextSequenceToken"].as_str().expect("a token");
        assert_eq!(token.len(), 56);
        let listed = house
            .done("DescribeLogStreams", json!({"logGroupName": "group"}))
            .await;
        assert_eq!(listed["logStreams"][0]["uploadSequenceToken"], token);
        assert_eq!(messages(&house).await, ["first", "second"]);
        let groups = house.done("DescribeLogGroups", json!({})).await;
        assert_eq!(groups["logGroups"][0]["storedBytes"], 5 + 6 + 2 * 26);
    }

    #[tokio::test]
    async fn any_sequence_token_is_taken() {
        let house = House::with_stream("group", "stream").await;
        let mut input = batch(&json!([{"timestamp": house.now(), "message": "x"}]));
        for token in ["wrong", "0"] {
            input["sequenceToken"] = token.into();
            house.done("PutLogEvents", input.clone()).await;
        }
        assert_eq!(messages(&house).await, ["x", "x"]);
    }

    #[tokio::test]
    async fn what_is_too_old_or_too_new_is_told_and_the_rest_is_stored() {
        let house = House::with_stream("group", "stream").await;
        let put = |events: Vec<(i64, &'static str)>| {
            let now = house.now();
            let events: Vec<_> = events
                .iter()
                .map(|(at, message)| json!({"timestamp": now + at, "message": message}))
                .collect();
            house.done("PutLogEvents", batch(&json!(events)))
        };
        let limit = -14 * DAY_MS;
        let answer = put(vec![(limit - 2, "a"), (limit - 1, "b"), (limit, "kept")]).await;
        assert_eq!(
            answer["rejectedLogEventsInfo"],
            json!({"tooOldLogEventEndIndex": 2})
        );
        let answer = put(vec![(NEWEST_MS, "kept too"), (NEWEST_MS + 1, "c")]).await;
        assert_eq!(
            answer["rejectedLogEventsInfo"],
            json!({"tooNewLogEventStartIndex": 1})
        );
        assert_eq!(messages(&house).await, ["kept", "kept too"]);
        let retention = json!({"logGroupName": "group", "retentionInDays": 3});
        house.done("PutRetentionPolicy", retention).await;
        let answer = put(vec![(-3 * DAY_MS - 1, "d"), (-3 * DAY_MS, "e")]).await;
        assert_eq!(
            answer["rejectedLogEventsInfo"],
            json!({"expiredLogEventEndIndex": 1})
        );
        let answer = put(vec![(NEWEST_MS + 1, "f")]).await;
        assert_eq!(
            answer["rejectedLogEventsInfo"],
            json!({"tooNewLogEventStartIndex": 0})
        );
        assert_eq!(messages(&house).await, ["e", "kept too"]);
    }

    #[tokio::test]
    async fn events_do_not_take_what_is_kept_of_the_disk() {
        let (rooms, disk) = (drawbridge_house::House::new().await, FakeDisk::new());
        let reserve = disk.reserve(&rooms);
        let house = House::with(rooms, reserve);
        house
            .done("CreateLogGroup", json!({"logGroupName": "group"}))
            .await;
        house.give_stream("group", "stream").await;
        house.put("group", "stream", &[(0, "before")]).await;
        disk.set_free(FakeDisk::KEPT_BYTES - 1, &house);
        let input = batch(&json!([{"timestamp": house.now(), "message": "x"}]));
        let refused = house
            .ask("PutLogEvents", input.clone())
            .await
            .expect_err("refused");
        assert_eq!(
            (refused.code(), refused.status().as_u16()),
            ("ServiceUnavailableException", 503)
        );
        assert!(refused.message().contains("(reserve_mib)"), "{refused}");
        // The agent of AWS gives a log up for good whose stream it cannot make.
        house.give_stream("group", "other").await;
        assert_eq!(messages(&house).await, ["before"]);
        house
            .done(
                "DeleteLogStream",
                json!({"logGroupName": "group", "logStreamName": "other"}),
            )
            .await;
        disk.set_free(2 * FakeDisk::KEPT_BYTES, &house);
        house.done("PutLogEvents", input).await;
        assert_eq!(messages(&house).await, ["before", "x"]);
    }

    #[tokio::test]
    async fn refuses_what_is_wrong() {
        let house = House::with_stream("group", "stream").await;
        let now = house.now();
        let event = |at: i64, length: usize| json!({"timestamp": now + at, "message": "x".repeat(length)});
        let fits = 1_048_576 - 26;
        let many: Value = (0..10_001).map(|_| event(0, 1)).collect();
        house
            .refuses(
                "PutLogEvents",
                &[
                    (json!({}), "InvalidParameterException"),
                    (batch(&json!([])), "InvalidParameterException"),
                    (batch(&json!([event(0, 0)])), "InvalidParameterException"),
                    (batch(&many), "InvalidParameterException"),
                    (
                        batch(&json!([{"timestamp": -1, "message": "x"}])),
                        "InvalidParameterException",
                    ),
                    (
                        batch(&json!([{"timestamp": "now", "message": "x"}])),
                        "SerializationException",
                    ),
                    (
                        batch(&json!([event(0, 1), event(-1, 1)])),
                        "InvalidParameterException",
                    ),
                    (
                        batch(&json!([event(-DAY_MS - 1, 1), event(0, 1)])),
                        "InvalidParameterException",
                    ),
                    (batch(&json!([event(0, fits + 1)])), "InvalidParameterException"),
                    (
                        batch(&json!([event(0, fits - 27), event(0, 2)])),
                        "InvalidParameterException",
                    ),
                    (
                        json!({"logGroupName": "other", "logStreamName": "stream", "logEvents": [event(0, 1)]}),
                        "ResourceNotFoundException",
                    ),
                    (
                        json!({"logGroupName": "group", "logStreamName": "other", "logEvents": [event(0, 1)]}),
                        "ResourceNotFoundException",
                    ),
                ],
            )
            .await;
        for largest in [json!([event(0, fits)]), json!([event(0, fits - 27), event(0, 1)])] {
            house.done("PutLogEvents", batch(&largest)).await;
        }
        let stream = json!({"logGroupName": "group", "logStreamName": "stream"});
        let last = house.done("GetLogEvents", stream).await;
        assert_eq!(last["events"].as_array().map(Vec::len), Some(2));
        house
            .done("PutLogEvents", batch(&json!([event(-DAY_MS, 1), event(0, 1)])))
            .await;
    }

    #[tokio::test]
    async fn nothing_of_an_event_is_in_the_file() {
        let house = House::with_stream("group", "stream").await;
        house
            .put("group", "stream", &[(0, "a very secret message")])
            .await;
        let group = house.service.group(&house.admin(), "group").await.expect("there");
        let wanted = drawbridge_store::WantedLogBatches {
            of: drawbridge_store::LogBatchesOf::Prefixed(group.id, ""),
            from_ms: 0,
            to_ms: i64::MAX,
            direction: drawbridge_store::LogDirection::Forward,
            after: None,
            limit: 10,
        };
        let batches = house.service.store.log_batches(wanted).await.expect("read");
        assert_eq!(batches.len(), 1);
        let sealed = &batches[0].sealed;
        assert!(!sealed.windows(6).any(|bytes| bytes == b"secret"));
        let key = house.service.open_key(&house.admin(), &group, &group.key).await;
        let key = key.expect("opened");
        assert!(key.open(&context(&group, "stream"), sealed.clone()).is_ok());
        assert!(key.open(&context(&group, "other"), sealed.clone()).is_err());
    }
}
