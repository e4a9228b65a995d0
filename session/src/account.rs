//! Accounts, and the organization that some of them belong to.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::{AccountId, OrganizationId};

/// An account: it owns identities, nodes and sessions, and no other account sees them unless both agree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Its id, never reused.
    pub id: AccountId,
    /// Its name, 1 to 50 characters, for people.
    pub name: String,
    /// Whom to write to.
    pub email: String,
    /// The organization it belongs to.
    pub organization: Option<OrganizationId>,
    /// When it was made.
    pub created_at: Timestamp,
}

impl Account {
    /// Returns the first account that was made; the one that a server starts with.
    pub fn oldest<'a>(accounts: impl IntoIterator<Item = &'a Self>) -> Option<&'a Self> {
        accounts.into_iter().min_by_key(|account| account.age())
    }

    fn age(&self) -> (Timestamp, &AccountId) {
        (self.created_at, &self.id)
    }
}

/// The accounts that belong together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Organization {
    /// Its id.
    pub id: OrganizationId,
    /// The oldest first, which manages the others; never empty.
    accounts: Vec<Account>,
}

impl Organization {
    /// Finds the organization of an account among all accounts; `None` for one that belongs to none.
    pub fn of(account: &AccountId, mut all: Vec<Account>) -> Option<Self> {
        let id = all.iter().find(|it| it.id == *account)?.organization.clone()?;
        all.retain(|account| account.organization.as_ref() == Some(&id));
        all.sort_by(|a, b| a.age().cmp(&b.age()));
        Some(Self { id, accounts: all })
    }

    /// Returns the account that manages the others.
    pub fn management(&self) -> &Account {
        self.accounts
            .first()
            .expect("an organization is found by one of its accounts")
    }

    /// Returns the accounts, the oldest first.
    pub fn accounts(&self) -> &[Account] {
        &self.accounts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(id: &str, organization: Option<&str>, second: i64) -> Account {
        Account {
            id: AccountId::parse(id).expect("valid"),
            name: "test".to_owned(),
            email: String::new(),
            organization: organization.map(|id| OrganizationId::parse(id).expect("valid")),
            created_at: Timestamp::from_second(second).expect("in range"),
        }
    }

    #[test]
    fn the_oldest_account_manages_the_organization() {
        let (older, newer) = (
            account("222222222222", Some("o-aaaaaaaaaa"), 2),
            account("111111111111", Some("o-aaaaaaaaaa"), 3),
        );
        let alone = account("333333333333", None, 1);
        let other = account("444444444444", Some("o-bbbbbbbbbb"), 0);
        let all = vec![newer.clone(), older.clone(), alone.clone(), other.clone()];
        assert_eq!(Account::oldest(&all), Some(&other));
        let found = Organization::of(&newer.id, all.clone()).expect("in one");
        assert_eq!(found.management(), &older);
        assert_eq!(found.accounts(), [older, newer]);
        assert_eq!(Organization::of(&alone.id, all.clone()), None);
        let unknown = AccountId::parse("555555555555").expect("valid");
        assert_eq!(Organization::of(&unknown, all), None);
    }
}
