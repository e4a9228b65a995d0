//! Calls of the administrator that `drawbridge dev` makes of its own server.

use std::path::Path;

use anyhow::{Context, Result};
use drawbridge_aws_client::{Auth, Client, Connector, Credentials, Endpoint, Proxies, Service, Tls};
use serde_json::{Value, json};

use crate::environment::Environment;

/// A client of our own server, signing as the administrator.
pub(crate) struct Administrator {
    /// The client, which trusts our own authority only.
    pub(crate) client: Client,
    /// The administrator's access key.
    pub(crate) credentials: Credentials,
}

impl Administrator {
    /// A client for the server that `environment` describes.
    pub(crate) fn of(environment: &Environment, authority: &Path) -> Result<Self> {
        let endpoint: Endpoint = environment.endpoint.parse().context("own endpoint")?;
        let tls = Tls::of_file(authority).context("own certificate authority")?;
        let connector = Connector::new(tls, Proxies::none());
        let client = Client::new(
            endpoint,
            environment.region.clone(),
            connector,
            crate::clock::now(),
        );
        let key = environment
            .administrator
            .as_ref()
            .context("the administrator has no access key")?;
        let credentials = Credentials {
            access_key_id: key.id.to_string(),
            secret_access_key: key.secret.expose().into(),
            session_token: None,
        };
        Ok(Self { client, credentials })
    }

    /// Whether the server knows the managed node.
    pub(crate) async fn knows_node(&self, node: &str) -> Result<bool> {
        let filter = json!({ "Filters": [{ "Key": "InstanceIds", "Values": [node] }] });
        let answer = self.call("DescribeInstanceInformation", &filter).await?;
        Ok(answer["InstanceInformationList"]
            .as_array()
            .is_some_and(|nodes| !nodes.is_empty()))
    }

    /// Whether the managed node's control channel is up.
    pub(crate) async fn is_connected(&self, node: &str) -> Result<bool> {
        let answer = self
            .call("GetConnectionStatus", &json!({ "Target": node }))
            .await?;
        Ok(answer["Status"] == "connected")
    }

    /// The ids of the sessions that `DescribeSessions` answers to `input`.
    pub(crate) async fn sessions(&self, input: &Value) -> Result<Vec<String>> {
        let answer = self.call("DescribeSessions", input).await?;
        let sessions = answer["Sessions"]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default();
        Ok(sessions
            .iter()
            .filter_map(|one| one["SessionId"].as_str())
            .map(str::to_owned)
            .collect())
    }

    /// Ends a session.
    pub(crate) async fn terminate(&self, session: &str) -> Result<()> {
        self.call("TerminateSession", &json!({ "SessionId": session }))
            .await
            .map(drop)
    }

    async fn call(&self, operation: &str, input: &Value) -> Result<Value> {
        self.client
            .call_json(
                Service::SSM,
                operation,
                input,
                Auth::Credentials(&self.credentials),
            )
            .await
            .with_context(|| format!("`{operation}` failed"))
    }
}
