use drawbridge_session::Principal;
use serde_json::{Value, json};

use super::*;
use crate::testing::House;
use drawbridge_house::{KEY, KeyUsed};

async fn give_document(house: &House, session_type: &str, properties: Value) {
    let content = json!({
        "schemaVersion": "1.0", "sessionType": session_type, "inputs": {"kmsKeyId": "alias/sessions"},
        "properties": properties,
    });
    let input = json!({"Name": "Encrypted", "DocumentType": "Session", "Content": content.to_string()});
    house.done("CreateDocument", input).await;
}

async fn start(house: &House, node: &ManagedNode) -> Result<Value, AwsError> {
    let input = json!({"Target": node.id, "DocumentName": "Encrypted"});
    house.ask("StartSession", input).await
}

#[tokio::test]
async fn both_ends_are_asked_about_before_there_is_a_session() {
    let house = House::new().await;
    give_document(&house, "Standard_Stream", Value::Null).await;
    let node = house.online_node().await;
    let answer = start(&house, &node).await.expect("started");

    let [first, second]: [KeyUsed; 2] = house.keys.used().try_into().expect("two questions");
    let context = json!({"aws:ssm:SessionId": answer["SessionId"], "aws:ssm:TargetId": node.id});
    for asked in [&first, &second] {
        assert_eq!(json!(asked.context), context);
    }
    assert_eq!(
        (first.caller.principal, &*first.key, first.usage),
        (house.admin().principal, "alias/sessions", KeyUse::GenerateDataKey)
    );
    assert_eq!(
        (
            second.caller.principal.arn(),
            &*second.key,
            second.usage,
            second.caller.signed_with
        ),
        (
            format!("arn:aws:sts::123456789012:assumed-role/NodeRole/{}", node.id),
            KEY,
            KeyUse::Decrypt,
            SignedWith::AccessKey
        )
    );
    let [(authorized, start)] = house.relay.started().try_into().expect("one start");
    for ours in [true, false] {
        let told = start.interactive_shell(&authorized, ours).expect("told");
        assert_eq!(told["DocumentContent"]["inputs"]["kmsKeyId"], KEY);
    }
}

#[tokio::test]
async fn a_key_that_an_end_may_not_use_refuses_the_session() {
    type Refusal = fn(String) -> KeyError;
    let cases: [(bool, Refusal, &str); 6] = [
        (false, KeyError::NotFound, "InvalidDocument"),
        (false, KeyError::Disabled, "InvalidDocument"),
        (false, KeyError::InvalidState, "InvalidDocument"),
        (false, KeyError::Denied, "AccessDeniedException"),
        (true, KeyError::Denied, "AccessDeniedException"),
        (true, KeyError::Disabled, "InvalidDocument"),
    ];
    let house = House::new().await;
    give_document(&house, "Standard_Stream", Value::Null).await;
    let node = house.online_node().await;
    for (is_node, refusal, code) in cases {
        house.keys.obey(move |used| {
            let refuses = matches!(used.caller.principal, Principal::Node { .. }) == is_node;
            if refuses {
                Err(refusal("no".to_owned()))
            } else {
                Ok(())
            }
        });
        let refused = start(&house, &node).await.expect_err("refused");
        assert_eq!(refused.code(), code);
        let by = if is_node {
            format!(" by node {}", node.id)
        } else {
            String::new()
        };
        assert_eq!(
            refused.message(),
            format!("The session cannot be encrypted: key alias/sessions cannot be used{by}: no")
        );
    }
    assert_eq!(house.relay.started().len(), 0);
    let sessions = house.done("DescribeSessions", json!({"State": "History"})).await;
    assert_eq!(sessions["Sessions"], json!([]));
}

#[tokio::test]
async fn a_tunnel_asks_for_no_key() {
    let house = House::new().await;
    give_document(&house, "Port", json!({"portNumber": "22"})).await;
    let node = house.online_node().await;
    start(&house, &node).await.expect("started");
    assert_eq!(house.keys.used(), []);
}

#[tokio::test]
async fn whoever_joins_is_told_what_to_unwrap() {
    let house = House::new().await;
    give_document(&house, "Standard_Stream", Value::Null).await;
    let node = house.online_node().await;
    let started = start(&house, &node).await.expect("started");
    let session = SessionId::parse(started["SessionId"].as_str().expect("an id")).expect("valid");
    for operation in ["AttachSession", "WatchSession"] {
        let early = house.ask(operation, json!({"SessionId": session})).await;
        assert_eq!(early.expect_err("too early").code(), "DoesNotExistException");
    }
    house.relay.wrap_data_key(&session, &[1, 2, 3]);
    for operation in ["AttachSession", "WatchSession"] {
        let answer = house.ask(operation, json!({"SessionId": session})).await;
        assert_eq!(
            answer.expect("joined")["Encryption"],
            json!({"KmsKeyId": KEY, "WrappedKey": "AQID", "Target": node.id})
        );
    }
    assert_eq!(started.get("Encryption"), None);
    let (plain, _) = house.started().await;
    let answer = house.ask("WatchSession", json!({"SessionId": plain})).await;
    assert_eq!(answer.expect("watched").get("Encryption"), None);
}
