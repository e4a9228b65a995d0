//! The `iam` service: users, groups, roles, policies, instance profiles and keys of an account.
//!
//! There is a file for each noun, with the declarations of its operations (action, resources, handler), their inputs
//! and the form in which answers show it. The rules are those of [`drawbridge_session::iam::Directory`]; an operation
//! reads its input, has one of them applied to the directory of the caller's account, and shows the outcome
//! (`operation.rs`). What is done alike to several kinds of entities is written once over `kind.rs`.
//!
//! The gateway has validated the input against the service's model before, and the decision came before the look-up:
//! whoever may not ask does not learn what is there.

mod absent;
mod access_keys;
mod account;
mod attachments;
mod boundaries;
mod error;
mod groups;
mod inline_policies;
mod instance_profiles;
mod kind;
mod login_profiles;
mod memberships;
mod needs;
mod operation;
mod page;
mod passwords;
mod policies;
mod policy_entities;
mod roles;
mod shape;
mod simulate;
mod tags;
#[cfg(test)]
mod testing;
mod users;
mod versions;
mod whom;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::{Clock, Random};
use drawbridge_store::{Foundation, RootKey, Store};
use tokio::sync::Semaphore;

use crate::kind::{Group, InstanceProfile, Policy, Role, User};
use crate::passwords::Passwords;

/// An operation of this service.
pub type Operation = drawbridge_session::Operation<Iam, AwsError>;

/// The operations, by their names on the wire.
pub const OPERATIONS: &[Operation] = &[
    simulate::CUSTOM,
    simulate::PRINCIPAL,
    users::CREATE,
    users::GET,
    users::UPDATE,
    users::DELETE,
    users::LIST,
    groups::CREATE,
    groups::GET,
    groups::UPDATE,
    groups::DELETE,
    groups::LIST,
    memberships::ADD,
    memberships::REMOVE,
    memberships::LIST_FOR_USER,
    roles::CREATE,
    roles::GET,
    roles::UPDATE,
    roles::UPDATE_DESCRIPTION,
    roles::UPDATE_TRUST,
    roles::DELETE,
    roles::LIST,
    policies::CREATE,
    policies::GET,
    policies::DELETE,
    policies::LIST,
    versions::CREATE,
    versions::GET,
    versions::SET_DEFAULT,
    versions::DELETE,
    versions::LIST,
    policy_entities::LIST,
    attachments::attach::<User>("iam:AttachUserPolicy"),
    attachments::attach::<Group>("iam:AttachGroupPolicy"),
    attachments::attach::<Role>("iam:AttachRolePolicy"),
    attachments::detach::<User>("iam:DetachUserPolicy"),
    attachments::detach::<Group>("iam:DetachGroupPolicy"),
    attachments::detach::<Role>("iam:DetachRolePolicy"),
    attachments::list::<User>("iam:ListAttachedUserPolicies"),
    attachments::list::<Group>("iam:ListAttachedGroupPolicies"),
    attachments::list::<Role>("iam:ListAttachedRolePolicies"),
    inline_policies::put::<User>("iam:PutUserPolicy"),
    inline_policies::put::<Group>("iam:PutGroupPolicy"),
    inline_policies::put::<Role>("iam:PutRolePolicy"),
    inline_policies::get::<User>("iam:GetUserPolicy"),
    inline_policies::get::<Group>("iam:GetGroupPolicy"),
    inline_policies::get::<Role>("iam:GetRolePolicy"),
    inline_policies::delete::<User>("iam:DeleteUserPolicy"),
    inline_policies::delete::<Group>("iam:DeleteGroupPolicy"),
    inline_policies::delete::<Role>("iam:DeleteRolePolicy"),
    inline_policies::list::<User>("iam:ListUserPolicies"),
    inline_policies::list::<Group>("iam:ListGroupPolicies"),
    inline_policies::list::<Role>("iam:ListRolePolicies"),
    boundaries::put::<User>("iam:PutUserPermissionsBoundary"),
    boundaries::put::<Role>("iam:PutRolePermissionsBoundary"),
    boundaries::delete::<User>("iam:DeleteUserPermissionsBoundary"),
    boundaries::delete::<Role>("iam:DeleteRolePermissionsBoundary"),
    instance_profiles::CREATE,
    instance_profiles::GET,
    instance_profiles::DELETE,
    instance_profiles::ADD_ROLE,
    instance_profiles::REMOVE_ROLE,
    instance_profiles::LIST,
    instance_profiles::LIST_FOR_ROLE,
    access_keys::CREATE,
    access_keys::UPDATE,
    access_keys::DELETE,
    access_keys::LIST,
    access_keys::LAST_USED,
    login_profiles::CREATE,
    login_profiles::GET,
    login_profiles::UPDATE,
    login_profiles::DELETE,
    tags::tag::<User>("iam:TagUser"),
    tags::tag::<Role>("iam:TagRole"),
    tags::tag::<Policy>("iam:TagPolicy"),
    tags::tag::<InstanceProfile>("iam:TagInstanceProfile"),
    tags::untag::<User>("iam:UntagUser"),
    tags::untag::<Role>("iam:UntagRole"),
    tags::untag::<Policy>("iam:UntagPolicy"),
    tags::untag::<InstanceProfile>("iam:UntagInstanceProfile"),
    tags::list::<User>("iam:ListUserTags"),
    tags::list::<Role>("iam:ListRoleTags"),
    tags::list::<Policy>("iam:ListPolicyTags"),
    tags::list::<InstanceProfile>("iam:ListInstanceProfileTags"),
    account::SUMMARY,
    account::LIST_ALIASES,
    absent::LIST_MFA_DEVICES,
    absent::LIST_SIGNING_CERTIFICATES,
    absent::LIST_SSH_PUBLIC_KEYS,
    absent::LIST_SERVICE_SPECIFIC_CREDENTIALS,
    absent::LIST_VIRTUAL_MFA_DEVICES,
];

/// The `iam` service of one server.
pub struct Iam {
    store: Arc<dyn Store>,
    root: Arc<RootKey>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    passwords: Passwords,
    simulations: Arc<Semaphore>,
}

impl Iam {
    /// Brings the parts together.
    pub fn new(foundation: Foundation) -> Self {
        Self {
            store: foundation.store,
            root: foundation.root,
            clock: foundation.clock,
            random: foundation.random,
            passwords: Passwords::new(),
            simulations: Arc::new(Semaphore::new(simulate::AT_ONCE)),
        }
    }

    /// Finds an operation.
    pub fn operation(name: &str) -> Option<&'static Operation> {
        OPERATIONS.iter().find(|operation| operation.name == name)
    }
}
