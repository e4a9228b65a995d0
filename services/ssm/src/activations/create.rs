//! `CreateActivation`: makes a code that lets machines become nodes. The code is shown once and kept as a hash.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::{
    Activation, ActivationId, Audit, Call, Caller, Random, RandomArray as _, Resource, Secret, SignedWith,
    Tag,
};
use drawbridge_store::TokenHash;
use drawbridge_store::tags::MAX_TAGS;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::error::internal;
use crate::nodes::check_role_name;
use crate::service::later;
use crate::{Operation, Ssm, input, wire};

pub(crate) const OPERATION: Operation = Operation {
    name: "CreateActivation",
    action: "ssm:CreateActivation",
    signed_with: SignedWith::AccessKey,
    needs: |_, _| Resource::any().into(),
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
    check_role_name(&input.iam_role)?;
    let tags = input.tags.unwrap_or_default();
    check_tags(&tags)?;
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
        iam_role: input.iam_role,
        registration_limit: input.registration_limit.unwrap_or(1),
        registrations_count: 0,
        expires_at,
        created_at: now,
        tags,
    })
}

fn check_tags(tags: &[Tag]) -> Result<(), AwsError> {
    let mut keys = HashSet::new();
    if tags.len() > MAX_TAGS {
        return Err(invalid("An activation can have at most 50 tags."));
    }
    for tag in tags {
        if tag.key.to_ascii_lowercase().starts_with("aws:") {
            return Err(invalid("Tag keys that start with aws: are reserved."));
        }
        if !keys.insert(&tag.key) {
            return Err(invalid(&format!("Tag key {} is given more than once.", tag.key)));
        }
    }
    Ok(())
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
    use drawbridge_session::{Clock as _, SystemRandom};

    use super::*;
    use crate::testing::House;

    async fn described(house: &House, id: &Value) -> Value {
        let filter = json!([{"FilterKey": "ActivationIds", "FilterValues": [id]}]);
        let answer = house
            .ask("DescribeActivations", json!({"Filters": filter}))
            .await
            .expect("listed");
        answer["ActivationList"][0].clone()
    }

    #[tokio::test]
    async fn answers_an_id_and_a_code_with_the_defaults() {
        let house = House::new().await;
        let answer = house
            .ask("CreateActivation", json!({"IamRole": "NodeRole"}))
            .await
            .expect("created");
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
        let end = later(house.clock.now(), Duration::from_secs(3600));
        let input = json!({
            "IamRole": "Any+=,.@-_Name", "Description": "for the web", "DefaultInstanceName": "web-1",
            "RegistrationLimit": 1000, "ExpirationDate": end.as_second(),
            "Tags": [{"Key": "Environment", "Value": ""}],
        });
        let answer = house.ask("CreateActivation", input).await.expect("created");
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
            let mut input = json!({"IamRole": "Role"});
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
