//! Calls about managed nodes.

use drawbridge_aws_client::Service;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Api, ApiError};

/// One managed node as `DescribeInstanceInformation` shows it; what the server leaves out is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
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
