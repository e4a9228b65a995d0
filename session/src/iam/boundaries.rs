//! Permissions boundaries of users and roles.

use super::arn::PolicyArn;
use super::directory::Directory;
use super::error::IamError;
use super::users::User;

/// Names an entity that can have a permissions boundary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bounded<'a> {
    /// A user by name.
    User(&'a str),
    /// A role by name.
    Role(&'a str),
}

impl Directory {
    /// Limits a user or role to what a policy of the account or of AWS allows, in the place of any limit before.
    pub fn put_boundary(&mut self, entity: Bounded<'_>, arn: &str) -> Result<(), IamError> {
        match entity {
            Bounded::User(name) => self.user(name).map(drop)?,
            Bounded::Role(name) => self.role(name).map(drop)?,
        }
        let arn = self.attachable(arn)?;
        self.set_boundary(entity, Some(arn))
    }

    /// Removes the limit of a user or role, if there is one.
    pub fn delete_boundary(&mut self, entity: Bounded<'_>) -> Result<(), IamError> {
        self.set_boundary(entity, None)
    }

    fn set_boundary(&mut self, entity: Bounded<'_>, boundary: Option<PolicyArn>) -> Result<(), IamError> {
        match entity {
            Bounded::User(name) => self.edit::<User, _>(name, |user| {
                user.boundary = boundary;
                Ok(())
            }),
            Bounded::Role(name) => self.edit_role(name, |role| {
                role.boundary = boundary;
                Ok(())
            }),
        }
    }
}
