//! The message gateway's service, `ssmmessages`: who may open which channel.
//!
//! An end first asks for a token by a signed call (a client got its token from `StartSession`), then opens a
//! websocket and sends the token in its first text frame. This crate grants and redeems those tokens; sockets are
//! the gateway's, what flows through them is the relay's.
//!
//! | file | operation |
//! |---|---|
//! | `create_control_channel` | a node asks for its control channel's token |
//! | `create_data_channel` | a node asks for a session's token |
//! | `open_channel` | either end presents a token |

mod create_control_channel;
mod create_data_channel;
mod open_channel;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::{Call, Clock, NodeId, Operation, Principal, Random};
use drawbridge_store::{Store, StoreError, TokenBinding, TokenGrant};
use http::StatusCode;
use serde_json::{Value, json};

pub use open_channel::{DataChannelClaim, OpenError, OpenedEnd};

/// How long a node may take from the answer to the first text frame. It dials at once.
const TOKEN_LIFE: Duration = Duration::from_secs(60);

/// The service.
pub struct SsmMessages {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
}

/// Grants a token for a node's control channel. Input: `InstanceId`, from the path.
pub const CREATE_CONTROL_CHANNEL: Operation<SsmMessages, AwsError> = create_control_channel::OPERATION;

/// Grants a token for the node's end of a session. Input: `SessionId`, from the path.
pub const CREATE_DATA_CHANNEL: Operation<SsmMessages, AwsError> = create_data_channel::OPERATION;

impl SsmMessages {
    /// Makes the service.
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, random: Arc<dyn Random>) -> SsmMessages {
        SsmMessages { store, clock, random }
    }

    async fn grant(&self, binding: TokenBinding) -> Result<Value, AwsError> {
        let (token, grant) = TokenGrant::draw(binding, self.clock.now(), TOKEN_LIFE, self.random.as_ref());
        self.store
            .grant_token(&grant)
            .await
            .map_err(|error| internal(&error))?;
        Ok(json!({ "MessageSchemaVersion": "1.0", "TokenValue": token.expose() }))
    }
}

/// The node that calls: channels are opened by nodes themselves, not by anyone who may do anything.
fn calling_node(call: &Call) -> Result<NodeId, AwsError> {
    match &call.caller().principal {
        Principal::Node { node, .. } => Ok(node.clone()),
        principal @ (Principal::Root { .. }
        | Principal::User { .. }
        | Principal::AssumedRole { .. }
        | Principal::Service { .. }
        | Principal::Anonymous { .. }) => {
            let text = format!(
                "{} is not a managed node; a channel is opened by its node",
                principal.arn()
            );
            Err(access_denied(text))
        }
    }
}

fn access_denied(text: impl Into<String>) -> AwsError {
    AwsError::new("AccessDeniedException", text).with_status(StatusCode::FORBIDDEN)
}

/// Hides the store's trouble from the caller and tells the operator.
fn internal(error: &StoreError) -> AwsError {
    tracing::error!(error = error as &dyn std::error::Error, "cannot answer a request");
    AwsError::internal("InternalServerException")
}
