//! What may sign a request: access keys, temporary credentials, and the nodes' own keys.
//!
//! Temporary credentials are not stored. Their session token is a sealed text with everything needed to check them, so
//! that any server with the root key can, and a million nodes cost no row. Whoever they were made for is looked up at
//! each use: they end with the user, role or node.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use drawbridge_session::iam::{Directory, FoundAccessKey, SealedSecret};
use drawbridge_session::{
    AccessKeyId, AccountId, EntityName, ManagedNode, NodeId, Principal, Random, RandomArray as _, Region,
    Secret, SessionGrant,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{RootKey, Store, StoreError};

const PURPOSE: &str = "temporary credentials 1";

/// What secret access keys are sealed for, each under its key's id.
const SECRET_PURPOSE: &str = "access keys 1";

/// Longer session tokens than any of ours are refused unread.
pub const MAX_TOKEN_LENGTH: usize = 8192;

/// What a signature is checked against, and who it proves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credential {
    /// The secret of an access key, long-lived or temporary.
    Secret {
        /// The key of the HMAC.
        secret: Secret,
        /// Who signs with it.
        principal: Principal,
        /// What came with it, if it is temporary.
        grant: Option<SessionGrant>,
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
    /// There is no such key, it is inactive, its owner is gone, or it belongs to another region.
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

/// For whom temporary credentials are made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Holder {
    /// A user.
    User {
        /// The user's account.
        account: AccountId,
        /// The user's unique id.
        id: String,
    },
    /// The root of an account.
    Root {
        /// The account.
        account: AccountId,
    },
    /// Someone who assumed a role.
    Role {
        /// The role's account.
        account: AccountId,
        /// The role's unique id.
        id: String,
        /// The name of this use of the role.
        session_name: String,
    },
    /// A managed node, in its region; its role is the one that it has when it signs.
    Node {
        /// The node.
        node: NodeId,
        /// The node's region.
        region: Region,
    },
}

/// Credentials that end by themselves.
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
    holder: Holder,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    grant: Option<SessionGrant>,
    expires_at_ms: i64,
}

impl TemporaryCredentials {
    /// Makes credentials that last until `expires_at`.
    pub fn mint(
        holder: Holder,
        grant: Option<SessionGrant>,
        expires_at: Timestamp,
        root: &RootKey,
        random: &dyn Random,
    ) -> Self {
        let access_key_id = AccessKeyId::generate_temporary(random);
        let secret = draw_secret(random);
        let plain = Sealed {
            secret: secret.clone(),
            holder,
            grant,
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

/// Seals the secret of an access key for its directory.
pub fn seal_secret(root: &RootKey, id: &AccessKeyId, secret: &Secret, random: &dyn Random) -> SealedSecret {
    SealedSecret::new(root.seal(
        SECRET_PURPOSE,
        id.as_str().as_bytes(),
        secret.expose().as_bytes(),
        random,
    ))
}

/// Opens what [`seal_secret`] made; an error means that the directory and the root key do not belong together.
pub fn open_secret(root: &RootKey, id: &AccessKeyId, sealed: &SealedSecret) -> Result<Secret, StoreError> {
    const DOING: &str = "open the secret of an access key";
    let plain = root
        .open(SECRET_PURPOSE, id.as_str().as_bytes(), sealed.as_bytes())
        .map_err(StoreError::doing(DOING))?;
    let text = std::str::from_utf8(&plain).map_err(StoreError::doing(DOING))?;
    Ok(Secret::new(text))
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
        Some(token) if id.is_temporary() => temporary(store, root, &id, token, region, now).await,
        // A long-lived key takes no session token, a temporary one cannot do without.
        Some(_) => Err(CredentialError::InvalidToken),
        None => match store.directory_of_key(&id) {
            Some(directory) => long_lived(&directory, root, &id),
            None => enrolled_node(store, root, &id, region).await,
        },
    }
}

fn long_lived(
    directory: &Directory,
    root: &RootKey,
    id: &AccessKeyId,
) -> Result<Credential, CredentialError> {
    let FoundAccessKey { user, key } = directory
        .find_access_key(id)
        .filter(|found| found.key.active)
        .ok_or(CredentialError::Unknown)?;
    let account = directory.account().clone();
    let principal = match user {
        Some(user) => Principal::User {
            account,
            user: EntityName::at(user.path.as_str(), user.name.as_str(), user.id.as_str()),
        },
        None => Principal::Root { account },
    };
    Ok(Credential::Secret {
        secret: open_secret(root, id, &key.sealed_secret)?,
        principal,
        grant: None,
    })
}

async fn enrolled_node(
    store: &dyn Store,
    root: &RootKey,
    id: &AccessKeyId,
    region: &Region,
) -> Result<Credential, CredentialError> {
    let key = store.node_access_key(id).await?.ok_or(CredentialError::Unknown)?;
    let (principal, _) = node_principal(store, &key.node, region).await?;
    Ok(Credential::Secret {
        secret: open_secret(root, id, &key.sealed_secret)?,
        principal,
        grant: None,
    })
}

async fn node_key(store: &dyn Store, node: &NodeId, region: &Region) -> Result<Credential, CredentialError> {
    let (principal, public_key) = node_principal(store, node, region).await?;
    Ok(Credential::NodeKey {
        public_key: public_key.ok_or(CredentialError::Unknown)?,
        principal,
    })
}

async fn temporary(
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
    Ok(Credential::Secret {
        principal: holder(store, plain.holder, region).await?,
        secret: plain.secret,
        grant: plain.grant,
    })
}

/// Finds whoever credentials were made for, if they are still there.
async fn holder(store: &dyn Store, holder: Holder, region: &Region) -> Result<Principal, CredentialError> {
    let principal = match holder {
        Holder::User { account, id } => store.directory(&account).and_then(|directory| {
            let user = directory.user_by_id(&id)?;
            let user = EntityName::at(user.path.as_str(), user.name.as_str(), id);
            Some(Principal::User { account, user })
        }),
        Holder::Root { account } => store.directory(&account).map(|_| Principal::Root { account }),
        Holder::Role {
            account,
            id,
            session_name,
        } => store.directory(&account).and_then(|directory| {
            let role = directory.role_by_id(&id)?;
            Some(Principal::AssumedRole {
                role: EntityName::at(role.path.as_str(), role.name.as_str(), id),
                account,
                session_name,
            })
        }),
        Holder::Node { node, region: own } if own == *region => {
            Some(node_principal(store, &node, region).await?.0)
        }
        Holder::Node { .. } => None,
    };
    principal.ok_or(CredentialError::Unknown)
}

/// Finds a node where it belongs, with its role as it is now, and its public key if it has one.
async fn node_principal(
    store: &dyn Store,
    node: &NodeId,
    region: &Region,
) -> Result<(Principal, Option<Vec<u8>>), CredentialError> {
    let node = store
        .node(node)
        .await?
        .filter(|node| node.region == *region)
        .ok_or(CredentialError::Unknown)?;
    Ok((principal_of_node(store, &node), node.public_key))
}

/// Names a node as a principal, with its role as it is now.
pub fn principal_of_node(store: &dyn Store, node: &ManagedNode) -> Principal {
    let directory = store.directory(&node.account);
    let role = directory
        .as_ref()
        .and_then(|directory| directory.role_of_node(node));
    let role = match role {
        Some(role) => EntityName::at(role.path.as_str(), role.name.as_str(), role.id.as_str()),
        None => EntityName::new(node.iam_role.as_str(), ""),
    };
    Principal::Node {
        account: node.account.clone(),
        role,
        node: node.id.clone(),
    }
}

#[cfg(test)]
mod tests;
