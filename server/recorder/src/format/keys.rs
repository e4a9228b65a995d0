//! The keys of recordings, all derived from the root key.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, LessSafeKey, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use drawbridge_session::SessionId;
use drawbridge_store::RootKey;
use zeroize::Zeroizing;

use super::Head;

/// Seals recordings, and signs that they are whole.
pub struct RecordingKeys {
    master: Zeroizing<[u8; 32]>,
    signer: Ed25519KeyPair,
}

impl RecordingKeys {
    /// Derives the keys.
    pub fn of(root: &RootKey) -> Self {
        let signer = Ed25519KeyPair::from_seed_unchecked(&*root.derive("recording checkpoints"))
            .expect("any 32 bytes are the seed of an Ed25519 key");
        Self {
            master: root.derive("recordings 1"),
            signer,
        }
    }

    /// The key of the file with this salt.
    pub(crate) fn file_key(&self, salt: &[u8; 16]) -> LessSafeKey {
        let extracted = Salt::new(HKDF_SHA256, salt).extract(self.master.as_ref());
        let expanded = extracted
            .expand(&[b"drawbridge recording"], &AES_256_GCM)
            .expect("32 bytes are within HKDF's limit");
        LessSafeKey::new(UnboundKey::from(expanded))
    }

    /// Signs that a session's recording once stood at `head`; hexadecimal.
    pub(crate) fn sign(&self, session: &SessionId, head: &Head) -> String {
        hex::encode(self.signer.sign(message(session, head).as_bytes()))
    }

    pub(crate) fn has_signed(&self, session: &SessionId, head: &Head, signature: &str) -> bool {
        let Ok(signature) = hex::decode(signature) else {
            return false;
        };
        let key = UnparsedPublicKey::new(&ED25519, self.signer.public_key().as_ref());
        key.verify(message(session, head).as_bytes(), &signature).is_ok()
    }
}

impl fmt::Debug for RecordingKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecordingKeys(..)")
    }
}

fn message(session: &SessionId, head: &Head) -> String {
    format!(
        "drawbridge-recording-1:{session}:{}:{}",
        head.blocks,
        head.to_hex()
    )
}
