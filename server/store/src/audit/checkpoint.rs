//! Signed statements of where a chain stood.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::hmac;
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use jiff::Timestamp;
use uuid::Uuid;

use super::chain::{Hash, Head};
use crate::RootKey;

/// Says, signed, that a log once stood at an event.
///
/// It shows itself as one line, `drawbridge-audit-1:<writer>:<kind>:<index>:<hash>:<seconds>:<signature>`; all before the
/// last colon is what is signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    pub(crate) writer: Uuid,
    pub(crate) mark: Mark,
    pub(crate) head: Head,
    /// When the event was; whole seconds.
    pub(crate) at: Timestamp,
    pub(crate) signature: Vec<u8>,
}

/// What a checkpoint is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mark {
    /// The log ended here when it was signed.
    Head,
    /// The events up to here were swept, and the log begins behind it.
    Anchor,
}

/// Says that a text is not a [`Checkpoint`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a checkpoint: expected a line that begins with `drawbridge-audit-1:`")]
pub struct CheckpointError;

/// Signs and recognizes the checkpoints of one writer, and its intents.
pub(crate) struct Signer {
    writer: Uuid,
    keys: Ed25519KeyPair,
    intents: hmac::Key,
}

const PREFIX: &str = "drawbridge-audit-1";

/// The purpose of the key, for [`RootKey::derive`].
const PURPOSE: &str = "audit checkpoints";
const INTENTS_PURPOSE: &str = "audit intents";

const SIGNATURE_LENGTH: usize = 64;

impl Checkpoint {
    /// Returns the index of the event.
    pub fn index(&self) -> u64 {
        self.head.index
    }

    /// Returns when the event was.
    pub fn at(&self) -> Timestamp {
        self.at
    }
}

impl Mark {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Head => "head",
            Self::Anchor => "anchor",
        }
    }
}

impl FromStr for Mark {
    type Err = CheckpointError;

    fn from_str(text: &str) -> Result<Self, CheckpointError> {
        [Self::Head, Self::Anchor]
            .into_iter()
            .find(|mark| mark.as_str() == text)
            .ok_or(CheckpointError)
    }
}

impl Signer {
    pub(crate) fn new(writer: Uuid, root: &RootKey) -> Self {
        let keys = Ed25519KeyPair::from_seed_unchecked(&*root.derive(PURPOSE))
            .expect("any 32 bytes are the seed of an Ed25519 key");
        let intents = hmac::Key::new(hmac::HMAC_SHA256, &*root.derive(INTENTS_PURPOSE));
        Self {
            writer,
            keys,
            intents,
        }
    }

    pub(crate) fn writer(&self) -> Uuid {
        self.writer
    }

    pub(crate) fn sign(&self, mark: Mark, head: Head, at: Timestamp) -> Checkpoint {
        let message = message(self.writer, mark, &head, at);
        Checkpoint {
            writer: self.writer,
            mark,
            head,
            at,
            signature: self.keys.sign(message.as_bytes()).as_ref().to_vec(),
        }
    }

    /// Tags an intent, so that the event that it may become is not anybody's to write.
    pub(crate) fn tag(&self, intent: &str) -> Vec<u8> {
        hmac::sign(&self.intents, intent.as_bytes()).as_ref().to_vec()
    }

    pub(crate) fn tagged(&self, intent: &str, tag: &[u8]) -> bool {
        hmac::verify(&self.intents, intent.as_bytes(), tag).is_ok()
    }

    pub(crate) fn signed(&self, checkpoint: &Checkpoint) -> bool {
        let message = message(
            checkpoint.writer,
            checkpoint.mark,
            &checkpoint.head,
            checkpoint.at,
        );
        checkpoint.writer == self.writer
            && UnparsedPublicKey::new(&ED25519, self.keys.public_key().as_ref())
                .verify(message.as_bytes(), &checkpoint.signature)
                .is_ok()
    }
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let message = message(self.writer, self.mark, &self.head, self.at);
        write!(f, "{message}:{}", hex::encode(&self.signature))
    }
}

impl FromStr for Checkpoint {
    type Err = CheckpointError;

    fn from_str(text: &str) -> Result<Self, CheckpointError> {
        let parts: Vec<_> = text.trim().split(':').collect();
        let &[PREFIX, writer, mark, index, hash, seconds, signature] = parts.as_slice() else {
            return Err(CheckpointError);
        };
        let mut bytes = Hash::default();
        hex::decode_to_slice(hash, &mut bytes).map_err(|_| CheckpointError)?;
        let mut signed = [0; SIGNATURE_LENGTH];
        hex::decode_to_slice(signature, &mut signed).map_err(|_| CheckpointError)?;
        let seconds = seconds.parse().map_err(|_| CheckpointError)?;
        Ok(Self {
            writer: writer.parse().map_err(|_| CheckpointError)?,
            mark: mark.parse()?,
            head: Head {
                index: index.parse().map_err(|_| CheckpointError)?,
                hash: bytes,
            },
            at: Timestamp::from_second(seconds).map_err(|_| CheckpointError)?,
            signature: signed.to_vec(),
        })
    }
}

fn message(writer: Uuid, mark: Mark, head: &Head, at: Timestamp) -> String {
    let (mark, index, hash) = (mark.as_str(), head.index, hex::encode(head.hash));
    format!("{PREFIX}:{writer}:{mark}:{index}:{hash}:{}", at.as_second())
}

#[cfg(test)]
mod tests {
    use drawbridge_session::SeededRandom;

    use super::*;

    fn signer(seed: u64, writer: u128) -> Signer {
        Signer::new(
            Uuid::from_u128(writer),
            &RootKey::ephemeral(&SeededRandom::new(seed)),
        )
    }

    #[test]
    fn recognizes_what_it_signed_and_nothing_else() {
        let signer_ = signer(1, 1);
        let head = Head::origin(Uuid::from_u128(1)).then("a");
        let checkpoint = signer_.sign(Mark::Head, head, Timestamp::UNIX_EPOCH);
        assert!(signer_.signed(&checkpoint));
        assert!(!signer(2, 1).signed(&checkpoint), "another key");
        assert!(!signer(1, 2).signed(&checkpoint), "another writer");
        let changed = [
            Checkpoint {
                mark: Mark::Anchor,
                ..checkpoint.clone()
            },
            Checkpoint {
                head: head.then("b"),
                ..checkpoint.clone()
            },
            Checkpoint {
                at: Timestamp::MAX,
                ..checkpoint.clone()
            },
            Checkpoint {
                signature: Vec::new(),
                ..checkpoint.clone()
            },
        ];
        for changed in changed {
            assert!(!signer_.signed(&changed), "{changed}");
        }
    }

    #[test]
    fn reads_what_it_shows() {
        let head = Head::origin(Uuid::from_u128(1)).then("a");
        let checkpoint = signer(1, 1).sign(Mark::Head, head, Timestamp::UNIX_EPOCH);
        let line = checkpoint.to_string();
        assert!(line.starts_with("drawbridge-audit-1:00000000-"), "{line}");
        assert_eq!(line.parse(), Ok(checkpoint));
        for wrong in [
            "",
            "x",
            &line[1..],
            &line[..line.len() - 1],
            &line.replace(":head:", ":tail:"),
        ] {
            assert_eq!(wrong.parse::<Checkpoint>(), Err(CheckpointError), "{wrong}");
        }
    }
}
