//! Whose sessions a floor is for.

use std::fmt;

use crate::ids::{AccountId, OrganizationId};

/// Whose sessions a floor is for, and so who may change it.
///
/// Its text is the name under which the floor is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FloorScope {
    /// Those of every account of an organization, by whoever manages it.
    Organization(OrganizationId),
    /// Those of one account, by whoever manages its organization.
    Member(OrganizationId, AccountId),
    /// Those of one account, by itself.
    Account(AccountId),
}

impl FloorScope {
    /// Returns every floor that lies over an account of an organization.
    pub fn over(account: &AccountId, organization: Option<&OrganizationId>) -> Vec<Self> {
        let own = Self::Account(account.clone());
        match organization {
            None => vec![own],
            Some(id) => vec![
                Self::Organization(id.clone()),
                Self::Member(id.clone(), account.clone()),
                own,
            ],
        }
    }

    /// Returns its word on the wire.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Organization(_) => "organization",
            Self::Member(..) => "member",
            Self::Account(_) => "account",
        }
    }
}

impl fmt::Display for FloorScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = self.as_str();
        match self {
            Self::Organization(organization) => write!(f, "{kind}/{organization}"),
            Self::Member(organization, account) => write!(f, "{kind}/{organization}/{account}"),
            Self::Account(account) => write!(f, "{kind}/{account}"),
        }
    }
}
