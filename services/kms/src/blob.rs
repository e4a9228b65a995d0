//! Ciphertexts.
//!
//! ```text
//! version 1 │ account 12 │ key 16 │ material 32 │ nonce 12 │ AES-256-GCM ciphertext │ tag 16
//! └─────────────── with the encryption context, the additional data ───┘
//! ```
//!
//! The account is in digits, the rest in bytes; the region is that of whoever asks. All of it is public, and nothing of it
//! is believed before the tag was checked, except to find the key that a decision is asked about.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use drawbridge_session::{AccountId, EncryptionContext, KeyId, Random, RandomArray as _, Region};
use drawbridge_store::MaterialId;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::context;

/// The first byte of every ciphertext, so that another layout can be told apart.
const VERSION: u8 = 1;

const ACCOUNT: usize = 12;
const TAG: usize = 16;
const HEADER: usize = 1 + ACCOUNT + 16 + MaterialId::LENGTH;

/// The longest ciphertext that a request may bring (the model's limit).
const MOST_BYTES: usize = 6144;

/// A ciphertext that has the shape of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Blob {
    pub(crate) account: AccountId,
    pub(crate) key: KeyId,
    pub(crate) material: MaterialId,
    nonce: [u8; NONCE_LEN],
    /// With the tag.
    sealed: Vec<u8>,
}

/// Says that a ciphertext was changed, or made with another material or context.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotOpened;

impl Blob {
    /// Reads a ciphertext; `None` for what has not the shape of one.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        if bytes.len() > MOST_BYTES {
            return None;
        }
        let (&version, rest) = bytes.split_first()?;
        if version != VERSION {
            return None;
        }
        let (account, rest) = rest.split_at_checked(ACCOUNT)?;
        let (key, rest) = rest.split_first_chunk::<16>()?;
        let (material, rest) = rest.split_first_chunk::<{ MaterialId::LENGTH }>()?;
        let (nonce, sealed) = rest.split_first_chunk::<NONCE_LEN>()?;
        if sealed.len() < TAG {
            return None;
        }
        Some(Self {
            account: AccountId::parse(std::str::from_utf8(account).ok()?).ok()?,
            key: KeyId::from(Uuid::from_bytes(*key)),
            material: MaterialId::from_bytes(*material),
            nonce: *nonce,
            sealed: sealed.to_vec(),
        })
    }

    /// Encrypts.
    pub(crate) fn seal(
        of: (&AccountId, &KeyId, &MaterialId),
        material: &[u8; 32],
        context: &EncryptionContext,
        plain: &[u8],
        random: &dyn Random,
    ) -> Self {
        let (account, key, id) = of;
        let mut blob = Self {
            account: account.clone(),
            key: key.clone(),
            material: *id,
            nonce: random.array(),
            sealed: plain.to_vec(),
        };
        let data = blob.additional_data(context);
        aead(material)
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(blob.nonce),
                Aad::from(data),
                &mut blob.sealed,
            )
            .expect("a text that fits in memory fits in AES-GCM");
        blob
    }

    /// Decrypts.
    pub(crate) fn open(
        &self,
        material: &[u8; 32],
        context: &EncryptionContext,
    ) -> Result<Zeroizing<Vec<u8>>, NotOpened> {
        let mut buffer = Zeroizing::new(self.sealed.clone());
        let length = aead(material)
            .open_in_place(
                Nonce::assume_unique_for_key(self.nonce),
                Aad::from(self.additional_data(context)),
                &mut buffer,
            )
            .map_err(|_| NotOpened)?
            .len();
        buffer.truncate(length);
        Ok(buffer)
    }

    /// Returns the ARN of the key that it names, for whoever asks in this region.
    pub(crate) fn key_arn(&self, region: &Region) -> String {
        format!("arn:aws:kms:{region}:{}:key/{}", self.account, self.key)
    }

    /// Returns the bytes.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.header();
        bytes.extend_from_slice(&self.nonce);
        bytes.extend_from_slice(&self.sealed);
        bytes
    }

    fn header(&self) -> Vec<u8> {
        let mut header = Vec::with_capacity(HEADER + NONCE_LEN + self.sealed.len());
        header.push(VERSION);
        header.extend_from_slice(self.account.as_str().as_bytes());
        header.extend_from_slice(self.key.uuid().as_bytes());
        header.extend_from_slice(self.material.as_bytes());
        header
    }

    fn additional_data(&self, context: &EncryptionContext) -> Vec<u8> {
        let mut data = self.header();
        context::encode(context, &mut data);
        data
    }
}

fn aead(material: &[u8; 32]) -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, material).expect("an AES-256 key has 32 bytes"))
}

#[cfg(test)]
mod tests {
    use drawbridge_session::SeededRandom;
    use proptest::prelude::*;

    use super::*;

    const MATERIAL: [u8; 32] = [7; 32];

    fn sealed(plain: &[u8], context: &EncryptionContext) -> Blob {
        let random = SeededRandom::new(1);
        let account = AccountId::parse("123456789012").expect("valid");
        let key = KeyId::generate(&random);
        let id = MaterialId::generate(&random);
        Blob::seal((&account, &key, &id), &MATERIAL, context, plain, &random)
    }

    fn contexts() -> impl Strategy<Value = EncryptionContext> {
        proptest::collection::btree_map("[a-c]{1,2}", "[a-c]{0,2}", 0..3)
    }

    proptest! {
        #[test]
        fn opens_in_its_context_and_no_other(
            plain in proptest::collection::vec(any::<u8>(), 0..100),
            own in contexts(),
            other in contexts(),
        ) {
            let bytes = sealed(&plain, &own).to_bytes();
            let blob = Blob::parse(&bytes).expect("of ours");
            prop_assert_eq!(blob.open(&MATERIAL, &own).expect("opens").to_vec(), plain);
            prop_assert_eq!(blob.open(&MATERIAL, &other).is_ok(), own == other);
            prop_assert!(blob.open(&[8; 32], &own).is_err());
        }

        #[test]
        fn anything_is_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Some(blob) = Blob::parse(&bytes) {
                prop_assert_eq!(blob.to_bytes(), bytes);
                prop_assert!(blob.open(&MATERIAL, &EncryptionContext::new()).is_err());
            }
        }

        #[test]
        fn a_changed_bit_or_length_opens_nothing(at in any::<prop::sample::Index>(), bit in 0..8_u8, cut in any::<bool>()) {
            let context = EncryptionContext::from([("a".to_owned(), "b".to_owned())]);
            let mut bytes = sealed(b"plain", &context).to_bytes();
            let at = at.index(bytes.len());
            if cut {
                bytes.truncate(at);
            } else {
                bytes[at] ^= 1 << bit;
            }
            let opened = Blob::parse(&bytes).map(|blob| blob.open(&MATERIAL, &context));
            prop_assert!(opened.is_none_or(|opened| opened.is_err()));
        }
    }

    #[test]
    fn the_shortest_and_the_longest_are_read() {
        let none = EncryptionContext::new();
        let empty = sealed(b"", &none).to_bytes();
        assert!(Blob::parse(&empty).is_some());
        assert!(Blob::parse(&empty[..empty.len() - 1]).is_none());
        let long = sealed(&[0; MOST_BYTES], &none).to_bytes();
        assert!(Blob::parse(&long).is_none());
        assert!(Blob::parse(&sealed(&[0; 4096], &none).to_bytes()).is_some());
    }
}
