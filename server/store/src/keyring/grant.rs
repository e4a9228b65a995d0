use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use drawbridge_session::{AccountId, KeyId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::StoreError;

/// Lets one principal do some operations with one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// 64 hex digits.
    pub id: String,
    /// The key.
    pub key: KeyId,
    /// For people, and for making it twice without having two.
    pub name: Option<String>,
    /// The ARN of whom it is for.
    pub grantee: String,
    /// The ARN of who may retire it, besides the grantee that may.
    pub retiring: Option<String>,
    /// The account that made it.
    pub issuer: AccountId,
    /// What it allows.
    pub operations: Vec<GrantOperation>,
    /// What the encryption context must be like.
    pub constraint: Option<GrantConstraint>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// What the encryption context of a grant's operations must be like.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum GrantConstraint {
    /// Exactly these pairs.
    Equals(BTreeMap<String, String>),
    /// These pairs, and any others.
    Subset(BTreeMap<String, String>),
}

impl fmt::Display for GrantConstraint {
    /// Writes two that are equal alike.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, pairs) = match self {
            Self::Equals(pairs) => ("equals", pairs),
            Self::Subset(pairs) => ("subset", pairs),
        };
        write!(f, "{kind} {pairs:?}")
    }
}

/// What a grant can allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum GrantOperation {
    /// `kms:CreateGrant`.
    CreateGrant,
    /// `kms:Decrypt`.
    Decrypt,
    /// `kms:DescribeKey`.
    DescribeKey,
    /// `kms:Encrypt`.
    Encrypt,
    /// `kms:GenerateDataKey`.
    GenerateDataKey,
    /// `kms:GenerateDataKeyWithoutPlaintext`.
    GenerateDataKeyWithoutPlaintext,
    /// `kms:ReEncryptFrom`.
    ReEncryptFrom,
    /// `kms:ReEncryptTo`.
    ReEncryptTo,
    /// `kms:RetireGrant`.
    RetireGrant,
}

/// Says that grants for this key cannot allow an operation.
#[derive(Debug, thiserror::Error)]
#[error("grants of symmetric keys do not allow it")]
pub struct UnknownGrantOperation;

/// Why a grant was not stored.
#[derive(Debug, thiserror::Error)]
pub enum CreateGrantError {
    /// The key has as many as it may.
    #[error("a key has at most 500 grants")]
    TooMany,
    /// The key is gone.
    #[error("the key is gone")]
    NoKey,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl GrantOperation {
    const ALL: [Self; 9] = [
        Self::CreateGrant,
        Self::Decrypt,
        Self::DescribeKey,
        Self::Encrypt,
        Self::GenerateDataKey,
        Self::GenerateDataKeyWithoutPlaintext,
        Self::ReEncryptFrom,
        Self::ReEncryptTo,
        Self::RetireGrant,
    ];

    /// Finds the operation of an action such as `kms:Decrypt`, which has no case.
    pub fn of_action(action: &str) -> Option<Self> {
        let (vendor, name) = action.split_once(':')?;
        let found = Self::ALL
            .into_iter()
            .find(|it| it.as_str().eq_ignore_ascii_case(name));
        found.filter(|_| vendor.eq_ignore_ascii_case("kms"))
    }

    /// Returns the word of the wire, which is the action without its vendor.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CreateGrant => "CreateGrant",
            Self::Decrypt => "Decrypt",
            Self::DescribeKey => "DescribeKey",
            Self::Encrypt => "Encrypt",
            Self::GenerateDataKey => "GenerateDataKey",
            Self::GenerateDataKeyWithoutPlaintext => "GenerateDataKeyWithoutPlaintext",
            Self::ReEncryptFrom => "ReEncryptFrom",
            Self::ReEncryptTo => "ReEncryptTo",
            Self::RetireGrant => "RetireGrant",
        }
    }
}

impl FromStr for GrantOperation {
    type Err = UnknownGrantOperation;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|it| it.as_str() == text);
        found.ok_or(UnknownGrantOperation)
    }
}
