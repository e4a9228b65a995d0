//! How sessions end when they do not end by themselves.

use std::sync::atomic::Ordering;
use std::time::Duration;

use drawbridge_protocol::data_channel::relay::Timers;
use drawbridge_protocol::payload::TaskStatus;
use drawbridge_relay::ClientRole;
use drawbridge_relay::journal::JournalFault;
use drawbridge_session::document::OwnInputs;
use drawbridge_session::{Relay, SessionStart, SessionState};

use crate::peers::Client;
use crate::world::World;

#[tokio::test]
async fn terminate_ends_both_ends_with_its_reason() {
    let mut world = World::new().await;
    let (session, mut client, mut worker) = world.joined("alice-00000000000000001", Client::plain()).await;
    world
        .relay
        .terminate(&session, "ended by the operator")
        .await
        .expect("live");
    world
        .until(&mut client, &mut worker, |client, _| client.closed.is_some())
        .await;
    let (output, _) = client.core.closed.clone().expect("closed");
    assert!(output.contains("ended by the operator"), "{output}");
    world
        .until_agent(|agent| agent.terminated == ["alice-00000000000000001"])
        .await;
    world.report_completion(&session, TaskStatus::Success, "");
    let ended = world
        .stored_state(&session, |state| state.ending().is_some())
        .await;
    let details = &ended.ending().expect("ended").details;
    assert!(details.contains("ended by the operator"), "{details}");
}

#[tokio::test]
async fn a_journal_that_cannot_be_written_ends_its_sessions_with_the_reason() {
    let mut world = World::new().await;
    let (session, mut client, mut worker) = world.joined("alice-00000000000000001", Client::plain()).await;
    world
        .folder
        .inject(Some(JournalFault::DiskFull { after_bytes: 0 }));
    worker.core.print(b"never on record");
    worker.flush();
    world
        .until(&mut client, &mut worker, |client, _| client.closed.is_some())
        .await;
    let (output, _) = client.core.closed.clone().expect("closed");
    assert!(output.contains("journal"), "{output}");
    let ended = world
        .stored_state(&session, |state| state.ending().is_some())
        .await;
    assert!(matches!(ended, SessionState::Failed(_)), "{ended:?}");
}

#[tokio::test]
async fn a_session_that_fails_open_goes_on_without_a_journal() {
    let mut world = World::new().await;
    let mut start = SessionStart::default_shell();
    start.document.inputs.drawbridge = Some(OwnInputs {
        fail_open: true,
        ..OwnInputs::default()
    });
    let id = "alice-00000000000000001";
    let (session, mut client, mut worker) = world.joined_to(id, start, Client::ours()).await;
    world
        .folder
        .inject(Some(JournalFault::DiskFull { after_bytes: 0 }));
    for text in [&b"not on record"[..], b" either"] {
        worker.core.print(text);
        worker.flush();
        world
            .until(&mut client, &mut worker, |client, _| {
                client.output.ends_with(text)
            })
            .await;
    }
    let state = world.stored_state(&session, |_| true).await;
    assert!(state.is_active(), "{state:?}");

    world.relay.terminate(&session, "enough").await.expect("live");
    world
        .until(&mut client, &mut worker, |client, _| client.closed.is_some())
        .await;
    let ended = world
        .stored_state(&session, |state| state.ending().is_some())
        .await;
    let details = &ended.ending().expect("ended").details;
    assert!(
        details.starts_with("enough; not recorded to its end: cannot write the journal"),
        "whoever reads the recording is told what it has not: {details}"
    );
}

#[tokio::test]
async fn a_node_that_never_starts_the_session_is_not_waited_for() {
    let timers = Timers {
        start_within: Duration::from_millis(50),
        ..Timers::default()
    };
    let mut world = World::with(timers).await;
    let session = world.start_session("alice-00000000000000001").await;
    let mut client = Client::plain();
    world.connect_client(&session, &mut client, ClientRole::Start);
    while client.core.closed.is_none() {
        client.step().await;
    }
    let ended = world
        .stored_state(&session, |state| state.ending().is_some())
        .await;
    assert!(matches!(ended, SessionState::Failed(_)), "{ended:?}");
}

#[tokio::test]
async fn a_failure_on_the_node_is_shown_to_the_client() {
    let mut world = World::new().await;
    let session = world.start_session("alice-00000000000000001").await;
    let mut client = Client::plain();
    world.connect_client(&session, &mut client, ClientRole::Start);
    world.until_agent(|agent| !agent.orders.is_empty()).await;
    world.report_completion(&session, TaskStatus::Failed, "no such user");
    while client.core.closed.is_none() {
        client.step().await;
    }
    let (output, _) = client.core.closed.clone().expect("closed");
    assert!(output.contains("no such user"), "{output}");
}

#[tokio::test]
async fn a_session_that_cannot_be_recorded_does_not_start_unless_it_fails_open() {
    let mut world = World::new().await;
    world.recorder.refuses.store(true, Ordering::Relaxed);
    let refused = world
        .start("alice-00000000000000001", SessionStart::default_shell())
        .await;
    let error = refused.expect_err("it would not be recorded");
    assert_eq!(error.to_string(), "the session cannot be recorded: no room");
    assert_eq!(world.relay.live_sessions(), 0);

    let mut start = SessionStart::default_shell();
    start.document.inputs.drawbridge = Some(OwnInputs {
        fail_open: true,
        ..OwnInputs::default()
    });
    world
        .start("alice-00000000000000002", start)
        .await
        .expect("goes on unrecorded");
}

#[tokio::test]
async fn the_recorder_is_told_of_beginnings_restarts_and_ends() {
    let mut world = World::new().await;
    let id = "alice-00000000000000001";
    let (session, mut client, mut worker) = world.joined(id, Client::plain()).await;
    world.kill_and_reopen().await;
    world.connect_client(&session, &mut client, ClientRole::Resume);
    world.connect_worker(&session, &mut worker);
    // Both are back: a session that ends before its client returns has nobody to say goodbye to.
    worker.core.print(b"again");
    world
        .until(&mut client, &mut worker, |client, _| client.output == b"$ again")
        .await;
    world.relay.terminate(&session, "enough").await.expect("live");
    world
        .until(&mut client, &mut worker, |client, _| client.closed.is_some())
        .await;
    world
        .stored_state(&session, |state| state.ending().is_some())
        .await;
    let told = world.recorder.told.lock().expect("whole").clone();
    assert_eq!(
        told,
        [format!("begin {id}"), format!("begin {id}"), format!("end {id}")]
    );
}
