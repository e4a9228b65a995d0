//! Managed nodes.

use async_trait::async_trait;
use drawbridge_session::iam::SealedSecret;
use drawbridge_session::{
    AccessKeyId, AccountId, ActivationId, AgentReport, ManagedNode, NodeId, Region, Tag,
};
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

/// The access key of an enrolled node, which has one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeAccessKey {
    /// `AKIA…`.
    pub id: AccessKeyId,
    /// The node that it proves.
    pub node: NodeId,
    /// The sealed secret.
    pub sealed_secret: SealedSecret,
    /// When it was made.
    pub created_at: Timestamp,
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

    /// Makes a machine a node for which an operator vouches, with its tags; returns whether its id was free.
    async fn enrol_node(
        &self,
        node: &ManagedNode,
        key: &NodeAccessKey,
        tags: &[Tag],
    ) -> Result<bool, StoreError>;

    /// Gives an enrolled node a role and an access key in the place of those before; returns whether there is such a
    /// node.
    async fn renew_node(
        &self,
        key: &NodeAccessKey,
        iam_role: &str,
        instance_profile: Option<&str>,
    ) -> Result<bool, StoreError>;

    /// Finds the access key of an enrolled node.
    async fn node_access_key(&self, id: &AccessKeyId) -> Result<Option<NodeAccessKey>, StoreError>;

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
    /// An enrolled node has none and gets none.
    async fn set_node_key(&self, id: &NodeId, public_key: &[u8]) -> Result<bool, RegistrationError>;

    /// Forgets a node, its tags, its tokens and its access key; returns whether there was one.
    async fn remove_node(&self, id: &NodeId) -> Result<bool, StoreError>;
}
