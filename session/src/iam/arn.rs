//! The ARNs of managed policies.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::error::IamError;
use super::names::{Path, is_name};
use crate::ids::AccountId;

/// Names a policy of an account or of AWS: `arn:aws:iam::123456789012:policy/path/name`, `arn:aws:iam::aws:policy/name`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct PolicyArn(Arc<str>);

const VENDOR: &str = "arn:aws:iam::";
const KIND: &str = ":policy";

impl PolicyArn {
    /// Parses an ARN.
    pub fn parse(text: &str) -> Result<Self, IamError> {
        match divide(text) {
            Some((owner, path, name))
                if (owner == "aws" || AccountId::parse(owner).is_ok())
                    && Path::parse(path).is_ok()
                    && is_name(name, 128) =>
            {
                Ok(Self(text.into()))
            }
            _ if text.starts_with("arn:") => Err(IamError::InvalidInput(format!("ARN {text} is not valid."))),
            // Most often the name of a policy.
            _ => Err(IamError::ValidationError(format!(
                "Invalid ARN: {text} could not be parsed."
            ))),
        }
    }

    /// Names a policy of an account.
    pub(super) fn of(account: &AccountId, path: &Path, name: &str) -> Self {
        Self(format!("{VENDOR}{account}{KIND}{path}{name}").into())
    }

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the account that owns the policy, or `aws`.
    pub fn owner(&self) -> &str {
        self.parts().0
    }

    /// Returns the path, which begins and ends with a slash.
    pub fn path(&self) -> &str {
        self.parts().1
    }

    /// Returns the name.
    pub fn name(&self) -> &str {
        self.parts().2
    }

    /// Says whether AWS manages the policy.
    pub fn is_aws(&self) -> bool {
        self.owner() == "aws"
    }

    fn parts(&self) -> (&str, &str, &str) {
        divide(&self.0).expect("it was parsed, or put together from its parts")
    }
}

/// Returns owner, path and name.
fn divide(text: &str) -> Option<(&str, &str, &str)> {
    let (owner, resource) = text.strip_prefix(VENDOR)?.split_once(':')?;
    let path_and_name = resource.strip_prefix(&KIND[1..])?;
    let (path, name) = path_and_name.split_at(path_and_name.rfind('/')? + 1);
    Some((owner, path, name))
}

impl TryFrom<String> for PolicyArn {
    type Error = IamError;

    fn try_from(text: String) -> Result<Self, IamError> {
        Self::parse(&text)
    }
}

impl fmt::Display for PolicyArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn divides_into_owner_path_and_name() {
        let arn = PolicyArn::parse("arn:aws:iam::123456789012:policy/common/examples/Dev").expect("valid");
        assert_eq!(
            (arn.owner(), arn.path(), arn.name()),
            ("123456789012", "/common/examples/", "Dev")
        );
        let arn = PolicyArn::parse("arn:aws:iam::aws:policy/AdministratorAccess").expect("valid");
        assert!(arn.is_aws());
        assert_eq!((arn.path(), arn.name()), ("/", "AdministratorAccess"));
    }

    #[test]
    fn refuses_what_names_no_policy() {
        for text in ["", "AdministratorAccess", "policy/own"] {
            let error = PolicyArn::parse(text).expect_err(text);
            assert_eq!(error.code(), "ValidationError");
            assert!(error.to_string().contains(&format!("{text} could not be parsed")));
        }
        for text in [
            "arn:aws:iam::aws:policy",
            "arn:aws:iam::aws:policy/",
            "arn:aws:iam::aws:policyX/a",
            "arn:aws:iam::12345:policy/a",
            "arn:aws:iam::123456789012:role/a",
            "arn:aws:iam::123456789012:policy//a",
            "arn:aws:iam::123456789012:policy/a b",
            "arn:aws:s3:::bucket",
        ] {
            let error = PolicyArn::parse(text).expect_err(text);
            assert_eq!(error, IamError::InvalidInput(format!("ARN {text} is not valid.")));
        }
    }
}
