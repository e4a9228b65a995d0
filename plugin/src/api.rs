//! The calls that a client makes.

mod accounts;
mod decisions;
mod floors;
mod keys;
mod nodes;
mod policies;
mod recording_key;
mod recordings;
mod sessions;
mod setup;

use std::sync::Arc;

use drawbridge_aws_client::credentials::{self, CredentialsError};
use drawbridge_aws_client::{Auth, CallError, Client, Connector, Credentials, Now, Service, WebSocket};
use drawbridge_session::Clock;
use serde_json::Value;

pub use accounts::{AccountSummary, CreateAccount, CreatedAccount};
pub use decisions::{
    ExplainedDecision, Fact, Grant, Grantee, Grantees, On, Question, Statement, Step, Target,
};
pub use drawbridge_aws_client::{Endpoint, Environment};
pub use floors::{FloorOf, FloorRules, FloorsOver, PutFloor, SessionFloor};
pub use keys::{GivenKey, KeyContext};
pub use nodes::{EnrolNode, EnrolledNode, NodeSummary};
pub use policies::{PolicyHolder, PolicyReader, PolicyText};
pub use recording_key::RecordingKey;
pub use recordings::{RecordingPage, SessionRecord};
pub use sessions::{SessionListing, SessionSummary, StartSession};
pub use setup::SetupError;

/// A person's access to one server: endpoint, region and where credentials come from.
///
/// Credentials are looked up anew for every call, so that ones that were refreshed meanwhile are found.
pub struct Api {
    client: Client,
    /// Where keys are.
    kms: Endpoint,
    connector: Connector,
    environment: Environment,
    profile: Option<String>,
    clock: Arc<dyn Clock>,
}

/// Why a call gave no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ApiError {
    /// There is nothing to sign with.
    #[error("cannot sign the call of {operation}")]
    Credentials {
        /// What was to be called.
        operation: &'static str,
        /// What is missing.
        source: CredentialsError,
    },
    /// The call failed.
    #[error("{operation} failed")]
    Call {
        /// What was called.
        operation: &'static str,
        /// How it failed.
        source: CallError,
    },
    /// The answer is not what the operation promises.
    #[error("cannot read the answer of {operation}")]
    Answer {
        /// What was called.
        operation: &'static str,
        /// Where it is wrong.
        source: serde_json::Error,
    },
}

impl Api {
    /// Makes an access; nothing is connected or read before the first call.
    ///
    /// `profile` stands for `--profile`; the rest of the credential chain is the environment's.
    pub fn new(
        endpoint: Endpoint,
        region: &str,
        profile: Option<String>,
        environment: Environment,
        connector: Connector,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let kms = if is_awss(endpoint.host()) {
            Endpoint::aws(Service::KMS.signing_name, region)
        } else {
            endpoint.clone()
        };
        let client = Client::new(endpoint, region, connector.clone(), now_of(&clock));
        Self {
            client,
            kms,
            connector,
            environment,
            profile,
            clock,
        }
    }

    /// Has keys looked for elsewhere than at the server itself, or than at AWS's own service where sessions are AWS's.
    #[must_use]
    pub fn with_kms_endpoint(self, kms: Endpoint) -> Self {
        Self { kms, ..self }
    }

    /// The endpoint called.
    pub fn endpoint(&self) -> &Endpoint {
        self.client.endpoint()
    }

    /// The region signed for.
    pub fn region(&self) -> &str {
        self.client.region()
    }

    /// Opens a data channel's websocket, signed if `signed` and there is something to sign with.
    ///
    /// The token in the first message is what opens the channel. AWS's own service wants the signature besides, from
    /// plugins as new as this one claims to be.
    pub async fn open_websocket(&self, url: &str, signed: bool) -> Result<WebSocket, CallError> {
        let credentials = if signed {
            self.credentials().await.ok()
        } else {
            None
        };
        let auth = credentials.as_ref().map_or(Auth::Unsigned, Auth::Credentials);
        self.client.open_websocket(url, auth).await
    }

    async fn call<T: serde::de::DeserializeOwned>(
        &self,
        service: Service,
        operation: &'static str,
        input: &Value,
    ) -> Result<T, ApiError> {
        self.call_with(&self.client, service, operation, input).await
    }

    async fn call_with<T: serde::de::DeserializeOwned>(
        &self,
        client: &Client,
        service: Service,
        operation: &'static str,
        input: &Value,
    ) -> Result<T, ApiError> {
        let credentials = self
            .credentials()
            .await
            .map_err(|source| ApiError::Credentials { operation, source })?;
        let answer = client
            .call_json(service, operation, input, Auth::Credentials(&credentials))
            .await
            .map_err(|source| ApiError::Call { operation, source })?;
        serde_json::from_value(answer).map_err(|source| ApiError::Answer { operation, source })
    }

    async fn credentials(&self) -> Result<Credentials, CredentialsError> {
        let found =
            credentials::resolve(&self.environment, self.profile.as_deref(), self.clock.now()).await?;
        Ok(found.credentials)
    }
}

/// Whether this is one of AWS's names.
pub(crate) fn is_awss(host: &str) -> bool {
    [".amazonaws.com", ".amazonaws.com.cn", ".api.aws"]
        .iter()
        .any(|suffix| host.ends_with(suffix))
}

fn now_of(clock: &Arc<dyn Clock>) -> Now {
    let clock = Arc::clone(clock);
    Arc::new(move || clock.now())
}

impl ApiError {
    /// The AWS error code, if the service gave one.
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Call { source, .. } => source.code(),
            Self::Credentials { .. } | Self::Answer { .. } => None,
        }
    }
}

impl std::fmt::Debug for Api {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Api")
            .field("client", &self.client)
            .field("profile", &self.profile)
            .finish_non_exhaustive()
    }
}
