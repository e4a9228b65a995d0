//! Tags of resources.

use async_trait::async_trait;
use drawbridge_session::{AccountId, ManagedNode, Region, Tag};

use crate::{DocumentAt, Key, LogGroupAt, ParameterAt, StoreError};

/// The most tags that one resource may have (SSM's documented limit).
pub const MAX_TAGS: usize = 50;

/// What is tagged.
#[derive(Debug, Clone, Copy)]
pub struct TagsOf<'a> {
    /// The account.
    pub account: &'a AccountId,
    /// The region.
    pub region: &'a Region,
    /// The kind of resource.
    pub target: TagTarget,
    /// Its id.
    pub id: &'a str,
}

impl<'a> TagsOf<'a> {
    /// Names the tags of a node: SSM's of a registered one, EC2's of an enrolled one.
    pub fn node(node: &'a ManagedNode) -> Self {
        Self {
            account: &node.account,
            region: &node.region,
            target: if node.id.is_registered() {
                TagTarget::ManagedInstance
            } else {
                TagTarget::Instance
            },
            id: node.id.as_str(),
        }
    }

    /// Names the tags of a session document.
    pub fn document(at: DocumentAt<'a>) -> Self {
        Self {
            account: at.account,
            region: at.region,
            target: TagTarget::Document,
            id: at.name,
        }
    }

    /// Names the tags of a parameter.
    pub fn parameter(at: ParameterAt<'a>) -> Self {
        Self {
            account: at.account,
            region: at.region,
            target: TagTarget::Parameter,
            id: at.name,
        }
    }

    /// Names the tags of a key.
    pub fn key(key: &'a Key) -> Self {
        Self {
            account: &key.account,
            region: &key.region,
            target: TagTarget::Key,
            id: key.id.as_str(),
        }
    }

    /// Names the tags of a log group.
    pub fn log_group(at: LogGroupAt<'a>) -> Self {
        Self {
            account: at.account,
            region: at.region,
            target: TagTarget::LogGroup,
            id: at.name,
        }
    }
}

/// The kinds of resources that have tags here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TagTarget {
    /// A registered node, `mi-…`.
    ManagedInstance,
    /// An enrolled node, `i-…`.
    Instance,
    /// A session document.
    Document,
    /// A parameter.
    Parameter,
    /// A key.
    Key,
    /// A log group.
    LogGroup,
}

impl TagTarget {
    /// Returns the word of the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ManagedInstance => "ManagedInstance",
            Self::Instance => "Instance",
            Self::Document => "Document",
            Self::Parameter => "Parameter",
            Self::Key => "Key",
            Self::LogGroup => "LogGroup",
        }
    }
}

/// Why tags were not added.
#[derive(Debug, thiserror::Error)]
pub enum TagError {
    /// The resource would have more than [`MAX_TAGS`].
    #[error("a resource has at most 50 tags")]
    TooMany,
    /// Two of its keys would differ by their case alone, and conditions, which have none, would see one key with two
    /// values.
    #[error("the tag keys of a resource differ by more than their case")]
    SameKey,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Remembers tags.
#[async_trait]
pub trait Tags: Send + Sync {
    /// Lists the tags of a resource, in the order of their keys.
    async fn tags(&self, of: TagsOf<'_>) -> Result<Vec<Tag>, StoreError>;

    /// Adds tags; the value of a key that is there already is replaced.
    async fn add_tags(&self, of: TagsOf<'_>, tags: &[Tag]) -> Result<(), TagError>;

    /// Removes tags by their keys; keys that are not there do not matter.
    async fn remove_tags(&self, of: TagsOf<'_>, keys: &[String]) -> Result<(), StoreError>;
}
