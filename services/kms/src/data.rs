//! The operations that encrypt and decrypt.

pub(crate) mod decrypt;
pub(crate) mod encrypt;
pub(crate) mod generate_data_key;
pub(crate) mod generate_random;
pub(crate) mod re_encrypt;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::{Caller, EncryptionContext, KeyError, Need, Resource};
use drawbridge_store::Key;
use serde_json::Value;
use zeroize::Zeroizing;

use crate::blob::Blob;
use crate::error::{fault, unusable};
use crate::{Kms, grants, input, material, needs};

/// The one algorithm of symmetric keys.
const ALGORITHM: &str = "SYMMETRIC_DEFAULT";

impl Kms {
    /// Encrypts under the current material of a key.
    pub(crate) async fn seal(
        &self,
        key: &Key,
        context: &EncryptionContext,
        plain: &[u8],
    ) -> Result<Vec<u8>, KeyError> {
        key.usable().map_err(|wrong| unusable(key, wrong))?;
        let found = self.store.key_material(&key.id, &key.material).await;
        let found = found.map_err(fault)?;
        let found = found.ok_or_else(|| KeyError::NotFound(format!("Key '{}' does not exist", key.arn())))?;
        let material = material::open(&found, &self.root)?;
        let of = (&key.account, &key.id, &found.id);
        let blob = Blob::seal(of, &material, context, plain, self.random.as_ref());
        Ok(blob.to_bytes())
    }

    /// Decrypts with the material that a ciphertext names, which may be an older one of the key.
    pub(crate) async fn open(
        &self,
        key: &Key,
        blob: &Blob,
        context: &EncryptionContext,
    ) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        key.usable().map_err(|wrong| unusable(key, wrong))?;
        if blob.key != key.id || blob.account != key.account {
            return Err(invalid_ciphertext());
        }
        let found = self.store.key_material(&key.id, &blob.material).await;
        let found = found.map_err(fault)?.ok_or_else(invalid_ciphertext)?;
        let material = material::open(&found, &self.root)?;
        blob.open(&material, context)
            .map_err(|_not_opened| invalid_ciphertext())
    }
}

/// Names the key that a ciphertext is decrypted with: the one that the request names, or else the one that the ciphertext
/// does. `None` where neither does.
fn source(caller: &Caller, input: &Value, member: &str) -> Option<Resource> {
    if !input::text(input, member).is_empty() {
        return Some(needs::resource(caller, input, member));
    }
    let blob = Blob::parse(&input::blob(input, "CiphertextBlob"))?;
    Some(Resource::at(&blob.key_arn(&caller.region)))
}

/// Needs the operation's action on the key of `KeyId`, in the encryption context.
fn need(caller: &Caller, input: &Value) -> Need {
    needs::with_context(needs::key(caller, input), input, "EncryptionContext")
}

/// Reads a ciphertext; what is none of ours is refused like one that was changed.
fn read_blob(bytes: Option<&[u8]>) -> Result<Blob, AwsError> {
    let Some(bytes) = bytes else {
        return Err(AwsError::validation("CiphertextBlob is required."));
    };
    Blob::parse(bytes).ok_or_else(|| crate::error::answer(invalid_ciphertext()))
}

/// Refuses a ciphertext that is of another key than the one that the request names.
fn check_key(blob: &Blob, key: &Key) -> Result<(), AwsError> {
    if blob.key == key.id && blob.account == key.account {
        return Ok(());
    }
    Err(AwsError::new(
        "IncorrectKeyException",
        "The key ID in the request does not identify a CMK that can perform this operation.",
    ))
}

/// What the requests of these operations have in common.
fn check_common(kms: &Kms, input: &Value) -> Result<(), AwsError> {
    if input.get("Recipient").is_some_and(|it| !it.is_null()) {
        return Err(AwsError::validation(
            "Recipient: attested recipients are not supported by this server.",
        ));
    }
    let members = [
        "EncryptionAlgorithm",
        "SourceEncryptionAlgorithm",
        "DestinationEncryptionAlgorithm",
    ];
    for member in members {
        let algorithm = input::text(input, member);
        if !algorithm.is_empty() && algorithm != ALGORITHM {
            return Err(AwsError::new(
                "InvalidKeyUsageException",
                format!("{algorithm} is not an algorithm of symmetric keys."),
            ));
        }
    }
    grants::token::check_all(kms, input)
}

pub(crate) fn invalid_ciphertext() -> KeyError {
    KeyError::InvalidCiphertext(
        "The ciphertext was changed, or was made under another key or another encryption context.".to_owned(),
    )
}
