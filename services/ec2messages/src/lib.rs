//! The `ec2messages` service: the older queue of agents, which is always empty here.
//!
//! AWS's agent polls it until about a minute after its control channel is up. Every session goes through the
//! control channel, so there is nothing to deliver; the poll is answered late, so that it costs little.

use std::time::Duration;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::{Audit, Caller, Needs, Resource, SignedWith};
use serde_json::{Value, json};

/// An operation of this service.
pub type Operation = drawbridge_session::Operation<Ec2Messages, AwsError>;

/// The operations of `EC2WindowsMessageDeliveryService.<Operation>`.
pub const OPERATIONS: &[Operation] = &[
    about_own_message("AcknowledgeMessage", "ec2messages:AcknowledgeMessage"),
    about_own_message("DeleteMessage", "ec2messages:DeleteMessage"),
    about_own_message("FailMessage", "ec2messages:FailMessage"),
    GET_ENDPOINT,
    GET_MESSAGES,
    about_own_message("SendReply", "ec2messages:SendReply"),
];

/// The `ec2messages` service of one server.
#[derive(Debug)]
pub struct Ec2Messages {
    /// How long `GetMessages` waits before it says that there are none.
    pub patience: Duration,
}

impl Default for Ec2Messages {
    /// Waits 12 s: AWS's agent gives up after 20.
    fn default() -> Self {
        Self {
            patience: Duration::from_secs(12),
        }
    }
}

impl Ec2Messages {
    /// Finds an operation.
    pub fn operation(name: &str) -> Option<&'static Operation> {
        OPERATIONS.iter().find(|operation| operation.name == name)
    }
}

const GET_MESSAGES: Operation = Operation {
    name: "GetMessages",
    action: "ec2messages:GetMessages",
    signed_with: SignedWith::AccessKey,
    needs: destination,
    audit: Audit::OFF,
    handler: |service, call| {
        let (_, _, mut input) = call.into_parts();
        let (destination, request) = (input["Destination"].take(), input["MessagesRequestId"].take());
        Box::pin(async move {
            tokio::time::sleep(service.patience).await;
            Ok(json!({ "Destination": destination, "Messages": [], "MessagesRequestId": request }))
        })
    },
};

const GET_ENDPOINT: Operation = Operation {
    name: "GetEndpoint",
    action: "ec2messages:GetEndpoint",
    signed_with: SignedWith::AccessKey,
    needs: destination,
    audit: Audit::OFF,
    handler: |_, call| {
        // The endpoint that answers the question is the endpoint.
        let endpoint = call.caller().host.clone();
        Box::pin(async move { Ok(json!({ "Endpoint": endpoint })) })
    },
};

/// Declares an operation about a message, none of which was ever given out.
const fn about_own_message(name: &'static str, action: &'static str) -> Operation {
    Operation {
        name,
        action,
        signed_with: SignedWith::AccessKey,
        needs: |caller, _| {
            Resource::message_queue(caller.principal.node().map_or("*", |node| node.as_str())).into()
        },
        audit: Audit::OFF,
        handler: |_, call| {
            let (_, _, input) = call.into_parts();
            let id = input["MessageId"].as_str().unwrap_or("").to_owned();
            Box::pin(async move {
                Err(AwsError::new(
                    "InvalidMessageIdException",
                    format!("There is no message {id}."),
                ))
            })
        },
    }
}

/// Names the queue that a request is about.
fn destination(_: &Caller, input: &Value) -> Needs {
    Resource::message_queue(input.get("Destination").and_then(Value::as_str).unwrap_or("")).into()
}

#[cfg(test)]
mod tests;
