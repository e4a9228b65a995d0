//! The running server, as the environment describes it.

use anyhow::{Context, Result};
use aws_config::{BehaviorVersion, SdkConfig};
use aws_ssm_bridge::{EndpointPolicy, SessionConfig, SessionManager};

/// A running `drawbridge dev` and its one managed node.
pub(crate) struct Server {
    config: SdkConfig,
    /// `HOST:PORT` of the server.
    address: String,
    node: String,
}

impl Server {
    /// Reads what `. DIR/env` sets; says which variable is missing.
    pub(crate) async fn from_environment() -> Result<Server> {
        let endpoint = variable("AWS_ENDPOINT_URL")?;
        let node = variable("DRAWBRIDGE_NODE_ID")?;
        // Both TLS stacks of the client read it; neither reads AWS_CA_BUNDLE.
        variable("SSL_CERT_FILE")?;
        let address = endpoint
            .strip_prefix("https://")
            .map(|rest| rest.trim_end_matches('/').to_owned())
            .with_context(|| format!("AWS_ENDPOINT_URL `{endpoint}` does not begin with `https://`"))?;
        let config = aws_config::load_defaults(BehaviorVersion::latest()).await;
        Ok(Server {
            config,
            address,
            node,
        })
    }

    /// `HOST:PORT` of the server.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// The managed node's id.
    pub(crate) fn node(&self) -> &str {
        &self.node
    }

    /// A client that talks to the server directly.
    pub(crate) fn client(&self) -> SessionManager {
        SessionManager::from_conf(&self.config)
    }

    /// A client that finds the server's host name at another port.
    pub(crate) async fn client_through(&self, port: u16) -> SessionManager {
        let host = self
            .address
            .rsplit_once(':')
            .map_or(self.address.as_str(), |(host, _)| host);
        let endpoint = format!("https://{host}:{port}");
        // Only an address given to the loader outranks AWS_ENDPOINT_URL.
        let config = aws_config::defaults(BehaviorVersion::latest())
            .endpoint_url(endpoint)
            .load()
            .await;
        SessionManager::from_conf(&config)
    }

    /// A shell on the managed node, by a client that accepts any host name.
    pub(crate) fn shell_config(&self) -> SessionConfig {
        SessionConfig {
            endpoint_policy: EndpointPolicy::AllowAny,
            // A reader that falls further behind than this many messages is dropped by the client.
            output_buffer: 65_536,
            ..SessionConfig::new(&self.node)
        }
    }
}

fn variable(name: &str) -> Result<String> {
    std::env::var(name)
        .ok()
        .filter(|value| !value.is_empty())
        .with_context(|| {
            format!("`{name}` is not set\nhint: run `drawbridge dev`, then `. DIR/env` in this shell")
        })
}
