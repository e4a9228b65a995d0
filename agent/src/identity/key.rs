//! The node's RSA key on disk.

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::KeyPair as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use crate::state::{StateError, StateFolder};

/// The key that signs.
const CURRENT: &str = "node-key.der";
/// A key the server may or may not know about yet: written before it is announced, renamed once it is.
const NEXT: &str = "node-key.next.der";

/// Why the key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The random source or the arithmetic failed.
    #[error("cannot make an RSA key")]
    Generate,
    /// There is no key file.
    #[error("the node has no key")]
    Missing,
    /// The file does not hold an RSA key in PKCS #8 form.
    #[error("the node's key file is damaged")]
    Damaged,
    /// The file cannot be read or written.
    #[error(transparent)]
    State(#[from] StateError),
}

/// Which of the two files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Slot {
    /// The key in use.
    Current,
    /// The key being introduced.
    Next,
}

impl Slot {
    fn file(self) -> &'static str {
        match self {
            Self::Current => CURRENT,
            Self::Next => NEXT,
        }
    }
}

/// Makes an RSA key of 2048 bits. Takes a good part of a second of computing.
pub(super) fn generate() -> Result<KeyPair, KeyError> {
    KeyPair::generate(KeySize::Rsa2048).map_err(|_| KeyError::Generate)
}

/// Returns the public half as the service wants it: base64 of the DER `SubjectPublicKeyInfo`, 392 characters.
pub(super) fn public_text(key: &KeyPair) -> Result<String, KeyError> {
    let der: PublicKeyX509Der<'_> = key.public_key().as_der().map_err(|_| KeyError::Generate)?;
    Ok(STANDARD.encode(der.as_ref()))
}

/// Stores a key, readable by this user alone.
pub(super) fn store(folder: &StateFolder, slot: Slot, key: &KeyPair) -> Result<(), KeyError> {
    let der: Pkcs8V1Der<'_> = key.as_der().map_err(|_| KeyError::Generate)?;
    Ok(folder.write(slot.file(), der.as_ref())?)
}

/// Loads a key.
pub(super) fn load(folder: &StateFolder, slot: Slot) -> Result<KeyPair, KeyError> {
    let der = Zeroizing::new(folder.read(slot.file())?.ok_or(KeyError::Missing)?);
    KeyPair::from_pkcs8(&der).map_err(|_| KeyError::Damaged)
}

/// Removes both keys.
pub(super) fn forget(folder: &StateFolder) -> Result<(), StateError> {
    folder.remove(CURRENT)?;
    folder.remove(NEXT)
}

/// Makes the next key the current one.
pub(super) fn promote(folder: &StateFolder) -> Result<(), KeyError> {
    Ok(folder.rename(NEXT, CURRENT)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_a_key_and_its_public_form() {
        let parent = tempfile::tempdir().expect("a folder");
        let folder = StateFolder::create(&parent.path().join("state")).expect("created");
        assert!(matches!(load(&folder, Slot::Current), Err(KeyError::Missing)));
        let key = generate().expect("a key");
        let text = public_text(&key).expect("public");
        assert_eq!(text.len(), 392);
        store(&folder, Slot::Next, &key).expect("stored");
        promote(&folder).expect("promoted");
        assert_eq!(
            public_text(&load(&folder, Slot::Current).expect("loaded")).expect("public"),
            text
        );
        assert!(matches!(load(&folder, Slot::Next), Err(KeyError::Missing)));
        folder.write(CURRENT, b"garbage").expect("written");
        assert!(matches!(load(&folder, Slot::Current), Err(KeyError::Damaged)));
    }
}
