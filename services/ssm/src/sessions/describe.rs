//! `DescribeSessions`: lists active sessions, or those that ended in the last thirty days, newest first.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::{Audit, Call, Caller, Resource, Session, SessionId, SignedWith};
use drawbridge_store::SessionPage;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::output_url::OutputUrl;
use crate::error::internal;
use crate::{Operation, Ssm, input, page, wire};

pub(crate) const OPERATION: Operation = Operation {
    name: NAME,
    action: "ssm:DescribeSessions",
    signed_with: SignedWith::AccessKey,
    needs: |_, _| Resource::any().into(),
    audit: Audit::READ,
    handler: |ssm, call| Box::pin(describe(ssm, call)),
};

const NAME: &str = "DescribeSessions";

/// How long a session stays in the history.
const HISTORY: Duration = Duration::from_secs(30 * 24 * 3600);

/// The most that one page may hold, which is what a request gets that asks for no number.
const MAX_RESULTS: usize = 200;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Input {
    state: Listed,
    max_results: Option<usize>,
    next_token: Option<String>,
    filters: Option<Vec<FilterInput>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
enum Listed {
    Active,
    History,
}

#[derive(Debug, Deserialize)]
struct FilterInput {
    key: FilterKey,
    value: String,
}

#[derive(Debug, Clone, Copy, Deserialize)]
enum FilterKey {
    InvokedAfter,
    InvokedBefore,
    Target,
    Owner,
    Status,
    SessionId,
    AccessType,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Output {
    sessions: Vec<Described>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Described {
    session_id: SessionId,
    target: String,
    status: &'static str,
    #[serde(serialize_with = "wire::epoch")]
    start_date: Timestamp,
    #[serde(
        serialize_with = "wire::epoch_if_any",
        skip_serializing_if = "Option::is_none"
    )]
    end_date: Option<Timestamp>,
    document_name: String,
    owner: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<String>,
    output_url: OutputUrl,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_session_duration: Option<String>,
    access_type: &'static str,
}

async fn describe(ssm: Arc<Ssm>, call: Call) -> Result<Value, AwsError> {
    let (caller, _, input) = call.into_parts();
    let input: Input = input::read(input)?;
    let filters = input
        .filters
        .unwrap_or_default()
        .into_iter()
        .map(Filter::new)
        .collect::<Result<Vec<_>, _>>()?;
    let limit = input.max_results.unwrap_or(MAX_RESULTS);
    let mut last: Option<Position> = page::last(NAME, input.next_token.as_deref())?;

    let ended_since = ssm.clock.now().checked_sub(HISTORY).unwrap_or(Timestamp::MIN);
    let mut sessions = Vec::new();
    let mut scanned = 0;
    let next_token = loop {
        let batch = ssm
            .store
            .sessions(SessionPage {
                account: &caller.account,
                region: &caller.region,
                active: input.state == Listed::Active,
                ended_since,
                before: last.take().map(|it| (it.at, it.id)),
                limit: page::BATCH,
            })
            .await
            .map_err(internal)?;
        let is_last_batch = batch.len() < page::BATCH as usize;
        scanned += batch.len();
        for session in batch {
            if sessions.len() == limit {
                break;
            }
            last = Some(Position {
                at: session.started_at,
                id: session.id.clone(),
            });
            if filters.iter().all(|filter| filter.matches(&session)) {
                sessions.push(Described::new(&ssm, &caller, session));
            }
        }
        if sessions.len() < limit && is_last_batch {
            break None;
        }
        if sessions.len() == limit || scanned >= page::MOST_SCANNED {
            break last.map(|last| page::token(NAME, last));
        }
    };
    input::write(&Output { sessions, next_token })
}

impl Described {
    fn new(ssm: &Ssm, caller: &Caller, session: Session) -> Self {
        let output_url = OutputUrl::of(ssm, caller, &session);
        let ending = session.state.ending();
        let limit = &session.start.document.inputs.max_session_duration;
        Self {
            end_date: ending.map(|ending| ending.at),
            details: ending.map(|ending| ending.details.clone()),
            status: session.state.as_str(),
            max_session_duration: (!limit.is_empty()).then(|| limit.clone()),
            session_id: session.id,
            target: session.node.to_string(),
            start_date: session.started_at,
            document_name: session.start.document_name,
            owner: session.owner_arn,
            reason: session.reason,
            output_url,
            access_type: "Standard",
        }
    }
}

/// One condition on a session.
enum Filter {
    InvokedAfter(Timestamp),
    InvokedBefore(Timestamp),
    Text(FilterKey, String),
}

impl Filter {
    fn new(FilterInput { key, value }: FilterInput) -> Result<Self, AwsError> {
        let moment = || {
            value.parse::<Timestamp>().map_err(|_| {
                AwsError::validation(format!(
                    "Filter value '{value}' is not a time such as 2018-08-29T00:00:00Z"
                ))
            })
        };
        match key {
            FilterKey::InvokedAfter => Ok(Self::InvokedAfter(moment()?)),
            FilterKey::InvokedBefore => Ok(Self::InvokedBefore(moment()?)),
            FilterKey::Target
            | FilterKey::Owner
            | FilterKey::Status
            | FilterKey::SessionId
            | FilterKey::AccessType => Ok(Self::Text(key, value)),
        }
    }

    fn matches(&self, session: &Session) -> bool {
        match self {
            Self::InvokedAfter(at) => session.started_at >= *at,
            Self::InvokedBefore(at) => session.started_at < *at,
            Self::Text(key, value) => {
                let actual = match key {
                    FilterKey::Target => session.node.as_str(),
                    FilterKey::Owner => session.owner_arn.as_str(),
                    FilterKey::Status => session.state.as_str(),
                    FilterKey::SessionId => session.id.as_str(),
                    FilterKey::AccessType => "Standard",
                    FilterKey::InvokedAfter | FilterKey::InvokedBefore => return false,
                };
                actual == value
            }
        }
    }
}

/// Where a page ended: sessions are ordered by their start, then by their id.
struct Position {
    at: Timestamp,
    id: SessionId,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.at.as_millisecond(), self.id)
    }
}

impl FromStr for Position {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (ms, id) = text.split_once(' ').ok_or(())?;
        let at = Timestamp::from_millisecond(ms.parse().map_err(|_| ())?).map_err(|_| ())?;
        Ok(Self {
            at,
            id: SessionId::parse(id).map_err(|_| ())?,
        })
    }
}

#[cfg(test)]
mod tests {
    use drawbridge_session::SessionState;
    use serde_json::json;

    use super::*;
    use crate::testing::House;

    #[tokio::test]
    async fn shows_a_session_through_its_life() {
        let house = House::new().await;
        let (id, _) = house.started().await;
        let active = house.done("DescribeSessions", json!({"State": "Active"})).await;
        let shown = &active["Sessions"][0];
        assert_eq!(shown["SessionId"], id.as_str());
        assert_eq!(shown["Status"], "Connecting");
        assert_eq!(shown["Owner"], "arn:aws:iam::123456789012:user/admin");
        assert_eq!(shown["DocumentName"], "SSM-SessionManagerRunShell");
        assert_eq!(shown["StartDate"], json!(1_767_323_045.0));
        assert!(shown.get("EndDate").is_none());

        house
            .service
            .store
            .change_session(&id, SessionState::Connected)
            .await
            .expect("connected");
        let active = house.done("DescribeSessions", json!({"State": "Active"})).await;
        assert_eq!(active["Sessions"][0]["Status"], "Connected");

        house.clock.advance(Duration::from_millis(1500));
        house.end(&id).await;
        let active = house.done("DescribeSessions", json!({"State": "Active"})).await;
        assert_eq!(active, json!({"Sessions": []}));
        let history = house.done("DescribeSessions", json!({"State": "History"})).await;
        assert_eq!(history["Sessions"][0]["Status"], "Terminated");
        assert_eq!(history["Sessions"][0]["EndDate"], json!(1_767_323_046.5));

        house.clock.advance(HISTORY + Duration::from_millis(1));
        let history = house.done("DescribeSessions", json!({"State": "History"})).await;
        assert_eq!(history["Sessions"], json!([]));
    }

    #[tokio::test]
    async fn pages_through_all_of_them_newest_first() {
        let house = House::new().await;
        let node = house.online_node().await;
        let mut started = Vec::new();
        for _ in 0..7 {
            house.clock.advance(Duration::from_millis(1));
            started.push(house.started_on(&node).await.0.to_string());
        }
        started.reverse();
        let mut listed = Vec::new();
        let mut token = Value::Null;
        loop {
            let input = json!({"State": "Active", "MaxResults": 3, "NextToken": token});
            let answer = house.done("DescribeSessions", input).await;
            let sessions = answer["Sessions"].as_array().expect("a list");
            assert!(sessions.len() <= 3);
            listed.extend(
                sessions
                    .iter()
                    .map(|it| it["SessionId"].as_str().expect("an id").to_owned()),
            );
            token = answer["NextToken"].clone();
            if token.is_null() {
                break;
            }
        }
        assert_eq!(listed, started);
    }

    #[tokio::test]
    async fn filters_by_each_key() {
        let house = House::new().await;
        let node = house.online_node().await;
        let (first, _) = house.started_on(&node).await;
        house.clock.advance(Duration::from_secs(60));
        let (second, _) = house.started_on(&house.online_node().await).await;
        let between = "2026-01-02T03:04:30Z";
        for (key, value, expected) in [
            ("InvokedAfter", between, vec![&second]),
            ("InvokedBefore", between, vec![&first]),
            ("Target", node.id.as_str(), vec![&first]),
            (
                "Owner",
                "arn:aws:iam::123456789012:user/admin",
                vec![&second, &first],
            ),
            ("Owner", "arn:aws:iam::123456789012:user/bob", vec![]),
            ("Status", "Connecting", vec![&second, &first]),
            ("Status", "Connected", vec![]),
            ("SessionId", second.as_str(), vec![&second]),
            ("AccessType", "Standard", vec![&second, &first]),
            ("AccessType", "JustInTime", vec![]),
        ] {
            let input = json!({"State": "Active", "Filters": [{"key": key, "value": value}]});
            let answer = house.done("DescribeSessions", input).await;
            let sessions = answer["Sessions"].as_array().expect("a list");
            let ids: Vec<_> = sessions
                .iter()
                .map(|it| it["SessionId"].as_str().expect("an id"))
                .collect();
            assert_eq!(
                ids,
                expected.iter().map(|id| id.as_str()).collect::<Vec<_>>(),
                "{key}={value}"
            );
        }
    }

    #[tokio::test]
    async fn refuses_what_is_wrong() {
        let house = House::new().await;
        let filter =
            |key: &str, value: &str| json!({"State": "Active", "Filters": [{"key": key, "value": value}]});
        let of_another = page::token("DescribeActivations", "1 admin-00000000000000000");
        house
            .refuses(
                "DescribeSessions",
                &[
                    (json!({}), "ValidationException"),
                    (json!({"State": "Open"}), "ValidationException"),
                    (json!({"State": "Active", "MaxResults": 0}), "ValidationException"),
                    (
                        json!({"State": "Active", "MaxResults": 201}),
                        "ValidationException",
                    ),
                    (json!({"State": "Active", "Filters": []}), "ValidationException"),
                    (filter("Colour", "red"), "ValidationException"),
                    (filter("Target", ""), "ValidationException"),
                    (filter("InvokedAfter", "yesterday"), "ValidationException"),
                    (
                        json!({"State": "Active", "NextToken": "nonsense"}),
                        "InvalidNextToken",
                    ),
                    (
                        json!({"State": "Active", "NextToken": of_another}),
                        "InvalidNextToken",
                    ),
                    (
                        json!({"State": "Active", "MaxResults": "many"}),
                        "SerializationException",
                    ),
                ],
            )
            .await;
    }

    #[tokio::test]
    async fn nodes_see_no_sessions() {
        let house = House::new().await;
        let node = house.node().await;
        let answer = house
            .ask_as(
                house.node_role(&node),
                "DescribeSessions",
                json!({"State": "Active"}),
            )
            .await;
        assert_eq!(answer.expect_err("denied").code(), "AccessDeniedException");
    }
}
