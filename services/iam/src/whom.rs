//! Whom a request is about that may leave the user out: then it is about the caller.

use drawbridge_session::iam::{Directory, IamError, KeyOwner};
use drawbridge_session::{Caller, Needs, Principal, Resource};
use serde::Deserialize;
use serde_json::Value;

use crate::needs;
use crate::operation::Occasion;

/// The input of a request that may name a user.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Whose {
    /// The user; the caller if left out.
    pub(crate) user_name: Option<String>,
}

/// A user, or the root of the account.
pub(crate) enum Whom {
    /// The root of the account.
    Root,
    /// A user by name, who need not exist.
    User(String),
}

/// Needs the action on the user that the request names, or on the caller.
pub(crate) fn needs(caller: &Caller, input: &Value) -> Needs {
    let resource = match (needs::text(input, "UserName"), &caller.principal) {
        ("", Principal::User { user, .. }) => Resource::user(&caller.account, &user.name),
        // The root needs no permission, and nobody else is a user.
        ("", _) => Resource::any(),
        (name, _) => Resource::user(&caller.account, name),
    };
    resource.into()
}

impl Whom {
    /// Says whom a request is about.
    pub(crate) fn of(
        named: Option<String>,
        directory: &Directory,
        at: &Occasion<'_>,
    ) -> Result<Self, IamError> {
        match (named, &at.caller.principal) {
            // As the user is written, where there is one.
            (Some(name), _) => Ok(Self::User(match directory.user(&name) {
                Ok(user) => user.name.clone(),
                Err(_) => name,
            })),
            // By id: the name may have changed since the decision.
            (None, Principal::User { user, .. }) => match directory.user_by_id(&user.id) {
                Some(user) => Ok(Self::User(user.name.clone())),
                None => Err(IamError::NoSuchEntity(format!(
                    "The user with name {} cannot be found.",
                    user.name
                ))),
            },
            (None, Principal::Root { .. }) => Ok(Self::Root),
            (
                None,
                Principal::AssumedRole { .. }
                | Principal::Node { .. }
                | Principal::Service { .. }
                | Principal::Anonymous { .. },
            ) => Err(unnamed()),
        }
    }

    /// Returns whose access keys are meant.
    pub(crate) fn key_owner(&self) -> KeyOwner<'_> {
        match self {
            Self::Root => KeyOwner::Root,
            Self::User(name) => KeyOwner::User(name),
        }
    }

    /// Returns the user's name; the root has none.
    pub(crate) fn name(self) -> Option<String> {
        match self {
            Self::User(name) => Some(name),
            Self::Root => None,
        }
    }

    /// Returns the user's name, for what the root does not have.
    pub(crate) fn user(self) -> Result<String, IamError> {
        self.name().ok_or_else(unnamed)
    }
}

fn unnamed() -> IamError {
    IamError::ValidationError("Must specify userName when calling with non-User credentials".to_owned())
}
