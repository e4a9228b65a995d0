//! `Decrypt`.

use std::sync::Arc;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::{Audit, Call, Caller, EncryptionContext, Need, Needs, SignedWith};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use zeroize::Zeroizing;

use super::{ALGORITHM, check_common, check_key, read_blob, source};
use crate::error::{answer, dry_run, unusable};
use crate::{Kms, Operation, context, input, needs};

pub(crate) const OPERATION: Operation = Operation {
    name: "Decrypt",
    action: "kms:Decrypt",
    signed_with: SignedWith::AccessKey,
    needs,
    audit: Audit::READ.hiding(&["Plaintext", "GrantTokens"]),
    handler: |kms, call| Box::pin(decrypt(kms, call)),
};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Input {
    #[serde(default)]
    encryption_context: EncryptionContext,
    #[serde(default)]
    dry_run: bool,
    #[serde(default)]
    dry_run_modifiers: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Output {
    key_id: String,
    #[serde(serialize_with = "plaintext")]
    plaintext: Zeroizing<Vec<u8>>,
    encryption_algorithm: &'static str,
    key_material_id: String,
}

/// Who names no key and brings no ciphertext of ours gets to the handler, which finds nothing to decrypt.
fn needs(caller: &Caller, input: &Value) -> Needs {
    match source(caller, input, "KeyId") {
        Some(key) => needs::with_context(Need::on(key), input, "EncryptionContext").into(),
        None => Needs::Signature,
    }
}

async fn decrypt(kms: Arc<Kms>, call: Call) -> Result<Value, AwsError> {
    let (caller, allowed, input) = call.into_parts();
    check_common(&kms, &input)?;
    let bytes = input
        .get("CiphertextBlob")
        .map(|_| input::blob(&input, "CiphertextBlob"));
    let named = !input::text(&input, "KeyId").is_empty();
    let input: Input = input::read(input)?;
    context::check(&input.encryption_context)?;
    let ignores = input.dry_run_modifiers.iter().any(|it| it == "IGNORE_CIPHERTEXT");
    if input.dry_run && ignores && named {
        let key = kms.decided(&caller, &allowed, 0).await.map_err(answer)?;
        key.usable().map_err(|wrong| answer(unusable(&key, wrong)))?;
        return Err(dry_run());
    }
    let blob = read_blob(bytes.as_deref())?;
    let key = kms.decided(&caller, &allowed, 0).await.map_err(answer)?;
    check_key(&blob, &key)?;
    let plain = kms.open(&key, &blob, &input.encryption_context).await;
    let plaintext = plain.map_err(answer)?;
    if input.dry_run {
        return Err(dry_run());
    }
    input::write(&Output {
        key_id: key.arn(),
        plaintext,
        encryption_algorithm: ALGORITHM,
        key_material_id: blob.material.to_string(),
    })
}

fn plaintext<S: serde::Serializer>(bytes: &Zeroizing<Vec<u8>>, serializer: S) -> Result<S::Ok, S::Error> {
    input::base64(bytes, serializer)
}
