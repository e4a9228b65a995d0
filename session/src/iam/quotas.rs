//! How much of everything an account may have.
//!
//! Sizes of documents and what one entity may have are AWS's defaults; what an account may have is AWS's upper bound.

/// Users in an account.
pub const USERS: usize = 5000;
/// Groups in an account.
pub const GROUPS: usize = 500;
/// Roles in an account.
pub const ROLES: usize = 5000;
/// Policies that an account manages itself.
pub const POLICIES: usize = 5000;
/// Instance profiles in an account.
pub const INSTANCE_PROFILES: usize = 5000;
/// Policies attached to one user, group or role.
pub const ATTACHED_POLICIES: usize = 10;
/// Groups that a user is in.
pub const GROUPS_PER_USER: usize = 10;
/// Access keys of one user, or of the root.
pub const ACCESS_KEYS: usize = 2;
/// Tags on one entity.
pub const TAGS: usize = 50;
/// Versions that a policy keeps.
pub const POLICY_VERSIONS: usize = 5;
/// Roles in one instance profile.
pub const ROLES_PER_INSTANCE_PROFILE: usize = 1;
/// Characters of a managed policy; white space does not count, here and below.
pub const MANAGED_POLICY_SIZE: usize = 6144;
/// Characters of all inline policies of a user.
pub const USER_POLICIES_SIZE: usize = 2048;
/// Characters of all inline policies of a group.
pub const GROUP_POLICIES_SIZE: usize = 5120;
/// Characters of all inline policies of a role.
pub const ROLE_POLICIES_SIZE: usize = 10_240;
/// Characters of a role's trust policy.
pub const TRUST_POLICY_SIZE: usize = 2048;
