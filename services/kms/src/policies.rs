//! The operations on key policies.

pub(crate) mod check;
pub(crate) mod get;
pub(crate) mod put;

use drawbridge_session::AccountId;

/// The one name that a key policy has.
const DEFAULT: &str = "default";

/// Writes the policy of a key that was given none: it leaves every decision to the account.
pub(crate) fn default_policy(account: &AccountId) -> String {
    format!(
        r#"{{
  "Version" : "2012-10-17",
  "Id" : "key-default-1",
  "Statement" : [ {{
    "Sid" : "Enable IAM User Permissions",
    "Effect" : "Allow",
    "Principal" : {{
      "AWS" : "arn:aws:iam::{account}:root"
    }},
    "Action" : "kms:*",
    "Resource" : "*"
  }} ]
}}"#
    )
}
