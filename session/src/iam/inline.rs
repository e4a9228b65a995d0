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
