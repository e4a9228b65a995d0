//! Managed policies, of the account and of AWS.

use std::collections::HashMap;

use drawbridge_session::iam::{Listing, NewPolicy, PolicyArn, PolicyRef, Usage};
use drawbridge_session::{Tag, policy};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::kind::{self, Named};
use crate::operation::{read, write};
use crate::page::Paging;
use crate::shape::seconds;
use crate::{Operation, needs};

pub(crate) const CREATE: Operation =
    write("iam:CreatePolicy", needs::created::<kind::Policy>, |iam, call| {
        iam.change(call, |directory, input: Create, at| {
            let new = NewPolicy {
                name: &input.policy_name,
                path: input.path.as_deref(),
                description: input.description.as_deref(),
                document: &input.policy_document,
                tags: input.tags,
            };
            let created = directory.create_policy(new, at.now, at.random())?;
            let policy = PolicyRef::Customer(&created);
            Ok(json!({"Policy": Policy::created(policy)}))
        })
    });

pub(crate) const GET: Operation = read("iam:GetPolicy", needs::named::<kind::Policy>, |iam, call| {
    iam.look(call, |directory, input: Named, _| {
        let policy = directory.policy(&input.name)?;
        let usage = directory.usage_of(&PolicyArn::parse(&input.name)?);
        Ok(json!({"Policy": Policy::whole(policy, usage)}))
    })
});

pub(crate) const DELETE: Operation = write("iam:DeletePolicy", needs::named::<kind::Policy>, |iam, call| {
    iam.change(call, |directory, input: Named, _| {
        directory.delete_policy(&input.name)
    })
});

pub(crate) const LIST: Operation = read("iam:ListPolicies", needs::policies, |iam, call| {
    iam.look(call, |directory, input: List, at| {
        let prefix = input.path_prefix.as_deref();
        let own = directory.policies(Listing {
            path_prefix: prefix,
            after: None,
        });
        let own = own.map(PolicyRef::Customer).filter(|_| input.scope != Scope::Aws);
        let mut awss: Vec<_> = policy::managed_policies().map(PolicyRef::Aws).collect();
        awss.sort_by_cached_key(|policy| policy.name().to_ascii_lowercase());
        let awss = awss.into_iter().filter(|policy| {
            input.scope != Scope::Local && prefix.is_none_or(|prefix| policy.path().starts_with(prefix))
        });

        let usages = directory.usages();
        let usages: HashMap<_, _> = usages.iter().map(|(arn, usage)| (arn.as_str(), *usage)).collect();
        let used = own.chain(awss).map(|policy| {
            let usage = usages.get(policy.arn()).copied();
            (policy, usage.unwrap_or_default())
        });
        let asked = used.filter(|(_, usage)| input.asks_for(*usage));
        let keyed = asked.map(|(policy, usage)| (key(policy), (policy, usage)));
        let part = input.paging.cut(at)?.by_key(keyed);
        Ok(part
            .map(|(policy, usage)| Policy::listed(policy, usage))
            .under("Policies"))
    })
});

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Create {
    policy_name: String,
    path: Option<String>,
    policy_document: String,
    description: Option<String>,
    #[serde(default)]
    tags: Vec<Tag>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct List {
    #[serde(default)]
    scope: Scope,
    #[serde(default)]
    only_attached: bool,
    path_prefix: Option<String>,
    policy_usage_filter: Option<UsageFilter>,
    #[serde(flatten)]
    paging: Paging,
}

/// Whose policies are asked for.
#[derive(Deserialize, Default, PartialEq)]
enum Scope {
    #[default]
    All,
    #[serde(rename = "AWS")]
    Aws,
    Local,
}

/// For policies that are used in one way only.
#[derive(Deserialize, Clone, Copy)]
pub(crate) enum UsageFilter {
    PermissionsPolicy,
    PermissionsBoundary,
}

impl List {
    fn asks_for(&self, usage: Usage) -> bool {
        let (attached, bounds) = (usage.attachments > 0, usage.boundaries > 0);
        match self.policy_usage_filter {
            None => attached || !self.only_attached,
            Some(UsageFilter::PermissionsPolicy) => attached,
            Some(UsageFilter::PermissionsBoundary) => bounds,
        }
    }
}

/// The account's own come first, each in the order of their names.
fn key(policy: PolicyRef<'_>) -> String {
    let whose = match policy {
        PolicyRef::Customer(_) => 0,
        PolicyRef::Aws(_) => 1,
    };
    format!("{whose} {}", policy.name().to_ascii_lowercase())
}

/// A policy as answers have it.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Policy {
    policy_name: String,
    policy_id: String,
    arn: String,
    path: String,
    default_version_id: String,
    attachment_count: usize,
    permissions_boundary_usage_count: usize,
    is_attachable: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    create_date: i64,
    update_date: i64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tags: Vec<Tag>,
}

impl Policy {
    /// Shows a policy in a list, which leaves out the description and the tags.
    fn listed(policy: PolicyRef<'_>, usage: Usage) -> Self {
        Self {
            policy_name: policy.name().to_owned(),
            policy_id: policy.id().to_owned(),
            arn: policy.arn().to_owned(),
            path: policy.path().to_owned(),
            default_version_id: policy.default_version().id,
            attachment_count: usage.attachments,
            permissions_boundary_usage_count: usage.boundaries,
            is_attachable: policy.is_attachable(),
            description: None,
            create_date: seconds(policy.created_at()),
            update_date: seconds(policy.updated_at()),
            tags: Vec::new(),
        }
    }

    /// Shows a policy to whoever created it, who knows its description.
    fn created(policy: PolicyRef<'_>) -> Self {
        Self {
            tags: policy.tags().to_vec(),
            ..Self::listed(policy, Usage::default())
        }
    }

    fn whole(policy: PolicyRef<'_>, usage: Usage) -> Self {
        Self {
            description: policy.description().map(str::to_owned),
            tags: policy.tags().to_vec(),
            ..Self::listed(policy, usage)
        }
    }
}

#[cfg(test)]
mod tests {
    use drawbridge_session::policy::managed_policies;
    use serde_json::{Value, json};

    use crate::testing::{ALLOW, AWS_POLICY, Desk, NOW, policy_arn};

    #[tokio::test]
    async fn a_policy_is_shown_with_its_uses() {
        let desk = Desk::new().await;
        let input = json!({
            "PolicyName": "own", "Path": "/a/", "PolicyDocument": ALLOW, "Description": "for a",
            "Tags": [{"Key": "Team", "Value": "blue"}],
        });
        let created = desk.ask("CreatePolicy", input).await["Policy"].clone();
        assert_eq!(created["Tags"], json!([{"Key": "Team", "Value": "blue"}]));
        assert_eq!(created["Description"], Value::Null);
        let arn = policy_arn("a/own");
        let admin = || json!({"UserName": "admin", "PolicyArn": arn});
        desk.tell("AttachUserPolicy", admin()).await;
        let bounded = json!({"RoleName": "NodeRole", "PermissionsBoundary": arn});
        desk.tell("PutRolePermissionsBoundary", bounded).await;
        desk.house.clock.advance(std::time::Duration::from_secs(60));
        let version = json!({"PolicyArn": arn, "PolicyDocument": ALLOW, "SetAsDefault": true});
        desk.ask("CreatePolicyVersion", version).await;
        let expected = json!({"Policy": {
            "PolicyName": "own",
            "PolicyId": created["PolicyId"],
            "Arn": arn,
            "Path": "/a/",
            "DefaultVersionId": "v2",
            "AttachmentCount": 1,
            "PermissionsBoundaryUsageCount": 1,
            "IsAttachable": true,
            "Description": "for a",
            "CreateDate": NOW,
            "UpdateDate": NOW + 60,
            "Tags": [{"Key": "Team", "Value": "blue"}],
        }});
        assert_eq!(desk.ask("GetPolicy", json!({"PolicyArn": arn})).await, expected);
    }

    #[tokio::test]
    async fn awss_policies_are_read_as_ones_own() {
        let desk = Desk::new().await;
        let policy = desk.ask("GetPolicy", json!({"PolicyArn": AWS_POLICY})).await["Policy"].clone();
        assert_eq!(policy["PolicyName"], "AmazonSSMManagedInstanceCore");
        assert_eq!(
            (&policy["DefaultVersionId"], &policy["AttachmentCount"]),
            (&json!("v2"), &json!(1))
        );
        let version = json!({"PolicyArn": AWS_POLICY, "VersionId": "v2"});
        let version = desk.ask("GetPolicyVersion", version).await;
        let document = version["PolicyVersion"]["Document"].as_str().expect("a text");
        assert!(document.starts_with("%7B"), "{document}");
    }

    #[tokio::test]
    async fn lists_what_was_asked_for() {
        let desk = Desk::new().await;
        for (name, path) in [("used", "/"), ("bounds", "/a/"), ("Apart", "/a/")] {
            let policy = json!({"PolicyName": name, "Path": path, "PolicyDocument": ALLOW});
            desk.ask("CreatePolicy", policy).await;
        }
        let attach = json!({"RoleName": "NodeRole", "PolicyArn": policy_arn("used")});
        desk.tell("AttachRolePolicy", attach).await;
        let bound = json!({"RoleName": "NodeRole", "PermissionsBoundary": policy_arn("a/bounds")});
        desk.tell("PutRolePermissionsBoundary", bound).await;

        let all = managed_policies().len() + 3;
        let names = async |input: Value| -> Vec<String> {
            let answer = desk.ask("ListPolicies", input).await;
            let policies = answer["Policies"].as_array().expect("a list").iter();
            policies
                .map(|policy| policy["PolicyName"].as_str().expect("a name").to_owned())
                .collect()
        };
        let everything = names(json!({})).await;
        assert_eq!(everything.len(), all);
        assert_eq!(
            everything[..4],
            ["Apart", "bounds", "used", "AdministratorAccess"]
        );
        assert_eq!(names(json!({"Scope": "Local"})).await, everything[..3]);
        assert_eq!(names(json!({"Scope": "AWS"})).await, everything[3..]);
        assert_eq!(
            names(json!({"OnlyAttached": true})).await,
            ["used", "AdministratorAccess", "AmazonSSMManagedInstanceCore"]
        );
        assert_eq!(names(json!({"PathPrefix": "/a/"})).await, ["Apart", "bounds"]);
        assert_eq!(
            names(json!({"PathPrefix": "/service-role/"})).await,
            ["AmazonEC2RoleforSSM"]
        );
        assert_eq!(
            names(json!({"PolicyUsageFilter": "PermissionsBoundary"})).await,
            ["bounds"]
        );
        assert_eq!(
            names(json!({"PolicyUsageFilter": "PermissionsPolicy", "Scope": "Local"})).await,
            ["used"]
        );
    }
}
