//! Keys that the server makes for its services, `alias/aws/…`, in each account and region at their first use.

use drawbridge_session::{AccountId, Region};
use serde_json::json;

/// What comes before the service in the name of such a key's alias.
pub const PREFIX: &str = "alias/aws/";

/// The services that have one.
const SERVICES: [&str; 4] = ["ebs", "logs", "s3", "ssm"];

/// Finds the service that an alias is for.
pub fn service(alias: &str) -> Option<&'static str> {
    let service = alias.strip_prefix(PREFIX)?;
    SERVICES.into_iter().find(|it| *it == service)
}

/// Lists the aliases of such keys, in the order of their names.
pub fn aliases() -> impl Iterator<Item = String> {
    SERVICES.iter().map(|service| format!("{PREFIX}{service}"))
}

/// Writes the policy of the key for a service: the account's principals use it through the service, and see it.
pub fn policy(service: &str, account: &AccountId, region: &Region) -> String {
    // EBS encrypts in the name of EC2.
    let via = if service == "ebs" { "ec2" } else { service };
    let policy = json!({
        "Version": "2012-10-17",
        "Id": format!("auto-{service}-1"),
        "Statement": [
            {
                "Sid": format!("UseThrough{}", via.to_uppercase()),
                "Effect": "Allow",
                "Principal": {"AWS": "*"},
                "Action": [
                    "kms:CreateGrant",
                    "kms:Decrypt",
                    "kms:DescribeKey",
                    "kms:Encrypt",
                    "kms:GenerateDataKey*",
                    "kms:ReEncrypt*",
                ],
                "Resource": "*",
                "Condition": {"StringEquals": {
                    "kms:CallerAccount": account,
                    "kms:ViaService": format!("{via}.{region}.amazonaws.com"),
                }},
            },
            {
                "Sid": "ReadMetadata",
                "Effect": "Allow",
                "Principal": {"AWS": format!("arn:aws:iam::{account}:root")},
                "Action": ["kms:Describe*", "kms:Get*", "kms:List*", "kms:RevokeGrant"],
                "Resource": "*",
            },
        ],
    });
    policy.to_string()
}

/// Describes the key for people.
pub fn description(service: &str) -> String {
    format!("Default key that protects data of {service} when no other key is given")
}
