//! The role that a request names.

use drawbridge_session::{AccountId, Resource};

/// The ARN of a role, in whatever account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RoleArn<'a> {
    text: &'a str,
    pub(crate) account: AccountId,
    pub(crate) name: &'a str,
}

impl<'a> RoleArn<'a> {
    /// Reads `arn:aws:iam::<account>:role/<path><name>`; whether there is such a role is another question.
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        let (account, role) = text.strip_prefix("arn:aws:iam::")?.split_once(":role/")?;
        let name = role.rsplit('/').next().filter(|name| !name.is_empty())?;
        Some(Self {
            text,
            account: AccountId::parse(account).ok()?,
            name,
        })
    }

    /// Names the role as what a request is about.
    pub(crate) fn resource(&self) -> Resource {
        Resource::role_called(self.text, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_arn_of_a_role_only() {
        let arn = RoleArn::parse("arn:aws:iam::123456789012:role/team/web/Ops").expect("an ARN");
        assert_eq!((arn.account.as_str(), arn.name), ("123456789012", "Ops"));
        for text in [
            "",
            "Ops",
            "arn:aws:iam::123456789012:role/",
            "arn:aws:iam::123456789012:role/team/",
            "arn:aws:iam::123456789012:user/Ops",
            "arn:aws:iam::12345678901:role/Ops",
            "arn:aws:iam:us-east-1:123456789012:role/Ops",
            "arn:aws:sts::123456789012:assumed-role/Ops/bob",
            "arn:aws-cn:iam::123456789012:role/Ops",
        ] {
            assert_eq!(RoleArn::parse(text), None, "{text}");
        }
    }
}
