//! `GetParameters`: answers the values of up to ten parameters, and the names of those that are not there.

use std::sync::Arc;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::{Audit, Call, Caller, Need, Needs, SignedWith};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::resource;
use super::shown::Shown;
use crate::{Operation, Ssm, input};

pub(crate) const OPERATION: Operation = Operation {
    name: "GetParameters",
    action: "ssm:GetParameters",
    signed_with: SignedWith::AccessKey,
    needs,
    audit: Audit::READ,
    handler: |ssm, call| Box::pin(get(ssm, call)),
};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Input {
    names: Vec<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Output {
    parameters: Vec<Shown>,
    invalid_parameters: Vec<String>,
}

/// Each of them.
fn needs(caller: &Caller, input: &Value) -> Needs {
    let names = input["Names"].as_array().into_iter().flatten();
    let needs = names.map(|name| Need::on(resource(caller, name.as_str().unwrap_or_default())));
    needs.collect::<Vec<_>>().into()
}

async fn get(ssm: Arc<Ssm>, call: Call) -> Result<Value, AwsError> {
    let (caller, _, input) = call.into_parts();
    let Input { names } = input::read(input)?;
    let mut output = Output {
        parameters: Vec::with_capacity(names.len()),
        invalid_parameters: Vec::new(),
    };
    for name in names {
        match Shown::find(&ssm, &caller, &name).await {
            Ok(shown) => output.parameters.push(shown),
            Err(error) if error.status().is_client_error() => output.invalid_parameters.push(name),
            Err(error) => return Err(error),
        }
    }
    input::write(&output)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::House;

    #[tokio::test]
    async fn answers_those_that_are_there_to_nodes_as_well() {
        let house = House::new().await;
        for (name, value) in [("a", "1"), ("/b/c", "2")] {
            let put = json!({"Name": name, "Value": value, "Type": "String"});
            house.done("PutParameter", put).await;
        }
        let node = house.node().await;
        for caller in [house.admin(), house.node_role(&node)] {
            let names = json!({"Names": ["/b/c", "x", "a", "a:2", "a:1"]});
            let answer = house.done_as(caller, "GetParameters", names).await;
            let shown = answer["Parameters"].as_array().expect("a list").iter();
            let values: Vec<_> = shown.map(|it| (&it["Name"], &it["Value"])).collect();
            assert_eq!(
                values,
                [
                    (&json!("/b/c"), &json!("2")),
                    (&json!("a"), &json!("1")),
                    (&json!("a"), &json!("1"))
                ]
            );
            assert_eq!(answer["InvalidParameters"], json!(["x", "a:2"]));
        }
    }

    #[tokio::test]
    async fn refuses_what_is_wrong() {
        let house = House::new().await;
        let many: Value = (0..11).map(|it| json!(format!("p{it}"))).collect();
        let bob = house.as_role("bob");
        house
            .refuses(
                "GetParameters",
                &[
                    (json!({}), "ValidationException"),
                    (json!({"Names": []}), "ValidationException"),
                    (json!({"Names": [""]}), "ValidationException"),
                    (json!({"Names": many}), "ValidationException"),
                    (json!({"Names": [7]}), "SerializationException"),
                    (
                        json!({"Names": ["a", "arn:aws:ssm:us-east-1:210987654321:parameter/a"]}),
                        "AccessDeniedException",
                    ),
                ],
            )
            .await;
        let one = [(json!({"Names": ["a"]}), "AccessDeniedException")];
        house.refuses_as(&bob, "GetParameters", &one).await;
    }
}
