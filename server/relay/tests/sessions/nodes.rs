//! Managed nodes: who is there, who takes whose place, and who may open what.

use std::time::Duration;

use drawbridge_relay::ClientRole;
use drawbridge_session::{Relay, RelayError, SessionStart};
use futures_util::StreamExt;

use crate::peers::{Client, Worker};
use crate::world::{NODE, World, node};

const OTHER_NODE: &str = "mi-0fffffffffffffff0";

#[tokio::test]
async fn another_nodes_session_is_not_opened() {
    let mut world = World::new().await;
    let session = world.start_session("alice-00000000000000001").await;
    let mut client = Client::plain();
    world.connect_client(&session, &mut client, ClientRole::Start);
    world.until_agent(|agent| !agent.orders.is_empty()).await;

    let mut thief = Worker::start("alice-00000000000000001", OTHER_NODE, None);
    let (socket, _) = thief.connect();
    let served = world
        .serve_worker(&session, OTHER_NODE, socket)
        .await
        .expect("no panic");
    assert!(!served);
    let mut worker = Worker::start("alice-00000000000000001", NODE, None);
    world.connect_worker(&session, &mut worker);
    worker.core.print(b"mine");
    world
        .until(&mut client, &mut worker, |client, _| client.output == b"mine")
        .await;
}

#[tokio::test]
async fn a_newer_control_channel_takes_the_place_of_the_older() {
    let mut world = World::new().await;
    world.start_session("alice-00000000000000001").await;
    let mut older = std::mem::replace(&mut world.agent, crate::peers::Agent::ours());
    world.connect_agent();
    while older.is_connected() {
        older.step().await;
    }
    assert!(world.relay.node_connected(&node(NODE), Duration::ZERO).await);
}

#[tokio::test]
async fn a_node_that_is_away_is_waited_for_only_if_it_may_return() {
    let mut world = World::new().await;
    world.start_session("alice-00000000000000001").await;
    world.agent.cut();
    let relay = world.relay.clone();
    let waiting =
        tokio::spawn(async move { relay.node_connected(&node(NODE), Duration::from_secs(60)).await });
    tokio::task::yield_now().await;
    world.connect_agent();
    assert!(waiting.await.expect("no panic"));
}

#[tokio::test]
async fn a_session_is_not_started_on_a_node_that_is_away() {
    let mut world = World::new().await;
    world.start_session("alice-00000000000000001").await;
    world.agent.cut();
    let (_, authorized) = world.record("alice-00000000000000002").await;
    while world.relay.node_connected(&node(NODE), Duration::ZERO).await {
        tokio::task::yield_now().await;
    }
    let refused = world.relay.start(authorized, SessionStart::default_shell()).await;
    assert!(matches!(refused, Err(RelayError::NodeNotConnected(_))));
}

#[tokio::test]
async fn a_node_that_was_away_is_told_which_of_its_sessions_are_over() {
    let mut world = World::new().await;
    let (session, mut client, mut worker) = world.joined("alice-00000000000000001", Client::plain()).await;
    world.agent.cut();
    worker.cut();
    while world.relay.node_connected(&node(NODE), Duration::ZERO).await {
        tokio::task::yield_now().await;
    }
    world.relay.terminate(&session, "over").await.expect("live");
    world
        .until(&mut client, &mut worker, |client, _| client.closed.is_some())
        .await;
    world
        .stored_state(&session, |state| state.ending().is_some())
        .await;
    world.connect_agent();
    world
        .until_agent(|agent| agent.terminated == ["alice-00000000000000001"])
        .await;
}

#[tokio::test]
async fn a_deregistered_node_loses_its_channel_and_its_sessions() {
    let mut world = World::new().await;
    let (session, mut client, mut worker) = world.joined("alice-00000000000000001", Client::plain()).await;
    world.relay.disconnect_node(&node(NODE)).await;
    world
        .until(&mut client, &mut worker, |client, _| client.closed.is_some())
        .await;
    while world.agent.is_connected() {
        world.agent.step().await;
    }
    world
        .stored_state(&session, |state| state.ending().is_some())
        .await;
}

#[tokio::test]
async fn a_report_about_another_nodes_session_is_not_believed() {
    use drawbridge_protocol::payload::{OpenControlChannel, TaskComplete, TaskStatus};
    let mut world = World::new().await;
    let (session, mut client, mut worker) = world.joined("alice-00000000000000001", Client::plain()).await;
    let mut liar = crate::peers::Agent::ours();
    let (socket, opening) = liar.connect();
    let relay = world.relay.clone();
    tokio::spawn(async move {
        let open = OpenControlChannel::parse(&opening).expect("the agent's own text");
        relay
            .serve_control(&node(OTHER_NODE), &opening, &open, socket)
            .await;
    });
    let now = liar.now();
    let complete = TaskComplete::new(session.to_string(), OTHER_NODE, TaskStatus::Success, "");
    liar.core.control.complete(complete, now);
    liar.flush();
    while liar.core.acknowledged == 0 {
        liar.step().await;
    }
    worker.core.print(b"still here");
    worker.flush();
    world
        .until(&mut client, &mut worker, |client, _| {
            client.output == b"$ still here"
        })
        .await;
}

#[tokio::test]
async fn a_client_of_a_session_that_is_over_gets_its_socket_back() {
    use drawbridge_relay::socket::MemorySocket;
    use drawbridge_relay::{AcceptedClient, SessionOver};
    let world = World::new().await;
    let session = drawbridge_session::SessionId::parse("alice-00000000000000009").expect("valid");
    let (near, far) = MemorySocket::pair(4);
    let client = AcceptedClient {
        role: ClientRole::Resume,
        client_id: String::new(),
        capabilities: None,
    };
    let (over, socket) = world
        .relay
        .serve_client(&session, client, far)
        .await
        .expect_err("over");
    assert_eq!(over, SessionOver);
    drop(socket);
    let mut near = near;
    assert!(near.next().await.is_none());
}
