//! Calls about the data keys of encrypted sessions.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use drawbridge_aws_client::{Client, Service};
use drawbridge_protocol::encryption::{DATA_KEY_BYTES, DataKey};
use serde::{Deserialize, Serialize};
use serde_json::json;
use zeroize::{Zeroize as _, Zeroizing};

use super::{Api, ApiError, now_of};

/// What a data key is bound to: whoever unwraps it must name the same two.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KeyContext {
    /// The session.
    #[serde(rename = "aws:ssm:SessionId")]
    pub session_id: String,
    /// The managed node, as the request of the session names it.
    #[serde(rename = "aws:ssm:TargetId")]
    pub target: String,
}

/// A data key as a key service gives it. `Debug` shows no part of it.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct GivenKey {
    #[serde(default)]
    ciphertext_blob: String,
    plaintext: String,
}

impl GivenKey {
    /// Returns the key itself; `None` if what was given is not one of a session.
    pub fn key(&self) -> Option<DataKey> {
        let bytes = Zeroizing::new(STANDARD.decode(&self.plaintext).ok()?);
        DataKey::new(&bytes).ok()
    }

    /// Returns the key as far as it opens what the node said; `None` if what was given is not one of a session.
    ///
    /// AWS's agent also takes one whose second half has 16 or 24 bytes. That half is the client's: whatever it is, nobody
    /// needs it to play the recording.
    pub fn of_recording(&self) -> Option<DataKey> {
        let bytes = Zeroizing::new(STANDARD.decode(&self.plaintext).ok()?);
        let (node_half, client_half) = bytes.split_at_checked(DATA_KEY_BYTES / 2)?;
        if !matches!(client_half.len(), 16 | 24 | 32) {
            return None;
        }
        let mut whole = Zeroizing::new([0; DATA_KEY_BYTES]);
        whole.get_mut(..node_half.len())?.copy_from_slice(node_half);
        DataKey::new(&*whole).ok()
    }

    /// Returns the key as it is wrapped; `None` if what was given is none that was just made.
    pub fn wrapped(&self) -> Option<Vec<u8>> {
        let wrapped = STANDARD.decode(&self.ciphertext_blob).ok()?;
        (!wrapped.is_empty()).then_some(wrapped)
    }
}

impl Drop for GivenKey {
    fn drop(&mut self) {
        self.plaintext.zeroize();
    }
}

impl fmt::Debug for GivenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GivenKey(..)")
    }
}

impl Api {
    /// Has a key make a data key for a session.
    pub async fn generate_data_key(
        &self,
        kms_key_id: &str,
        context: &KeyContext,
    ) -> Result<GivenKey, ApiError> {
        let input = json!({
            "KeyId": kms_key_id,
            "NumberOfBytes": DATA_KEY_BYTES,
            "EncryptionContext": context,
        });
        self.call_with(&self.keys(), Service::KMS, "GenerateDataKey", &input)
            .await
    }

    /// Has a key unwrap the data key of a session; `wrapped` is base64.
    pub async fn decrypt_data_key(
        &self,
        kms_key_id: &str,
        wrapped: &str,
        context: &KeyContext,
    ) -> Result<GivenKey, ApiError> {
        let input = json!({
            "CiphertextBlob": wrapped,
            "KeyId": kms_key_id,
            "EncryptionContext": context,
        });
        self.call_with(&self.keys(), Service::KMS, "Decrypt", &input)
            .await
    }

    /// A client of the key service, which is needed once in a session at most.
    fn keys(&self) -> Client {
        let clock = now_of(&self.clock);
        Client::new(self.kms.clone(), self.region(), self.connector.clone(), clock)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_context_is_the_public_one() {
        let context = KeyContext {
            session_id: "alice-1".into(),
            target: "mi-1".into(),
        };
        assert_eq!(
            json!(context),
            json!({"aws:ssm:SessionId": "alice-1", "aws:ssm:TargetId": "mi-1"})
        );
    }

    #[test]
    fn only_a_whole_key_is_one_and_none_is_shown() {
        let given = |plain: &str, wrapped: &str| {
            let answer = json!({"Plaintext": plain, "CiphertextBlob": wrapped, "KeyId": "k"});
            serde_json::from_value::<GivenKey>(answer).unwrap()
        };
        let whole = given(&STANDARD.encode([7; 64]), "AQID");
        assert!(whole.key().is_some());
        assert_eq!(whole.wrapped(), Some(vec![1, 2, 3]));
        assert_eq!(format!("{whole:?}"), "GivenKey(..)");
        for (plain, wrapped) in [("", ""), ("%", "%"), (&*STANDARD.encode([7; 32]), "")] {
            let odd = given(plain, wrapped);
            assert!(odd.key().is_none() && odd.wrapped().is_none());
        }
        for (length, opens) in [
            (0, false),
            (31, false),
            (32, false),
            (40, false),
            (48, true),
            (56, true),
            (64, true),
            (65, false),
        ] {
            let given = given(&STANDARD.encode(vec![7; length]), "");
            assert_eq!(given.of_recording().is_some(), opens, "{length}");
        }
        let unwrapped: GivenKey =
            serde_json::from_value(json!({"Plaintext": STANDARD.encode([7; 64])})).unwrap();
        assert!(unwrapped.key().is_some());
    }
}
