//! Taking on a node that an operator has enrolled: its id and its access key come from `drawbridge nodes enrol`.

use std::io::Read;

use drawbridge_aws_client::{Auth, Client, Connector, Credentials, Now, Service};
use drawbridge_session::{AccessKeyId, NodeId, Random, Region, Secret};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::registration::{RegisterError, Registration, endpoint_of, keep_authorities};
use super::{AGENT_NAME, AGENT_VERSION, credentials, key};
use crate::state::{StateError, StateFolder};

const FILE: &str = "access-key.json";

/// What the server answered whoever enrolled the node.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Enrolment {
    /// The node, `i-…`.
    pub instance_id: NodeId,
    /// The region that requests are signed for.
    pub region: Region,
    /// The access key.
    #[serde(flatten)]
    pub key: AccessKey,
}

/// A long-lived access key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct AccessKey {
    /// `AKIA…`.
    pub access_key_id: AccessKeyId,
    /// The secret.
    pub secret_access_key: Secret,
}

/// What taking on a node needs.
#[derive(Clone, Debug)]
pub struct EnrolRequest {
    /// The node and its key.
    pub enrolment: Enrolment,
    /// The server's endpoint.
    pub endpoint: String,
    /// Certificate authorities to trust instead of the system's, in PEM form; kept for [`super::Node`].
    pub authorities: Option<Vec<u8>>,
    /// Give up the registration as another node.
    pub replace: bool,
}

impl Enrolment {
    /// Reads the JSON of an answer; `None` where it holds no enrolled node.
    pub fn read(input: impl Read) -> Option<Self> {
        let enrolment: Self = serde_json::from_reader(input).ok()?;
        Some(enrolment).filter(|enrolment| !enrolment.instance_id.is_registered())
    }
}

impl AccessKey {
    /// Reads the key of a folder; a damaged one counts as none.
    pub(super) fn load(folder: &StateFolder) -> Result<Option<Self>, StateError> {
        let content = folder.read(FILE)?.map(zeroize::Zeroizing::new);
        Ok(content.and_then(|content| serde_json::from_slice(&content).ok()))
    }

    fn store(&self, folder: &StateFolder) -> Result<(), StateError> {
        let content = zeroize::Zeroizing::new(serde_json::to_vec(self).unwrap_or_default());
        folder.write(FILE, &content)
    }

    /// Returns it in the form that signs requests.
    pub(super) fn signing(&self) -> Credentials {
        Credentials {
            access_key_id: self.access_key_id.to_string(),
            secret_access_key: self.secret_access_key.expose().into(),
            session_token: None,
        }
    }
}

/// Removes the key of a folder.
pub(super) fn forget(folder: &StateFolder) -> Result<(), StateError> {
    folder.remove(FILE)
}

/// Makes this machine the enrolled node: shows the server its key, and keeps what it needs in `folder`.
///
/// Nothing of an earlier registration is touched before the server has taken the key. A new key for the node that
/// this machine is already takes the place of the one before, also for an agent that runs.
///
/// # Errors
///
/// See [`RegisterError`].
pub async fn enrol(
    request: &EnrolRequest,
    folder: &StateFolder,
    connector: Connector,
    now: Now,
    random: &dyn Random,
) -> Result<Registration, RegisterError> {
    let Enrolment {
        instance_id,
        region,
        key,
    } = &request.enrolment;
    if let Some(existing) = Registration::load(folder)?
        && existing.node_id != *instance_id
        && !request.replace
    {
        return Err(RegisterError::AlreadyRegistered(existing.node_id));
    }
    let client = Client::new(
        endpoint_of(Some(&request.endpoint), "ssm", region)?,
        region.as_str(),
        connector,
        now,
    );
    let input = json!({
        "InstanceId": instance_id, "AgentName": AGENT_NAME, "AgentVersion": AGENT_VERSION, "PlatformType": "Linux",
    });
    let operation = "UpdateInstanceInformation";
    let reported = client
        .call_json(Service::SSM, operation, &input, Auth::Credentials(&key.signing()))
        .await;
    reported.map_err(|source| RegisterError::KeyRefused {
        node: instance_id.clone(),
        source,
    })?;

    let registration = Registration {
        node_id: instance_id.clone(),
        region: region.clone(),
        endpoint: Some(request.endpoint.clone()),
        fingerprint: random.uuid(),
    };
    credentials::forget(folder)?;
    key.store(folder)?;
    keep_authorities(request.authorities.as_deref(), folder)?;
    // Its presence is what makes the rest count.
    registration.store(folder)?;
    key::forget(folder)?;
    Ok(registration)
}
