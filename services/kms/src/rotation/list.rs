//! `ListKeyRotations`: when a key got its materials.

use std::sync::Arc;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::{Audit, Call, SignedWith};
use drawbridge_store::{Key, KeyMaterial, MaterialCause};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use crate::error::internal;
use crate::page::Paging;
use crate::{Kms, Operation, input, needs, wire};

pub(crate) const OPERATION: Operation = Operation {
    name: NAME,
    action: "kms:ListKeyRotations",
    signed_with: SignedWith::AccessKey,
    needs: needs::just_key,
    audit: Audit::READ,
    handler: |kms, call| Box::pin(list(kms, call)),
};

const NAME: &str = "ListKeyRotations";

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Shown<'a> {
    key_id: &'a str,
    key_material_id: String,
    key_material_state: &'static str,
    /// The first material came about by no rotation.
    #[serde(skip_serializing_if = "Option::is_none")]
    rotation_type: Option<&'static str>,
    #[serde(
        skip_serializing_if = "Option::is_none",
        serialize_with = "wire::epoch_if_any"
    )]
    rotation_date: Option<Timestamp>,
}

async fn list(kms: Arc<Kms>, call: Call) -> Result<Value, AwsError> {
    let key = kms.own(call.caller(), call.allowed(), 0).await?;
    let (_, _, input) = call.into_parts();
    let shows_first = input::text(&input, "IncludeKeyMaterial") == "ALL_KEY_MATERIAL";
    let page = input::read::<Paging>(input)?.page(NAME)?;
    let materials = kms.store.key_materials(&key.id).await.map_err(internal)?;
    // By their place, so that a marker is a place whatever comes later.
    let numbered = materials.into_iter().zip(1_u32..);
    let wanted = numbered.filter(|(it, _)| shows_first || it.cause != MaterialCause::Creation);
    let place = |(_, number): &(KeyMaterial, u32)| format!("{number:010}");
    let items = page.cut(wanted.collect(), place);
    Ok(page.answer("Rotations", items, place, |(material, _)| {
        input::write(&Shown::of(&key, material)).unwrap_or_default()
    }))
}

impl<'a> Shown<'a> {
    fn of(key: &'a Key, material: &KeyMaterial) -> Self {
        let rotated = material.cause != MaterialCause::Creation;
        Self {
            key_id: key.id.as_str(),
            key_material_id: material.id.to_string(),
            key_material_state: if key.material == material.id {
                "CURRENT"
            } else {
                "NON_CURRENT"
            },
            rotation_type: rotated.then(|| material.cause.as_str()),
            rotation_date: rotated.then_some(material.made_at),
        }
    }
}
