//! Shell sessions that go well.

use drawbridge_protocol::data_channel::node::State;
use drawbridge_protocol::payload::TaskStatus;
use drawbridge_relay::ClientRole;
use drawbridge_session::SessionState;

use crate::peers::{Client, Worker};
use crate::world::World;

#[tokio::test]
async fn a_shell_runs_from_its_start_to_its_end() {
    let mut world = World::new().await;
    let (session, mut client, mut worker) = world.joined("alice-00000000000000001", Client::plain()).await;
    world
        .stored_state(&session, |state| *state == SessionState::Connected)
        .await;

    client.core.end.send_input("exit\r".into());
    world
        .until(&mut client, &mut worker, |_, worker| worker.input == b"exit\r")
        .await;
    worker.core.print(b"bye\r\n");
    worker
        .core
        .end
        .send_state(State::Terminating { exit_code: Some(3) });
    worker.flush();
    world.report_completion(&session, TaskStatus::Success, "");
    world
        .until(&mut client, &mut worker, |client, _| client.closed.is_some())
        .await;

    assert_eq!(client.core.output, b"$ bye\r\n");
    let ended = world
        .stored_state(&session, |state| state.ending().is_some())
        .await;
    assert!(matches!(ended, SessionState::Terminated(_)), "{ended:?}");
    world.until_agent(|agent| agent.acknowledged == 1).await;
}

#[tokio::test]
async fn our_client_is_told_the_exit_code() {
    let mut world = World::new().await;
    let (session, mut client, mut worker) = world.joined("alice-00000000000000001", Client::ours()).await;
    worker
        .core
        .end
        .send_state(State::Terminating { exit_code: Some(3) });
    worker.flush();
    world
        .until(&mut client, &mut worker, |client, _| client.closed.is_some())
        .await;
    world.report_completion(&session, TaskStatus::Success, "");
    world.until_agent(|agent| agent.acknowledged == 1).await;
    assert_eq!(client.core.closed, Some((String::new(), Some(3))));
}

#[tokio::test]
async fn megabytes_arrive_whole_in_both_directions() {
    let mut world = World::new().await;
    let (_, mut client, mut worker) = world.joined("alice-00000000000000001", Client::ours()).await;
    let up: Vec<u8> = (0..400_000_u32).map(|i| (i % 251) as u8).collect();
    let down: Vec<u8> = (0..2_000_000_u32).map(|i| (i % 253) as u8).collect();
    let (mut sent_up, mut sent_down) = (0, 0);
    while worker.core.input.len() < up.len() || client.core.output.len() < 2 + down.len() {
        let room = client.core.end.input_capacity().min(up.len() - sent_up);
        if room > 0 {
            client
                .core
                .end
                .send_input(bytes::Bytes::copy_from_slice(&up[sent_up..sent_up + room]));
            sent_up += room;
        }
        sent_down += worker.core.print(&down[sent_down..]);
        client.flush();
        worker.flush();
        // Not only what arrives: an acknowledgement that makes room is the last thing to happen before more is sent.
        let progress = |client: &Client, worker: &Worker| {
            let room = (client.end.input_capacity(), worker.end.output_capacity());
            (client.output.len(), worker.input.len(), room)
        };
        let before = progress(&client.core, &worker.core);
        world
            .until(&mut client, &mut worker, |client, worker| {
                progress(client, worker) != before
            })
            .await;
    }
    assert!(worker.core.input == up);
    assert!(client.core.output[2..] == down);
}

#[tokio::test]
async fn a_client_that_comes_back_misses_nothing() {
    let mut world = World::new().await;
    let (session, mut client, mut worker) = world.joined("alice-00000000000000001", Client::plain()).await;
    for round in 0..10 {
        client.cut();
        worker.core.print(format!("{round} ").as_bytes());
        worker.flush();
        world.connect_client(&session, &mut client, ClientRole::Resume);
        let length = 2 + 2 * (round + 1);
        world
            .until(&mut client, &mut worker, |client, _| {
                client.output.len() == length
            })
            .await;
    }
    assert_eq!(client.core.output, b"$ 0 1 2 3 4 5 6 7 8 9 ");
}

#[tokio::test]
async fn a_node_that_comes_back_misses_nothing() {
    let mut world = World::new().await;
    let (session, mut client, mut worker) = world.joined("alice-00000000000000001", Client::plain()).await;
    for round in 0..10_u8 {
        worker.cut();
        worker.core.print(&[b'a' + round]);
        client.core.end.send_input(vec![b'0' + round].into());
        client.flush();
        world.connect_worker(&session, &mut worker);
        let (output, input) = (3 + usize::from(round), 1 + usize::from(round));
        world
            .until(&mut client, &mut worker, |client, worker| {
                client.output.len() == output && worker.input.len() == input
            })
            .await;
    }
    assert_eq!(client.core.output, b"$ abcdefghij");
    assert_eq!(worker.core.input, b"0123456789");
}

#[tokio::test]
async fn the_newest_client_wins_and_the_older_is_closed() {
    let mut world = World::new().await;
    let (session, mut older, mut worker) = world.joined("alice-00000000000000001", Client::plain()).await;
    let mut newer = Client::ours();
    world.connect_client(&session, &mut newer, ClientRole::Attach);
    worker.core.print(b"hello");
    worker.flush();
    world
        .until(&mut newer, &mut worker, |newer, _| {
            newer.output.ends_with(b"hello")
        })
        .await;
    while older.is_connected() {
        older.step().await;
    }
    newer.core.end.send_input("ls\r".into());
    world
        .until(&mut newer, &mut worker, |_, worker| worker.input == b"ls\r")
        .await;
}

#[tokio::test]
async fn a_watcher_sees_and_cannot_type() {
    let mut world = World::new().await;
    let (session, mut client, mut worker) = world.joined("alice-00000000000000001", Client::ours()).await;
    let mut watcher = Client::ours();
    world.connect_client(&session, &mut watcher, ClientRole::Watch);
    worker.core.print(b"live");
    worker.flush();
    world
        .until(&mut watcher, &mut worker, |watcher, _| {
            watcher.output.ends_with(b"live")
        })
        .await;
    assert_eq!(watcher.core.end.input_capacity(), 0);
    world
        .until(&mut client, &mut worker, |client, _| client.output == b"$ live")
        .await;
}
