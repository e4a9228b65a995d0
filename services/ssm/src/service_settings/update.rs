//! `UpdateServiceSetting`: chooses the value of a setting.

use std::sync::Arc;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::{Audit, Call, Caller, Needs, Resource, SignedWith};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{ActivationTier, Customized, Known, NO_ROLE, UNLIMITED, need};
use crate::error::internal;
use crate::{Operation, Ssm, input, passed_role};

pub(crate) const OPERATION: Operation = Operation {
    name: "UpdateServiceSetting",
    action: "ssm:UpdateServiceSetting",
    signed_with: SignedWith::AccessKey,
    needs,
    audit: Audit::WRITE,
    handler: |ssm, call| Box::pin(update(ssm, call)),
};

/// The highest limit that is one.
const MAX_LIMIT: u32 = 10_000;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Input {
    setting_id: String,
    setting_value: String,
}

/// The setting, and the role where its value is one.
fn needs(caller: &Caller, input: &Value) -> Needs {
    let mut needs = vec![need(caller, input)];
    let known = Known::find(caller, input::text(input, "SettingId"));
    let value = input::text(input, "SettingValue");
    if known == Ok(Known::DefaultInstanceRole) && value != NO_ROLE {
        let role = Resource::role(&caller.account, name_of(value));
        needs.push(passed_role::need(role, passed_role::SSM));
    }
    needs.into()
}

async fn update(ssm: Arc<Ssm>, call: Call) -> Result<Value, AwsError> {
    let (caller, _, input) = call.into_parts();
    let Input {
        setting_id,
        setting_value: value,
    } = input::read(input)?;
    let known = Known::find(&caller, &setting_id)?;
    match known {
        Known::ActivationTier => {
            let tiers = [ActivationTier::STANDARD, ActivationTier::ADVANCED];
            check_one_of(known, &value, &tiers)?;
        }
        Known::PublicDocuments => check_one_of(known, &value, &["Enable", "Disable"])?,
        Known::SessionsPerUser | Known::SessionsPerNode => check_limit(known, &value)?,
        Known::DefaultInstanceRole if value == NO_ROLE => {}
        Known::DefaultInstanceRole => check_role(&ssm, &caller, &value)?,
    }
    let customized = Customized {
        value,
        modified_at: ssm.clock.now(),
        modified_by: caller.principal.arn(),
    };
    let text = serde_json::to_string(&customized).map_err(internal)?;
    let stored = ssm.store.set_setting(&known.place(&caller), &text).await;
    stored.map_err(internal)?;
    tracing::info!(
        setting.id = known.id(),
        setting.value = customized.value,
        principal.id = caller.principal.user_id(),
        "service setting changed"
    );
    Ok(json!({}))
}

fn check_limit(known: Known, value: &str) -> Result<(), AwsError> {
    let plain = value.bytes().all(|byte| byte.is_ascii_digit());
    let in_range = value
        .parse()
        .is_ok_and(|limit: u32| (1..=MAX_LIMIT).contains(&limit));
    if value == UNLIMITED || (plain && in_range) {
        return Ok(());
    }
    let rule = format!("{UNLIMITED} or a whole number from 1 to {MAX_LIMIT}");
    Err(invalid(known, value, &rule))
}

fn check_one_of(known: Known, value: &str, values: &[&str]) -> Result<(), AwsError> {
    if values.contains(&value) {
        return Ok(());
    }
    Err(invalid(known, value, &format!("one of {}", values.join(", "))))
}

/// A role is named with its path, without the slash before it: `service-role/NAME`.
fn check_role(ssm: &Ssm, caller: &Caller, value: &str) -> Result<(), AwsError> {
    let role = passed_role::find(ssm, caller, name_of(value))?;
    let full = format!("{}{}", role.path, role.name);
    if full.strip_prefix('/') == Some(value) {
        return Ok(());
    }
    let rule = "the path and name of a role, such as service-role/NAME";
    Err(invalid(Known::DefaultInstanceRole, value, rule))
}

fn name_of(role: &str) -> &str {
    role.rsplit('/').next().unwrap_or(role)
}

fn invalid(known: Known, value: &str, rule: &str) -> AwsError {
    AwsError::validation(format!(
        "The value '{value}' is not valid for service setting {}: it must be {rule}.",
        known.id()
    ))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use drawbridge_store::Directories as _;

    use super::*;
    use crate::testing::House;

    const TIER: &str = "/ssm/managed-instance/activation-tier";
    const ROLE: &str = "/ssm/managed-instance/default-ec2-instance-management-role";

    fn set(id: &str, value: &str) -> Value {
        json!({"SettingId": id, "SettingValue": value})
    }

    #[tokio::test]
    async fn the_value_is_kept_for_the_account_and_region_with_who_changed_it() {
        let house = House::new().await;
        house.clock.advance(Duration::from_secs(60));
        let mut changes = house.store.access_changes();
        changes.borrow_and_update();
        let arn = format!("arn:aws:ssm:us-east-1:123456789012:servicesetting{TIER}");
        let updated = house.ask("UpdateServiceSetting", set(&arn, "standard")).await;
        assert_eq!(updated, Ok(json!({})));
        assert!(changes.has_changed().expect("open"), "decisions may depend on it");
        let id = json!({"SettingId": TIER});
        let shown = house.ask("GetServiceSetting", id.clone()).await;
        let expected = json!({"ServiceSetting": {
            "SettingId": TIER, "SettingValue": "standard", "LastModifiedDate": 1_767_323_105.0,
            "LastModifiedUser": "arn:aws:iam::123456789012:user/admin", "ARN": arn, "Status": "Customized",
        }});
        assert_eq!(shown, Ok(expected));

        let mut elsewhere = house.admin();
        elsewhere.region = "eu-west-1".parse().expect("valid");
        let other = "210987654321".parse().expect("valid");
        house.found(&other, "").await;
        for caller in [elsewhere, house.user_of(&other, "admin")] {
            let shown = house.ask_as(caller, "GetServiceSetting", id.clone()).await;
            assert_eq!(shown.expect("shown")["ServiceSetting"]["Status"], "Default");
        }
    }

    #[tokio::test]
    async fn the_default_role_of_instances_is_passed_and_must_be_usable() {
        let house = House::new().await;
        house
            .give_role("Managed", "/service-role/", passed_role::SSM)
            .await;
        let updated = house.ask("UpdateServiceSetting", set(ROLE, "service-role/Managed"));
        assert_eq!(updated.await, Ok(json!({})));
        let updated = house.ask("UpdateServiceSetting", set(ROLE, NO_ROLE)).await;
        assert_eq!(updated, Ok(json!({})));
        let may = json!([{"Effect": "Allow", "Action": "ssm:*", "Resource": "*"}]);
        let alice = house.give_user("alice", may).await;
        let error = house.ask_as(
            alice.clone(),
            "UpdateServiceSetting",
            set(ROLE, "service-role/Managed"),
        );
        let error = error.await.expect_err("denied");
        assert!(
            error
                .message()
                .contains("iam:PassRole on resource: arn:aws:iam::123456789012:role/Managed "),
            "{error}"
        );
        let updated = house
            .ask_as(alice, "UpdateServiceSetting", set(ROLE, NO_ROLE))
            .await;
        assert_eq!(updated, Ok(json!({})));
    }

    #[tokio::test]
    async fn refuses_what_is_wrong() {
        let house = House::new().await;
        house
            .give_role("Managed", "/service-role/", passed_role::SSM)
            .await;
        house.give_role("Instance", "/", "ec2.amazonaws.com").await;
        house
            .refuses(
                "UpdateServiceSetting",
                &[
                    (json!({}), "ValidationException"),
                    (json!({"SettingId": TIER}), "ValidationException"),
                    (set(TIER, ""), "ValidationException"),
                    (set(TIER, &"x".repeat(4097)), "ValidationException"),
                    (
                        json!({"SettingId": TIER, "SettingValue": true}),
                        "SerializationException",
                    ),
                    (set("/ssm/none", "standard"), "ServiceSettingNotFound"),
                    (set(TIER, "Advanced"), "ValidationException"),
                    (set("/drawbridge/sessions/per-user", "0"), "ValidationException"),
                    (
                        set("/drawbridge/sessions/per-node", "10001"),
                        "ValidationException",
                    ),
                    (set("/drawbridge/sessions/per-node", "+1"), "ValidationException"),
                    (
                        set("/ssm/documents/console/public-sharing-permission", "enable"),
                        "ValidationException",
                    ),
                    (set(ROLE, "Managed"), "ValidationException"),
                    (set(ROLE, "/service-role/Managed"), "ValidationException"),
                    (set(ROLE, "service-role/Nobodys"), "ValidationException"),
                    (set(ROLE, "Instance"), "ValidationException"),
                    (set(ROLE, "a/"), "ValidationException"),
                ],
            )
            .await;
        let error = house.ask("UpdateServiceSetting", set(TIER, "gold")).await;
        assert_eq!(
            error.expect_err("invalid").message(),
            "The value 'gold' is not valid for service setting /ssm/managed-instance/activation-tier: it must be one \
             of standard, advanced."
        );
    }
}
