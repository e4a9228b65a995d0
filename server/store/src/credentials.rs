//! What may sign a request: access keys, the temporary credentials of nodes, and the nodes' own keys.
//!
//! A node's temporary credentials are not stored. Their session token is a sealed text with everything needed to
//! check them, so that any server with the root key can, and a million nodes cost no row.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use drawbridge_session::{
    AccessKeyId, AccountId, ManagedNode, NodeId, Principal, Random, RandomArray as _, Region, Secret,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{RootKey, Store, StoreError};

const PURPOSE: &str = "node credentials 1";

/// Longer session tokens than any of ours are refused unread.
const MAX_TOKEN_LENGTH: usize = 4096;

/// What a signature is checked against, and who it proves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credential {
    /// The secret of an access key, long-lived or temporary.
    Secret {
        /// The key of the HMAC.
        secret: Secret,
        /// Who signs with it.
        principal: Principal,
    },
    /// A node's public key.
    NodeKey {
        /// DER SubjectPublicKeyInfo of an RSA key.
        public_key: Vec<u8>,
        /// The node.
        principal: Principal,
    },
}

/// Why nothing can be signed with what the request names.
#[derive(Debug, thiserror::Error)]
pub enum CredentialError {
    /// There is no such key, it is inactive, its node is gone, or it belongs to another region.
    #[error("the access key is not known")]
    Unknown,
    /// The session token was not made here, or not for this access key.
    #[error("the session token is not valid")]
    InvalidToken,
    /// The session token's time is over.
    #[error("the session token has expired")]
    Expired,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Credentials that a node gets for its role.
#[derive(Debug, Clone)]
pub struct TemporaryCredentials {
    /// `ASIA…`.
    pub access_key_id: AccessKeyId,
    /// The secret.
    pub secret_access_key: Secret,
    /// What must come along with each request.
    pub session_token: Secret,
    /// The first moment at which they sign nothing.
    pub expires_at: Timestamp,
}

#[derive(Serialize, Deserialize)]
struct Sealed {
    secret: Secret,
    account: AccountId,
    region: Region,
    node: NodeId,
    role: String,
    expires_at_ms: i64,
}

impl TemporaryCredentials {
    /// Makes credentials for a node that last until `expires_at`.
    pub fn mint(node: &ManagedNode, expires_at: Timestamp, root: &RootKey, random: &dyn Random) -> Self {
        let access_key_id = AccessKeyId::generate_temporary(random);
        let secret = draw_secret(random);
        let plain = Sealed {
            secret: secret.clone(),
            account: node.account.clone(),
            region: node.region.clone(),
            node: node.id.clone(),
            role: node.iam_role.clone(),
            expires_at_ms: expires_at.as_millisecond(),
        };
        let plain = zeroize::Zeroizing::new(serde_json::to_vec(&plain).expect("plain data is serializable"));
        let sealed = root.seal(PURPOSE, access_key_id.as_str().as_bytes(), &plain, random);
        Self {
            access_key_id,
            secret_access_key: secret,
            session_token: Secret::new(BASE64_URL_SAFE_NO_PAD.encode(sealed)),
            expires_at,
        }
    }
}

/// Draws a secret access key: 40 characters of URL-safe base64.
pub fn draw_secret(random: &dyn Random) -> Secret {
    Secret::new(BASE64_URL_SAFE_NO_PAD.encode(random.array::<30>()))
}

/// Finds what a request names in its credential scope: an access key id, or a node id for a node's own key.
pub async fn credential(
    store: &dyn Store,
    root: &RootKey,
    named: &str,
    session_token: Option<&str>,
    region: &Region,
    now: Timestamp,
) -> Result<Credential, CredentialError> {
    if let Ok(node) = NodeId::parse(named) {
        return node_key(store, &node, region).await;
    }
    let id = AccessKeyId::parse(named).map_err(|_| CredentialError::Unknown)?;
    match session_token {
        Some(token) if id.is_temporary() => node_role(store, root, &id, token, region, now).await,
        // A long-lived key takes no session token, a temporary one cannot do without.
        Some(_) => Err(CredentialError::InvalidToken),
        None => {
            let key = store
                .access_key(&id)
                .await?
                .filter(|key| key.active)
                .ok_or(CredentialError::Unknown)?;
            Ok(Credential::Secret {
                secret: key.secret,
                principal: key.principal,
            })
        }
    }
}

async fn node_key(store: &dyn Store, node: &NodeId, region: &Region) -> Result<Credential, CredentialError> {
    let node = store
        .node(node)
        .await?
        .filter(|node| node.region == *region)
        .ok_or(CredentialError::Unknown)?;
    let principal = Principal::Node {
        account: node.account,
        role: node.iam_role,
        node: node.id,
    };
    Ok(Credential::NodeKey {
        public_key: node.public_key,
        principal,
    })
}

async fn node_role(
    store: &dyn Store,
    root: &RootKey,
    id: &AccessKeyId,
    token: &str,
    region: &Region,
    now: Timestamp,
) -> Result<Credential, CredentialError> {
    if token.len() > MAX_TOKEN_LENGTH {
        return Err(CredentialError::InvalidToken);
    }
    let sealed = BASE64_URL_SAFE_NO_PAD
        .decode(token)
        .map_err(|_| CredentialError::InvalidToken)?;
    let plain = root
        .open(PURPOSE, id.as_str().as_bytes(), &sealed)
        .map_err(|_| CredentialError::InvalidToken)?;
    let plain: Sealed = serde_json::from_slice(&plain).map_err(|_| CredentialError::InvalidToken)?;
    if now.as_millisecond() >= plain.expires_at_ms {
        return Err(CredentialError::Expired);
    }
    // The row is asked so that credentials end with the registration that they came from.
    let known = store
        .node(&plain.node)
        .await?
        .is_some_and(|node| node.account == plain.account);
    if !known || plain.region != *region {
        return Err(CredentialError::Unknown);
    }
    let principal = Principal::Node {
        account: plain.account,
        role: plain.role,
        node: plain.node,
    };
    Ok(Credential::Secret {
        secret: plain.secret,
        principal,
    })
}

#[cfg(test)]
mod tests;
