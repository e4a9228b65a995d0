//! Calls about who may do what.

use drawbridge_aws_client::Service;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Api, ApiError};

/// A question about one principal.
#[derive(Clone, Debug)]
pub struct Question {
    /// An ARN, `user/NAME`, `role/NAME` or `role/NAME/SESSION`.
    pub principal: String,
    /// Such as `ssm:StartSession`.
    pub action: String,
    /// An ARN, the id of a node, or `*`.
    pub resource: String,
    /// What stands in the place of what a request would say.
    pub facts: Vec<Fact>,
}

/// A condition key with its values.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Fact {
    /// Such as `aws:SourceIp`.
    pub key: String,
    /// The values.
    pub values: Vec<String>,
}

/// How a decision comes out, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ExplainedDecision {
    /// The ARN of who asks.
    pub principal: String,
    /// The action.
    pub action: String,
    /// The ARN of the resource.
    pub resource: String,
    /// `allowed`, `explicitDeny` or `implicitDeny`.
    pub decision: String,
    /// The decision in words.
    pub reason: String,
    /// The statement that decided, if one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub statement: Option<Statement>,
    /// Every statement about the action.
    pub steps: Vec<Step>,
}

/// A statement of a policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Statement {
    /// The name of the policy.
    pub policy: String,
    /// The place of the statement, from 0.
    pub index: usize,
    /// Its own id, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sid: Option<String>,
}

/// What one statement said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Step {
    /// The kind of policy that the statement stands in.
    pub layer: String,
    /// The statement.
    pub statement: Statement,
    /// `Allow` or `Deny`.
    pub effect: String,
    /// Whether it applies.
    pub applies: bool,
    /// Why it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub obstacle: Option<String>,
}

/// What a question about everybody is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum On {
    /// An ARN, the id of a node, or `*`.
    Resource(String),
    /// All nodes with a tag.
    Tag {
        /// The key.
        key: String,
        /// The value.
        value: String,
    },
}

/// Who may do something.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Grantees {
    /// What the question was about.
    pub targets: Vec<Target>,
    /// Who may, on one target at least.
    pub principals: Vec<Grantee>,
}

/// One thing that a question is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Target {
    /// The id of a node, or what the question calls it.
    pub id: String,
    /// The ARN.
    pub resource: String,
    /// Whether it stands for nodes that may yet come.
    pub imagined: bool,
}

/// Somebody who may.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Grantee {
    /// The ARN of the user or role.
    pub principal: String,
    /// By which statement, on what.
    pub grants: Vec<Grant>,
}

/// What one statement lets somebody do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Grant {
    /// The ids of the targets.
    pub targets: Vec<String>,
    /// The statement.
    pub statement: Statement,
}

impl Api {
    /// Explains how a decision would come out.
    pub async fn explain_decision(&self, question: &Question) -> Result<ExplainedDecision, ApiError> {
        let input = json!({
            "Principal": question.principal,
            "Action": question.action,
            "Resource": question.resource,
            "Context": question.facts,
        });
        self.call(Service::DRAWBRIDGE, "ExplainDecision", &input).await
    }

    /// Lists the users and roles that may do something.
    pub async fn who_can(&self, action: &str, on: &On, facts: &[Fact]) -> Result<Grantees, ApiError> {
        let mut input = json!({ "Action": action, "Context": facts });
        match on {
            On::Resource(resource) => input["Resource"] = json!(resource),
            On::Tag { key, value } => input["Tag"] = json!({ "Key": key, "Value": value }),
        }
        let mut all = Grantees::default();
        loop {
            let page: Page = self.call(Service::DRAWBRIDGE, "WhoCan", &input).await?;
            all.targets = page.grantees.targets;
            all.principals.extend(page.grantees.principals);
            match page.next_token {
                Some(token) => input["NextToken"] = Value::String(token),
                None => return Ok(all),
            }
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Page {
    #[serde(flatten)]
    grantees: Grantees,
    #[serde(default)]
    next_token: Option<String>,
}

impl std::fmt::Display for Statement {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.sid {
            Some(sid) => write!(f, "{}/{sid}", self.policy),
            None => write!(f, "{}/Statement[{}]", self.policy, self.index),
        }
    }
}
