use std::collections::BTreeSet;
use std::sync::Arc;

use drawbridge_aws_dialects::model;
use drawbridge_house::House;
use drawbridge_session::ManagedNode;
use tokio::time::Instant;

use super::*;

struct Lab {
    house: House,
    node: ManagedNode,
}

impl Lab {
    /// Time stands still once the store is open: it would run ahead while the database works.
    async fn new() -> Self {
        let house = House::new().await;
        let node = house.node().await;
        tokio::time::pause();
        Self { house, node }
    }

    async fn ask(&self, name: &str, input: Value) -> Result<Value, AwsError> {
        let service = Arc::new(Ec2Messages::default());
        let operation = Ec2Messages::operation(name).expect("an operation");
        let caller = self.house.node_role(&self.node);
        let answer = self
            .house
            .ask(&service, model::ec2messages(), operation, caller, input);
        answer.await
    }
}

fn poll(destination: &str) -> Value {
    json!({
        "Destination": destination, "MessagesRequestId": "3f0c1d9e-0000-4000-8000-000000000000",
        "VisibilityTimeoutInSeconds": 10,
    })
}

#[test]
fn every_modelled_operation_has_a_handler_and_an_action_of_its_name() {
    let modelled: BTreeSet<_> = model::ec2messages()
        .operations()
        .map(|it| it.name().to_owned())
        .collect();
    let handled: BTreeSet<_> = OPERATIONS.iter().map(|it| it.name.to_owned()).collect();
    assert_eq!(handled, modelled);
    for operation in OPERATIONS {
        assert_eq!(operation.action, format!("ec2messages:{}", operation.name));
    }
}

#[tokio::test]
async fn a_poll_is_answered_empty_before_the_agent_gives_up() {
    let lab = Lab::new().await;
    let node = lab.node.id.as_str();
    let begun = Instant::now();
    let answer = lab.ask("GetMessages", poll(node)).await.expect("answered");
    assert!(begun.elapsed() >= Duration::from_secs(10) && begun.elapsed() < Duration::from_secs(20));
    assert_eq!(
        answer,
        json!({
            "Destination": node, "Messages": [], "MessagesRequestId": "3f0c1d9e-0000-4000-8000-000000000000",
        })
    );
}

#[tokio::test]
async fn a_node_polls_its_own_queue_only_and_is_told_so_at_once() {
    let lab = Lab::new().await;
    let begun = Instant::now();
    for destination in ["mi-0fffffffffffffff0", "0123456789"] {
        for (name, input) in [
            ("GetMessages", poll(destination)),
            ("GetEndpoint", json!({"Destination": destination})),
        ] {
            let error = lab.ask(name, input).await.expect_err("denied");
            assert_eq!(error.code(), "AccessDeniedException", "{name}");
        }
    }
    assert_eq!(begun.elapsed(), Duration::ZERO);
}

#[tokio::test]
async fn the_endpoint_is_the_one_that_was_asked() {
    let lab = Lab::new().await;
    let answer = lab.ask("GetEndpoint", json!({"Destination": lab.node.id})).await;
    assert_eq!(answer, Ok(json!({"Endpoint": "bridge.example:8443"})));
}

#[tokio::test]
async fn refuses_what_is_wrong() {
    let lab = Lab::new().await;
    let reply = json!({"MessageId": "m", "Payload": "p", "ReplyId": "r"});
    for (name, input, code) in [
        ("GetMessages", json!({}), "ValidationException"),
        (
            "GetMessages",
            json!({"Destination": lab.node.id, "MessagesRequestId": "short"}),
            "ValidationException",
        ),
        ("GetMessages", json!({"Destination": 1}), "SerializationException"),
        (
            "GetEndpoint",
            json!({"Destination": "short"}),
            "ValidationException",
        ),
        ("AcknowledgeMessage", json!({}), "ValidationException"),
        (
            "AcknowledgeMessage",
            json!({"MessageId": "m"}),
            "InvalidMessageIdException",
        ),
        ("DeleteMessage", json!({"MessageId": ""}), "ValidationException"),
        (
            "DeleteMessage",
            json!({"MessageId": "m"}),
            "InvalidMessageIdException",
        ),
        (
            "FailMessage",
            json!({"MessageId": "m", "FailureType": "Tired"}),
            "ValidationException",
        ),
        (
            "FailMessage",
            json!({"MessageId": "m", "FailureType": "NoHandlerExists"}),
            "InvalidMessageIdException",
        ),
        ("SendReply", json!({"MessageId": "m"}), "ValidationException"),
        ("SendReply", reply, "InvalidMessageIdException"),
    ] {
        let error = lab.ask(name, input.clone()).await.expect_err(name);
        assert_eq!(error.code(), code, "{name} {input}");
    }
}
