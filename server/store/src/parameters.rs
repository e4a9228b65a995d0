//! Parameters: named texts, with the versions that they had.

use std::str::FromStr;

use async_trait::async_trait;
use drawbridge_session::{AccountId, Region, Tag};
use jiff::Timestamp;

use crate::StoreError;

/// The most parameters of one account in one region (SSM's documented quota).
pub const MAX_PARAMETERS: u32 = 10_000;

/// How many versions of a parameter are kept; older ones go (SSM's documented limit).
pub const MAX_PARAMETER_VERSIONS: u32 = 100;

/// Where a parameter is.
#[derive(Debug, Clone, Copy)]
pub struct ParameterAt<'a> {
    /// The account that owns it.
    pub account: &'a AccountId,
    /// The region.
    pub region: &'a Region,
    /// Its name; `a` and `/a` are two.
    pub name: &'a str,
}

/// A version of a parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// The account that owns it.
    pub account: AccountId,
    /// The region.
    pub region: Region,
    /// Its name.
    pub name: String,
    /// Counts from 1.
    pub version: u32,
    /// What its value is.
    pub kind: ParameterKind,
    /// The value.
    pub value: String,
    /// For people.
    pub description: String,
    /// What values must match; empty for any.
    pub allowed_pattern: String,
    /// When the version was made.
    pub modified_at: Timestamp,
    /// The ARN of who made it.
    pub modified_by: String,
}

impl Parameter {
    /// Returns where it is.
    pub fn at(&self) -> ParameterAt<'_> {
        ParameterAt {
            account: &self.account,
            region: &self.region,
            name: &self.name,
        }
    }
}

/// What the value of a parameter is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParameterKind {
    /// A text.
    String,
    /// Texts with commas between them.
    StringList,
}

impl ParameterKind {
    /// Returns the word of the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::String => "String",
            Self::StringList => "StringList",
        }
    }
}

/// Says that a text is none of the words for kinds of parameters that are kept.
#[derive(Debug, thiserror::Error)]
#[error("parameters are of the type `String` or `StringList`")]
pub struct UnknownParameterKind;

impl FromStr for ParameterKind {
    type Err = UnknownParameterKind;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let known = [Self::String, Self::StringList];
        let found = known.into_iter().find(|it| it.as_str() == text);
        found.ok_or(UnknownParameterKind)
    }
}

/// Why a parameter was not stored.
#[derive(Debug, thiserror::Error)]
pub enum PutParameterError {
    /// Its version is not the one after the newest.
    #[error("the parameter has changed meanwhile")]
    Changed,
    /// There are [`MAX_PARAMETERS`].
    #[error("an account has at most 10000 parameters in a region")]
    TooMany,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Remembers parameters.
#[async_trait]
pub trait Parameters: Send + Sync {
    /// Finds the newest version of a parameter, or the one with a number.
    async fn parameter(
        &self,
        at: ParameterAt<'_>,
        version: Option<u32>,
    ) -> Result<Option<Parameter>, StoreError>;

    /// Stores a version, which must be the one after the newest; the first one with tags.
    async fn put_parameter(&self, parameter: &Parameter, tags: &[Tag]) -> Result<(), PutParameterError>;

    /// Removes a parameter with its versions and tags; returns whether there was one.
    async fn remove_parameter(&self, at: ParameterAt<'_>) -> Result<bool, StoreError>;
}
