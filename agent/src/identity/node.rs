//! This node as a caller of the server.

mod renewal;

use std::sync::{Arc, Mutex};

use drawbridge_aws_client::{
    Auth, Bucket, CallError, Client, Connector, EndpointError, Environment, Now, Proxies, ProxyError,
    Service, Tls, TlsError,
};
use drawbridge_session::{Clock, NodeId, Random};
use serde_json::Value;

use super::credentials::RoleCredentials;
use super::key::KeyError;
use super::registration::Registration;
use crate::state::{StateError, StateFolder};

/// Whether this process may replace the node's key when the server asks for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyRotation {
    /// It may: the agent.
    Allowed,
    /// It leaves that to the agent: a worker.
    LeftToAgent,
}

/// A registered node with what it needs to call its server.
pub struct Node {
    registration: Registration,
    folder: StateFolder,
    rotation: KeyRotation,
    environment: Environment,
    ssm: Client,
    gateway: Client,
    logs: Client,
    connector: Connector,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    credentials: Mutex<Option<RoleCredentials>>,
    /// Held while new credentials are fetched, so that callers who need them at the same moment fetch them once.
    fetching: tokio::sync::Mutex<()>,
}

/// Why the node cannot call its server.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The folder holds no registration.
    #[error("this node is not registered")]
    NotRegistered,
    /// The registration names an endpoint that cannot be called.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// The trusted certificate authorities cannot be loaded.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The proxy settings make no sense.
    #[error(transparent)]
    Proxy(#[from] ProxyError),
    /// The key cannot be used.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The folder cannot be used.
    #[error(transparent)]
    State(#[from] StateError),
    /// The server could not be reached, or refused.
    #[error("the call to the server failed")]
    Call(#[source] CallError),
    /// The server's answer lacks something.
    #[error("the server's answer holds no usable role credentials")]
    Answer,
}

impl NodeError {
    /// Returns the code of the service that refused, if one did.
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Call(error) => error.code(),
            _ => None,
        }
    }

    /// Says whether the same call may turn out better a little later, if only with new credentials.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Call(error) => error.is_transient() || error.code().is_some_and(is_about_credentials),
            _ => false,
        }
    }
}

impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Node")
            .field("id", self.id())
            .field("gateway", &self.gateway)
            .finish_non_exhaustive()
    }
}

impl Node {
    /// Opens the node that is registered in `folder`.
    ///
    /// Trusts the certificate authorities given at registration, else those of the environment. Loading the system's
    /// costs an idle agent more memory than all the rest, which is one reason to name one's own.
    ///
    /// # Errors
    ///
    /// See [`NodeError`]; nothing is called yet.
    pub fn open(
        folder: StateFolder,
        rotation: KeyRotation,
        environment: &Environment,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Result<Self, NodeError> {
        let registration = Registration::load(&folder)?.ok_or(NodeError::NotRegistered)?;
        let tls = match Registration::authorities(&folder)? {
            Some(pem) => Tls::of_pem(&pem, "the registration's authorities")?,
            None => Tls::of_environment(environment)?,
        };
        let connector = Connector::new(tls, Proxies::of_environment(environment)?);
        let now: Now = {
            let clock = Arc::clone(&clock);
            Arc::new(move || clock.now())
        };
        let region = registration.region.as_str();
        let ssm = Client::new(
            registration.endpoint_of("ssm")?,
            region,
            connector.clone(),
            Arc::clone(&now),
        );
        let gateway = Client::new(
            registration.endpoint_of("ssmmessages")?,
            region,
            connector.clone(),
            Arc::clone(&now),
        );
        let logs = Client::new(registration.endpoint_of("logs")?, region, connector.clone(), now);
        Ok(Self {
            registration,
            folder,
            rotation,
            environment: environment.clone(),
            ssm,
            gateway,
            logs,
            connector,
            clock,
            random,
            credentials: Mutex::new(None),
            fetching: tokio::sync::Mutex::new(()),
        })
    }

    /// Looks whether the server has moved, and returns this node as it is to be called then.
    ///
    /// # Errors
    ///
    /// See [`NodeError`].
    pub fn moved(&self) -> Result<Option<Self>, NodeError> {
        let present = Registration::load(&self.folder)?;
        let moved = present.is_some_and(|present| {
            present.node_id == self.registration.node_id && present.endpoint != self.registration.endpoint
        });
        if !moved {
            return Ok(None);
        }
        let (clock, random) = (Arc::clone(&self.clock), Arc::clone(&self.random));
        Self::open(
            self.folder.clone(),
            self.rotation,
            &self.environment,
            clock,
            random,
        )
        .map(Some)
    }

    /// Returns the node's id.
    pub fn id(&self) -> &NodeId {
        &self.registration.node_id
    }

    /// Says whether the server is one of ours, which is told what this agent can do beyond the public protocol.
    pub fn has_own_server(&self) -> bool {
        self.registration.endpoint.is_some()
    }

    /// Returns the region that its calls are signed for.
    pub fn region(&self) -> &str {
        self.registration.region.as_str()
    }

    /// Returns the client of the message gateway.
    pub fn gateway(&self) -> &Client {
        &self.gateway
    }

    /// Returns the clock.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// Returns the source of chance.
    pub fn random(&self) -> &Arc<dyn Random> {
        &self.random
    }

    /// Calls an operation of the SSM service with the role's credentials.
    ///
    /// # Errors
    ///
    /// See [`NodeError`].
    pub async fn call(&self, operation: &str, input: &Value) -> Result<Value, NodeError> {
        self.call_over(&self.ssm, Service::SSM, operation, input).await
    }

    /// Calls an operation of another service with the role's credentials: at the same server, where it is one of ours.
    ///
    /// # Errors
    ///
    /// See [`NodeError`].
    pub async fn call_at(
        &self,
        service: Service,
        operation: &str,
        input: &Value,
    ) -> Result<Value, NodeError> {
        let endpoint = self.registration.endpoint_of(service.signing_name)?;
        let clock = Arc::clone(&self.clock);
        let now: Now = Arc::new(move || clock.now());
        let client = Client::new(
            endpoint,
            self.registration.region.as_str(),
            self.connector.clone(),
            now,
        );
        self.call_over(&client, service, operation, input).await
    }

    /// Calls an operation of CloudWatch Logs with the role's credentials, over a connection that is kept for the next.
    ///
    /// # Errors
    ///
    /// See [`NodeError`].
    pub async fn call_logs(&self, operation: &str, input: &Value) -> Result<Value, NodeError> {
        self.call_over(&self.logs, Service::LOGS, operation, input).await
    }

    async fn call_over(
        &self,
        client: &Client,
        service: Service,
        operation: &str,
        input: &Value,
    ) -> Result<Value, NodeError> {
        let credentials = self.credentials().await?;
        let called = client
            .call_json(service, operation, input, Auth::Credentials(&credentials))
            .await;
        self.observe(called)
    }

    /// Returns a bucket, in a region or in the node's own: at the server, where the node has one of its own, else at AWS.
    ///
    /// # Errors
    ///
    /// See [`NodeError`]; nothing is called.
    pub fn bucket(&self, name: &str, region: Option<&str>) -> Result<Bucket, NodeError> {
        let own = self.has_own_server();
        let endpoint = own.then(|| self.registration.endpoint_of("s3")).transpose()?;
        let region = region.unwrap_or(self.region());
        let clock = Arc::clone(&self.clock);
        let now: Now = Arc::new(move || clock.now());
        Ok(Bucket::new(name, endpoint, region, self.connector.clone(), now))
    }

    /// Passes a call's result on; when it says that the credentials are not accepted, they are forgotten.
    ///
    /// # Errors
    ///
    /// The call's.
    pub fn observe<T>(&self, called: Result<T, CallError>) -> Result<T, NodeError> {
        called.map_err(|error| {
            if error.code().is_some_and(is_about_credentials) {
                self.forget_credentials();
            }
            NodeError::Call(error)
        })
    }
}

/// The codes with which services say that a signature's credentials are not theirs or not valid any more.
fn is_about_credentials(code: &str) -> bool {
    matches!(
        code,
        "ExpiredToken"
            | "ExpiredTokenException"
            | "InvalidClientTokenId"
            | "UnrecognizedClientException"
            | "InvalidSignatureException"
            | "SignatureDoesNotMatch"
            | "IncompleteSignature"
    )
}
