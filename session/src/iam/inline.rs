//! Inline policies, which belong to one user, group or role.

use super::attachments::Holder;
use super::directory::Directory;
use super::documents::Document;
use super::error::IamError;
use super::names::check_name;
use super::quotas;

impl Directory {
    /// Gives a user, group or role a policy of its own, in the place of one with the same name.
    pub fn put_inline_policy(
        &mut self,
        holder: Holder<'_>,
        name: &str,
        document: &str,
    ) -> Result<(), IamError> {
        check_name(name, "policyName", 128)?;
        self.edit_policies(holder, |held| {
            held.inline.insert(name.to_owned(), Document::identity(document)?);
            let limit = holder.inline_limit();
            if held.inline.values().map(Document::size).sum::<usize>() > limit {
                return Err(IamError::LimitExceeded(format!(
                    "Maximum policy size of {limit} bytes exceeded for {} {}",
                    holder.noun(),
                    holder.name()
                )));
            }
            Ok(())
        })
    }

    /// Takes a policy of its own from a user, group or role.
    pub fn delete_inline_policy(&mut self, holder: Holder<'_>, name: &str) -> Result<(), IamError> {
        self.edit_policies(holder, |held| match held.inline.remove(name) {
            Some(_) => Ok(()),
            None => Err(absent(holder, name)),
        })
    }

    /// Returns a policy of a user's, group's or role's own.
    pub fn inline_policy(&self, holder: Holder<'_>, name: &str) -> Result<&Document, IamError> {
        let held = self.held_policies(holder)?;
        held.inline.get(name).ok_or_else(|| absent(holder, name))
    }
}

impl Holder<'_> {
    fn inline_limit(self) -> usize {
        match self {
            Self::User(_) => quotas::USER_POLICIES_SIZE,
            Self::Group(_) => quotas::GROUP_POLICIES_SIZE,
            Self::Role(_) => quotas::ROLE_POLICIES_SIZE,
        }
    }
}

fn absent(holder: Holder<'_>, name: &str) -> IamError {
    IamError::NoSuchEntity(format!(
        "The {} policy with name {name} cannot be found.",
        holder.noun()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::iam::tests::{ALLOW, Account, document_of, refused};

    #[test]
    fn puts_replaces_and_deletes() {
        for (holder, noun) in [
            (Holder::User("alice"), "user"),
            (Holder::Group("dev"), "group"),
            (Holder::Role("web"), "role"),
        ] {
            let mut account = Account::filled();
            let deny = ALLOW.replace("Allow", "Deny");
            account.put_inline_policy(holder, "p", ALLOW).expect("put");
            account.put_inline_policy(holder, "p", &deny).expect("put");
            assert_eq!(
                account.inline_policy(holder, "p").map(Document::text),
                Ok(deny.as_str())
            );
            account.delete_inline_policy(holder, "p").expect("deleted");
            let message = format!("The {noun} policy with name p cannot be found.");
            refused(account.inline_policy(holder, "p"), "NoSuchEntity", &message);
            refused(
                account.delete_inline_policy(holder, "p"),
                "NoSuchEntity",
                &message,
            );
        }
    }

    #[test]
    fn all_of_them_together_have_a_limit() {
        for (holder, name, limit) in [
            (Holder::User("alice"), "user alice", 2048),
            (Holder::Group("dev"), "group dev", 5120),
            (Holder::Role("web"), "role web", 10_240),
        ] {
            let mut account = Account::filled();
            account
                .put_inline_policy(holder, "a", &document_of(limit - 500))
                .expect("put");
            let spaced = document_of(500).replace(',', ",\n\t ");
            account.put_inline_policy(holder, "b", &spaced).expect("put");
            let message = format!("Maximum policy size of {limit} bytes exceeded for {name}");
            refused(
                account.put_inline_policy(holder, "c", ALLOW),
                "LimitExceeded",
                &message,
            );
            refused(
                account.put_inline_policy(holder, "b", &document_of(501)),
                "LimitExceeded",
                &message,
            );
            assert_eq!(
                account.inline_policy(holder, "b").map(Document::text),
                Ok(spaced.as_str())
            );
        }
    }

    #[test]
    fn refuses_malformed_documents_and_names() {
        let mut account = Account::filled();
        let alice = Holder::User("alice");
        refused(
            account.put_inline_policy(alice, "p", "{}"),
            "MalformedPolicyDocument",
            "Statement: Missing required field Statement",
        );
        let error = account.put_inline_policy(alice, "a/b", ALLOW).expect_err("name");
        assert_eq!(error.code(), "ValidationError");
        assert_eq!(account.changed(), [""; 0]);
    }
}
