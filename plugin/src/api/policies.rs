//! Calls for the policies that users and roles have.

use std::collections::HashMap;

use drawbridge_aws_client::Auth;
use percent_encoding::percent_decode_str;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Api, ApiError};

/// Who has policies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PolicyHolder {
    /// A user, by name.
    User(String),
    /// A role, by name.
    Role(String),
}

/// A policy's document under the name that decisions show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyText {
    /// `user/alice/Name` for an inline policy, the ARN of a managed one.
    pub name: String,
    /// The document, in JSON.
    pub document: String,
}

/// Reads policies; what several people share is fetched once.
pub struct PolicyReader<'a> {
    api: &'a Api,
    managed: HashMap<String, PolicyText>,
    groups: HashMap<String, Vec<PolicyText>>,
}

/// The operations about one kind of holder, and the field that names it.
struct Kind {
    noun: &'static str,
    field: &'static str,
    list_inline: &'static str,
    get_inline: &'static str,
    list_attached: &'static str,
}

const USER: Kind = Kind {
    noun: "user",
    field: "UserName",
    list_inline: "ListUserPolicies",
    get_inline: "GetUserPolicy",
    list_attached: "ListAttachedUserPolicies",
};

const GROUP: Kind = Kind {
    noun: "group",
    field: "GroupName",
    list_inline: "ListGroupPolicies",
    get_inline: "GetGroupPolicy",
    list_attached: "ListAttachedGroupPolicies",
};

const ROLE: Kind = Kind {
    noun: "role",
    field: "RoleName",
    list_inline: "ListRolePolicies",
    get_inline: "GetRolePolicy",
    list_attached: "ListAttachedRolePolicies",
};

impl Api {
    /// Makes a reader of policies.
    pub fn policies(&self) -> PolicyReader<'_> {
        PolicyReader {
            api: self,
            managed: HashMap::new(),
            groups: HashMap::new(),
        }
    }

    /// Lists everyone who can have policies: the users, then the roles.
    pub async fn policy_holders(&self) -> Result<Vec<PolicyHolder>, ApiError> {
        let users = self.iam_list::<Named>("ListUsers", "Users", &[]).await?;
        let roles = self.iam_list::<Named>("ListRoles", "Roles", &[]).await?;
        let users = users.into_iter().map(|it| PolicyHolder::User(it.name));
        let roles = roles.into_iter().map(|it| PolicyHolder::Role(it.name));
        Ok(users.chain(roles).collect())
    }

    async fn iam<T: DeserializeOwned>(
        &self,
        operation: &'static str,
        fields: &[(&str, &str)],
    ) -> Result<T, ApiError> {
        let credentials = self
            .credentials()
            .await
            .map_err(|source| ApiError::Credentials { operation, source })?;
        let answer = self
            .client
            .call_iam(operation, fields, Auth::Credentials(&credentials))
            .await
            .map_err(|source| ApiError::Call { operation, source })?;
        serde_json::from_value(answer).map_err(|source| ApiError::Answer { operation, source })
    }

    /// Reads a list page by page.
    async fn iam_list<T: DeserializeOwned>(
        &self,
        operation: &'static str,
        member: &str,
        fields: &[(&str, &str)],
    ) -> Result<Vec<T>, ApiError> {
        let mut all = Vec::new();
        let mut marker: Option<String> = None;
        loop {
            let mut fields = fields.to_vec();
            fields.extend(marker.as_deref().map(|marker| ("Marker", marker)));
            let mut page: Value = self.iam(operation, &fields).await?;
            let list = serde_json::from_value::<Option<Vec<T>>>(page[member].take());
            let list = list.map_err(|source| ApiError::Answer { operation, source })?;
            all.extend(list.unwrap_or_default());
            let more = page["IsTruncated"] == Value::Bool(true);
            marker = page["Marker"].as_str().filter(|_| more).map(str::to_owned);
            if marker.is_none() {
                return Ok(all);
            }
        }
    }
}

impl PolicyReader<'_> {
    /// Reads the policies of a user, with those of its groups, or of a role.
    pub async fn of(&mut self, holder: &PolicyHolder) -> Result<Vec<PolicyText>, ApiError> {
        let name = match holder {
            PolicyHolder::Role(name) => return self.held(&ROLE, name).await,
            PolicyHolder::User(name) => name,
        };
        let mut policies = self.held(&USER, name).await?;
        let fields = [(USER.field, name.as_str())];
        for group in self
            .api
            .iam_list::<Named>("ListGroupsForUser", "Groups", &fields)
            .await?
        {
            if !self.groups.contains_key(&group.name) {
                let held = self.held(&GROUP, &group.name).await?;
                self.groups.insert(group.name.clone(), held);
            }
            policies.extend(self.groups.get(&group.name).into_iter().flatten().cloned());
        }
        Ok(policies)
    }

    async fn held(&mut self, kind: &Kind, holder: &str) -> Result<Vec<PolicyText>, ApiError> {
        let fields = [(kind.field, holder)];
        let mut policies = Vec::new();
        for name in self
            .api
            .iam_list::<String>(kind.list_inline, "PolicyNames", &fields)
            .await?
        {
            let fields = [(kind.field, holder), ("PolicyName", &name)];
            let inline: Inline = self.api.iam(kind.get_inline, &fields).await?;
            policies.push(PolicyText {
                name: format!("{}/{holder}/{name}", kind.noun),
                document: decoded(&inline.policy_document),
            });
        }
        for attached in self
            .api
            .iam_list::<Attached>(kind.list_attached, "AttachedPolicies", &fields)
            .await?
        {
            policies.push(self.managed(&attached.policy_arn).await?);
        }
        Ok(policies)
    }

    async fn managed(&mut self, arn: &str) -> Result<PolicyText, ApiError> {
        if let Some(known) = self.managed.get(arn) {
            return Ok(known.clone());
        }
        let policy: Policy = self.api.iam("GetPolicy", &[("PolicyArn", arn)]).await?;
        let version = policy.policy.default_version_id;
        let fields = [("PolicyArn", arn), ("VersionId", &version)];
        let version: Version = self.api.iam("GetPolicyVersion", &fields).await?;
        let read = PolicyText {
            name: arn.to_owned(),
            document: decoded(&version.policy_version.document),
        };
        self.managed.insert(arn.to_owned(), read.clone());
        Ok(read)
    }
}

/// IAM answers documents percent-encoded.
fn decoded(document: &str) -> String {
    percent_decode_str(document).decode_utf8_lossy().into_owned()
}

impl std::fmt::Debug for PolicyReader<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PolicyReader").finish_non_exhaustive()
    }
}

impl std::fmt::Display for PolicyHolder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::User(name) => write!(f, "user/{name}"),
            Self::Role(name) => write!(f, "role/{name}"),
        }
    }
}

#[derive(Deserialize)]
struct Named {
    #[serde(alias = "UserName", alias = "GroupName", alias = "RoleName")]
    name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Inline {
    policy_document: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Attached {
    policy_arn: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Policy {
    policy: PolicySummary,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PolicySummary {
    default_version_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Version {
    policy_version: VersionDocument,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct VersionDocument {
    document: String,
}
