//! This node as a caller of the server.

use std::sync::{Arc, Mutex, PoisonError};

use drawbridge_aws_client::{
    Auth, Bucket, CallError, Client, Connector, Credentials, EndpointError, Environment, Now, Proxies,
    ProxyError, RsaSigner, Service, Tls, TlsError,
};
use drawbridge_session::{Clock, NodeId, Random};
use serde_json::{Value, json};

use super::credentials::{self, RoleCredentials};
use super::enrolment::AccessKey;
use super::key::{self, KeyError, Slot};
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
        let credentials = self.credentials().await?;
        let called = self
            .ssm
            .call_json(Service::SSM, operation, input, Auth::Credentials(&credentials))
            .await;
        self.observe(called)
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
        let credentials = self.credentials().await?;
        let called = client
            .call_json(service, operation, input, Auth::Credentials(&credentials))
            .await;
        self.observe(called)
    }

    /// Calls an operation of CloudWatch Logs with the role's credentials, over a connection that is kept for the next.
    ///
    /// # Errors
    ///
    /// See [`NodeError`].
    pub async fn call_logs(&self, operation: &str, input: &Value) -> Result<Value, NodeError> {
        let credentials = self.credentials().await?;
        let called = self
            .logs
            .call_json(Service::LOGS, operation, input, Auth::Credentials(&credentials))
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

    /// Returns credentials that work: the present ones until half of their life is over, then new ones.
    ///
    /// An enrolled node has one access key, which somebody may have replaced since the last call.
    ///
    /// While the server cannot be reached, the present ones are used until they expire.
    ///
    /// # Errors
    ///
    /// When there are none that work and no new ones can be had.
    pub async fn credentials(&self) -> Result<Credentials, NodeError> {
        if !self.id().is_registered() {
            let key = AccessKey::load(&self.folder)?.ok_or(NodeError::NotRegistered)?;
            return Ok(key.signing());
        }
        if let Some(kept) = self.kept().filter(|kept| kept.is_fresh(self.clock.now())) {
            return Ok(kept.signing());
        }
        let _fetching = self.fetching.lock().await;
        let now = self.clock.now();
        let known = match self.kept().filter(|kept| kept.is_fresh(now)) {
            Some(kept) => Some(kept),
            // Another process of this node may have fetched new ones.
            None => credentials::load(&self.folder)?.or_else(|| self.kept()),
        };
        if let Some(fresh) = known.as_ref().filter(|known| known.is_fresh(now)) {
            self.keep(Some(fresh.clone()));
            return Ok(fresh.signing());
        }
        match (self.fetch().await, known.filter(|known| known.is_usable(now))) {
            (Ok(fetched), _) => Ok(fetched.signing()),
            (Err(error), Some(usable)) => {
                tracing::warn!(%error, "cannot renew role credentials, using the present ones");
                Ok(usable.signing())
            }
            (Err(error), None) => Err(error),
        }
    }

    async fn fetch(&self) -> Result<RoleCredentials, NodeError> {
        let answer = self.request_token().await?;
        let fetched = RoleCredentials::from_answer(&answer, self.clock.now()).ok_or(NodeError::Answer)?;
        credentials::store(&self.folder, &fetched)?;
        self.keep(Some(fetched.clone()));
        let asked_for_key = answer
            .get("UpdateKeyPair")
            .and_then(Value::as_bool)
            .unwrap_or(false);
        if asked_for_key && self.rotation == KeyRotation::Allowed {
            // The credentials are good whether or not this succeeds; the server will ask again.
            if let Err(error) = self.replace_key().await {
                tracing::warn!(%error, "cannot replace the node's key");
            }
        }
        Ok(fetched)
    }

    async fn request_token(&self) -> Result<Value, NodeError> {
        let input = json!({"Fingerprint": self.registration.fingerprint});
        let current = key::load(&self.folder, Slot::Current)?;
        let refused = match self
            .call_as_key(current, "RequestManagedInstanceRoleToken", &input)
            .await
        {
            Err(error) if error.code().is_some() => error,
            other => return other.map_err(NodeError::Call),
        };
        // A replacement may have been cut short after the server took the new key.
        match key::load(&self.folder, Slot::Next) {
            Ok(next) if self.rotation == KeyRotation::Allowed => {
                let answer = self
                    .call_as_key(next, "RequestManagedInstanceRoleToken", &input)
                    .await
                    .map_err(|_| NodeError::Call(refused))?;
                key::promote(&self.folder)?;
                Ok(answer)
            }
            _ => Err(NodeError::Call(refused)),
        }
    }

    async fn replace_key(&self) -> Result<(), NodeError> {
        let next = tokio::task::spawn_blocking(key::generate)
            .await
            .map_err(|_| KeyError::Generate)??;
        key::store(&self.folder, Slot::Next, &next)?;
        let input = json!({"NewPublicKey": key::public_text(&next)?, "NewPublicKeyType": "Rsa"});
        let current = key::load(&self.folder, Slot::Current)?;
        self.call_as_key(current, "UpdateManagedInstancePublicKey", &input)
            .await
            .map_err(NodeError::Call)?;
        key::promote(&self.folder)?;
        tracing::info!("the node's key was replaced");
        Ok(())
    }

    async fn call_as_key(
        &self,
        key: aws_lc_rs::rsa::KeyPair,
        operation: &str,
        input: &Value,
    ) -> Result<Value, CallError> {
        let signer = RsaSigner::new(self.id().as_str(), key);
        self.ssm
            .call_json(Service::SSM, operation, input, Auth::Node(&signer))
            .await
    }

    /// Drops credentials that the server does not accept, so that the next call fetches new ones.
    pub fn forget_credentials(&self) {
        self.keep(None);
        if let Err(error) = credentials::forget(&self.folder) {
            tracing::warn!(%error, "cannot remove refused credentials");
        }
    }

    fn kept(&self) -> Option<RoleCredentials> {
        self.credentials
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn keep(&self, credentials: Option<RoleCredentials>) {
        *self.credentials.lock().unwrap_or_else(PoisonError::into_inner) = credentials;
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
