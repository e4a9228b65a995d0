//! `DescribeInstanceInformation`: lists managed nodes and whether they can be reached.

use std::sync::Arc;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::{Audit, Call, Resource, SignedWith};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::filter::{Comparison, Filter};
use super::listing::{self, DescribedNode, Listing};
use crate::{Operation, Ssm, input};

pub(crate) const OPERATION: Operation = Operation {
    name: NAME,
    action: "ssm:DescribeInstanceInformation",
    signed_with: SignedWith::AccessKey,
    needs: |_, _| Resource::any().into(),
    audit: Audit::READ,
    handler: |ssm, call| Box::pin(describe(ssm, call)),
};

const NAME: &str = "DescribeInstanceInformation";

/// The most that one page may hold, which is what a request gets that asks for no number.
const MAX_RESULTS: usize = 50;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Input {
    instance_information_filter_list: Option<Vec<OldFilter>>,
    filters: Option<Vec<NewFilter>>,
    max_results: Option<usize>,
    next_token: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct OldFilter {
    key: String,
    value_set: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct NewFilter {
    key: String,
    values: Vec<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Output {
    instance_information_list: Vec<DescribedNode>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

async fn describe(ssm: Arc<Ssm>, call: Call) -> Result<Value, AwsError> {
    let (caller, _, input) = call.into_parts();
    let input: Input = input::read(input)?;
    let old = input.instance_information_filter_list.unwrap_or_default();
    let new = input.filters.unwrap_or_default();
    let filters = old
        .into_iter()
        .map(|filter| (filter.key, filter.value_set))
        .chain(new.into_iter().map(|filter| (filter.key, filter.values)))
        .map(|(key, values)| {
            Filter::new(
                &key,
                Comparison::Equal,
                values,
                "InvalidInstanceInformationFilterValue",
            )
        })
        .collect::<Result<_, _>>()?;
    let listing = Listing {
        operation: NAME,
        filters,
        limit: input.max_results.unwrap_or(MAX_RESULTS),
        next_token: input.next_token.as_deref(),
    };
    let (instance_information_list, next_token) = listing::list(&ssm, &caller, listing).await?;
    input::write(&Output {
        instance_information_list,
        next_token,
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;
    use crate::testing::House;

    async fn ids(house: &House, input: Value) -> Vec<String> {
        let answer = house.done(NAME, input).await;
        let list = answer["InstanceInformationList"].as_array().expect("a list");
        list.iter()
            .map(|it| it["InstanceId"].as_str().expect("an id").to_owned())
            .collect()
    }

    #[tokio::test]
    async fn shows_a_node_as_it_reported_itself() {
        let house = House::new().await;
        let node = house.node().await;
        let report = json!({
            "InstanceId": node.id, "AgentName": "amazon-ssm-agent", "AgentVersion": "3.3.0.0",
            "AgentStatus": "Active", "ComputerName": "web-1.example", "IPAddress": "10.0.0.7",
            "PlatformName": "Debian GNU/Linux", "PlatformType": "Linux", "PlatformVersion": "12",
        });
        house
            .done_as(house.node_role(&node), "UpdateInstanceInformation", report)
            .await;
        let answer = house.done(NAME, json!({})).await;
        assert_eq!(
            answer,
            json!({"InstanceInformationList": [{
                "InstanceId": node.id, "PingStatus": "Online", "LastPingDateTime": 1_767_323_045.0,
                "AgentVersion": "3.3.0.0", "PlatformType": "Linux", "PlatformName": "Debian GNU/Linux",
                "PlatformVersion": "12", "ActivationId": node.activation, "IamRole": "NodeRole",
                "RegistrationDate": 1_767_323_045.0, "ResourceType": "ManagedInstance", "Name": "web-1",
                "IPAddress": "10.0.0.7", "ComputerName": "web-1.example", "SourceId": node.id,
                "SourceType": "AWS::SSM::ManagedInstance",
            }]})
        );
    }

    #[tokio::test]
    async fn a_node_is_online_by_its_channel_or_its_last_report() {
        let house = House::new().await;
        let node = house.node().await;
        let status =
            async || house.done(NAME, json!({})).await["InstanceInformationList"][0]["PingStatus"].clone();
        assert_eq!(status().await, "Inactive");
        house.relay.connect(&node.id);
        assert_eq!(status().await, "Online");
        house.relay.lose(&node.id);
        let report = json!({"InstanceId": node.id});
        house
            .done_as(house.node_role(&node), "UpdateInstanceInformation", report)
            .await;
        house.clock.advance(Duration::from_secs(329));
        assert_eq!(status().await, "Online");
        house.clock.advance(Duration::from_secs(1));
        assert_eq!(status().await, "ConnectionLost");
    }

    #[tokio::test]
    async fn pages_through_all_nodes() {
        let house = House::new().await;
        let mut all = Vec::new();
        for _ in 0..12 {
            all.push(house.node().await.id.to_string());
        }
        all.sort();
        let mut listed = Vec::new();
        let mut token = Value::Null;
        loop {
            let answer = house
                .done(NAME, json!({"MaxResults": 5, "NextToken": token}))
                .await;
            let list = answer["InstanceInformationList"].as_array().expect("a list");
            listed.extend(
                list.iter()
                    .map(|it| it["InstanceId"].as_str().expect("an id").to_owned()),
            );
            token = answer["NextToken"].clone();
            if token.is_null() {
                break;
            }
        }
        assert_eq!(listed, all);
        let two =
            json!({"Filters": [{"Key": "InstanceIds", "Values": [all[7], all[3], "mi-0fffffffffffffff0"]}]});
        assert_eq!(ids(&house, two).await, [all[3].clone(), all[7].clone()]);
    }

    #[tokio::test]
    async fn filters_by_each_key() {
        let house = House::new().await;
        let node = house.online_node().await;
        let report = json!({"InstanceId": node.id, "AgentVersion": "3.3.0.0", "PlatformType": "Linux"});
        house
            .done_as(house.node_role(&node), "UpdateInstanceInformation", report)
            .await;
        let other = house.node().await;
        let input =
            json!({"ResourceType": "ManagedInstance", "ResourceId": other.id, "TagKeys": ["Environment"]});
        house.done("RemoveTagsFromResource", input).await;
        let activation = node.activation.expect("through an activation");
        for (key, value, count) in [
            ("InstanceIds", node.id.as_str(), 1),
            ("AgentVersion", "3.3.0.0", 1),
            ("PingStatus", "Online", 1),
            ("PingStatus", "Inactive", 1),
            ("PingStatus", "ConnectionLost", 0),
            ("PlatformTypes", "Linux", 1),
            ("PlatformTypes", "Windows", 0),
            ("ActivationIds", activation.as_str(), 1),
            ("IamRole", "NodeRole", 2),
            ("ResourceType", "ManagedInstance", 2),
            ("ResourceType", "EC2Instance", 0),
            ("AssociationStatus", "Success", 0),
            ("tag-key", "Environment", 1),
            ("tag:Environment", "Dev", 1),
            ("tag:Environment", "dev", 0),
        ] {
            let input = json!({"Filters": [{"Key": key, "Values": [value]}]});
            assert_eq!(ids(&house, input).await.len(), count, "{key}={value}");
            if !key.starts_with("tag") {
                let input = json!({"InstanceInformationFilterList": [{"key": key, "valueSet": [value]}]});
                assert_eq!(ids(&house, input).await.len(), count, "{key}={value}");
            }
        }
    }

    #[tokio::test]
    async fn refuses_what_is_wrong() {
        let house = House::new().await;
        let filter = |key: &str, value: &str| json!({"Filters": [{"Key": key, "Values": [value]}]});
        house
            .refuses(
                NAME,
                &[
                    (json!({"MaxResults": 4}), "ValidationException"),
                    (json!({"MaxResults": 51}), "ValidationException"),
                    (
                        json!({"Filters": [{"Key": "IamRole", "Values": []}]}),
                        "ValidationException",
                    ),
                    (json!({"Filters": [{"Key": "IamRole"}]}), "ValidationException"),
                    (
                        json!({"InstanceInformationFilterList": [{"key": "Colour", "valueSet": ["x"]}]}),
                        "ValidationException",
                    ),
                    (json!({"Filters": {}}), "SerializationException"),
                    (json!({"NextToken": "x"}), "InvalidNextToken"),
                    (filter("Colour", "red"), "InvalidFilterKey"),
                    (filter("tag:", "red"), "InvalidFilterKey"),
                    (filter("InstanceIds", "web-1"), "InvalidInstanceId"),
                    (
                        filter("PingStatus", "online"),
                        "InvalidInstanceInformationFilterValue",
                    ),
                    (
                        filter("PlatformTypes", "BeOS"),
                        "InvalidInstanceInformationFilterValue",
                    ),
                    (
                        filter("ResourceType", "Bridge"),
                        "InvalidInstanceInformationFilterValue",
                    ),
                ],
            )
            .await;
    }

    #[tokio::test]
    async fn nodes_do_not_see_each_other_and_regions_are_apart() {
        let house = House::new().await;
        let node = house.node().await;
        let error = house
            .ask_as(house.node_role(&node), NAME, json!({}))
            .await
            .expect_err("denied");
        assert_eq!(error.code(), "AccessDeniedException");
        let mut elsewhere = house.admin();
        elsewhere.region = "eu-west-1".parse().expect("valid");
        let answer = house.ask_as(elsewhere, NAME, json!({})).await;
        assert_eq!(answer, Ok(json!({"InstanceInformationList": []})));
    }
}
