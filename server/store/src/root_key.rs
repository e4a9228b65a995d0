//! The key that seals what the server keeps: one file, and every other key is derived from it.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hkdf;
use drawbridge_session::{Random, RandomArray as _};
use zeroize::Zeroizing;

use crate::Sqlite;

/// The name of the key's file inside the data folder.
pub const FILE_NAME: &str = "root.key";

const KEY_LENGTH: usize = 32;

/// The first byte of everything sealed, so that another layout can be told apart.
const LAYOUT: u8 = 1;

/// Seals and opens, and derives the keys of others; 32 random bytes.
///
/// A sealed text is `layout (1 byte) ‖ nonce (12) ‖ AES-256-GCM ciphertext ‖ tag (16)`, under a key derived from the
/// root key for its purpose.
pub struct RootKey(Zeroizing<[u8; KEY_LENGTH]>);

/// Why there is no root key.
#[derive(Debug, thiserror::Error)]
pub enum RootKeyError {
    /// The file cannot be read or written.
    #[error("cannot {doing} root key file `{path}`", path = path.display())]
    Io {
        /// What failed.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Others may read the file.
    #[error("root key file `{path}` has mode {mode:03o}, others can read it; expected 600", path = .0.display(), mode = .1)]
    TooOpen(PathBuf, u32),
    /// The file is gone from a folder that was made with it.
    #[error("root key file `{path}` is missing, and the data folder was made with it", path = .0.display())]
    Lost(PathBuf),
    /// The file is not a key.
    #[error("root key file `{path}` does not hold exactly 32 bytes", path = .0.display())]
    WrongLength(PathBuf),
}

/// Says that a sealed text cannot be opened: it was changed, or sealed under another key, purpose or context.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the sealed text was not made under this key, purpose and context")]
pub struct SealError;

impl RootKey {
    /// Reads the key of a data folder, or makes one for a folder without a store; call it while the folder is locked.
    pub fn load_or_create(folder: &Path, random: &dyn Random) -> Result<Self, RootKeyError> {
        match Self::load(folder) {
            Err(RootKeyError::Io { source, path, .. }) if source.kind() == io::ErrorKind::NotFound => {
                Self::create(folder, &path, random)
            }
            loaded => loaded,
        }
    }

    /// Reads the key of a data folder that has one.
    pub fn load(folder: &Path) -> Result<Self, RootKeyError> {
        match Self::load_file(&folder.join(FILE_NAME)) {
            // Another key would open nothing, and seal what the right one does not open.
            Err(RootKeyError::Io { source, path, .. })
                if source.kind() == io::ErrorKind::NotFound && folder.join(Sqlite::FILE_NAME).exists() =>
            {
                Err(RootKeyError::Lost(path))
            }
            loaded => loaded,
        }
    }

    /// Reads a key that is kept elsewhere.
    pub fn load_file(path: &Path) -> Result<Self, RootKeyError> {
        let file = File::open(path).map_err(|source| RootKeyError::Io {
            doing: "open",
            path: path.to_owned(),
            source,
        })?;
        Self::read(file, path)
    }

    /// Writes the key into a data folder that has none.
    pub fn store(&self, folder: &Path) -> Result<(), RootKeyError> {
        self.write(folder, &folder.join(FILE_NAME))
    }

    /// Takes the bytes of a key's file; `None` if they are none.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        <[u8; KEY_LENGTH]>::try_from(bytes)
            .ok()
            .map(|key| Self(Zeroizing::new(key)))
    }

    /// Returns the bytes of the key's file.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &*self.0
    }

    /// Draws a key that is kept nowhere.
    pub fn ephemeral(random: &dyn Random) -> Self {
        Self(Zeroizing::new(random.array()))
    }

    /// Seals `plain` for a purpose; whoever opens it must name the same purpose and context.
    pub fn seal(&self, purpose: &str, context: &[u8], plain: &[u8], random: &dyn Random) -> Vec<u8> {
        let nonce = random.array::<NONCE_LEN>();
        let mut sealed = plain.to_vec();
        self.aead(purpose)
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(context),
                &mut sealed,
            )
            .expect("a text that fits in memory fits in AES-GCM");
        let mut out = Vec::with_capacity(1 + NONCE_LEN + sealed.len());
        out.push(LAYOUT);
        out.extend_from_slice(&nonce);
        out.extend_from_slice(&sealed);
        out
    }

    /// Opens what [`RootKey::seal`] made.
    pub fn open(
        &self,
        purpose: &str,
        context: &[u8],
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let (&layout, rest) = sealed.split_first().ok_or(SealError)?;
        let (nonce, sealed) = rest.split_first_chunk::<NONCE_LEN>().ok_or(SealError)?;
        if layout != LAYOUT {
            return Err(SealError);
        }
        let mut buffer = Zeroizing::new(sealed.to_vec());
        let length = self
            .aead(purpose)
            .open_in_place(
                Nonce::assume_unique_for_key(*nonce),
                Aad::from(context),
                &mut buffer,
            )
            .map_err(|_| SealError)?
            .len();
        buffer.truncate(length);
        Ok(buffer)
    }

    /// Derives the key of a purpose (HKDF-SHA-256); the same purpose always gives the same key.
    pub fn derive(&self, purpose: &str) -> Zeroizing<[u8; KEY_LENGTH]> {
        let mut key = Zeroizing::new([0; KEY_LENGTH]);
        hkdf::Salt::new(hkdf::HKDF_SHA256, b"drawbridge root key 1")
            .extract(&*self.0)
            .expand(&[purpose.as_bytes()], hkdf::HKDF_SHA256)
            .and_then(|okm| okm.fill(&mut *key))
            .expect("32 bytes are within what HKDF-SHA-256 gives");
        key
    }

    fn aead(&self, purpose: &str) -> LessSafeKey {
        let key = self.derive(purpose);
        LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &*key).expect("an AES-256 key has 32 bytes"))
    }

    fn read(file: File, path: &Path) -> Result<Self, RootKeyError> {
        let failed = |source| RootKeyError::Io {
            doing: "read",
            path: path.to_owned(),
            source,
        };
        let mode = file.metadata().map_err(failed)?.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(RootKeyError::TooOpen(path.to_owned(), mode));
        }
        let mut bytes = Zeroizing::new(Vec::with_capacity(KEY_LENGTH + 1));
        file.take(KEY_LENGTH as u64 + 1)
            .read_to_end(&mut bytes)
            .map_err(failed)?;
        Self::from_bytes(&bytes).ok_or_else(|| RootKeyError::WrongLength(path.to_owned()))
    }

    fn create(folder: &Path, path: &Path, random: &dyn Random) -> Result<Self, RootKeyError> {
        let key = Self::ephemeral(random);
        key.write(folder, path)?;
        Ok(key)
    }

    fn write(&self, folder: &Path, path: &Path) -> Result<(), RootKeyError> {
        let failed = |doing| {
            let path = path.to_owned();
            move |source| RootKeyError::Io { doing, path, source }
        };
        // Written aside and then named, so that a crash never leaves half a key under the name.
        let aside = folder.join("root.key.new");
        match fs::remove_file(&aside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed("replace")(error)),
            Ok(()) | Err(_) => {}
        }
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&aside)
            .map_err(failed("create"))?;
        file.write_all(&*self.0).map_err(failed("write"))?;
        file.sync_all().map_err(failed("write"))?;
        fs::rename(&aside, path).map_err(failed("create"))?;
        File::open(folder)
            .and_then(|folder| folder.sync_all())
            .map_err(failed("create"))
    }
}

impl fmt::Debug for RootKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RootKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use drawbridge_session::SeededRandom;

    use super::*;

    #[test]
    fn opens_what_it_sealed_and_nothing_else() {
        let random = SeededRandom::new(1);
        let key = RootKey::ephemeral(&random);
        let sealed = key.seal("purpose", b"context", b"plain", &random);
        assert_eq!(
            key.open("purpose", b"context", &sealed)
                .expect("sealed")
                .as_slice(),
            b"plain"
        );
        assert!(key.open("another", b"context", &sealed).is_err());
        assert!(key.open("purpose", b"another", &sealed).is_err());
        assert!(
            RootKey::ephemeral(&random)
                .open("purpose", b"context", &sealed)
                .is_err()
        );
        for at in 0..sealed.len() {
            let mut damaged = sealed.clone();
            damaged[at] ^= 1;
            assert!(key.open("purpose", b"context", &damaged).is_err(), "byte {at}");
            assert!(
                key.open("purpose", b"context", &sealed[..at]).is_err(),
                "cut at {at}"
            );
        }
    }

    #[test]
    fn derives_one_key_per_purpose() {
        let key = RootKey::ephemeral(&SeededRandom::new(1));
        assert_eq!(key.derive("a"), key.derive("a"));
        assert_ne!(key.derive("a"), key.derive("b"));
    }

    #[test]
    fn keeps_its_file_to_itself() {
        let folder = tempfile::tempdir().expect("a folder");
        let random = SeededRandom::new(1);
        let made = RootKey::load_or_create(folder.path(), &random).expect("made");
        let read = RootKey::load_or_create(folder.path(), &random).expect("read");
        assert_eq!(made.derive("a"), read.derive("a"));
        let path = folder.path().join(FILE_NAME);
        assert_eq!(
            fs::metadata(&path).expect("a file").permissions().mode() & 0o777,
            0o600
        );
    }

    #[test]
    fn makes_no_other_key_for_a_store() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join(Sqlite::FILE_NAME), "").expect("written");
        let lost = RootKey::load_or_create(folder.path(), &SeededRandom::new(1));
        assert!(matches!(lost, Err(RootKeyError::Lost(_))), "{lost:?}");
        let lost = RootKey::load(folder.path());
        assert!(matches!(lost, Err(RootKeyError::Lost(_))), "{lost:?}");
        assert!(!folder.path().join(FILE_NAME).exists());
    }

    #[test]
    fn refuses_a_file_that_others_read_or_that_is_no_key() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(FILE_NAME);
        fs::write(&path, [0; 31]).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("changed");
        let error = RootKey::load_or_create(folder.path(), &SeededRandom::new(1)).expect_err("too open");
        assert!(error.to_string().contains("has mode 644"), "{error}");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("changed");
        let error = RootKey::load_or_create(folder.path(), &SeededRandom::new(1)).expect_err("too short");
        assert!(error.to_string().contains("exactly 32 bytes"), "{error}");
    }
}
