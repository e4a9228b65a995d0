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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::iam::tests::{AWS_POLICY, Account, refused};

    #[test]
    fn a_boundary_replaces_the_one_before() {
        let mut account = Account::filled();
        for entity in [Bounded::User("alice"), Bounded::Role("web")] {
            for arn in [AWS_POLICY, "arn:aws:iam::123456789012:policy/own"] {
                account.put_boundary(entity, arn).expect("put");
            }
        }
        let shown = |boundary: &Option<PolicyArn>| boundary.as_ref().map(|arn| arn.name().to_owned());
        assert_eq!(
            shown(&account.user("alice").expect("there").boundary).as_deref(),
            Some("own")
        );
        assert_eq!(
            shown(&account.role("web").expect("there").boundary).as_deref(),
            Some("own")
        );
        for entity in [Bounded::User("alice"), Bounded::Role("web")] {
            account.delete_boundary(entity).expect("deleted");
            account.delete_boundary(entity).expect("not there");
        }
        assert_eq!(account.user("alice").expect("there").boundary, None);
        assert_eq!(account.role("web").expect("there").boundary, None);
    }

    #[test]
    fn both_ends_must_exist() {
        let mut account = Account::filled();
        refused(
            account.put_boundary(Bounded::User("no"), "arn:aws:iam::aws:policy/No"),
            "NoSuchEntity",
            "The user with name no cannot be found.",
        );
        refused(
            account.put_boundary(Bounded::Role("web"), "arn:aws:iam::aws:policy/No"),
            "NoSuchEntity",
            "Policy arn:aws:iam::aws:policy/No does not exist or is not attachable.",
        );
    }
}
