//! `GenerateRandom`.

use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::{Audit, Call, Resource, SignedWith};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::error::unsupported;
use crate::{Kms, Operation, input};

pub(crate) const OPERATION: Operation = Operation {
    name: "GenerateRandom",
    action: "kms:GenerateRandom",
    signed_with: SignedWith::AccessKey,
    needs: |_, _| Resource::any().into(),
    audit: Audit::READ.hiding(&["Plaintext"]),
    handler: |kms, call| Box::pin(generate(kms, call)),
};

async fn generate(kms: Arc<Kms>, call: Call) -> Result<Value, AwsError> {
    let (_, _, input) = call.into_parts();
    if input.get("Recipient").is_some_and(|it| !it.is_null()) {
        return Err(unsupported("An attested recipient"));
    }
    if !input::text(&input, "CustomKeyStoreId").is_empty() {
        return Err(unsupported("A custom key store"));
    }
    let length = input.get("NumberOfBytes").and_then(Value::as_u64);
    let length = length.and_then(|length| usize::try_from(length).ok());
    let Some(length) = length else {
        return Err(AwsError::validation("NumberOfBytes is required."));
    };
    // The model's limit, once more: nothing is allocated by an announced length.
    let mut bytes = Zeroizing::new(vec![0; length.min(1024)]);
    kms.random.fill(&mut bytes);
    Ok(json!({"Plaintext": BASE64_STANDARD.encode(&*bytes)}))
}
