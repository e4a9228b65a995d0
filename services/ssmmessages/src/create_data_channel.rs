//! `CreateDataChannel`: `POST /v1/data-channel/<session id>`, called by the node that runs the session.

use std::sync::Arc;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::{
    Audit, Call, Caller, Needs, Operation, Resource, SessionId, SessionState, SignedWith,
};
use drawbridge_store::{ChannelEnd, TokenBinding};
use serde_json::Value;

use crate::{SsmMessages, access_denied, calling_node, internal};

pub(crate) const OPERATION: Operation<SsmMessages, AwsError> = Operation {
    name: "CreateDataChannel",
    action: "ssmmessages:CreateDataChannel",
    signed_with: SignedWith::AccessKey,
    needs,
    audit: Audit::OFF,
    handler: |service, call| Box::pin(create(service, call)),
};

/// The caller's own channels: which sessions are its own is known to the store, and asked in the handler.
fn needs(caller: &Caller, _input: &Value) -> Needs {
    let node = caller.principal.node().map_or("", |node| node.as_str());
    Resource::message_channel(&caller.region, &caller.account, node).into()
}

async fn create(service: Arc<SsmMessages>, call: Call) -> Result<Value, AwsError> {
    let node = calling_node(&call)?;
    let (_, _, input) = call.into_parts();
    let id = input["SessionId"].as_str().unwrap_or_default();
    // Unknown and another node's look alike: ids of other people's sessions are not to be found by asking.
    let not_yours = || access_denied(format!("{node} runs no session {id}"));
    let session = SessionId::parse(id).map_err(|_| not_yours())?;
    let found = service
        .store
        .session(&session)
        .await
        .map_err(|error| internal(&error))?;
    let record = found.filter(|record| record.node == node).ok_or_else(not_yours)?;
    match record.state {
        SessionState::Connecting
        | SessionState::Connected
        | SessionState::Disconnected
        | SessionState::Terminating => {
            let end = ChannelEnd::Node;
            service.grant(TokenBinding::DataChannel { session, end }).await
        }
        // AWS's agent looks for these very words to stop trying (`protocol.md` 9.3).
        SessionState::Terminated(_) | SessionState::Failed(_) => Err(AwsError::new(
            "InvalidRequestException",
            format!("Session is already terminated: {session}"),
        )),
    }
}
