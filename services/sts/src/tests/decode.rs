use drawbridge_session::iam::Holder;
use drawbridge_session::{Authority as _, Caller, Decision, Denied, Need, Resource};
use serde_json::Value;

use super::world::{World, allow, refused};
use crate::authorization_message;

async fn denial(world: &World, caller: &Caller) -> Denied {
    let need = Need::on(Resource::any()).or_action("ec2:CreateTags");
    match world.house.access.decide(caller, &[need]).await.expect("decided") {
        Decision::Deny(denied) => denied,
        Decision::Allow(_) => panic!("allowed"),
    }
}

#[tokio::test]
async fn opens_what_a_denial_was_sealed_with() {
    let world = World::new().await;
    let (alice, admin) = (world.alice(), world.house.admin());
    let denied = denial(&world, &alice).await;
    let house = &world.house;
    let message =
        authorization_message::encode(&denied, &alice.principal, &house.root, house.random.as_ref());
    let ask = async |caller: &Caller, message: &str| {
        let fields = [
            ("Action", "DecodeAuthorizationMessage"),
            ("EncodedMessage", message),
        ];
        world.ask(caller, &fields).await
    };
    let answer = ask(&admin, &message).await.expect("decoded");
    let decoded = answer["DecodedMessage"].as_str().expect("a text");
    let decoded: Value = serde_json::from_str(decoded).expect("JSON");
    assert_eq!(decoded["allowed"], false);
    assert_eq!(decoded["explicitDeny"], false);
    assert_eq!(decoded["context"]["action"], "ec2:CreateTags");
    assert_eq!(decoded["context"]["principal"]["name"], "alice");

    for wrong in ["AAAA", &message[1..], "../../etc/passwd"] {
        refused(
            ask(&admin, wrong).await,
            "InvalidAuthorizationMessageException",
            "Message is not valid",
        );
    }
    refused(
        ask(&alice, &message).await,
        "AccessDenied",
        "sts:DecodeAuthorizationMessage",
    );
    world.give(Holder::User("alice"), &allow("sts:Decode*")).await;
    assert!(ask(&alice, &message).await.is_ok());

    let other = World::other_account();
    world.house.found(&other, "o-anotherorgid").await;
    let stranger = world.house.user_of(&other, "admin");
    refused(
        ask(&stranger, &message).await,
        "InvalidAuthorizationMessageException",
        "",
    );
}
