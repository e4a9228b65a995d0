//! `DescribeInstanceProperties`: lists managed nodes by conditions with operators.

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
    action: "ssm:DescribeInstanceProperties",
    signed_with: SignedWith::AccessKey,
    needs: |_, _| Resource::any().into(),
    audit: Audit::READ,
    handler: |ssm, call| Box::pin(describe(ssm, call)),
};

const NAME: &str = "DescribeInstanceProperties";

/// How many a request gets that asks for no number.
const DEFAULT_RESULTS: usize = 50;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Input {
    instance_property_filter_list: Option<Vec<PlainFilter>>,
    filters_with_operator: Option<Vec<FilterWithOperator>>,
    max_results: Option<usize>,
    next_token: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PlainFilter {
    key: String,
    value_set: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct FilterWithOperator {
    key: String,
    values: Vec<String>,
    operator: Option<Comparison>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Output {
    instance_properties: Vec<DescribedNode>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

async fn describe(ssm: Arc<Ssm>, call: Call) -> Result<Value, AwsError> {
    let (caller, _, input) = call.into_parts();
    let input: Input = input::read(input)?;
    let plain = input.instance_property_filter_list.unwrap_or_default();
    let with_operator = input.filters_with_operator.unwrap_or_default();
    let filters = plain
        .into_iter()
        .map(|filter| (filter.key, Comparison::Equal, filter.value_set))
        .chain(
            with_operator
                .into_iter()
                .map(|filter| (filter.key, filter.operator.unwrap_or_default(), filter.values)),
        )
        .map(|(key, comparison, values)| {
            Filter::new(&key, comparison, values, "InvalidInstancePropertyFilterValue")
        })
        .collect::<Result<_, _>>()?;
    let listing = Listing {
        operation: NAME,
        filters,
        limit: input.max_results.unwrap_or(DEFAULT_RESULTS),
        next_token: input.next_token.as_deref(),
    };
    let (instance_properties, next_token) = listing::list(&ssm, &caller, listing).await?;
    input::write(&Output {
        instance_properties,
        next_token,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::House;

    #[tokio::test]
    async fn filters_by_each_operator() {
        let house = House::new().await;
        for version in ["3.9.0.0", "3.10.0.0"] {
            let node = house.node().await;
            let report = json!({"InstanceId": node.id, "AgentVersion": version, "ComputerName": "web"});
            house
                .done_as(house.node_role(&node), "UpdateInstanceInformation", report)
                .await;
        }
        for (key, operator, value, expected) in [
            ("AgentVersion", "Equal", "3.9.0.0", vec!["3.9.0.0"]),
            ("AgentVersion", "NotEqual", "3.9.0.0", vec!["3.10.0.0"]),
            ("AgentVersion", "BeginWith", "3.1", vec!["3.10.0.0"]),
            ("AgentVersion", "LessThan", "3.10.0.0", vec!["3.9.0.0"]),
            ("AgentVersion", "GreaterThan", "3.9.0.0", vec!["3.10.0.0"]),
            ("ComputerName", "Equal", "db", vec![]),
            ("Name", "Equal", "web-2", vec![]),
            ("tag:Environment", "NotEqual", "Dev", vec![]),
            ("DocumentName", "Equal", "any", vec![]),
        ] {
            let filter = json!([{"Key": key, "Values": [value], "Operator": operator}]);
            let answer = house.done(NAME, json!({"FiltersWithOperator": filter})).await;
            let list = answer["InstanceProperties"].as_array().expect("a list");
            let versions: Vec<_> = list
                .iter()
                .map(|it| it["AgentVersion"].as_str().expect("a version"))
                .collect();
            assert_eq!(versions, expected, "{key} {operator} {value}");
        }
        let plain = json!({"InstancePropertyFilterList": [{"key": "IamRole", "valueSet": ["NodeRole"]}]});
        let answer = house.done(NAME, plain).await;
        assert_eq!(answer["InstanceProperties"].as_array().expect("a list").len(), 2);
    }

    #[tokio::test]
    async fn refuses_what_is_wrong() {
        let house = House::new().await;
        let filter =
            |key: &str, value: &str| json!({"FiltersWithOperator": [{"Key": key, "Values": [value]}]});
        let operator = json!([{"Key": "IamRole", "Values": ["x"], "Operator": "Like"}]);
        house
            .refuses(
                NAME,
                &[
                    (json!({"MaxResults": 4}), "ValidationException"),
                    (json!({"MaxResults": 1001}), "ValidationException"),
                    (json!({"FiltersWithOperator": []}), "ValidationException"),
                    (json!({"FiltersWithOperator": operator}), "ValidationException"),
                    (json!({"InstancePropertyFilterList": 1}), "SerializationException"),
                    (json!({"NextToken": "x"}), "InvalidNextToken"),
                    (filter("Colour", "red"), "InvalidFilterKey"),
                    (filter("InstanceIds", "web-1"), "InvalidInstanceId"),
                    (filter("PingStatus", "gone"), "InvalidInstancePropertyFilterValue"),
                ],
            )
            .await;
    }
}
