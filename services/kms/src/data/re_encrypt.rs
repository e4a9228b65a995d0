//! `ReEncrypt`: from one key or context to another, without showing the plaintext.

use std::sync::Arc;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::{Audit, Call, Caller, EncryptionContext, Need, Needs, SignedWith};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{ALGORITHM, check_common, check_key, read_blob, source};
use crate::error::{answer, dry_run, unusable};
use crate::{Kms, Operation, context, input, needs};

pub(crate) const OPERATION: Operation = Operation {
    name: "ReEncrypt",
    action: "kms:ReEncrypt",
    signed_with: SignedWith::AccessKey,
    needs,
    audit: Audit::READ.hiding(&["GrantTokens"]),
    handler: |kms, call| Box::pin(re_encrypt(kms, call)),
};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Input {
    #[serde(default)]
    source_encryption_context: EncryptionContext,
    #[serde(default)]
    destination_encryption_context: EncryptionContext,
    #[serde(default)]
    dry_run: bool,
    #[serde(default)]
    dry_run_modifiers: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Output {
    #[serde(serialize_with = "input::base64")]
    ciphertext_blob: Vec<u8>,
    source_key_id: String,
    key_id: String,
    source_encryption_algorithm: &'static str,
    destination_encryption_algorithm: &'static str,
    source_key_material_id: String,
    destination_key_material_id: String,
}

fn needs(caller: &Caller, input: &Value) -> Needs {
    let Some(from) = source(caller, input, "SourceKeyId") else {
        return Needs::Signature;
    };
    let to = needs::resource(caller, input, "DestinationKeyId");
    let same = (from.arn() == to.arn()).to_string();
    let from = Need::also("kms:ReEncryptFrom", from).with("kms:ReEncryptOnSameKey", same.as_str());
    let to = Need::also("kms:ReEncryptTo", to).with("kms:ReEncryptOnSameKey", same);
    vec![
        needs::with_context(from, input, "SourceEncryptionContext"),
        needs::with_context(to, input, "DestinationEncryptionContext"),
    ]
    .into()
}

async fn re_encrypt(kms: Arc<Kms>, call: Call) -> Result<Value, AwsError> {
    let (caller, allowed, input) = call.into_parts();
    check_common(&kms, &input)?;
    let bytes = input
        .get("CiphertextBlob")
        .map(|_| input::blob(&input, "CiphertextBlob"));
    let named = !input::text(&input, "SourceKeyId").is_empty();
    let input: Input = input::read(input)?;
    context::check(&input.source_encryption_context)?;
    context::check(&input.destination_encryption_context)?;
    let ignores = input.dry_run_modifiers.iter().any(|it| it == "IGNORE_CIPHERTEXT");
    let blob = if input.dry_run && ignores && named {
        None
    } else {
        Some(read_blob(bytes.as_deref())?)
    };
    let from = kms.decided(&caller, &allowed, 0).await.map_err(answer)?;
    let to = kms.decided(&caller, &allowed, 1).await.map_err(answer)?;
    for key in [&from, &to] {
        key.usable().map_err(|wrong| answer(unusable(key, wrong)))?;
    }
    let Some(blob) = blob else {
        return Err(dry_run());
    };
    check_key(&blob, &from)?;
    let plain = kms.open(&from, &blob, &input.source_encryption_context).await;
    let plain = plain.map_err(answer)?;
    if input.dry_run {
        return Err(dry_run());
    }
    let sealed = kms.seal(&to, &input.destination_encryption_context, &plain).await;
    input::write(&Output {
        ciphertext_blob: sealed.map_err(answer)?,
        source_key_id: from.arn(),
        key_id: to.arn(),
        source_encryption_algorithm: ALGORITHM,
        destination_encryption_algorithm: ALGORITHM,
        source_key_material_id: blob.material.to_string(),
        destination_key_material_id: to.material.to_string(),
    })
}
