use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use drawbridge_aws_dialects::{json11, model};
use drawbridge_session::{AccountId, NodeId, Principal, Random as _, Region, SeededRandom};
use tokio::time::Instant;

use super::*;

const NODE: &str = "mi-0a1b2c3d4e5f67890";

async fn ask(name: &str, input: Value) -> Result<Value, AwsError> {
    let account = AccountId::parse("123456789012").expect("valid");
    let node = NodeId::parse(NODE).expect("valid");
    let caller = Caller {
        principal: Principal::Node {
            account: account.clone(),
            role: "Role".into(),
            node,
        },
        signed_with: SignedWith::AccessKey,
        account,
        region: Region::parse("us-east-1").expect("valid"),
        source_ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
        request_id: SeededRandom::new(1).uuid(),
        host: "bridge.example:8443".into(),
    };
    json11::validate(model::ec2messages().operation(name).expect("a model"), &input)?;
    let service = Arc::new(Ec2Messages::default());
    service
        .call(Ec2Messages::operation(name).expect("an operation"), caller, input)
        .await
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

#[tokio::test(start_paused = true)]
async fn a_poll_is_answered_empty_before_the_agent_gives_up() {
    let begun = Instant::now();
    let answer = ask("GetMessages", poll(NODE)).await.expect("answered");
    assert!(begun.elapsed() >= Duration::from_secs(10) && begun.elapsed() < Duration::from_secs(20));
    assert_eq!(
        answer,
        json!({
            "Destination": NODE, "Messages": [], "MessagesRequestId": "3f0c1d9e-0000-4000-8000-000000000000",
        })
    );
}

#[tokio::test(start_paused = true)]
async fn a_node_polls_its_own_queue_only_and_is_told_so_at_once() {
    let begun = Instant::now();
    for destination in ["mi-0fffffffffffffff0", "0123456789"] {
        for (name, input) in [
            ("GetMessages", poll(destination)),
            ("GetEndpoint", json!({"Destination": destination})),
        ] {
            let error = ask(name, input).await.expect_err("denied");
            assert_eq!(error.code(), "AccessDeniedException", "{name}");
        }
    }
    assert_eq!(begun.elapsed(), Duration::ZERO);
}

#[tokio::test]
async fn the_endpoint_is_the_one_that_was_asked() {
    let answer = ask("GetEndpoint", json!({"Destination": NODE})).await;
    assert_eq!(answer, Ok(json!({"Endpoint": "bridge.example:8443"})));
}

#[tokio::test(start_paused = true)]
async fn refuses_what_is_wrong() {
    let reply = json!({"MessageId": "m", "Payload": "p", "ReplyId": "r"});
    for (name, input, code) in [
        ("GetMessages", json!({}), "ValidationException"),
        (
            "GetMessages",
            json!({"Destination": NODE, "MessagesRequestId": "short"}),
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
        let error = ask(name, input.clone()).await.expect_err(name);
        assert_eq!(error.code(), code, "{name} {input}");
    }
}
