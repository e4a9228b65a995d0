//! Policies of the account and of AWS, seen alike.

use std::sync::Arc;

use jiff::Timestamp;

use super::error::IamError;
use super::policies::CustomerPolicy;
use super::versions::{PolicyVersion, VersionId, absent_version};
use crate::policy::{ManagedPolicy, Policy};
use crate::tag::Tag;

/// A policy of the account or of AWS.
#[derive(Debug, Clone, Copy)]
pub enum PolicyRef<'a> {
    /// AWS's.
    Aws(&'static ManagedPolicy),
    /// The account's own.
    Customer(&'a Arc<CustomerPolicy>),
}

/// A version of a policy of the account or of AWS.
#[derive(Debug, Clone, PartialEq)]
pub struct VersionRef<'a> {
    /// Which, such as `v1`.
    pub id: String,
    /// The document's text.
    pub document: &'a str,
    /// Whether it is in force.
    pub is_default: bool,
    /// When it was created.
    pub created_at: Timestamp,
}

impl<'a> PolicyRef<'a> {
    /// Returns the ARN.
    pub fn arn(&self) -> &'a str {
        match self {
            Self::Aws(policy) => policy.arn,
            Self::Customer(policy) => policy.arn.as_str(),
        }
    }

    /// Returns the name.
    pub fn name(&self) -> &'a str {
        match self {
            Self::Aws(policy) => policy.name,
            Self::Customer(policy) => policy.name(),
        }
    }

    /// Returns the path.
    pub fn path(&self) -> &'a str {
        match self {
            Self::Aws(policy) => policy.path,
            Self::Customer(policy) => policy.path(),
        }
    }

    /// Returns the unique id.
    pub fn id(&self) -> &'a str {
        match self {
            Self::Aws(policy) => policy.id,
            Self::Customer(policy) => policy.id.as_str(),
        }
    }

    /// Returns what people wrote about it.
    pub fn description(&self) -> Option<&'a str> {
        match self {
            Self::Aws(_) => None,
            Self::Customer(policy) => policy.description.as_deref(),
        }
    }

    /// Returns the tags; AWS's policies have none.
    pub fn tags(&self) -> &'a [Tag] {
        match self {
            Self::Aws(_) => &[],
            Self::Customer(policy) => policy.tags.as_slice(),
        }
    }

    /// Returns when it was created.
    pub fn created_at(&self) -> Timestamp {
        match self {
            Self::Aws(policy) => moment(policy.created),
            Self::Customer(policy) => policy.created_at,
        }
    }

    /// Returns when its last version was created.
    pub fn updated_at(&self) -> Timestamp {
        match self {
            Self::Aws(policy) => moment(policy.updated),
            Self::Customer(policy) => policy.updated_at,
        }
    }

    /// Returns the version that is in force.
    pub fn default_version(&self) -> VersionRef<'a> {
        match self {
            Self::Aws(policy) => VersionRef {
                id: policy.version.to_owned(),
                document: policy.document,
                is_default: true,
                created_at: moment(policy.updated),
            },
            Self::Customer(policy) => policy.default.show(true),
        }
    }

    /// Returns all versions, the last first; of AWS's policies only the one that is in force is known.
    pub fn versions(&self) -> Vec<VersionRef<'a>> {
        let mut versions = vec![self.default_version()];
        if let Self::Customer(policy) = self {
            versions.extend(policy.others.iter().map(|version| version.show(false)));
            versions.sort_by_key(|version| std::cmp::Reverse(VersionId::parse(&version.id)));
        }
        versions
    }

    /// Returns one version.
    pub fn version(&self, id: &str) -> Result<VersionRef<'a>, IamError> {
        let found = self.versions().into_iter().find(|version| version.id == id);
        found.ok_or_else(|| absent_version(self.arn(), id))
    }

    /// Returns what the version in force was read as.
    pub fn policy(&self) -> Arc<Policy> {
        match self {
            Self::Aws(policy) => policy.policy(),
            Self::Customer(policy) => Arc::clone(policy.default.document.policy()),
        }
    }

    /// Says whether people may attach it: some are for the roles of services only.
    pub fn is_attachable(&self) -> bool {
        !self.path().starts_with("/aws-service-role/")
    }
}

impl PolicyVersion {
    fn show(&self, is_default: bool) -> VersionRef<'_> {
        VersionRef {
            id: self.id.to_string(),
            document: self.document.text(),
            is_default,
            created_at: self.created_at,
        }
    }
}

fn moment(text: &str) -> Timestamp {
    text.parse().expect("a built-in moment is in RFC 3339")
}
