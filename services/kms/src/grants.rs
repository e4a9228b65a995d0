//! The operations on grants: one principal, some operations, one key.

pub(crate) mod create;
pub(crate) mod list;
pub(crate) mod retire;
pub(crate) mod revoke;
pub(crate) mod token;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::EncryptionContext;
use drawbridge_store::{Grant, GrantConstraint, Key};
use serde::{Deserialize, Serialize};

use crate::Kms;
use crate::error::internal;

/// What the encryption context must be like, as requests and answers have it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Constraints {
    #[serde(skip_serializing_if = "Option::is_none")]
    encryption_context_subset: Option<EncryptionContext>,
    #[serde(skip_serializing_if = "Option::is_none")]
    encryption_context_equals: Option<EncryptionContext>,
}

impl Constraints {
    fn read(self) -> Result<Option<GrantConstraint>, AwsError> {
        match (self.encryption_context_equals, self.encryption_context_subset) {
            (None, None) => Ok(None),
            (Some(pairs), None) => Ok(Some(GrantConstraint::Equals(pairs))),
            (None, Some(pairs)) => Ok(Some(GrantConstraint::Subset(pairs))),
            // Terraform names both, and one of them holds nothing.
            (Some(pairs), Some(none)) if none.is_empty() => Ok(Some(GrantConstraint::Equals(pairs))),
            (Some(none), Some(pairs)) if none.is_empty() => Ok(Some(GrantConstraint::Subset(pairs))),
            (Some(_), Some(_)) => Err(AwsError::validation(
                "A grant has EncryptionContextEquals or EncryptionContextSubset, not both.",
            )),
        }
    }

    fn of(constraint: &GrantConstraint) -> Self {
        match constraint {
            GrantConstraint::Equals(pairs) => Self {
                encryption_context_equals: Some(pairs.clone()),
                ..Self::default()
            },
            GrantConstraint::Subset(pairs) => Self {
                encryption_context_subset: Some(pairs.clone()),
                ..Self::default()
            },
        }
    }
}

/// Finds a grant of a key.
async fn find(kms: &Kms, key: &Key, id: &str) -> Result<Grant, AwsError> {
    let found = kms.store.grant(id).await.map_err(internal)?;
    found.filter(|grant| grant.key == key.id).ok_or_else(|| {
        AwsError::new(
            "NotFoundException",
            format!("Grant {id} of {} is not found.", key.arn()),
        )
    })
}
