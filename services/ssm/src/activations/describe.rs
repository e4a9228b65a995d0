//! `DescribeActivations`: lists activations, expired ones too.

use std::sync::Arc;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::{Activation, ActivationId, Audit, Call, Resource, SignedWith, Tag};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::internal;
use crate::{Operation, Ssm, input, page, wire};

pub(crate) const OPERATION: Operation = Operation {
    name: NAME,
    action: "ssm:DescribeActivations",
    signed_with: SignedWith::AccessKey,
    needs: |_, _| Resource::any().into(),
    audit: Audit::READ,
    handler: |ssm, call| Box::pin(describe(ssm, call)),
};

const NAME: &str = "DescribeActivations";

/// The most that one page may hold, which is what a request gets that asks for no number.
const MAX_RESULTS: usize = 50;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Input {
    filters: Option<Vec<Filter>>,
    max_results: Option<usize>,
    next_token: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Filter {
    filter_key: Option<FilterKey>,
    filter_values: Option<Vec<String>>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
enum FilterKey {
    ActivationIds,
    DefaultInstanceName,
    IamRole,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Output {
    activation_list: Vec<Described>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Described {
    activation_id: ActivationId,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    default_instance_name: Option<String>,
    iam_role: String,
    registration_limit: u32,
    registrations_count: u32,
    #[serde(serialize_with = "wire::epoch")]
    expiration_date: Timestamp,
    expired: bool,
    #[serde(serialize_with = "wire::epoch")]
    created_date: Timestamp,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tags: Vec<Tag>,
}

async fn describe(ssm: Arc<Ssm>, call: Call) -> Result<Value, AwsError> {
    let (caller, _, input) = call.into_parts();
    let input: Input = input::read(input)?;
    let filters = read_filters(input.filters.unwrap_or_default())?;
    let limit = input.max_results.unwrap_or(MAX_RESULTS);
    let mut last: Option<ActivationId> = page::last(NAME, input.next_token.as_deref())?;

    let now = ssm.clock.now();
    let mut activation_list = Vec::new();
    let mut scanned = 0;
    let next_token = loop {
        let batch = ssm
            .store
            .activations_after(&caller.account, &caller.region, last.as_ref(), page::BATCH)
            .await
            .map_err(internal)?;
        let is_last_batch = batch.len() < page::BATCH as usize;
        scanned += batch.len();
        for activation in batch {
            if activation_list.len() == limit {
                break;
            }
            last = Some(activation.id.clone());
            if filters
                .iter()
                .all(|(key, values)| matches(*key, values, &activation))
            {
                activation_list.push(Described::new(activation, now));
            }
        }
        if activation_list.len() < limit && is_last_batch {
            break None;
        }
        if activation_list.len() == limit || scanned >= page::MOST_SCANNED {
            break last.map(|last| page::token(NAME, last));
        }
    };
    input::write(&Output {
        activation_list,
        next_token,
    })
}

fn read_filters(filters: Vec<Filter>) -> Result<Vec<(FilterKey, Vec<String>)>, AwsError> {
    let incomplete = || AwsError::new("InvalidFilter", "A filter needs a key and at least one value.");
    filters
        .into_iter()
        .map(|filter| {
            let values = filter
                .filter_values
                .filter(|values| !values.is_empty())
                .ok_or_else(incomplete)?;
            Ok((filter.filter_key.ok_or_else(incomplete)?, values))
        })
        .collect()
}

fn matches(key: FilterKey, values: &[String], activation: &Activation) -> bool {
    let actual = match key {
        FilterKey::ActivationIds => activation.id.as_str(),
        FilterKey::DefaultInstanceName => activation.default_instance_name.as_deref().unwrap_or(""),
        FilterKey::IamRole => activation.iam_role.as_str(),
    };
    values.iter().any(|value| value == actual)
}

impl Described {
    fn new(activation: Activation, now: Timestamp) -> Self {
        Self {
            expired: activation.is_expired(now),
            activation_id: activation.id,
            description: activation.description,
            default_instance_name: activation.default_instance_name,
            iam_role: activation.iam_role,
            registration_limit: activation.registration_limit,
            registrations_count: activation.registrations_count,
            expiration_date: activation.expires_at,
            created_date: activation.created_at,
            tags: activation.tags,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::testing::House;

    #[tokio::test]
    async fn pages_and_filters() {
        let house = House::new().await;
        let mut ids = Vec::new();
        for role in ["Role-a", "Role-b"] {
            house.give_role(role, "/", "ssm.amazonaws.com").await;
        }
        for name in ["a", "a", "b", "b", "b"] {
            let input = json!({"IamRole": format!("Role-{name}"), "DefaultInstanceName": name});
            let answer = house.done("CreateActivation", input).await;
            ids.push(answer["ActivationId"].as_str().expect("an id").to_owned());
        }
        let first = house.done("DescribeActivations", json!({"MaxResults": 3})).await;
        let rest = json!({"MaxResults": 3, "NextToken": first["NextToken"]});
        let rest = house.done("DescribeActivations", rest).await;
        assert!(rest.get("NextToken").is_none());
        let mut listed: Vec<_> = [&first, &rest]
            .iter()
            .flat_map(|answer| answer["ActivationList"].as_array().expect("a list"))
            .map(|it| it["ActivationId"].as_str().expect("an id").to_owned())
            .collect();
        listed.sort();
        let mut all = ids.clone();
        all.sort();
        assert_eq!(listed, all);

        for (key, value, expected) in [
            ("ActivationIds", ids[0].as_str(), 1),
            ("DefaultInstanceName", "a", 2),
            ("IamRole", "Role-b", 3),
            ("IamRole", "Role-c", 0),
        ] {
            let input = json!({"Filters": [{"FilterKey": key, "FilterValues": ["other", value]}]});
            let answer = house.done("DescribeActivations", input).await;
            assert_eq!(
                answer["ActivationList"].as_array().expect("a list").len(),
                expected,
                "{key}={value}"
            );
        }
    }

    #[tokio::test]
    async fn never_shows_a_code() {
        let house = House::new().await;
        let created = house
            .done("CreateActivation", json!({"IamRole": "NodeRole"}))
            .await;
        let answer = house.done("DescribeActivations", json!({})).await.to_string();
        assert!(!answer.contains(created["ActivationCode"].as_str().expect("a code")));
    }

    #[tokio::test]
    async fn refuses_what_is_wrong() {
        let house = House::new().await;
        house
            .refuses(
                "DescribeActivations",
                &[
                    (json!({"MaxResults": 0}), "ValidationException"),
                    (json!({"MaxResults": 51}), "ValidationException"),
                    (json!({"NextToken": "x"}), "InvalidNextToken"),
                    (
                        json!({"Filters": [{"FilterKey": "Colour", "FilterValues": ["x"]}]}),
                        "ValidationException",
                    ),
                    (json!({"Filters": [{"FilterKey": "IamRole"}]}), "InvalidFilter"),
                    (
                        json!({"Filters": [{"FilterKey": "IamRole", "FilterValues": []}]}),
                        "InvalidFilter",
                    ),
                    (json!({"Filters": [{"FilterValues": ["x"]}]}), "InvalidFilter"),
                    (json!({"Filters": "x"}), "SerializationException"),
                ],
            )
            .await;
    }
}
