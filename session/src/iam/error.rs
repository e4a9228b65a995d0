//! Refusals, one variant for each of AWS's codes.

use super::change::EntityKind;

/// A refused operation; it shows itself as the message of the answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IamError {
    /// Something that the request names does not exist.
    #[error("{0}")]
    NoSuchEntity(String),
    /// The name is taken.
    #[error("{0}")]
    EntityAlreadyExists(String),
    /// Something still depends on what was to be deleted.
    #[error("{0}")]
    DeleteConflict(String),
    /// A quota is used up.
    #[error("{0}")]
    LimitExceeded(String),
    /// A policy document is not one.
    #[error("{0}")]
    MalformedPolicyDocument(String),
    /// A value has the right shape and makes no sense.
    #[error("{0}")]
    InvalidInput(String),
    /// A value has the wrong shape.
    #[error("{0}")]
    ValidationError(String),
    /// A password is too easy to guess.
    #[error("{0}")]
    PasswordPolicyViolation(String),
    /// The role belongs to a service.
    #[error("{0}")]
    UnmodifiableEntity(String),
    /// The policy is for the roles of services only.
    #[error("{0}")]
    PolicyNotAttachable(String),
    /// The policy belongs to AWS or to another account.
    #[error("{0}")]
    AccessDenied(String),
}

impl IamError {
    /// Returns AWS's code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoSuchEntity(_) => "NoSuchEntity",
            Self::EntityAlreadyExists(_) => "EntityAlreadyExists",
            Self::DeleteConflict(_) => "DeleteConflict",
            Self::LimitExceeded(_) => "LimitExceeded",
            Self::MalformedPolicyDocument(_) => "MalformedPolicyDocument",
            Self::InvalidInput(_) => "InvalidInput",
            Self::ValidationError(_) => "ValidationError",
            Self::PasswordPolicyViolation(_) => "PasswordPolicyViolation",
            Self::UnmodifiableEntity(_) => "UnmodifiableEntity",
            Self::PolicyNotAttachable(_) => "PolicyNotAttachable",
            Self::AccessDenied(_) => "AccessDenied",
        }
    }

    pub(super) fn absent(kind: EntityKind, name: &str) -> Self {
        Self::NoSuchEntity(match kind {
            EntityKind::Root => format!("The account {name} cannot be found."),
            EntityKind::User => format!("The user with name {name} cannot be found."),
            EntityKind::Group => format!("The group with name {name} cannot be found."),
            EntityKind::Role => format!("The role with name {name} cannot be found."),
            EntityKind::Policy => format!("Policy {name} was not found."),
            EntityKind::InstanceProfile => format!("Instance Profile {name} cannot be found."),
        })
    }

    pub(super) fn taken(kind: EntityKind, name: &str) -> Self {
        Self::EntityAlreadyExists(match kind {
            EntityKind::Root => format!("Account {name} already exists."),
            EntityKind::User => format!("User with name {name} already exists."),
            EntityKind::Group => format!("Group with name {name} already exists."),
            EntityKind::Role => format!("Role with name {name} already exists."),
            EntityKind::Policy => {
                format!("A policy called {name} already exists. Duplicate names are not allowed.")
            }
            EntityKind::InstanceProfile => format!("Instance Profile {name} already exists."),
        })
    }

    pub(super) fn conflict(message: &str) -> Self {
        Self::DeleteConflict(message.to_owned())
    }

    pub(super) fn quota(name: &str, limit: usize) -> Self {
        Self::LimitExceeded(format!("Cannot exceed quota for {name}: {limit}"))
    }

    pub(super) fn constraint(value: impl std::fmt::Display, field: &str, rule: &str) -> Self {
        Self::ValidationError(format!(
            "1 validation error detected: Value '{value}' at '{field}' failed to satisfy constraint: Member must {rule}"
        ))
    }
}
