//! Managed nodes.

use async_trait::async_trait;
use drawbridge_session::{AccountId, ActivationId, AgentReport, ManagedNode, NodeId, Region};
use jiff::Timestamp;

use crate::{StoreError, TokenHash};

/// What a machine presents to become a managed node, and the id that it would get.
#[derive(Debug, Clone)]
pub struct Registration {
    /// The activation it names.
    pub activation: ActivationId,
    /// The hash of the code it knows.
    pub code: TokenHash,
    /// A freshly drawn id.
    pub node: NodeId,
    /// Its public key, DER SubjectPublicKeyInfo.
    pub public_key: Vec<u8>,
    /// What it calls its machine.
    pub fingerprint: String,
}

/// Why a machine cannot register.
#[derive(Debug, thiserror::Error)]
pub enum RegistrationError {
    /// No activation has this id and this code.
    #[error("no activation has this id and code")]
    UnknownActivation,
    /// Its time is over.
    #[error("the activation has expired")]
    Expired,
    /// As many nodes registered as may.
    #[error("the activation's registration limit is reached")]
    LimitReached,
    /// A node has this key already.
    #[error("the public key belongs to a node already")]
    PublicKeyInUse,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Remembers managed nodes.
#[async_trait]
pub trait Nodes: Send + Sync {
    /// Makes a machine a node and counts it, in one transaction: an activation never serves more than its limit.
    ///
    /// The activation's role, name and tags go to the node.
    async fn register_node(
        &self,
        registration: &Registration,
        now: Timestamp,
    ) -> Result<ManagedNode, RegistrationError>;

    /// Finds a node by its id.
    async fn node(&self, id: &NodeId) -> Result<Option<ManagedNode>, StoreError>;

    /// Lists up to `limit` nodes of an account and region after an id, in the order of their ids.
    async fn nodes_after(
        &self,
        account: &AccountId,
        region: &Region,
        after: Option<&NodeId>,
        limit: u32,
    ) -> Result<Vec<ManagedNode>, StoreError>;

    /// Takes a node's report; returns whether there is such a node.
    async fn report_node(&self, id: &NodeId, report: AgentReport, now: Timestamp)
    -> Result<bool, StoreError>;

    /// Gives a node another role; returns whether there is such a node.
    async fn set_node_role(&self, id: &NodeId, iam_role: &str) -> Result<bool, StoreError>;

    /// Gives a node another public key; returns whether there is such a node, and an error if the key is another's.
    async fn set_node_key(&self, id: &NodeId, public_key: &[u8]) -> Result<bool, RegistrationError>;

    /// Forgets a node, its tags and its tokens; returns whether there was one.
    async fn remove_node(&self, id: &NodeId) -> Result<bool, StoreError>;
}
