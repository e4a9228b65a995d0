//! Registering a node with an activation, once.

use drawbridge_aws_client::{Auth, CallError, Client, Connector, Endpoint, EndpointError, Now, Service};
use drawbridge_session::{ActivationId, NodeId, Random, Region, Secret};
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use super::key::{self, KeyError, Slot};
use crate::state::{StateError, StateFolder};

const FILE: &str = "registration.json";
const AUTHORITIES: &str = "authorities.pem";

/// What a node owns once it has registered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registration {
    /// The id the server gave.
    pub node_id: NodeId,
    /// The region that requests are signed for.
    pub region: Region,
    /// The server's endpoint; none means AWS's own endpoints of the region.
    pub endpoint: Option<String>,
    /// The machine's fingerprint, drawn once.
    pub fingerprint: Uuid,
}

/// What a registration needs.
#[derive(Clone, Debug)]
pub struct RegisterRequest {
    /// The activation's id.
    pub activation_id: ActivationId,
    /// The activation's code.
    pub activation_code: Secret,
    /// The region that requests are signed for.
    pub region: Region,
    /// The server's endpoint; none means AWS's own endpoints of the region.
    pub endpoint: Option<String>,
    /// Certificate authorities to trust instead of the system's, in PEM form; kept for [`super::Node`].
    pub authorities: Option<Vec<u8>>,
    /// Give up an existing registration.
    pub replace: bool,
}

/// Why a node could not be registered.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    /// There is a registration already.
    #[error("this node is registered as {0}")]
    AlreadyRegistered(NodeId),
    /// The endpoint is not a URL of a server.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// The server refused, or was not reached.
    #[error("cannot register with activation {activation}")]
    Call {
        /// Which activation was used.
        activation: ActivationId,
        /// What went wrong.
        source: CallError,
    },
    /// The server did not take the access key of an enrolled node, or was not reached.
    #[error("cannot report as node {node} with its access key")]
    KeyRefused {
        /// Which node.
        node: NodeId,
        /// What went wrong.
        source: CallError,
    },
    /// The server's answer has no node id in it.
    #[error("the server answered with `{0}` instead of a node id")]
    Answer(String),
    /// The key cannot be made or kept.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The folder cannot be used.
    #[error(transparent)]
    State(#[from] StateError),
}

impl Registration {
    /// Reads the registration of a folder; `None` when the node has not registered.
    ///
    /// # Errors
    ///
    /// When the file cannot be read. A damaged one counts as none: registering again is what repairs it.
    pub fn load(folder: &StateFolder) -> Result<Option<Self>, StateError> {
        let content = folder.read(FILE)?;
        Ok(content.and_then(|content| serde_json::from_slice(&content).ok()))
    }

    /// Notes that the server has moved; the next call goes to its new endpoint.
    ///
    /// # Errors
    ///
    /// [`RegisterError::Endpoint`] when it is not a URL of a server, [`RegisterError::State`] when it cannot be written.
    pub fn move_to(self, endpoint: &str, folder: &StateFolder) -> Result<Self, RegisterError> {
        if self.endpoint.as_deref() == Some(endpoint) {
            return Ok(self);
        }
        endpoint.parse::<Endpoint>()?;
        let moved = Self {
            endpoint: Some(endpoint.to_owned()),
            ..self
        };
        moved.store(folder)?;
        Ok(moved)
    }

    pub(super) fn store(&self, folder: &StateFolder) -> Result<(), StateError> {
        folder.write(FILE, &serde_json::to_vec_pretty(self).unwrap_or_default())
    }

    /// Reads the certificate authorities that were given when the node registered, in PEM form.
    ///
    /// # Errors
    ///
    /// When the file cannot be read.
    pub fn authorities(folder: &StateFolder) -> Result<Option<Vec<u8>>, StateError> {
        folder.read(AUTHORITIES)
    }

    /// Returns where a service of the server is called.
    ///
    /// # Errors
    ///
    /// When the endpoint is not a URL of a server.
    pub fn endpoint_of(&self, service: &str) -> Result<Endpoint, EndpointError> {
        endpoint_of(self.endpoint.as_deref(), service, &self.region)
    }
}

/// Registers this node: makes its key, tells the server, and keeps what was agreed in `folder`.
///
/// Nothing of an earlier registration is touched before the server has said yes.
///
/// # Errors
///
/// See [`RegisterError`].
pub async fn register(
    request: &RegisterRequest,
    folder: &StateFolder,
    connector: Connector,
    now: Now,
    random: &dyn Random,
) -> Result<Registration, RegisterError> {
    if let Some(existing) = Registration::load(folder)?
        && !request.replace
    {
        return Err(RegisterError::AlreadyRegistered(existing.node_id));
    }
    let endpoint = endpoint_of(request.endpoint.as_deref(), "ssm", &request.region)?;
    let fingerprint = random.uuid();
    let key = key::generate()?;
    let input = json!({
        "ActivationId": request.activation_id,
        "ActivationCode": request.activation_code.expose(),
        "Fingerprint": fingerprint,
        "PublicKey": key::public_text(&key)?,
        "PublicKeyType": "Rsa",
    });
    let client = Client::new(endpoint, request.region.as_str(), connector, now);
    let answer = client
        .call_json(Service::SSM, "RegisterManagedInstance", &input, Auth::Unsigned)
        .await
        .map_err(|source| RegisterError::Call {
            activation: request.activation_id.clone(),
            source,
        })?;
    let answered = answer
        .get("InstanceId")
        .and_then(|id| id.as_str())
        .unwrap_or_default();
    let node_id = NodeId::parse(answered).map_err(|_| {
        RegisterError::Answer(
            answered
                .chars()
                .take(64)
                .collect::<String>()
                .escape_debug()
                .to_string(),
        )
    })?;

    let registration = Registration {
        node_id,
        region: request.region.clone(),
        endpoint: request.endpoint.clone(),
        fingerprint,
    };
    keep(&registration, &key, request.authorities.as_deref(), folder)?;
    Ok(registration)
}

fn keep(
    registration: &Registration,
    key: &aws_lc_rs::rsa::KeyPair,
    authorities: Option<&[u8]>,
    folder: &StateFolder,
) -> Result<(), RegisterError> {
    super::credentials::forget(folder)?;
    key::store(folder, Slot::Current, key)?;
    keep_authorities(authorities, folder)?;
    // Its presence is what makes the rest count.
    registration.store(folder)?;
    Ok(super::enrolment::forget(folder)?)
}

/// Keeps the certificate authorities that were given, and no others.
pub(super) fn keep_authorities(authorities: Option<&[u8]>, folder: &StateFolder) -> Result<(), StateError> {
    match authorities {
        Some(pem) => folder.write(AUTHORITIES, pem),
        None => folder.remove(AUTHORITIES),
    }
}

pub(super) fn endpoint_of(
    endpoint: Option<&str>,
    service: &str,
    region: &Region,
) -> Result<Endpoint, EndpointError> {
    match endpoint {
        Some(url) => url.parse(),
        None => Ok(Endpoint::aws(service, region.as_str())),
    }
}
