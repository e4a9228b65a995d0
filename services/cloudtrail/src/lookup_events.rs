//! `LookupEvents`: lists the audit events of the last ninety days, newest first.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::{Audit, Call, Resource, SignedWith, Touched};
use drawbridge_store::{EventAttribute, EventPage, EventPosition, StoredEvent};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{CloudTrail, Operation};

pub(crate) const OPERATION: Operation = Operation {
    name: "LookupEvents",
    action: "cloudtrail:LookupEvents",
    signed_with: SignedWith::AccessKey,
    needs: |_, _| Resource::any().into(),
    audit: Audit::READ,
    handler: |cloudtrail, call| Box::pin(look_up(cloudtrail, call)),
};

/// How far back the event history goes.
const HISTORY: Duration = Duration::from_secs(90 * 24 * 3600);

/// The most that one page may hold, which is what a request gets that asks for no number.
const MAX_RESULTS: u32 = 50;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Input {
    #[serde(default)]
    lookup_attributes: Option<Vec<LookupAttribute>>,
    /// Seconds since the epoch.
    start_time: Option<f64>,
    end_time: Option<f64>,
    event_category: Option<String>,
    max_results: Option<u32>,
    next_token: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct LookupAttribute {
    attribute_key: AttributeKey,
    attribute_value: String,
}

#[derive(Debug, Clone, Copy, Deserialize)]
enum AttributeKey {
    EventId,
    EventName,
    ReadOnly,
    Username,
    ResourceType,
    ResourceName,
    EventSource,
    AccessKeyId,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Output {
    events: Vec<Event>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Event {
    event_id: String,
    event_name: String,
    /// A text on the wire.
    read_only: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    access_key_id: Option<String>,
    /// Seconds since the epoch.
    event_time: i64,
    event_source: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<String>,
    resources: Vec<EventResource>,
    /// The record, as JSON in a text.
    cloud_trail_event: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct EventResource {
    #[serde(skip_serializing_if = "Option::is_none")]
    resource_type: Option<String>,
    resource_name: String,
}

async fn look_up(cloudtrail: Arc<CloudTrail>, call: Call) -> Result<Value, AwsError> {
    let (caller, _, input) = call.into_parts();
    let input: Input = serde_json::from_value(input)
        .map_err(|error| AwsError::new("SerializationException", error.to_string()))?;
    let now = cloudtrail.clock.now();
    let oldest = now.checked_sub(HISTORY).unwrap_or(Timestamp::MIN);
    let since = input.start_time.map(moment).transpose()?.unwrap_or(oldest);
    let until = input.end_time.map(moment).transpose()?.unwrap_or(now);
    if input.start_time.is_some() && since > until {
        return Err(AwsError::new(
            "InvalidTimeRangeException",
            format!("The start time {since} is after the end time {until}."),
        ));
    }
    let attribute = attribute(input.lookup_attributes.unwrap_or_default())?;
    let limit = limit(input.max_results)?;
    let before = input.next_token.as_deref().filter(|it| !it.is_empty());
    let before = before.map(position).transpose()?;
    // Insights are computed from events; nobody computes any here.
    let holds_insights = holds_insights(input.event_category.as_deref())?;
    let mut events = Vec::new();
    if !holds_insights {
        let page = EventPage {
            account: &caller.account,
            region: &caller.region,
            attribute,
            since: since.max(oldest),
            until,
            before,
            limit: limit + 1,
        };
        events = cloudtrail.store.events(page).await.map_err(internal)?;
    }
    let has_more = events.len() > limit as usize;
    events.truncate(limit as usize);
    let last = events.last().filter(|_| has_more).map(|last| last.position);
    let output = Output {
        next_token: last.map(token),
        events: events.into_iter().map(Event::of).collect(),
    };
    serde_json::to_value(output).map_err(internal)
}

impl Event {
    fn of(StoredEvent { event, text, .. }: StoredEvent) -> Self {
        Self {
            event_id: event.id().to_string(),
            event_name: event.name().to_owned(),
            read_only: event.is_read_only().to_string(),
            access_key_id: event.access_key_id().map(str::to_owned),
            event_time: event.at().as_second(),
            event_source: event.source().to_owned(),
            username: event.user_name().map(str::to_owned),
            resources: event.resources().iter().map(EventResource::of).collect(),
            cloud_trail_event: text,
        }
    }
}

impl EventResource {
    fn of(resource: &Touched) -> Self {
        Self {
            resource_type: resource.kind().map(str::to_owned),
            resource_name: resource.name().to_owned(),
        }
    }
}

fn attribute(attributes: Vec<LookupAttribute>) -> Result<Option<EventAttribute>, AwsError> {
    let invalid = |message: String| AwsError::new("InvalidLookupAttributesException", message);
    let count = attributes.len();
    let mut attributes = attributes.into_iter();
    let Some(LookupAttribute {
        attribute_key,
        attribute_value: value,
    }) = attributes.next()
    else {
        return Ok(None);
    };
    if count > 1 {
        return Err(invalid(format!(
            "Only one lookup attribute can be specified, and the request has {count}."
        )));
    }
    Ok(Some(match attribute_key {
        AttributeKey::EventId => EventAttribute::Id(value),
        AttributeKey::EventName => EventAttribute::Name(value),
        AttributeKey::ReadOnly => match value.as_str() {
            "true" => EventAttribute::ReadOnly(true),
            "false" => EventAttribute::ReadOnly(false),
            _ => {
                return Err(invalid(format!(
                    "The value of ReadOnly is true or false, not '{value}'."
                )));
            }
        },
        AttributeKey::Username => EventAttribute::UserName(value),
        AttributeKey::ResourceType => EventAttribute::ResourceType(value),
        AttributeKey::ResourceName => EventAttribute::ResourceName(value),
        AttributeKey::EventSource => EventAttribute::Source(value),
        AttributeKey::AccessKeyId => EventAttribute::AccessKeyId(value),
    }))
}

fn limit(max_results: Option<u32>) -> Result<u32, AwsError> {
    match max_results.unwrap_or(MAX_RESULTS) {
        limit @ 1..=MAX_RESULTS => Ok(limit),
        other => Err(AwsError::new(
            "InvalidMaxResultsException",
            format!("The maximum number of results is between 1 and {MAX_RESULTS}, not {other}."),
        )),
    }
}

fn holds_insights(category: Option<&str>) -> Result<bool, AwsError> {
    match category {
        None => Ok(false),
        Some("insight") => Ok(true),
        Some(other) => Err(AwsError::new(
            "InvalidEventCategoryException",
            format!("'{other}' is not an event category; the one that can be named is insight."),
        )),
    }
}

fn moment(seconds: f64) -> Result<Timestamp, AwsError> {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the cast saturates, and the range is checked next"
    )]
    let ms = (seconds * 1000.0).round() as i64;
    Timestamp::from_millisecond(ms).map_err(|_| {
        let message = format!("{seconds} seconds since the epoch is not a valid time.");
        AwsError::new("InvalidTimeRangeException", message)
    })
}

/// Writes the token of a page that ended at an event.
fn token(last: EventPosition) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(format!("1 LookupEvents {last}"))
}

fn position(token: &str) -> Result<EventPosition, AwsError> {
    let read = || {
        let text = String::from_utf8(BASE64_URL_SAFE_NO_PAD.decode(token).ok()?).ok()?;
        text.strip_prefix("1 LookupEvents ")?.parse().ok()
    };
    read().ok_or_else(|| {
        AwsError::new(
            "InvalidNextTokenException",
            "The next token is not one of this operation.",
        )
    })
}

/// Answers a fault of ours, which is logged here and not shown.
fn internal(error: impl std::error::Error + 'static) -> AwsError {
    tracing::error!(
        error = &error as &dyn std::error::Error,
        "an operation failed inside"
    );
    AwsError::internal("InternalFailure")
}

#[cfg(test)]
mod tests {
    use drawbridge_aws_dialects::model;
    use drawbridge_house::{House, modelled};
    use drawbridge_session::{AuditEvent, Caller, Clock as _, Intent, iam};
    use drawbridge_store::AuditLog as _;
    use serde_json::json;

    use super::*;
    use crate::OPERATIONS;

    struct Trail {
        house: House,
        service: Arc<CloudTrail>,
    }

    impl Trail {
        async fn new() -> Self {
            let house = House::new().await;
            let service = CloudTrail::new(house.store.clone(), house.clock.clone());
            Self {
                house,
                service: Arc::new(service),
            }
        }

        async fn ask_as(&self, caller: Caller, input: Value) -> Result<Value, AwsError> {
            let operation = CloudTrail::operation("LookupEvents").expect("there");
            self.house
                .ask(&self.service, model::cloudtrail(), operation, caller, input)
                .await
        }

        async fn ask(&self, input: Value) -> Result<Value, AwsError> {
            self.ask_as(self.house.admin(), input).await
        }

        /// Leaves an event of a session that someone started, a second after the one before.
        async fn started(&self, caller: &Caller, node: &str) -> AuditEvent {
            self.house.clock.advance(Duration::from_secs(1));
            let operation = drawbridge_session::Operation::<(), ()> {
                name: "StartSession",
                action: "ssm:StartSession",
                signed_with: SignedWith::AccessKey,
                needs: |_, _| Resource::any().into(),
                audit: Audit::WRITE,
                handler: |_, _| Box::pin(async { Err(()) }),
            };
            let audited = operation.audited().expect("audited");
            let (now, random) = (self.house.clock.now(), self.house.random.as_ref());
            let event = Intent::of(caller, audited, &json!({ "Target": node }), now, random)
                .touching([&Resource::node(&caller.region, &caller.account, node)])
                .answered(&json!({"SessionId": "admin-1", "TokenValue": "s3cret"}), None);
            self.house.store.record(event.clone()).await.expect("recorded");
            event
        }
    }

    const NODE: &str = "mi-0a1b2c3d4e5f67890";

    #[test]
    fn every_modelled_operation_has_a_handler() {
        let handled: Vec<_> = OPERATIONS.iter().map(|it| it.name.to_owned()).collect();
        assert_eq!(handled, modelled(model::cloudtrail()));
    }

    #[tokio::test]
    async fn shows_who_started_a_session() {
        let trail = Trail::new().await;
        let event = trail.started(&trail.house.admin(), NODE).await;
        let filter = json!([{"AttributeKey": "EventName", "AttributeValue": "StartSession"}]);
        let answer = trail
            .ask(json!({ "LookupAttributes": filter }))
            .await
            .expect("listed");
        let expected = json!({"Events": [{
            "EventId": event.id(),
            "EventName": "StartSession",
            "ReadOnly": "false",
            "EventTime": event.at().as_second(),
            "EventSource": "ssm.amazonaws.com",
            "Username": "admin",
            "Resources": [{"ResourceType": "AWS::SSM::ManagedNode", "ResourceName": NODE}],
            "CloudTrailEvent": event.to_json(),
        }]});
        assert_eq!(answer, expected);
        let record: Value = serde_json::from_str(&event.to_json()).expect("JSON");
        assert_eq!(
            record["responseElements"]["tokenValue"],
            "Value hidden due to security reasons."
        );
    }

    #[tokio::test]
    async fn pages_through_everything_newest_first() {
        let trail = Trail::new().await;
        let mut recorded = Vec::new();
        for _ in 0..7 {
            let event = trail.started(&trail.house.admin(), NODE).await;
            recorded.insert(0, event.id().to_string());
        }
        let mut listed = Vec::new();
        let mut token = Value::Null;
        loop {
            let mut input = json!({"MaxResults": 3});
            if !token.is_null() {
                input["NextToken"] = token;
            }
            let answer = trail.ask(input).await.expect("a page");
            for event in answer["Events"].as_array().expect("a list") {
                listed.push(event["EventId"].as_str().expect("an id").to_owned());
            }
            token = answer["NextToken"].clone();
            if token.is_null() {
                break;
            }
        }
        assert_eq!(listed, recorded);
    }

    #[tokio::test]
    async fn filters_by_each_key_and_by_time() {
        let trail = Trail::new().await;
        let first = trail.started(&trail.house.admin(), NODE).await;
        let role = trail.house.role(drawbridge_house::NODE_ROLE, "bob");
        let second = trail.started(&role, "mi-00000000000000000").await;
        let (one, two) = (first.id().to_string(), second.id().to_string());
        let by = |key: &str, value: &str| json!({"LookupAttributes": [{"AttributeKey": key, "AttributeValue": value}]});
        for (input, expected) in [
            (json!({}), vec![&two, &one]),
            (by("EventId", &one), vec![&one]),
            (by("EventName", "StartSession"), vec![&two, &one]),
            (by("EventName", "StopSession"), vec![]),
            (by("ReadOnly", "false"), vec![&two, &one]),
            (by("ReadOnly", "true"), vec![]),
            (by("Username", "bob"), vec![&two]),
            (by("ResourceType", "AWS::SSM::ManagedNode"), vec![&two, &one]),
            (by("ResourceName", NODE), vec![&one]),
            (by("EventSource", "ssm.amazonaws.com"), vec![&two, &one]),
            (by("AccessKeyId", "AKIAEXAMPLEEXAMPLE"), vec![]),
            (json!({"StartTime": second.at().as_second()}), vec![&two]),
            (json!({"EndTime": first.at().as_second()}), vec![&one]),
            (json!({"StartTime": 0}), vec![&two, &one]),
            (json!({"StartTime": 0, "EndTime": 1}), vec![]),
            (json!({"EventCategory": "insight"}), vec![]),
        ] {
            let answer = trail.ask(input.clone()).await.expect("listed");
            let events = answer["Events"].as_array().expect("a list");
            let ids: Vec<_> = events
                .iter()
                .map(|it| it["EventId"].as_str().expect("an id"))
                .collect();
            assert_eq!(ids, expected, "{input}");
        }
    }

    #[tokio::test]
    async fn shows_ninety_days_of_the_callers_place() {
        let trail = Trail::new().await;
        trail.started(&trail.house.admin(), NODE).await;
        let elsewhere = Caller {
            region: "elsewhere".parse().expect("valid"),
            ..trail.house.admin()
        };
        let nothing = json!({"Events": []});
        assert_eq!(trail.ask_as(elsewhere, json!({})).await, Ok(nothing.clone()));
        trail.house.clock.advance(HISTORY);
        assert_ne!(trail.ask(json!({})).await, Ok(nothing.clone()));
        trail.house.clock.advance(Duration::from_secs(1));
        assert_eq!(trail.ask(json!({"StartTime": 0})).await, Ok(nothing));
    }

    #[tokio::test]
    async fn refuses_what_is_wrong() {
        let trail = Trail::new().await;
        let now = trail.house.clock.now().as_second();
        let name = json!({"AttributeKey": "EventName", "AttributeValue": "x"});
        for (input, code) in [
            (
                json!({"LookupAttributes": [name, name]}),
                "InvalidLookupAttributesException",
            ),
            (
                json!({"LookupAttributes": [{"AttributeKey": "ReadOnly", "AttributeValue": "yes"}]}),
                "InvalidLookupAttributesException",
            ),
            (
                json!({"LookupAttributes": [{"AttributeKey": "Colour", "AttributeValue": "x"}]}),
                "ValidationException",
            ),
            (
                json!({"StartTime": now, "EndTime": now - 1}),
                "InvalidTimeRangeException",
            ),
            (json!({"StartTime": 1e300}), "InvalidTimeRangeException"),
            (json!({"MaxResults": 0}), "ValidationException"),
            (json!({"MaxResults": 51}), "ValidationException"),
            (json!({"NextToken": "nonsense"}), "InvalidNextTokenException"),
            (
                json!({"NextToken": "A".repeat(5000)}),
                "InvalidNextTokenException",
            ),
            (json!({"EventCategory": "management"}), "ValidationException"),
        ] {
            let error = trail.ask(input.clone()).await.expect_err("refused");
            assert_eq!(error.code(), code, "{input}");
        }
        assert_eq!(
            limit(Some(51)).expect_err("refused").code(),
            "InvalidMaxResultsException"
        );
        let error = holds_insights(Some("management")).expect_err("refused");
        assert_eq!(error.code(), "InvalidEventCategoryException");
    }

    #[tokio::test]
    async fn needs_a_policy() {
        let trail = Trail::new().await;
        let (clock, random) = (trail.house.clock.clone(), trail.house.random.clone());
        let user = iam::NewUser {
            name: "engineer",
            ..iam::NewUser::default()
        };
        trail
            .house
            .change(|directory| {
                directory
                    .create_user(user, clock.now(), random.as_ref())
                    .map(|_| ())
            })
            .await;
        let error = trail
            .ask_as(trail.house.user("engineer"), json!({}))
            .await
            .expect_err("denied");
        assert_eq!(error.code(), "AccessDeniedException");
    }
}
