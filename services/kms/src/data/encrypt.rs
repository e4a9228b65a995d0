//! `Encrypt`.

use std::sync::Arc;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::{Audit, Call, EncryptionContext, SignedWith};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use zeroize::Zeroizing;

use super::{ALGORITHM, check_common, need};
use crate::error::{answer, dry_run, unusable};
use crate::{Kms, Operation, context, input};

pub(crate) const OPERATION: Operation = Operation {
    name: "Encrypt",
    action: "kms:Encrypt",
    signed_with: SignedWith::AccessKey,
    needs: |caller, input| need(caller, input).into(),
    audit: Audit::READ.hiding(&["Plaintext", "GrantTokens"]),
    handler: |kms, call| Box::pin(encrypt(kms, call)),
};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Input {
    #[serde(deserialize_with = "input::bytes")]
    plaintext: Vec<u8>,
    #[serde(default)]
    encryption_context: EncryptionContext,
    #[serde(default)]
    dry_run: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Output {
    #[serde(serialize_with = "input::base64")]
    ciphertext_blob: Vec<u8>,
    key_id: String,
    encryption_algorithm: &'static str,
}

async fn encrypt(kms: Arc<Kms>, call: Call) -> Result<Value, AwsError> {
    let (caller, allowed, input) = call.into_parts();
    check_common(&kms, &input)?;
    let input: Input = input::read(input)?;
    let plain = Zeroizing::new(input.plaintext);
    context::check(&input.encryption_context)?;
    let key = kms.decided(&caller, &allowed, 0).await.map_err(answer)?;
    key.usable().map_err(|wrong| answer(unusable(&key, wrong)))?;
    if input.dry_run {
        return Err(dry_run());
    }
    let sealed = kms.seal(&key, &input.encryption_context, &plain).await;
    input::write(&Output {
        ciphertext_blob: sealed.map_err(answer)?,
        key_id: key.arn(),
        encryption_algorithm: ALGORITHM,
    })
}
