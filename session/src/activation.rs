//! What lets a machine become a managed node.

use jiff::Timestamp;

use crate::ids::{AccountId, ActivationId, Region};
use crate::tag::Tag;

/// Lets up to a number of machines register until a moment; its code is known to whoever created it only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Activation {
    /// The id that a machine presents with the code.
    pub id: ActivationId,
    /// The account that nodes join.
    pub account: AccountId,
    /// The region that nodes join.
    pub region: Region,
    /// What the creator wrote, at most 256 characters.
    pub description: Option<String>,
    /// The `Name` of nodes that register with it, at most 256 characters.
    pub default_instance_name: Option<String>,
    /// The role that nodes get.
    pub iam_role: String,
    /// How many nodes may register, 1 to 1000.
    pub registration_limit: u32,
    /// How many did.
    pub registrations_count: u32,
    /// The first moment at which it serves no more.
    pub expires_at: Timestamp,
    /// When it was created.
    pub created_at: Timestamp,
    /// Copied to each node that registers.
    pub tags: Vec<Tag>,
}

impl Activation {
    /// Returns whether its time is over.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        now >= self.expires_at
    }
}
