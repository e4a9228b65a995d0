//! `GetParameter`: answers the value of a parameter.

use std::sync::Arc;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::{Audit, Call, SignedWith};
use serde::Deserialize;
use serde_json::{Value, json};

use super::needs_parameter;
use super::shown::Shown;
use crate::{Operation, Ssm, input};

pub(crate) const OPERATION: Operation = Operation {
    name: "GetParameter",
    action: "ssm:GetParameter",
    signed_with: SignedWith::AccessKey,
    needs: needs_parameter,
    audit: Audit::READ,
    handler: |ssm, call| Box::pin(get(ssm, call)),
};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Input {
    name: String,
}

async fn get(ssm: Arc<Ssm>, call: Call) -> Result<Value, AwsError> {
    let (caller, _, input) = call.into_parts();
    let Input { name } = input::read(input)?;
    let shown = Shown::find(&ssm, &caller, &name).await?;
    Ok(json!({ "Parameter": input::write(&shown)? }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::House;

    #[tokio::test]
    async fn answers_the_newest_value_or_that_of_a_version() {
        let house = House::new().await;
        for value in ["80", "443"] {
            let put = json!({"Name": "/web/port", "Value": value, "Type": "String", "Overwrite": true});
            house.done("PutParameter", put).await;
        }
        let arn = "arn:aws:ssm:us-east-1:123456789012:parameter/web/port";
        for name in ["/web/port", arn] {
            let answer = house
                .ask("GetParameter", json!({"Name": name, "WithDecryption": true}))
                .await;
            let expected = json!({"Parameter": {
                "Name": "/web/port", "Type": "String", "Value": "443", "Version": 2,
                "LastModifiedDate": 1_767_323_045.0, "ARN": arn, "DataType": "text",
            }});
            assert_eq!(answer, Ok(expected));
            let first = house
                .done("GetParameter", json!({"Name": format!("{name}:1")}))
                .await;
            let first = &first["Parameter"];
            assert_eq!(
                (&first["Value"], &first["Version"], &first["Selector"]),
                (&json!("80"), &json!(1), &json!(":1"))
            );
        }
    }

    #[tokio::test]
    async fn refuses_what_is_wrong() {
        let house = House::new().await;
        let put = json!({"Name": "port", "Value": "80", "Type": "String"});
        house.done("PutParameter", put).await;
        let on = |name: &str| json!({"Name": name});
        house
            .refuses(
                "GetParameter",
                &[
                    (json!({}), "ValidationException"),
                    (on(""), "ValidationException"),
                    (on("other"), "ParameterNotFound"),
                    (on("/port"), "ParameterNotFound"),
                    (on("other:1"), "ParameterNotFound"),
                    (on("port:2"), "ParameterVersionNotFound"),
                    (on("port:label"), "ParameterVersionNotFound"),
                    (on("port:1:1"), "ParameterVersionNotFound"),
                    (on("port:99999999999999999999"), "ParameterVersionNotFound"),
                    (
                        on("arn:aws:ssm:eu-west-1:123456789012:parameter/port"),
                        "ParameterNotFound",
                    ),
                    (
                        on("arn:aws:ssm:us-east-1:210987654321:parameter/port"),
                        "AccessDeniedException",
                    ),
                ],
            )
            .await;
    }

    #[tokio::test]
    async fn parameters_are_told_by_their_paths_and_tags() {
        let house = House::new().await;
        for (name, team) in [("/web/port", "web"), ("/db/port", "db")] {
            let put = json!({
                "Name": name, "Value": "80", "Type": "String", "Tags": [{"Key": "Team", "Value": team}],
            });
            house.done("PutParameter", put).await;
        }
        let by_path = json!([{
            "Effect": "Allow", "Action": "ssm:GetParameter*",
            "Resource": "arn:aws:ssm:us-east-1:123456789012:parameter/web/*",
        }]);
        let by_tag = json!([{
            "Effect": "Allow", "Action": "ssm:GetParameter*", "Resource": "*",
            "Condition": {"StringEquals": {"ssm:resourceTag/Team": "web"}},
        }]);
        for (user, statements) in [("alice", by_path), ("bob", by_tag)] {
            let caller = house.give_user(user, statements).await;
            for own in [
                "/web/port",
                "arn:aws:ssm:us-east-1:123456789012:parameter/web/port",
                "/web/port:1",
            ] {
                let answer = house
                    .ask_as(caller.clone(), "GetParameter", json!({"Name": own}))
                    .await;
                assert!(answer.is_ok(), "{user} {own}: {answer:?}");
            }
            let denied = [
                (json!({"Name": "/db/port"}), "AccessDeniedException"),
                (json!({"Name": "/db/port:1"}), "AccessDeniedException"),
                (json!({"Name": "/nothing"}), "AccessDeniedException"),
            ];
            house.refuses_as(&caller, "GetParameter", &denied).await;
            let both = [(
                json!({"Names": ["/web/port", "/db/port"]}),
                "AccessDeniedException",
            )];
            house.refuses_as(&caller, "GetParameters", &both).await;
        }
    }
}
