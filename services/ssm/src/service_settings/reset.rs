//! `ResetServiceSetting`: puts a setting back to its default, and shows it.

use std::sync::Arc;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::{Audit, Call, SignedWith};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Known, Shown, needs_setting};
use crate::error::internal;
use crate::{Operation, Ssm, input};

pub(crate) const OPERATION: Operation = Operation {
    name: "ResetServiceSetting",
    action: "ssm:ResetServiceSetting",
    signed_with: SignedWith::AccessKey,
    needs: needs_setting,
    audit: Audit::WRITE,
    handler: |ssm, call| Box::pin(reset(ssm, call)),
};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Input {
    setting_id: String,
}

async fn reset(ssm: Arc<Ssm>, call: Call) -> Result<Value, AwsError> {
    let (caller, _, input) = call.into_parts();
    let Input { setting_id } = input::read(input)?;
    let known = Known::find(&caller, &setting_id)?;
    let removed = ssm.store.remove_setting(&known.place(&caller)).await;
    removed.map_err(internal)?;
    Ok(json!({ "ServiceSetting": Shown::new(&ssm, &caller, known, None) }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::House;

    const TIER: &str = "/ssm/managed-instance/activation-tier";

    #[tokio::test]
    async fn the_default_comes_back() {
        let house = House::new().await;
        let id = json!({"SettingId": TIER});
        let before = house.ask("GetServiceSetting", id.clone()).await;
        let update = json!({"SettingId": TIER, "SettingValue": "standard"});
        house.done("UpdateServiceSetting", update).await;
        assert_ne!(house.ask("GetServiceSetting", id.clone()).await, before);
        for _ in 0..2 {
            assert_eq!(house.ask("ResetServiceSetting", id.clone()).await, before);
            assert_eq!(house.ask("GetServiceSetting", id.clone()).await, before);
        }
    }

    #[tokio::test]
    async fn refuses_what_is_wrong() {
        let house = House::new().await;
        house
            .refuses(
                "ResetServiceSetting",
                &[
                    (json!({}), "ValidationException"),
                    (json!({"SettingId": []}), "SerializationException"),
                    (json!({"SettingId": "tier"}), "ServiceSettingNotFound"),
                ],
            )
            .await;
    }
}
