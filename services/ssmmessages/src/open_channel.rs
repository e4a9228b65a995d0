//! The first text frame of a channel: whose token is it, and is it used where it belongs?
//!
//! A token that is presented is used up, wherever it is presented: one that turns up at the wrong session, end or
//! node has been stolen or guessed at, and is worth nothing afterwards either.

use drawbridge_session::{Grounds, NodeId, Principal, SessionId};
use drawbridge_store::{ChannelEnd, Redeemed, StoreError, TokenBinding};

use crate::SsmMessages;

/// What the first text frame of a data channel says, and who signed the upgrade before it.
#[derive(Debug, Clone, Copy)]
pub struct DataChannelClaim<'a> {
    /// `TokenValue`.
    pub token: &'a str,
    /// `ClientInstanceId`: a node names itself here, a client does not.
    pub client_instance_id: Option<&'a str>,
    /// Who signed the upgrade, if anyone did: nodes must, new plugins do.
    pub signer: Option<&'a Principal>,
}

/// Which end a token opened.
#[derive(Debug, Clone, PartialEq)]
pub enum OpenedEnd {
    /// A client or watcher, and what it was let in on where the session is not its own.
    Client(ChannelEnd, Option<Box<Grounds>>),
    /// The node that runs the session.
    Node(NodeId),
}

/// Why a channel is not opened. The texts are shown to whoever asked.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The token opens nothing, or something else.
    #[error("the token is not valid: it was used already, has expired, or was made for something else")]
    InvalidToken,
    /// A node's token without the node's signature, or the other way round.
    #[error("the token belongs to the other end of the session")]
    WrongEnd,
    /// The session ended.
    #[error("session {0} is over")]
    SessionOver(SessionId),
    /// The store failed.
    #[error("the server cannot check the token")]
    Store(#[from] StoreError),
}

impl SsmMessages {
    /// Redeems the token of a data channel of `session`.
    ///
    /// # Errors
    ///
    /// See [`OpenError`]; the token is used up in any case.
    pub async fn open_data_channel(
        &self,
        session: &SessionId,
        claim: DataChannelClaim<'_>,
    ) -> Result<OpenedEnd, OpenError> {
        let Redeemed { binding, grounds } = self.redeem(claim.token).await?;
        let TokenBinding::DataChannel { session: bound, end } = binding else {
            return Err(OpenError::InvalidToken);
        };
        if bound != *session {
            return Err(OpenError::InvalidToken);
        }
        let record = self
            .store
            .session(session)
            .await?
            .ok_or(OpenError::InvalidToken)?;
        if record.state.ending().is_some() {
            return Err(OpenError::SessionOver(session.clone()));
        }
        let signed_by_node = claim.signer.and_then(Principal::node);
        match end {
            ChannelEnd::Node => {
                let names_itself = claim
                    .client_instance_id
                    .is_none_or(|id| id == record.node.as_str());
                if signed_by_node != Some(&record.node) || !names_itself {
                    return Err(OpenError::WrongEnd);
                }
                Ok(OpenedEnd::Node(record.node))
            }
            ChannelEnd::ClientStart
            | ChannelEnd::ClientResume
            | ChannelEnd::ClientAttach
            | ChannelEnd::Watcher => {
                let claims_to_be_node = claim.client_instance_id.is_some_and(|id| !id.is_empty());
                if signed_by_node.is_some() || claims_to_be_node {
                    return Err(OpenError::WrongEnd);
                }
                Ok(OpenedEnd::Client(end, grounds.map(Box::new)))
            }
        }
    }

    /// Redeems the token of `node`'s control channel, whose upgrade `signer` signed.
    ///
    /// # Errors
    ///
    /// See [`OpenError`]; the token is used up in any case.
    pub async fn open_control_channel(
        &self,
        node: &NodeId,
        token: &str,
        signer: Option<&Principal>,
    ) -> Result<(), OpenError> {
        let Redeemed { binding, .. } = self.redeem(token).await?;
        let TokenBinding::ControlChannel { node: bound } = binding else {
            return Err(OpenError::InvalidToken);
        };
        if bound != *node {
            return Err(OpenError::InvalidToken);
        }
        if signer.and_then(Principal::node) != Some(node) {
            return Err(OpenError::WrongEnd);
        }
        // Deregistered since the token was granted: its tokens went with it, but a race is cheap to close.
        self.store.node(node).await?.ok_or(OpenError::InvalidToken)?;
        Ok(())
    }

    async fn redeem(&self, token: &str) -> Result<Redeemed, OpenError> {
        let redeemed = self.store.redeem_token(token, self.clock.now()).await?;
        redeemed.ok_or(OpenError::InvalidToken)
    }
}
