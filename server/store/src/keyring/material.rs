use std::fmt;
use std::str::FromStr;

use drawbridge_session::{KeyId, Random, RandomArray as _};
use jiff::Timestamp;

/// The bytes that encrypt, sealed under the root key, and how they came about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyMaterial {
    /// The key that it is of.
    pub key: KeyId,
    /// Names it.
    pub id: MaterialId,
    /// Why it was made.
    pub cause: MaterialCause,
    /// When it was made.
    pub made_at: Timestamp,
    /// The bytes, sealed.
    pub sealed: Vec<u8>,
}

/// Names a material: 32 random bytes, 64 hex digits as text.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct MaterialId([u8; Self::LENGTH]);

/// Why a material was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MaterialCause {
    /// The key is new.
    Creation,
    /// It was time.
    Automatic,
    /// Somebody asked.
    OnDemand,
}

/// Says that a text is none of the words for causes, or no id.
#[derive(Debug, thiserror::Error)]
#[error("not a word of the table of materials")]
pub struct UnknownMaterial;

impl MaterialId {
    /// How many bytes it has.
    pub const LENGTH: usize = 32;

    /// Draws one.
    pub fn generate(random: &dyn Random) -> Self {
        Self(random.array())
    }

    /// Takes the bytes.
    pub fn from_bytes(bytes: [u8; Self::LENGTH]) -> Self {
        Self(bytes)
    }

    /// Returns the bytes.
    pub fn as_bytes(&self) -> &[u8; Self::LENGTH] {
        &self.0
    }
}

impl fmt::Display for MaterialId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for MaterialId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MaterialId({self})")
    }
}

impl FromStr for MaterialId {
    type Err = UnknownMaterial;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut bytes = [0; Self::LENGTH];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| UnknownMaterial)?;
        Ok(Self(bytes))
    }
}

impl MaterialCause {
    /// Returns the word of the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Creation => "CREATION",
            Self::Automatic => "AUTOMATIC",
            Self::OnDemand => "ON_DEMAND",
        }
    }
}

impl FromStr for MaterialCause {
    type Err = UnknownMaterial;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let known = [Self::Creation, Self::Automatic, Self::OnDemand];
        let found = known.into_iter().find(|it| it.as_str() == text);
        found.ok_or(UnknownMaterial)
    }
}
