//! `CreateActivation`: makes a code that lets machines become nodes. The code is shown once and kept as a hash.

use std::sync::Arc;
use std::time::Duration;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::{
    Activation, ActivationId, Audit, Call, Caller, Need, Needs, Random, RandomArray as _, Resource, Secret,
    SignedWith, Tag,
};
use drawbridge_store::TokenHash;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::error::internal;
use crate::service::later;
use crate::{Operation, Ssm, input, passed_role, tags, wire};

pub(crate) const OPERATION: Operation = Operation {
    name: "CreateActivation",
    action: "ssm:CreateActivation",
    signed_with: SignedWith::AccessKey,
    needs,
    audit: Audit::WRITE.hiding(&["ActivationCode"]),
    handler: |ssm, call| Box::pin(create(ssm, call)),
};

/// How long an activation lasts that names no end.
const DEFAULT_LIFETIME: Duration = Duration::from_secs(24 * 3600);

/// How far off the end may be.
const LONGEST_LIFETIME: Duration = Duration::from_secs(30 * 24 * 3600);

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Input {
    description: Option<String>,
    default_instance_name: Option<String>,
    iam_role: String,
    registration_limit: Option<u32>,
    #[serde(default, deserialize_with = "wire::moment")]
    expiration_date: Option<Timestamp>,
    tags: Option<Vec<Tag>>,
}

/// The activation, and the role that its nodes get.
fn needs(caller: &Caller, input: &Value) -> Needs {
    let role = Resource::role(&caller.account, input::text(input, "IamRole"));
    vec![
        Need::on(Resource::any()).with_request_tags(&input::tags(input, "Tags")),
        passed_role::need(role, passed_role::SSM),
    ]
    .into()
}

async fn create(ssm: Arc<Ssm>, call: Call) -> Result<Value, AwsError> {
    let (caller, _, input) = call.into_parts();
    let input: Input = input::read(input)?;
    let code = draw_code(ssm.random.as_ref());
    let activation = plan(&ssm, &caller, input)?;
    ssm.store
        .create_activation(&activation, &TokenHash::of(code.expose()))
        .await
        .map_err(internal)?;
    tracing::info!(activation.id = %activation.id, principal.id = caller.principal.user_id(), "activation created");
    Ok(json!({ "ActivationId": activation.id, "ActivationCode": code.expose() }))
}

fn plan(ssm: &Ssm, caller: &Caller, input: Input) -> Result<Activation, AwsError> {
    let role = passed_role::find(ssm, caller, &input.iam_role)?;
    let tags = input.tags.unwrap_or_default();
    if let Some(fault) = tags::fault(&tags) {
        return Err(invalid(&fault));
    }
    let now = ssm.clock.now();
    let expires_at = input
        .expiration_date
        .unwrap_or_else(|| later(now, DEFAULT_LIFETIME));
    if expires_at <= now || expires_at > later(now, LONGEST_LIFETIME) {
        return Err(invalid(
            "The expiration date must be in the future, and at most 30 days from now.",
        ));
    }
    Ok(Activation {
        id: ActivationId::generate(ssm.random.as_ref()),
        account: caller.account.clone(),
        region: caller.region.clone(),
        description: input.description,
        default_instance_name: input.default_instance_name,
        iam_role: role.name.clone(),
        registration_limit: input.registration_limit.unwrap_or(1),
        registrations_count: 0,
        expires_at,
        created_at: now,
        tags,
    })
}

fn invalid(message: &str) -> AwsError {
    AwsError::new("InvalidParameters", message)
}

/// Draws 20 letters and digits, 100 bits, without those that people confuse and nothing that a shell minds.
fn draw_code(random: &dyn Random) -> Secret {
    const ALPHABET: &[u8; 32] = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";
    Secret::new(
        random
            .array::<20>()
            .map(|byte| char::from(ALPHABET[usize::from(byte & 31)]))
            .iter()
            .collect::<String>(),
    )
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use drawbridge_session::{Clock as _, SystemRandom};

    use super::*;
    use crate::testing::House;

    async fn described(house: &House, id: &Value) -> Value {
        let filter = json!([{"FilterKey": "ActivationIds", "FilterValues": [id]}]);
        let answer = house
            .done("DescribeActivations", json!({"Filters": filter}))
            .await;
        answer["ActivationList"][0].clone()
    }

    #[tokio::test]
    async fn answers_an_id_and_a_code_with_the_defaults() {
        let house = House::new().await;
        let answer = house
            .done("CreateActivation", json!({"IamRole": "noderole"}))
            .await;
        assert_eq!(answer["ActivationCode"].as_str().expect("a code").len(), 20);
        let shown = described(&house, &answer["ActivationId"]).await;
        assert_eq!(shown["RegistrationLimit"], 1);
        assert_eq!(shown["RegistrationsCount"], 0);
        assert_eq!(shown["IamRole"], "NodeRole");
        assert_eq!(shown["ExpirationDate"], json!(1_767_323_045.0 + 24.0 * 3600.0));
        assert_eq!(shown["Expired"], false);
    }

    #[tokio::test]
    async fn keeps_what_it_is_given() {
        let house = House::new().await;
        house.give_role("Any+=,.@-_Name", "/", passed_role::SSM).await;
        let end = later(house.clock.now(), Duration::from_secs(3600));
        let input = json!({
            "IamRole": "Any+=,.@-_Name", "Description": "for the web", "DefaultInstanceName": "web-1",
            "RegistrationLimit": 1000, "ExpirationDate": end.as_second(),
            "Tags": [{"Key": "Environment", "Value": ""}],
        });
        let answer = house.done("CreateActivation", input).await;
        let shown = described(&house, &answer["ActivationId"]).await;
        assert_eq!(shown["Description"], "for the web");
        assert_eq!(shown["DefaultInstanceName"], "web-1");
        assert_eq!(shown["RegistrationLimit"], 1000);
        assert_eq!(shown["Tags"], json!([{"Key": "Environment", "Value": ""}]));
        house.clock.advance(Duration::from_secs(3600));
        assert_eq!(described(&house, &answer["ActivationId"]).await["Expired"], true);
    }

    #[tokio::test]
    async fn refuses_what_is_wrong() {
        let house = House::new().await;
        let now = house.clock.now().as_second();
        let with = |member: &str, value: Value| {
            let mut input = json!({"IamRole": "NodeRole"});
            input[member] = value;
            input
        };
        let tags = |count: usize| {
            (0..count)
                .map(|it| json!({"Key": format!("k{it}"), "Value": ""}))
                .collect::<Value>()
        };
        house
            .refuses(
                "CreateActivation",
                &[
                    (json!({}), "ValidationException"),
                    (with("IamRole", json!("")), "ValidationException"),
                    (with("IamRole", json!("service-role/Role")), "ValidationException"),
                    (with("IamRole", json!("x".repeat(65))), "ValidationException"),
                    (with("RegistrationLimit", json!(0)), "ValidationException"),
                    (with("RegistrationLimit", json!(1001)), "ValidationException"),
                    (with("RegistrationLimit", json!("one")), "SerializationException"),
                    (
                        with("DefaultInstanceName", json!("x".repeat(257))),
                        "ValidationException",
                    ),
                    (with("DefaultInstanceName", json!("a;b")), "ValidationException"),
                    (with("Description", json!("x".repeat(257))), "ValidationException"),
                    (with("ExpirationDate", json!(now)), "InvalidParameters"),
                    (with("ExpirationDate", json!(now - 60)), "InvalidParameters"),
                    (
                        with("ExpirationDate", json!(now + 30 * 24 * 3600 + 1)),
                        "InvalidParameters",
                    ),
                    (
                        with("Tags", json!([{"Key": "", "Value": ""}])),
                        "ValidationException",
                    ),
                    (with("Tags", json!([{"Key": "a"}])), "ValidationException"),
                    (
                        with("Tags", json!([{"Key": "aws:a", "Value": ""}])),
                        "InvalidParameters",
                    ),
                    (
                        with(
                            "Tags",
                            json!([{"Key": "a", "Value": ""}, {"Key": "a", "Value": ""}]),
                        ),
                        "InvalidParameters",
                    ),
                    (with("Tags", tags(51)), "InvalidParameters"),
                ],
            )
            .await;
    }

    #[tokio::test]
    async fn the_role_must_be_there_and_let_the_service_take_it_on() {
        let house = House::new().await;
        house.give_role("Instance", "/team/", "ec2.amazonaws.com").await;
        for (name, path) in [("Nobodys", "/"), ("Instance", "/team/")] {
            let error = house.ask("CreateActivation", json!({"IamRole": name})).await;
            let error = error.expect_err(name);
            assert_eq!(error.code(), "ValidationException");
            let arn = format!("arn:aws:iam::123456789012:role{path}{name}");
            assert_eq!(
                error.message(),
                format!("Nonexistent role or missing ssm service principal in trust policy: {arn}")
            );
        }
        house.give_role("Fleet", "/team/", passed_role::SSM).await;
        let created = house.ask("CreateActivation", json!({"IamRole": "Fleet"})).await;
        assert!(created.is_ok(), "{created:?}");
    }

    #[tokio::test]
    async fn whoever_gives_a_role_must_be_allowed_to_pass_it_to_the_service() {
        let house = House::new().await;
        house.give_role("Fleet", "/team/", passed_role::SSM).await;
        let to = |service: &str| {
            json!([
                {"Effect": "Allow", "Action": "ssm:CreateActivation", "Resource": "*"},
                {
                    "Effect": "Allow", "Action": "iam:PassRole",
                    "Resource": "arn:aws:iam::123456789012:role/team/*",
                    "Condition": {"StringEquals": {"iam:PassedToService": service}},
                },
            ])
        };
        let alice = house.give_user("alice", to(passed_role::SSM)).await;
        let carol = house.give_user("carol", to("ec2.amazonaws.com")).await;
        let ask = async |caller: &Caller, role: &str| {
            let input = json!({"IamRole": role});
            house.ask_as(caller.clone(), "CreateActivation", input).await
        };
        assert!(ask(&alice, "Fleet").await.is_ok());
        for (caller, role, arn) in [
            (&alice, "NodeRole", "role/NodeRole"),
            (&alice, "Nobodys", "role/Nobodys"),
            (&carol, "Fleet", "role/Fleet"),
        ] {
            let error = ask(caller, role).await.expect_err("denied");
            assert_eq!(error.code(), "AccessDeniedException");
            let about = format!("iam:PassRole on resource: arn:aws:iam::123456789012:{arn} ");
            assert!(error.message().contains(&about), "{error}");
        }
    }

    #[test]
    fn codes_are_twenty_characters_and_never_alike() {
        let mut seen = HashSet::new();
        for _ in 0..10_000 {
            let code = draw_code(&SystemRandom);
            assert_eq!(code.expose().len(), 20);
            assert!(seen.insert(code.expose().to_owned()));
        }
    }
}
