//! Sessions whose ends encrypt: the relay carries them, keeps them, and reads none of it.

use drawbridge_protocol::Capabilities;
use drawbridge_protocol::data_channel::relay::JournalRecord;
use drawbridge_protocol::encryption::Cipher;
use drawbridge_protocol::payload::HandshakeResponse;
use drawbridge_protocol::wire::{Frame, PayloadType};
use drawbridge_relay::ClientRole;
use drawbridge_relay::journal::{RecordKind, Recorded};
use drawbridge_session::{Relay as _, SessionId, SessionStart};

use crate::peers::{Agent, Client, Peer, WRAPPED_KEY, Worker, data_key};
use crate::world::{NODE, World};

const SESSION: &str = "alice-00000000000000001";

/// A shell of a document with a key.
fn start() -> SessionStart {
    let mut start = SessionStart::default_shell();
    start.document.inputs.kms_key_id = "alias/k".to_owned();
    start
}

/// An encrypted session with both ends connected, and a prompt on the client's screen.
async fn joined(world: &mut World, mut client: Peer<Client>) -> (SessionId, Peer<Client>, Peer<Worker>) {
    let session = world.start_session_of(SESSION, start()).await;
    world.connect_client(&session, &mut client, ClientRole::Start);
    world.until_agent(|agent| !agent.orders.is_empty()).await;
    let order = world.agent.core.orders.remove(0);
    let mut worker = Worker::encrypted(SESSION, NODE, order.drawbridge);
    world.connect_worker(&session, &mut worker);
    let now = worker.now();
    let kind = drawbridge_protocol::payload::SessionType::StandardStream;
    worker
        .core
        .end
        .begin_handshake(kind, serde_json::Value::Null, now);
    world
        .until(&mut client, &mut worker, |_, worker| worker.wrapped)
        .await;
    let now = worker.now();
    let cipher = Cipher::of_node(&data_key(), [6; 12]);
    worker.core.end.handle_data_key(cipher, now);
    world
        .until(&mut client, &mut worker, |client, _| client.established)
        .await;
    worker.core.print(b"$ ");
    world
        .until(&mut client, &mut worker, |client, _| client.output == b"$ ")
        .await;
    (session, client, worker)
}

fn shows(bytes: &[u8], words: &str) -> bool {
    bytes
        .windows(words.len())
        .any(|window| window == words.as_bytes())
}

#[tokio::test]
async fn neither_what_passes_nor_what_is_kept_shows_what_the_client_sees() {
    for client in [Client::plain(), Client::ours()] {
        let mut world = World::new().await;
        let (session, mut client, mut worker) = joined(&mut world, client).await;
        client.core.end.send_input("typed-words\r".into());
        worker.core.print(b"printed-words\r\n");
        let asks = "\0\0\0\0\0\0\0\x01{\"Command\":[\"asked-words\"]}";
        client.core.end.send_multiplexed(asks.into());
        let says = "\x03\0\0\0\0\0\0\x01said-words";
        let end = &mut worker.core.end;
        end.send_output(PayloadType::Multiplexed, says.into());
        world
            .until(&mut client, &mut worker, |client, worker| {
                shows(&client.output, "printed-words")
                    && shows(&client.output, "said-words")
                    && shows(&worker.input, "typed-words")
                    && worker.messages == 1
                    && worker.end.is_drained()
            })
            .await;
        for frame in client.passed.iter().chain(&worker.passed) {
            assert!(!shows(frame, "-words"), "{frame:?}");
        }
        let records = world.recorded(&session);
        assert!(!records.is_empty());
        for record in &records {
            assert!(!shows(&record.body, "-words"), "{record:?}");
        }
    }
}

/// Invariant 3: whoever plays the session later needs what wraps its key, and the order of both sides.
#[tokio::test]
async fn the_journal_keeps_the_handshake_with_the_wrapped_key() {
    let mut world = World::new().await;
    let (session, mut client, mut worker) = joined(&mut world, Client::ours()).await;
    world
        .until(&mut client, &mut worker, |_, worker| worker.end.is_drained())
        .await;
    let frame_of = |record: &Recorded| match record.kind {
        RecordKind::Frame => Frame::decode(record.body.clone()).ok(),
        RecordKind::Mark => match JournalRecord::decode(record.body.clone())? {
            JournalRecord::Client { frame, .. } => Frame::decode(frame).ok(),
            _ => None,
        },
        RecordKind::Note(_) => None,
    };
    let kept: Vec<Frame> = world.recorded(&session).iter().filter_map(frame_of).collect();
    let kinds: Vec<PayloadType> = kept.iter().map(|frame| frame.payload_type).collect();
    assert_eq!(
        kinds,
        [
            PayloadType::HandshakeRequest,
            PayloadType::HandshakeResponse,
            PayloadType::EncChallengeRequest,
            PayloadType::EncChallengeResponse,
            PayloadType::HandshakeComplete,
            PayloadType::Output,
        ]
    );
    let response = HandshakeResponse::parse(&kept[1].payload).expect("an answer");
    assert_eq!(response.wrapped_key().as_deref(), Some(WRAPPED_KEY));
    let cipher = Cipher::of_client(&data_key(), [0; 32]);
    assert_eq!(cipher.open(&kept[5].payload).expect("the session's"), "$ ");
}

#[tokio::test]
async fn a_client_that_joins_unwraps_the_same_key_and_goes_on() {
    let mut world = World::new().await;
    let (session, mut client, mut worker) = joined(&mut world, Client::ours()).await;
    worker.core.print(b"one ");
    world
        .until(&mut client, &mut worker, |client, worker| {
            client.output == b"$ one " && worker.end.is_drained()
        })
        .await;
    // The key is found in the journal too.
    world.kill_and_reopen().await;
    client.cut();
    worker.cut();
    assert_eq!(
        world.relay.wrapped_data_key(&session).await.as_deref(),
        Some(WRAPPED_KEY)
    );
    world.connect_worker(&session, &mut worker);
    for (role, seed) in [(ClientRole::Watch, 2), (ClientRole::Attach, 3)] {
        let mut other = Client::ours();
        let cipher = Cipher::of_client(&data_key(), [seed; 32]);
        other.core.end.join_encrypted(cipher);
        world.connect_client(&session, &mut other, role);
        worker.core.print(b"two ");
        world
            .until(&mut other, &mut worker, |client, _| shows(&client.output, "two "))
            .await;
        if role == ClientRole::Attach {
            other.core.end.send_input("ls\r".into());
            world
                .until(&mut other, &mut worker, |_, worker| worker.input == b"ls\r")
                .await;
        }
    }
}

#[tokio::test]
async fn commands_beside_an_encrypted_shell_take_two_ends_that_encrypt_them() {
    let older = Capabilities {
        sealed_commands: false,
        ..Capabilities::OURS
    };
    for (client, node, expected) in [
        (Capabilities::OURS, Capabilities::OURS, true),
        (older, Capabilities::OURS, false),
        (Capabilities::OURS, older, false),
    ] {
        let mut world = World::new().await;
        world.replace_agent(Agent::capable_of(node), true).await;
        let session = world.start_session_of(SESSION, start()).await;
        let mut client = Client::with(Some(client));
        world.connect_client(&session, &mut client, ClientRole::Start);
        world.until_agent(|agent| !agent.orders.is_empty()).await;
        let extension = world.agent.core.orders[0].drawbridge.expect("ours");
        assert_eq!(extension.client_commands, expected);
    }
}

#[tokio::test]
async fn nobody_takes_over_what_is_not_encrypted_yet() {
    let mut world = World::new().await;
    let session = world.start_session_of(SESSION, start()).await;
    let mut client = Client::ours();
    world.connect_client(&session, &mut client, ClientRole::Start);
    world.until_agent(|agent| !agent.orders.is_empty()).await;
    let order = world.agent.core.orders.remove(0);
    assert_eq!(world.relay.wrapped_data_key(&session).await, None);

    let mut worker = Worker::encrypted(SESSION, NODE, order.drawbridge);
    world.connect_worker(&session, &mut worker);
    let mut other = Client::ours();
    world.connect_client(&session, &mut other, ClientRole::Attach);
    world
        .until(&mut other, &mut worker, |client, _| client.closed.is_some())
        .await;
    let told = Some(("The session is not encrypted yet.".to_owned(), None));
    assert_eq!(other.core.closed, told);
    assert!(client.is_connected());
}
