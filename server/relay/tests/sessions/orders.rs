//! What a node is told when it is to start a session.

use drawbridge_protocol::{Capabilities, NodeExtension};
use drawbridge_relay::ClientRole;

use crate::peers::{Client, Peer};
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
