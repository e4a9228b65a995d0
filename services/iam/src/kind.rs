//! The kinds of entities, for what is done to several of them in one way.

use drawbridge_session::iam::{Bounded, Holder, Tagged};
use drawbridge_session::{AccountId, Resource};
use serde::Deserialize;

/// A kind of entity: how requests and ARNs name one.
pub(crate) trait Kind {
    /// The word of ARNs.
    const NOUN: &'static str;
    /// The member of requests that names one that exists.
    const MEMBER: &'static str;
    /// The member of requests that names one to be created.
    const NEW: &'static str = Self::MEMBER;

    /// Names one as policies do.
    fn resource(account: &AccountId, named: &str) -> Resource;
}

/// A kind that can hold policies.
pub(crate) trait HoldsPolicies: Kind {
    /// Names one to the directory.
    fn holder(name: &str) -> Holder<'_>;
}

/// A kind that can have a permissions boundary.
pub(crate) trait HasBoundary: Kind {
    /// Names one to the directory.
    fn bounded(name: &str) -> Bounded<'_>;
}

/// A kind that can have tags.
pub(crate) trait HasTags: Kind {
    /// Names one to the directory.
    fn tagged(named: &str) -> Tagged<'_>;
}

/// The input of a request that names one entity and nothing else.
#[derive(Deserialize)]
pub(crate) struct Named {
    /// The name; the ARN of a policy.
    #[serde(
        alias = "UserName",
        alias = "GroupName",
        alias = "RoleName",
        alias = "PolicyArn",
        alias = "InstanceProfileName"
    )]
    pub(crate) name: String,
}

/// Users.
pub(crate) enum User {}

/// Groups.
pub(crate) enum Group {}

/// Roles.
pub(crate) enum Role {}

/// Managed policies.
pub(crate) enum Policy {}

/// Instance profiles.
pub(crate) enum InstanceProfile {}

impl Kind for User {
    const NOUN: &'static str = "user";
    const MEMBER: &'static str = "UserName";

    fn resource(account: &AccountId, named: &str) -> Resource {
        Resource::user(account, named)
    }
}

impl Kind for Group {
    const NOUN: &'static str = "group";
    const MEMBER: &'static str = "GroupName";

    fn resource(account: &AccountId, named: &str) -> Resource {
        Resource::group(account, named)
    }
}

impl Kind for Role {
    const NOUN: &'static str = "role";
    const MEMBER: &'static str = "RoleName";

    fn resource(account: &AccountId, named: &str) -> Resource {
        Resource::role(account, named)
    }
}

impl Kind for Policy {
    const NOUN: &'static str = "policy";
    const MEMBER: &'static str = "PolicyArn";
    const NEW: &'static str = "PolicyName";

    fn resource(_: &AccountId, named: &str) -> Resource {
        Resource::policy(named)
    }
}

impl Kind for InstanceProfile {
    const NOUN: &'static str = "instance-profile";
    const MEMBER: &'static str = "InstanceProfileName";

    fn resource(account: &AccountId, named: &str) -> Resource {
        Resource::instance_profile(account, named)
    }
}

impl HoldsPolicies for User {
    fn holder(name: &str) -> Holder<'_> {
        Holder::User(name)
    }
}

impl HoldsPolicies for Group {
    fn holder(name: &str) -> Holder<'_> {
        Holder::Group(name)
    }
}

impl HoldsPolicies for Role {
    fn holder(name: &str) -> Holder<'_> {
        Holder::Role(name)
    }
}

impl HasBoundary for User {
    fn bounded(name: &str) -> Bounded<'_> {
        Bounded::User(name)
    }
}

impl HasBoundary for Role {
    fn bounded(name: &str) -> Bounded<'_> {
        Bounded::Role(name)
    }
}

impl HasTags for User {
    fn tagged(named: &str) -> Tagged<'_> {
        Tagged::User(named)
    }
}

impl HasTags for Role {
    fn tagged(named: &str) -> Tagged<'_> {
        Tagged::Role(named)
    }
}

impl HasTags for Policy {
    fn tagged(named: &str) -> Tagged<'_> {
        Tagged::Policy(named)
    }
}

impl HasTags for InstanceProfile {
    fn tagged(named: &str) -> Tagged<'_> {
        Tagged::InstanceProfile(named)
    }
}
