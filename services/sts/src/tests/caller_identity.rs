use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::Caller;
use serde_json::{Value, json};

use super::world::World;

async fn ask(world: &World, caller: &Caller) -> Result<Value, AwsError> {
    world.ask(caller, &[("Action", "GetCallerIdentity")]).await
}

#[tokio::test]
async fn tells_users_nodes_roles_and_the_root_who_they_are() {
    let world = World::new().await;
    let alice = world.alice();
    let expected = json!({
        "UserId": alice.principal.user_id(),
        "Account": "123456789012",
        "Arn": "arn:aws:iam::123456789012:user/alice",
    });
    assert_eq!(ask(&world, &alice).await, Ok(expected));

    let node = world.house.node().await;
    for (caller, arn) in [
        (
            world.house.node_role(&node),
            format!("arn:aws:sts::123456789012:assumed-role/NodeRole/{}", node.id),
        ),
        (
            world.house.role("Ops", "bob"),
            "arn:aws:sts::123456789012:assumed-role/Ops/bob".to_owned(),
        ),
        (
            world.house.root_user(),
            "arn:aws:iam::123456789012:root".to_owned(),
        ),
    ] {
        assert_eq!(ask(&world, &caller).await.expect("answered")["Arn"], arn);
    }
}

#[tokio::test]
async fn tells_nothing_without_a_signature_or_to_a_nodes_own_key() {
    let world = World::new().await;
    let node = world.house.node().await;
    for caller in [world.house.anonymous(), world.house.node_key(&node)] {
        let error = ask(&world, &caller).await.expect_err("denied");
        assert_eq!((error.code(), error.status().as_u16()), ("AccessDenied", 403));
    }
}
