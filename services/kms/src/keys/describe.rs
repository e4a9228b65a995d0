//! `DescribeKey`: tells what a key is.

use std::sync::Arc;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::{Audit, Call, SignedWith};
use drawbridge_store::{Key, KeyState};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

use crate::error::answer;
use crate::{Kms, Operation, input, needs, wire};

pub(crate) const OPERATION: Operation = Operation {
    name: "DescribeKey",
    action: "kms:DescribeKey",
    signed_with: SignedWith::AccessKey,
    needs: needs::just_key,
    audit: Audit::READ.hiding(&["GrantTokens"]),
    handler: |kms, call| Box::pin(describe(kms, call)),
};

async fn describe(kms: Arc<Kms>, call: Call) -> Result<Value, AwsError> {
    let key = kms
        .decided(call.caller(), call.allowed(), 0)
        .await
        .map_err(answer)?;
    Ok(json!({"KeyMetadata": input::write(&Metadata::of(&key))?}))
}

/// What is told of a key.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Metadata<'a> {
    #[serde(rename = "AWSAccountId")]
    account: &'a str,
    key_id: &'a str,
    arn: String,
    #[serde(serialize_with = "wire::epoch")]
    creation_date: Timestamp,
    enabled: bool,
    description: &'a str,
    key_usage: &'static str,
    key_state: &'static str,
    #[serde(
        skip_serializing_if = "Option::is_none",
        serialize_with = "wire::epoch_if_any"
    )]
    deletion_date: Option<Timestamp>,
    origin: &'static str,
    key_manager: &'static str,
    customer_master_key_spec: &'static str,
    key_spec: &'static str,
    encryption_algorithms: [&'static str; 1],
    multi_region: bool,
    current_key_material_id: String,
}

impl<'a> Metadata<'a> {
    pub(crate) fn of(key: &'a Key) -> Self {
        Self {
            account: key.account.as_str(),
            key_id: key.id.as_str(),
            arn: key.arn(),
            creation_date: key.created_at,
            enabled: key.state == KeyState::Enabled,
            description: &key.description,
            key_usage: "ENCRYPT_DECRYPT",
            key_state: key.state.as_str(),
            deletion_date: match key.state {
                KeyState::PendingDeletion { at } => Some(at),
                KeyState::Enabled | KeyState::Disabled => None,
            },
            origin: "AWS_KMS",
            key_manager: key.manager.as_str(),
            customer_master_key_spec: "SYMMETRIC_DEFAULT",
            key_spec: "SYMMETRIC_DEFAULT",
            encryption_algorithms: ["SYMMETRIC_DEFAULT"],
            multi_region: false,
            current_key_material_id: key.material.to_string(),
        }
    }
}
