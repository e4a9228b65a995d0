//! Calls about managed nodes.

use drawbridge_aws_client::Service;
use drawbridge_session::{Secret, Tag};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Api, ApiError};

/// One managed node as `DescribeInstanceInformation` shows it; what the server leaves out is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct NodeSummary {
    /// The node's id.
    pub instance_id: String,
    /// The name given at activation.
    pub name: String,
    /// The name that the machine gives itself.
    pub computer_name: String,
    /// `Online`, `ConnectionLost` or `Inactive`.
    pub ping_status: String,
    /// The operating system.
    pub platform_name: String,
    /// Its version.
    pub platform_version: String,
    /// The version of the node's agent.
    pub agent_version: String,
    /// The address of the machine.
    #[serde(rename = "IPAddress")]
    pub ip_address: String,
}

/// The request of `EnrolNode`.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct EnrolNode {
    /// `i-…`; the server draws one where it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance_id: Option<String>,
    /// The instance profile whose role the node gets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance_profile: Option<String>,
    /// The role, where no instance profile is named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iam_role: Option<String>,
    /// The tags it begins with.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<Tag>,
    /// Whether a node that is enrolled gets another access key in the place of its own.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub rotate: bool,
}

/// An enrolled node, with its access key, which is shown this once.
///
/// It serializes with the secret, for whoever asked for it.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct EnrolledNode {
    /// The node.
    pub instance_id: String,
    /// The region that it belongs to and signs for.
    pub region: String,
    /// Its role.
    pub iam_role: String,
    /// The instance profile that gives it its role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance_profile: Option<String>,
    /// Its access key.
    pub access_key_id: String,
    /// The secret.
    pub secret_access_key: Secret,
}

impl Api {
    /// Lists the managed nodes whose tag `Name` is `name`.
    pub async fn nodes_named(&self, name: &str) -> Result<Vec<NodeSummary>, ApiError> {
        self.describe_nodes(json!([{ "Key": "tag:Name", "Values": [name] }]))
            .await
    }

    /// Lists all managed nodes.
    pub async fn nodes(&self) -> Result<Vec<NodeSummary>, ApiError> {
        self.describe_nodes(Value::Null).await
    }

    /// Makes a machine a node that whoever asks vouches for, or gives such a node another access key.
    pub async fn enrol_node(&self, request: &EnrolNode) -> Result<EnrolledNode, ApiError> {
        let input = json!(request);
        self.call(Service::DRAWBRIDGE, "EnrolNode", &input).await
    }

    /// Forgets an enrolled node.
    pub async fn remove_node(&self, id: &str) -> Result<(), ApiError> {
        let input = json!({ "InstanceId": id });
        let _: IgnoredAny = self.call(Service::DRAWBRIDGE, "RemoveNode", &input).await?;
        Ok(())
    }

    async fn describe_nodes(&self, filters: Value) -> Result<Vec<NodeSummary>, ApiError> {
        let mut nodes = Vec::new();
        let mut input = json!({});
        if !filters.is_null() {
            input["Filters"] = filters;
        }
        loop {
            let page: Page = self
                .call(Service::SSM, "DescribeInstanceInformation", &input)
                .await?;
            nodes.extend(page.instance_information_list);
            match page.next_token.filter(|token| !token.is_empty()) {
                Some(token) => input["NextToken"] = Value::String(token),
                None => return Ok(nodes),
            }
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Page {
    #[serde(default)]
    instance_information_list: Vec<NodeSummary>,
    #[serde(default)]
    next_token: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_says_only_what_was_asked() {
        let request = EnrolNode {
            iam_role: Some("Web".to_owned()),
            ..EnrolNode::default()
        };
        assert_eq!(json!(request), json!({"IamRole": "Web"}));
        let request = EnrolNode {
            instance_id: Some("i-0123456789abcdef0".to_owned()),
            instance_profile: Some("web".to_owned()),
            iam_role: None,
            tags: vec![Tag::new("Name", "web-1")],
            rotate: true,
        };
        assert_eq!(
            json!(request),
            json!({
                "InstanceId": "i-0123456789abcdef0", "InstanceProfile": "web",
                "Tags": [{"Key": "Name", "Value": "web-1"}], "Rotate": true,
            })
        );
    }
}
