//! `GenerateDataKey` and `GenerateDataKeyWithoutPlaintext`.

use std::sync::Arc;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::{Audit, Call, EncryptionContext, SignedWith};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use zeroize::Zeroizing;

use super::{check_common, need};
use crate::error::{answer, dry_run, unusable};
use crate::{Kms, Operation, context, input};

pub(crate) const OPERATION: Operation = Operation {
    name: "GenerateDataKey",
    action: "kms:GenerateDataKey",
    signed_with: SignedWith::AccessKey,
    needs: |caller, input| need(caller, input).into(),
    audit: Audit::READ.hiding(&["Plaintext", "GrantTokens"]),
    handler: |kms, call| Box::pin(generate(kms, call, true)),
};

pub(crate) const WITHOUT_PLAINTEXT: Operation = Operation {
    name: "GenerateDataKeyWithoutPlaintext",
    action: "kms:GenerateDataKeyWithoutPlaintext",
    signed_with: SignedWith::AccessKey,
    needs: |caller, input| need(caller, input).into(),
    audit: Audit::READ.hiding(&["GrantTokens"]),
    handler: |kms, call| Box::pin(generate(kms, call, false)),
};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Input {
    #[serde(default)]
    encryption_context: EncryptionContext,
    number_of_bytes: Option<usize>,
    key_spec: Option<String>,
    #[serde(default)]
    dry_run: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Output {
    #[serde(serialize_with = "input::base64")]
    ciphertext_blob: Vec<u8>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "plaintext")]
    plaintext: Option<Zeroizing<Vec<u8>>>,
    key_id: String,
    key_material_id: String,
}

async fn generate(kms: Arc<Kms>, call: Call, shows_plaintext: bool) -> Result<Value, AwsError> {
    let (caller, allowed, input) = call.into_parts();
    check_common(&kms, &input)?;
    let input: Input = input::read(input)?;
    context::check(&input.encryption_context)?;
    let length = length(&input)?;
    let key = kms.decided(&caller, &allowed, 0).await.map_err(answer)?;
    key.usable().map_err(|wrong| answer(unusable(&key, wrong)))?;
    if input.dry_run {
        return Err(dry_run());
    }
    let mut plain = Zeroizing::new(vec![0; length]);
    kms.random.fill(&mut plain);
    let sealed = kms.seal(&key, &input.encryption_context, &plain).await;
    input::write(&Output {
        ciphertext_blob: sealed.map_err(answer)?,
        plaintext: shows_plaintext.then_some(plain),
        key_id: key.arn(),
        key_material_id: key.material.to_string(),
    })
}

fn length(input: &Input) -> Result<usize, AwsError> {
    match (input.number_of_bytes, input.key_spec.as_deref()) {
        (Some(bytes), None) => Ok(bytes),
        (None, Some("AES_128")) => Ok(16),
        (None, Some(_aes_256)) => Ok(32),
        (None, None) | (Some(_), Some(_)) => Err(AwsError::validation(
            "Please specify either number of bytes or key spec.",
        )),
    }
}

#[expect(clippy::ref_option, reason = "the signature that serde calls")]
fn plaintext<S: serde::Serializer>(
    bytes: &Option<Zeroizing<Vec<u8>>>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    input::base64(bytes.as_ref().map_or(&[], |bytes| bytes.as_slice()), serializer)
}
