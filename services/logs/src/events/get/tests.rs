use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::testing::House;

/// Reads with further members beside group and stream.
async fn get(house: &House, more: Value) -> Value {
    let mut input = json!({"logGroupName": "group", "logStreamName": "stream"});
    let members = more.as_object().expect("an object").clone();
    input.as_object_mut().expect("an object").extend(members);
    house.done("GetLogEvents", input).await
}

fn messages(answer: &Value) -> Vec<&str> {
    let events = answer["events"].as_array().expect("a list");
    let texts = events.iter().filter_map(|event| event["message"].as_str());
    texts.collect()
}

#[tokio::test]
async fn without_a_token_the_latest_come_or_the_first() {
    let house = House::with_stream("group", "stream").await;
    house
        .put("group", "stream", &[(-3, "a"), (-2, "b"), (-1, "c")])
        .await;
    let latest = get(&house, json!({"limit": 2})).await;
    assert_eq!(messages(&latest), ["b", "c"]);
    let before = get(
        &house,
        json!({"limit": 2, "nextToken": latest["nextBackwardToken"]}),
    )
    .await;
    assert_eq!(messages(&before), ["a"]);
    let first = get(&house, json!({"limit": 2, "startFromHead": true})).await;
    assert_eq!(messages(&first), ["a", "b"]);
    let event = &first["events"][0];
    assert_eq!(event["timestamp"], house.now() - 3);
    assert_eq!(event["ingestionTime"], house.now());
}

#[tokio::test]
async fn at_the_end_the_same_token_comes_back_and_goes_on_when_more_is_written() {
    let house = House::with_stream("group", "stream").await;
    let empty = get(&house, json!({})).await;
    let token = empty["nextForwardToken"].clone();
    let again = get(&house, json!({ "nextToken": token })).await;
    assert_eq!(again["nextForwardToken"], token);
    house.put("group", "stream", &[(0, "a")]).await;
    let one = get(&house, json!({ "nextToken": token })).await;
    assert_eq!(messages(&one), ["a"]);
    let token = one["nextForwardToken"].clone();
    for _ in 0..2 {
        let end = get(&house, json!({ "nextToken": token })).await;
        assert_eq!(messages(&end), [""; 0]);
        assert_eq!(end["nextForwardToken"], token);
    }
    // Of the same moment, and in another batch.
    house.put("group", "stream", &[(0, "b")]).await;
    let next = get(&house, json!({ "nextToken": token })).await;
    assert_eq!(messages(&next), ["b"]);
    let back = get(&house, json!({"nextToken": next["nextBackwardToken"]})).await;
    assert_eq!(messages(&back), ["a"]);
    let token = back["nextBackwardToken"].clone();
    let start = get(&house, json!({ "nextToken": token })).await;
    assert_eq!(start["nextBackwardToken"], token);
    let forward = get(&house, json!({"nextToken": start["nextForwardToken"]})).await;
    assert_eq!(messages(&forward), ["a", "b"]);
}

#[tokio::test]
async fn times_bound_a_page_with_the_end_left_out() {
    let house = House::with_stream("group", "stream").await;
    let now = house.now();
    house
        .put("group", "stream", &[(-3, "a"), (-2, "b"), (-1, "c")])
        .await;
    let times = json!({"startTime": now - 2, "endTime": now - 1});
    assert_eq!(messages(&get(&house, times).await), ["b"]);
    let none = json!({"startTime": now, "endTime": 0});
    assert!(messages(&get(&house, none).await).is_empty());
}

#[tokio::test]
async fn a_page_has_a_megabyte_at_most() {
    let house = House::with_stream("group", "stream").await;
    let long = "x".repeat(200_000);
    for at in 0..12 {
        house.put("group", "stream", &[(at, long.as_str())]).await;
    }
    let mut seen = 0;
    let mut answer = get(&house, json!({"startFromHead": true})).await;
    while !messages(&answer).is_empty() {
        let bytes: usize = messages(&answer).iter().map(|text| text.len()).sum();
        assert!(bytes <= 1_048_576);
        seen += messages(&answer).len();
        answer = get(&house, json!({"nextToken": answer["nextForwardToken"]})).await;
    }
    assert_eq!(seen, 12);
}

#[tokio::test]
async fn what_has_expired_is_not_shown_even_before_it_is_gone() {
    let house = House::with_stream("group", "stream").await;
    house.put("group", "stream", &[(-1000, "old"), (0, "new")]).await;
    let retention = json!({"logGroupName": "group", "retentionInDays": 1});
    house.done("PutRetentionPolicy", retention).await;
    house.clock.advance(std::time::Duration::from_secs(24 * 3600));
    assert_eq!(messages(&get(&house, json!({})).await), ["new"]);
    let filter = json!({"logGroupName": "group"});
    let found = house.done("FilterLogEvents", filter).await;
    assert_eq!(messages(&found), ["new"]);
    let kept = json!({"logGroupName": "group"});
    house.done("DeleteRetentionPolicy", kept).await;
    assert_eq!(messages(&get(&house, json!({})).await), ["old", "new"]);
}

/// Batches that all span the wanted time, with nothing in it but one event of the first.
#[tokio::test]
async fn an_event_among_many_overlapping_batches_is_found() {
    let house = House::with_stream("group", "stream").await;
    house.put("group", "stream", &[(0, "needle")]).await;
    let long = "x".repeat(262_144 - 26);
    for nth in 1..40 {
        let around = [-1000 - nth, -900 - nth, 900 + nth, 1000 + nth].map(|at| (at, long.as_str()));
        house.put("group", "stream", &around).await;
    }
    let now = house.now();
    for head in [true, false] {
        let range = json!({"startTime": now - 10, "endTime": now + 10, "startFromHead": head});
        assert_eq!(messages(&get(&house, range).await), ["needle"]);
    }
}

#[tokio::test]
async fn refuses_what_is_wrong() {
    let house = House::with_stream("group", "stream").await;
    let on = |more: Value| {
        let mut input = json!({"logGroupName": "group", "logStreamName": "stream"});
        let members = more.as_object().expect("an object").clone();
        input.as_object_mut().expect("an object").extend(members);
        input
    };
    let digits = "0".repeat(56);
    let wrong_tokens = [
        "x".to_owned(),
        "f/".to_owned(),
        format!("g/{digits}"),
        format!("f/{digits}0"),
        format!("f/{}", "9".repeat(56)),
        format!("f/{}é", "0".repeat(54)),
        "f".repeat(100_000),
    ];
    for token in wrong_tokens {
        let table = [(on(json!({ "nextToken": token })), "InvalidParameterException")];
        house.refuses("GetLogEvents", &table).await;
    }
    house
        .refuses(
            "GetLogEvents",
            &[
                (json!({"logGroupName": "group"}), "InvalidParameterException"),
                (json!({"logStreamName": "stream"}), "InvalidParameterException"),
                (on(json!({"logGroupIdentifier": "group"})), "ValidationException"),
                (on(json!({"limit": 0})), "InvalidParameterException"),
                (on(json!({"limit": 10_001})), "InvalidParameterException"),
                (on(json!({"startTime": -1})), "InvalidParameterException"),
                (
                    json!({"logGroupName": "other", "logStreamName": "stream"}),
                    "ResourceNotFoundException",
                ),
                (
                    json!({"logGroupName": "group", "logStreamName": "other"}),
                    "ResourceNotFoundException",
                ),
                (
                    json!({"logGroupIdentifier": "arn:aws:logs:eu-west-1:123456789012:log-group:group",
                           "logStreamName": "stream"}),
                    "ResourceNotFoundException",
                ),
            ],
        )
        .await;
    for arn in [
        "arn:aws:logs:us-east-1:123456789012:log-group:group",
        "arn:aws:logs:us-east-1:123456789012:log-group:group:*",
        "group",
    ] {
        let input = json!({"logGroupIdentifier": arn, "logStreamName": "stream"});
        let answered = house.ask("GetLogEvents", input).await;
        // The model's identifiers have no asterisk.
        assert_eq!(answered.is_ok(), !arn.ends_with('*'), "{arn}");
    }
}

/// Batches of times, each in order; their times overlap.
fn batches() -> impl Strategy<Value = Vec<Vec<i64>>> {
    let batch = prop::collection::vec(-40_i64..0, 1..12);
    let sorted = batch.prop_map(|mut times| {
        times.sort_unstable();
        times
    });
    prop::collection::vec(sorted, 0..14)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn every_event_comes_once_and_in_order_whatever_the_page_size(
        batches in batches(),
        limit in 1_usize..9,
        forward in any::<bool>(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let (read, filtered, expected) = runtime.block_on(read_all(&batches, limit, forward));
        prop_assert_eq!(read, expected.clone());
        prop_assert_eq!(filtered, expected);
    }
}

/// Reads everything in pages; and what a simple model expects: all events, sorted by time and then as they came.
async fn read_all(
    batches: &[Vec<i64>],
    limit: usize,
    forward: bool,
) -> (Vec<String>, Vec<String>, Vec<String>) {
    let house = House::with_stream("group", "stream").await;
    let mut model = Vec::new();
    for (number, times) in batches.iter().enumerate() {
        let texts: Vec<_> = (0..times.len()).map(|it| format!("{number}.{it}")).collect();
        let events: Vec<_> = times
            .iter()
            .copied()
            .zip(texts.iter().map(String::as_str))
            .collect();
        house.put("group", "stream", &events).await;
        model.extend(times.iter().copied().zip(texts));
    }
    // Stable: what came first stays first.
    model.sort_by_key(|(time, _)| *time);
    let expected = model.into_iter().map(|(_, text)| text).collect();
    let read = read_by_token(&house, limit, forward).await;
    (read, filter_all(&house, limit).await, expected)
}

async fn read_by_token(house: &House, limit: usize, forward: bool) -> Vec<String> {
    let (member, way) = if forward {
        ("nextForwardToken", json!({"limit": limit, "startFromHead": true}))
    } else {
        ("nextBackwardToken", json!({ "limit": limit }))
    };
    let mut read: Vec<String> = Vec::new();
    let mut answer = get(house, way).await;
    while !messages(&answer).is_empty() {
        let page = messages(&answer).into_iter().map(str::to_owned);
        if forward {
            read.extend(page);
        } else {
            read.splice(0..0, page);
        }
        answer = get(house, json!({"limit": limit, "nextToken": answer[member]})).await;
    }
    read
}

async fn filter_all(house: &House, limit: usize) -> Vec<String> {
    let mut read = Vec::new();
    let mut input = json!({"logGroupName": "group", "limit": limit});
    loop {
        let answer = house.done("FilterLogEvents", input.clone()).await;
        assert!(messages(&answer).len() <= limit);
        read.extend(messages(&answer).into_iter().map(str::to_owned));
        match answer["nextToken"].as_str() {
            Some(token) => input["nextToken"] = token.into(),
            None => return read,
        }
    }
}
