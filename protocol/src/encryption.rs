//! What both ends of a session with `kmsKeyId` encrypt with (`protocol.md` 5.8).
//!
//! ```text
//!  data key, 64 bytes:   | bytes 0 to 31: node to client | bytes 32 to 63: client to node |
//!  payload on the wire:  | nonce, 12 bytes | ciphertext, as long as what it hides | tag, 16 bytes |
//! ```
//!
//! Each half is a key of AES-256-GCM without additional data. A payload does not say which frame it belongs to, so whoever sits
//! between the ends can reorder or repeat what passes, but neither read nor change it: the frames are those of AWS's programs.
//! Messages about commands beside a shell, which AWS's programs do not have, are bound to what they are and to their order.

mod data_key;
mod messages;
mod nonces;
mod secrecy;

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use zeroize::Zeroizing;

pub use data_key::{DATA_KEY_BYTES, DataKey, NotADataKey};
pub use messages::{MESSAGE_OVERHEAD_BYTES, Numbered};

use crate::payload::{self, EncChallenge};
pub(crate) use secrecy::{Secrecy, is_of_users};

use messages::Turns;
use nonces::Nonces;

/// Bytes that encryption adds to a payload: nonce and tag.
pub const OVERHEAD_BYTES: usize = NONCE_LEN + TAG_BYTES;

/// Says that a payload was not encrypted under this key, or was changed on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the payload does not decrypt under the session's key")]
pub struct Undecryptable;

/// Encrypts what one end says and decrypts what it hears.
pub struct Cipher {
    says: LessSafeKey,
    hears: LessSafeKey,
    nonces: Nonces,
}

impl Cipher {
    /// Makes the node's side; its nonces count up from `first_nonce`, which must be random.
    pub fn of_node(key: &DataKey, first_nonce: [u8; NONCE_LEN]) -> Cipher {
        Cipher {
            says: aes(key.node_half()),
            hears: aes(key.client_half()),
            nonces: Nonces::counting(first_nonce),
        }
    }

    /// Makes the client's side; its nonces are drawn from `seed`, which must be random and never used again.
    ///
    /// Clients that follow one another in a session have the same key, so none of them may count.
    pub fn of_client(key: &DataKey, seed: [u8; 32]) -> Cipher {
        Cipher {
            says: aes(key.client_half()),
            hears: aes(key.node_half()),
            nonces: Nonces::drawn(seed),
        }
    }

    /// Encrypts a payload.
    pub fn seal(&mut self, plain: &[u8]) -> Bytes {
        let nonce = self.nonces.next();
        let mut sealed = Vec::with_capacity(plain.len() + OVERHEAD_BYTES);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(plain);
        let tag = self
            .says
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::empty(),
                &mut sealed[NONCE_LEN..],
            )
            .expect("a payload that fits in memory fits in AES-GCM");
        sealed.extend_from_slice(tag.as_ref());
        sealed.into()
    }

    /// Decrypts a payload.
    ///
    /// # Errors
    ///
    /// It is too short, was encrypted under another key, or was changed.
    pub fn open(&self, sealed: &[u8]) -> Result<Bytes, Undecryptable> {
        self.open_bound(sealed, Aad::empty())
    }

    /// Decrypts what is authenticated together with something else.
    fn open_bound(&self, sealed: &[u8], bound: Aad<impl AsRef<[u8]>>) -> Result<Bytes, Undecryptable> {
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE_LEN>().ok_or(Undecryptable)?;
        let mut buffer = sealed.to_vec();
        let length = self
            .hears
            .open_in_place(Nonce::assume_unique_for_key(*nonce), bound, &mut buffer)
            .map_err(|_| Undecryptable)?
            .len();
        buffer.truncate(length);
        Ok(buffer.into())
    }
}

impl fmt::Debug for Cipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cipher(..)")
    }
}

/// What a node asks of its client, to know that both have the same data key.
#[derive(Clone)]
pub struct Challenge(Zeroizing<[u8; CHALLENGE_BYTES]>);

impl Challenge {
    /// Takes random bytes as the challenge.
    pub fn new(random: [u8; CHALLENGE_BYTES]) -> Challenge {
        Challenge(Zeroizing::new(random))
    }

    /// Writes the question.
    pub fn ask(&self, cipher: &mut Cipher) -> Bytes {
        written(&cipher.seal(&self.0[..]))
    }

    /// Says whether this is the answer to it. Compares in constant time.
    pub fn is_answered_by(&self, answer: &[u8], cipher: &Cipher) -> bool {
        opened(answer, cipher).is_ok_and(|answer| verify_slices_are_equal(&answer, &self.0[..]).is_ok())
    }
}

impl fmt::Debug for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Challenge(..)")
    }
}

/// Reads a node's question.
///
/// # Errors
///
/// It is not one, or was not encrypted under the session's key.
pub fn question(document: &[u8], cipher: &Cipher) -> Result<Bytes, Undecryptable> {
    let question = opened(document, cipher)?;
    if question.len() == CHALLENGE_BYTES {
        Ok(question)
    } else {
        Err(Undecryptable)
    }
}

/// Writes the client's answer to a question that was read.
///
/// Whoever may put any number of questions can have everything that the node ever said encrypted as if the client said it: answer
/// one, and none once the node has begun to speak.
pub fn answer(question: &[u8], cipher: &mut Cipher) -> Bytes {
    written(&cipher.seal(question))
}

/// Returns how many bytes one frame may carry before they are encrypted, where it may have `max_payload` of them.
///
/// 1024 of them fit in any frame: AWS's programs do not count what encryption adds.
fn max_plain(max_payload: usize) -> usize {
    max_payload
        .saturating_sub(OVERHEAD_BYTES)
        .max(crate::DEFAULT_MAX_PAYLOAD)
}

fn written(sealed: &[u8]) -> Bytes {
    payload::to_bytes(&EncChallenge {
        challenge: STANDARD.encode(sealed),
    })
}

fn opened(document: &[u8], cipher: &Cipher) -> Result<Bytes, Undecryptable> {
    if document.len() > MOST_CHALLENGE_BYTES {
        return Err(Undecryptable);
    }
    let document: EncChallenge = payload::parse(document).map_err(|_| Undecryptable)?;
    let sealed = STANDARD.decode(document.challenge).map_err(|_| Undecryptable)?;
    cipher.open(&sealed)
}

fn aes(key: &[u8; 32]) -> LessSafeKey {
    let key = UnboundKey::new(&AES_256_GCM, key).expect("32 bytes are a key of AES-256");
    LessSafeKey::new(key)
}

const TAG_BYTES: usize = 16;

/// Bytes of a challenge.
pub const CHALLENGE_BYTES: usize = 64;

/// Length of the longest document with a challenge that is read; real ones have about 140 bytes.
const MOST_CHALLENGE_BYTES: usize = 1024;

#[cfg(test)]
mod tests;
