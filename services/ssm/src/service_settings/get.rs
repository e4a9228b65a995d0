//! `GetServiceSetting`: shows a setting.

use std::sync::Arc;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::{Audit, Call, SignedWith};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Known, Shown, needs_setting, read};
use crate::{Operation, Ssm, input};

pub(crate) const OPERATION: Operation = Operation {
    name: "GetServiceSetting",
    action: "ssm:GetServiceSetting",
    signed_with: SignedWith::AccessKey,
    needs: needs_setting,
    audit: Audit::READ,
    handler: |ssm, call| Box::pin(get(ssm, call)),
};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Input {
    setting_id: String,
}

async fn get(ssm: Arc<Ssm>, call: Call) -> Result<Value, AwsError> {
    let (caller, _, input) = call.into_parts();
    let Input { setting_id } = input::read(input)?;
    let known = Known::find(&caller, &setting_id)?;
    let customized = read(&ssm, &caller, known).await?;
    Ok(json!({ "ServiceSetting": Shown::new(&ssm, &caller, known, customized) }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::House;

    #[tokio::test]
    async fn shows_the_defaults_of_those_that_there_are() {
        let house = House::new().await;
        for (id, value) in [
            ("/ssm/managed-instance/activation-tier", "advanced"),
            (
                "/ssm/managed-instance/default-ec2-instance-management-role",
                "$None",
            ),
            ("/ssm/documents/console/public-sharing-permission", "Enable"),
            ("/drawbridge/sessions/per-user", "unlimited"),
            ("/drawbridge/sessions/per-node", "unlimited"),
        ] {
            let arn = format!("arn:aws:ssm:us-east-1:123456789012:servicesetting{id}");
            for named in [id, &arn] {
                let shown = house.ask("GetServiceSetting", json!({"SettingId": named})).await;
                let expected = json!({"ServiceSetting": {
                    "SettingId": id, "SettingValue": value, "LastModifiedUser": "System", "ARN": arn,
                    "Status": "Default",
                }});
                assert_eq!(shown, Ok(expected));
            }
        }
    }

    #[tokio::test]
    async fn refuses_what_is_wrong() {
        let house = House::new().await;
        let elsewhere =
            "arn:aws:ssm:eu-west-1:123456789012:servicesetting/ssm/managed-instance/activation-tier";
        house
            .refuses(
                "GetServiceSetting",
                &[
                    (json!({}), "ValidationException"),
                    (json!({"SettingId": ""}), "ValidationException"),
                    (json!({"SettingId": "x".repeat(1001)}), "ValidationException"),
                    (json!({"SettingId": 1}), "SerializationException"),
                    (json!({"SettingId": "/ssm/none"}), "ServiceSettingNotFound"),
                    (
                        json!({"SettingId": "/SSM/managed-instance/activation-tier"}),
                        "ServiceSettingNotFound",
                    ),
                    (json!({"SettingId": elsewhere}), "ServiceSettingNotFound"),
                ],
            )
            .await;
    }

    #[tokio::test]
    async fn a_policy_may_name_the_setting() {
        let house = House::new().await;
        let arn = "arn:aws:ssm:us-east-1:123456789012:servicesetting/ssm/managed-instance/activation-tier";
        let may = json!([{"Effect": "Allow", "Action": "ssm:GetServiceSetting", "Resource": arn}]);
        let alice = house.give_user("alice", may).await;
        for id in [arn, "/ssm/managed-instance/activation-tier"] {
            let shown = house.ask_as(alice.clone(), "GetServiceSetting", json!({"SettingId": id}));
            assert!(shown.await.is_ok());
        }
        for id in ["/ssm/documents/console/public-sharing-permission", "/ssm/none"] {
            let error = house.ask_as(alice.clone(), "GetServiceSetting", json!({"SettingId": id}));
            let error = error.await.expect_err("denied");
            assert_eq!(error.code(), "AccessDeniedException");
        }
    }
}
