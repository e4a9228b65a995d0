//! Sessions whose log goes somewhere.

use super::*;
use crate::logs::tests::{self as places, STUBBORN, everywhere};
use crate::sessions::Registry;
use crate::state::StateFolder;

struct LoggedShell {
    client: Client,
    worker: Worker,
    places: places::Fixture,
    registry: Registry,
}

async fn logged_shell() -> LoggedShell {
    let places = places::fixture().await;
    let state = StateFolder::create(&places.folder.path().join("agent")).expect("made");
    let registry = Registry::open(&state).expect("opened");
    let session = SessionId::parse("alice-0a1b2c3d4e5f67890").expect("valid");
    let folder = registry.begin(&session).expect("made").expect("not known");
    let log = Logging::new(places.begin_at(STUBBORN, everywhere()), folder);
    let program = Program::login_shell(own_account(), None);
    let far = TerminalEnd::start(&program, String::new(), children(), clock()).expect("started");
    let (client, worker) = joined_with(far, OURS, None, Some(log));
    LoggedShell {
        client,
        worker,
        places,
        registry,
    }
}

/// Serves the client until something is true of the places.
async fn until(
    client: &mut Client,
    server: &places::server::FakeServer,
    is_true: impl Fn(&places::server::State) -> bool,
) {
    tokio::select! {
        () = server.until(is_true) => {}
        () = async { loop { client.step().await } } => unreachable!("it steps for ever"),
    }
}

#[tokio::test]
async fn a_log_is_shipped_after_the_client_knows_of_the_end_and_before_the_channel_closes() {
    let LoggedShell {
        mut client,
        mut worker,
        places,
        registry,
    } = logged_shell().await;
    let server = &places.server;
    server.state().always.insert("PutObject", (503, "SlowDown"));
    worker
        .beside(async {
            client.type_in("echo so''mething\r");
            until(&mut client, server, |state| {
                state.events.concat().contains("something")
            })
            .await;
            client.type_in("exit\r");
            let tries = |state: &places::server::State| {
                let tries = state
                    .requests
                    .iter()
                    .filter(|request| request.operation == "PutObject");
                tries.count()
            };
            until(&mut client, server, |state| tries(state) > 0).await;
            client.until(|client| client.ended_with().is_some()).await;
            let before = tries(&server.state());
            until(&mut client, server, |state| tries(state) > before + 10).await;
        })
        .await;
    assert!(!client.hears_goodbye, "the channel is open");
    let known = registry.known().expect("listed");
    assert!(known[0].is_shipping(), "the agent knows why the worker is there");

    server.state().always.clear();
    let outcome = worker.outcome(&mut client).await;
    assert_eq!(
        outcome.logged.as_ref().map(|logged| logged.complaints.len()),
        Some(0)
    );
    let report = outcome.report(
        &SessionId::parse("alice-0a1b2c3d4e5f67890").expect("valid"),
        &NodeId::parse("mi-0a1b2c3d4e5f67890").expect("valid"),
    );
    assert_eq!(report.s3_bucket, "logs");
    assert_eq!(report.s3_url_suffix, "dev/alice-0a1b2c3d4e5f67890.log");
    assert_eq!(report.cwl_group, "SSM-Logs");
    assert_eq!(report.cwl_stream, "alice-0a1b2c3d4e5f67890");
    let state = server.state();
    let transcript = String::from_utf8_lossy(&state.objects[&report.s3_url_suffix]);
    assert!(transcript.contains(&client.text()), "{transcript}");
}

#[tokio::test]
async fn a_session_that_is_terminated_has_its_log() {
    let LoggedShell {
        mut client,
        mut worker,
        places,
        ..
    } = logged_shell().await;
    worker
        .beside(async {
            client.type_in("echo so''mething\r");
            client.until_seen("something").await;
        })
        .await;
    worker.stop.notify_one();
    let outcome = worker.outcome(&mut client).await;
    let logged = outcome.logged.expect("logged");
    assert_eq!(logged.complaints, Vec::<String>::new());
    let state = places.server.state();
    let transcript = String::from_utf8_lossy(&state.objects[&logged.key]);
    assert!(transcript.contains("something"), "{transcript}");
}
