//! The server is killed in the middle of sessions: nothing is lost, nothing is doubled.

use drawbridge_protocol::data_channel::node::State;
use drawbridge_relay::ClientRole;
use drawbridge_session::SessionState;
use drawbridge_store::Sessions as _;

use crate::peers::Client;
use crate::world::World;

#[tokio::test]
async fn nothing_is_lost_or_doubled_when_the_server_is_killed() {
    let mut world = World::new().await;
    let (session, mut client, mut worker) = world.joined("alice-00000000000000001", Client::plain()).await;
    let down: Vec<u8> = (0..60_000_u32).map(|i| (i % 253) as u8).collect();
    let up: Vec<u8> = (0..6_000_u32).map(|i| (i % 251) as u8).collect();
    let (mut sent_up, mut sent_down) = (0, 0);
    for round in 1..=6 {
        sent_down += worker.core.print(&down[sent_down..round * 10_000]);
        client
            .core
            .end
            .send_input(bytes::Bytes::copy_from_slice(&up[sent_up..round * 1_000]));
        sent_up = round * 1_000;
        client.flush();
        worker.flush();
        // Some of it arrives, and then the process is gone with whatever it had in hand.
        let (some_output, some_input) = (client.core.output.len() + 700 * round, worker.core.input.len());
        world
            .until(&mut client, &mut worker, |client, worker| {
                client.output.len() > some_output || worker.input.len() > some_input
            })
            .await;
        world.kill_and_reopen().await;
        client.cut();
        worker.cut();
        world.connect_worker(&session, &mut worker);
        world.connect_client(&session, &mut client, ClientRole::Resume);
    }
    world
        .until(&mut client, &mut worker, |client, worker| {
            client.output.len() >= 2 + sent_down && worker.input.len() >= up.len()
        })
        .await;
    assert!(client.core.output[2..] == down[..sent_down]);
    assert!(worker.core.input == up);
    world
        .stored_state(&session, |state| *state == SessionState::Connected)
        .await;
}

#[tokio::test]
async fn output_that_the_node_let_go_of_reaches_a_client_that_comes_later() {
    let mut world = World::new().await;
    let (session, mut client, mut worker) = world.joined("alice-00000000000000001", Client::ours()).await;
    client.cut();
    worker.core.print(&[b'x'; 5000]);
    worker.flush();
    // The acknowledgement means that it is on record.
    world
        .until(&mut client, &mut worker, |_, worker| worker.end.is_drained())
        .await;
    worker.cut();

    world.kill_and_reopen().await;
    world.connect_client(&session, &mut client, ClientRole::Resume);
    world
        .until(&mut client, &mut worker, |client, _| client.output.len() == 5002)
        .await;
}

#[tokio::test]
async fn a_server_that_is_killed_at_the_end_still_tells_the_exit_code() {
    let mut world = World::new().await;
    let (session, mut client, mut worker) = world.joined("alice-00000000000000001", Client::ours()).await;
    client.cut();
    worker.core.print(b"last words");
    worker
        .core
        .end
        .send_state(State::Terminating { exit_code: Some(3) });
    worker.flush();
    world
        .until(&mut client, &mut worker, |_, worker| worker.end.is_drained())
        .await;
    world
        .stored_state(&session, |state| *state == SessionState::Terminating)
        .await;

    world.kill_and_reopen().await;
    world.connect_client(&session, &mut client, ClientRole::Resume);
    world
        .until(&mut client, &mut worker, |client, _| client.closed.is_some())
        .await;
    assert!(client.core.output.ends_with(b"last words"));
    assert_eq!(client.core.closed, Some((String::new(), Some(3))));
    let ended = world
        .stored_state(&session, |state| state.ending().is_some())
        .await;
    assert_eq!(ended.ending().expect("ended").exit_code, Some(3));
}

#[tokio::test]
async fn a_session_that_was_ending_for_a_reason_not_on_record_is_ended_again() {
    let mut world = World::new().await;
    let id = "alice-00000000000000001";
    let session = world.start_session(id).await;
    let state = SessionState::Terminating;
    world.store.change_session(&session, state).await.expect("legal");
    world.kill_and_reopen().await;
    let ended = world
        .stored_state(&session, |state| state.ending().is_some())
        .await;
    let details = &ended.ending().expect("ended").details;
    assert!(details.contains("restarted"), "{details}");
    world.until_agent(|agent| agent.terminated == [id]).await;
    let told = world.recorder.told.lock().expect("whole").clone();
    assert_eq!(told.last(), Some(&format!("end {id}")));
    assert_eq!(world.relay.live_sessions(), 0);
}

#[tokio::test]
async fn many_sessions_are_taken_up_and_go_on() {
    let mut world = World::new().await;
    let mut sessions = Vec::new();
    for number in 0..20 {
        let id = format!("alice-{number:017x}");
        sessions.push(world.joined(&id, Client::ours()).await);
    }
    world.kill_and_reopen().await;
    assert_eq!(world.relay.live_sessions(), 20);
    for (number, (session, client, worker)) in sessions.iter_mut().enumerate() {
        client.cut();
        worker.cut();
        world.connect_client(session, client, ClientRole::Resume);
        world.connect_worker(session, worker);
        let text = format!("session {number}");
        worker.core.print(text.as_bytes());
        worker.flush();
        world
            .until(client, worker, |client, _| client.output[2..] == *text.as_bytes())
            .await;
    }
}
