//! What a node is told when it is to start a session.

use std::time::Duration;

use drawbridge_protocol::data_channel::relay::Timers;
use drawbridge_protocol::{Capabilities, NodeExtension};
use drawbridge_relay::ClientRole;
use drawbridge_session::SessionStart;
use drawbridge_session::document::{Content, Strictness, TUNNEL};
use serde_json::json;

use crate::peers::{Agent, Client, Peer};
use crate::world::World;

#[tokio::test]
async fn our_client_gets_large_frames() {
    assert_eq!(
        max_payload_for(Client::ours()).await,
        Capabilities::OURS.large_frames
    );
}

/// AWS's plugin shows the frame again that it could not acknowledge when its connection was reset: it must be a small one.
#[tokio::test]
async fn awss_plugin_gets_frames_of_the_size_it_knows() {
    assert_eq!(max_payload_for(Client::plain()).await, 1024);
}

/// A command without a terminal treats what AWS's plugin sends as keys, and what ours sends as its input.
#[tokio::test]
async fn the_node_learns_what_the_input_of_its_client_is() {
    assert!(extension_for(Client::ours()).await.client_streams_input);
    assert!(!extension_for(Client::plain()).await.client_streams_input);
}

#[tokio::test]
async fn limits_that_awss_agent_cannot_keep_start_no_session_on_it() {
    let mut world = World::new().await;
    world.replace_agent(Agent::awss(), false).await;
    let id = "alice-00000000000000001";
    let error = world
        .start(id, tunnel("10.0.0.0/8:80"))
        .await
        .expect_err("refused");
    assert_eq!(
        error.to_string(),
        "document Limited limits where tunnels lead, which AWS's agent cannot keep"
    );
    let decided = world.start("alice-00000000000000002", tunnel("db:80"));
    let decided = decided.await.expect("starts");
    world.connect_client(&decided, &mut Client::plain(), ClientRole::Start);
    world.until_agent(|agent| !agent.orders.is_empty()).await;
    let document = &world.agent.core.orders[0].document_content;
    assert_eq!(document["properties"]["host"], "db");
    assert_eq!(document["inputs"].get("drawbridge"), None);
}

#[tokio::test]
async fn an_agent_of_awss_that_comes_later_is_not_told_what_it_cannot_keep() {
    let mut world = World::with(Timers {
        start_again_every: Duration::from_millis(5),
        ..Timers::default()
    })
    .await;
    let (limited, shell) = ("alice-00000000000000001", "alice-00000000000000002");
    let tunnel = world
        .start(limited, tunnel("10.0.0.0/8:80"))
        .await
        .expect("starts");
    world.replace_agent(Agent::awss(), false).await;
    let (mut one, mut other) = (Client::plain(), Client::plain());
    world.connect_client(&tunnel, &mut one, ClientRole::Start);
    let session = world.start_session(shell).await;
    world.connect_client(&session, &mut other, ClientRole::Start);
    world.until_agent(|agent| agent.orders.len() > 5).await;
    assert!(
        world
            .agent
            .core
            .orders
            .iter()
            .all(|order| order.session_id == shell)
    );

    world.replace_agent(Agent::ours(), true).await;
    let told = |agent: &Agent| agent.orders.iter().any(|order| order.session_id == limited);
    world.until_agent(told).await;
}

/// Starts a tunnel to `db:80` with a rule.
fn tunnel(rule: &str) -> SessionStart {
    let document = json!({
        "schemaVersion": "1.0", "sessionType": "Port", "properties": {"type": TUNNEL},
        "inputs": {"drawbridge": {"destinations": ["db:80"], "allowedDestinations": [rule]}},
    });
    let content = Content::read(&document, Strictness::Strict).expect("valid");
    let (document, parameters) = content.resolve(&[].into()).expect("resolved");
    SessionStart {
        document_name: "Limited".to_owned(),
        document,
        parameters,
        run_as_user: None,
    }
}

async fn max_payload_for(client: Peer<Client>) -> u32 {
    extension_for(client).await.max_payload
}

async fn extension_for(mut client: Peer<Client>) -> NodeExtension {
    let mut world = World::new().await;
    let session = world.start_session("alice-00000000000000001").await;
    world.connect_client(&session, &mut client, ClientRole::Start);
    world.until_agent(|agent| !agent.orders.is_empty()).await;
    let extension = world.agent.core.orders[0].drawbridge;
    extension.expect("the agent named its capabilities")
}
