mod callers;
mod documents;
mod nodes;

use drawbridge_session::document::{DEFAULT_SHELL_DOCUMENT, Inputs, SessionType};
use drawbridge_session::{PingStatus, Principal};
use serde_json::json;

use super::*;
use crate::testing::House;

#[tokio::test]
async fn opens_a_shell_with_a_token_for_its_client() {
    let house = House::new().await;
    let node = house.online_node().await;
    let answer = house
        .done(
            "StartSession",
            json!({"Target": node.id, "Reason": "to look", "Parameters": {}}),
        )
        .await;

    let id = SessionId::parse(answer["SessionId"].as_str().expect("an id")).expect("valid");
    assert!(id.as_str().starts_with("admin-0"), "{id}");
    assert_eq!(
        answer["StreamUrl"],
        format!("wss://bridge.example:8443/v1/data-channel/{id}?role=publish_subscribe")
    );
    let token = answer["TokenValue"].as_str().expect("a token");
    assert_eq!(house.redeem(token).await, Some(ChannelEnd::ClientStart.of(&id)));
    assert_eq!(house.redeem(token).await, None, "single use");

    let [(authorized, start)] = house.relay.started().try_into().expect("one start");
    assert_eq!((authorized.session(), authorized.node()), (&id, &node.id));
    let content = start.interactive_shell(&authorized, true).expect("told");
    assert_eq!(content["SessionOwner"], "arn:aws:iam::123456789012:user/admin");
    assert_eq!(content["DocumentName"], DEFAULT_SHELL_DOCUMENT);
    let record = house
        .service
        .store
        .session(&id)
        .await
        .expect("read")
        .expect("recorded");
    assert_eq!(record.reason.as_deref(), Some("to look"));
    assert_eq!(record.state, SessionState::Connecting);
}

#[tokio::test]
async fn a_token_waits_no_longer_than_its_lifetime() {
    let house = House::new().await;
    let node = house.online_node().await;
    let answer = house.done("StartSession", json!({"Target": node.id})).await;
    house.clock.advance(house.service.settings.token_lifetime);
    assert_eq!(
        house
            .redeem(answer["TokenValue"].as_str().expect("a token"))
            .await,
        None
    );
}

#[tokio::test]
async fn refuses_what_is_wrong() {
    let house = House::new().await;
    let node = house.online_node().await.id;
    let offline = house.node().await.id;
    let none = "mi-0fffffffffffffff0";
    let shell = DEFAULT_SHELL_DOCUMENT;
    house
        .refuses(
            "StartSession",
            &[
                (json!({}), "ValidationException"),
                (json!({"Target": ""}), "ValidationException"),
                (json!({"Target": "x".repeat(401)}), "ValidationException"),
                (json!({"Target": node, "Reason": ""}), "ValidationException"),
                (
                    json!({"Target": node, "Reason": "x".repeat(257)}),
                    "ValidationException",
                ),
                (
                    json!({"Target": node, "DocumentName": "a b"}),
                    "ValidationException",
                ),
                (json!({"Target": 7}), "SerializationException"),
                (
                    json!({"Target": node, "Parameters": {"a": "b"}}),
                    "SerializationException",
                ),
                (json!({"Target": offline}), "TargetNotConnected"),
                (json!({"Target": none}), "TargetNotConnected"),
                (json!({"Target": "web-1"}), "TargetNotConnected"),
                (json!({"Target": "../../etc/passwd"}), "TargetNotConnected"),
                (
                    json!({"Target": node, "DocumentName": "AWS-RunShellScript"}),
                    "InvalidDocument",
                ),
                (
                    json!({"Target": node, "DocumentName": "AWS-StartInteractiveCommand"}),
                    "InvalidParameters",
                ),
                (
                    json!({
                        "Target": node, "DocumentName": "AWS-StartSSHSession",
                        "Parameters": {"portNumber": ["22; id"]},
                    }),
                    "InvalidParameters",
                ),
                (
                    json!({"Target": node, "DocumentName": "SSM-sessionmanagerrunshell"}),
                    "InvalidDocument",
                ),
                (
                    json!({"Target": node, "Parameters": {"host": ["x"]}}),
                    "InvalidParameters",
                ),
                (
                    json!({"Target": node, "DocumentName": shell, "Parameters": {"portNumber": ["22"]}}),
                    "InvalidParameters",
                ),
            ],
        )
        .await;
    assert!(house.relay.started().is_empty());
    let error = house
        .ask("StartSession", json!({"Target": none}))
        .await
        .expect_err("not there");
    assert_eq!(error.message(), "mi-0fffffffffffffff0 is not connected.");
}

#[tokio::test]
async fn announces_the_name_by_which_it_was_reached() {
    let house = House::new().await;
    let node = house.online_node().await;
    for (host, announced) in [
        ("127.0.0.1:4443", "127.0.0.1:4443"),
        ("[::1]:4443", "[::1]:4443"),
        (
            "ssm.us-east-1.amazonaws.com",
            "ssmmessages.us-east-1.amazonaws.com",
        ),
        ("evil.example/x?y=", "public.example"),
        ("", "public.example"),
    ] {
        let mut caller = house.admin();
        caller.host = host.into();
        let answer = house
            .done_as(caller, "StartSession", json!({"Target": node.id}))
            .await;
        let url = answer["StreamUrl"].as_str().expect("a URL");
        assert!(
            url.starts_with(&format!("wss://{announced}/v1/data-channel/admin-0")),
            "{host}: {url}"
        );
    }
}
