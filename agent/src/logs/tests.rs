//! Logs against a server in this process.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use drawbridge_aws_client::Environment;
use drawbridge_protocol::wire::PayloadType;
use drawbridge_session::{Clock, Random, SeededRandom, SessionId, SystemClock};
use serde_json::{Value, json};

use super::destinations::{BucketPlan, GroupPlan};
use super::*;
use crate::backoff::Backoff;
use crate::identity::{KeyRotation, Node, PresentNode};
use crate::sessions::Logged;
use crate::state::StateFolder;

mod checks;
mod groups;
pub(crate) mod server;
mod uploads;

use server::{BUCKET, FakeServer, GROUP};

const SESSION: &str = "alice-0a1b2c3d4e5f67890";
const NODE: &str = "i-0a1b2c3d4e5f67890";
const OWNER: &str = "arn:aws:iam::123456789012:user/alice";
/// Long enough for a busy machine; no test waits this long when it passes.
const PATIENCE: Duration = Duration::from_secs(60);

/// Tries again at once, and not often.
const PACE: Pace = Pace {
    tick: Duration::from_millis(1),
    collect: Duration::ZERO,
    backoff: Backoff::new(Duration::ZERO, Duration::from_millis(1), Duration::from_millis(2)),
    attempts: 4,
    patience: PATIENCE,
    check: PATIENCE,
};

/// Tries again at once, and for ever.
pub(crate) const STUBBORN: Pace = Pace {
    attempts: u32::MAX,
    ..PACE
};

/// A node whose server is this one.
pub(crate) struct Fixture {
    pub(crate) server: FakeServer,
    pub(crate) folder: tempfile::TempDir,
    pub(crate) node: Arc<PresentNode>,
}

pub(crate) async fn fixture() -> Fixture {
    let server = FakeServer::start().await;
    let folder = tempfile::tempdir().expect("a folder");
    register(&folder.path().join("state"), &server.endpoint);
    let state = StateFolder::open(&folder.path().join("state")).expect("made");
    let environment = Environment::of_process();
    let node =
        Node::open(state, KeyRotation::LeftToAgent, &environment, clock(), random()).expect("registered");
    Fixture {
        server,
        folder,
        node: Arc::new(PresentNode::new(node)),
    }
}

fn register(path: &std::path::Path, endpoint: &str) {
    let state = StateFolder::create(path).expect("made");
    let registration = json!({"node_id": NODE, "region": "us-east-1", "endpoint": endpoint,
                              "fingerprint": "0b1c2d3e-0000-4000-8000-000000000001"});
    let key = json!({"AccessKeyId": "AKIAENROLLED00000001", "SecretAccessKey": "s3cret"});
    for (file, content) in [("registration.json", registration), ("access-key.json", key)] {
        state
            .write(file, content.to_string().as_bytes())
            .expect("written");
    }
}

fn clock() -> Arc<dyn Clock> {
    Arc::new(SystemClock::new())
}

fn random() -> Arc<dyn Random> {
    Arc::new(SeededRandom::new(1))
}

fn bucket(must_encrypt: bool) -> BucketPlan {
    BucketPlan {
        name: BUCKET.to_owned(),
        prefix: "dev".to_owned(),
        must_encrypt,
    }
}

fn group(is_streamed: bool) -> GroupPlan {
    GroupPlan {
        name: GROUP.to_owned(),
        must_encrypt: false,
        is_streamed,
    }
}

pub(crate) fn destinations(bucket: Option<BucketPlan>, group: Option<GroupPlan>) -> Destinations {
    Destinations {
        bucket,
        group,
        owner: OWNER.to_owned(),
    }
}

/// Everywhere, streamed.
pub(crate) fn everywhere() -> Destinations {
    destinations(Some(bucket(false)), Some(group(true)))
}

impl Fixture {
    fn output(&self) -> PathBuf {
        self.folder.path().join("output.log")
    }

    fn begin(&self, destinations: Destinations) -> SessionLog {
        self.begin_at(PACE, destinations)
    }

    pub(crate) fn begin_at(&self, pace: Pace, destinations: Destinations) -> SessionLog {
        let particulars = Particulars {
            destinations,
            session: SessionId::parse(SESSION).expect("valid"),
            run_as: "ssm-user".to_owned(),
            node: Arc::clone(&self.node),
            clock: clock(),
            random: random(),
            pace,
        };
        SessionLog::begin(particulars, &self.output()).expect("begun")
    }

    /// A session that said this, and how its log was shipped.
    async fn logged(&self, destinations: Destinations, said: &[u8]) -> Logged {
        let log = self.begin(destinations);
        log.record(PayloadType::Output, &Bytes::copy_from_slice(said));
        finished(log).await
    }
}

async fn finished(log: SessionLog) -> Logged {
    tokio::time::timeout(PATIENCE, log.finish())
        .await
        .expect("nothing keeps a worker alive for ever")
}

/// Carries a log on while something else happens.
async fn beside<T>(log: &mut SessionLog, script: impl Future<Output = T>) -> T {
    tokio::pin!(script);
    let both = async {
        loop {
            tokio::select! {
                value = &mut script => return value,
                () = log.progress() => {}
            }
        }
    };
    tokio::time::timeout(PATIENCE, both)
        .await
        .expect("it happens in time")
}

#[tokio::test]
async fn what_is_said_is_what_is_logged() {
    let fixture = fixture().await;
    let log = fixture.begin(destinations(Some(bucket(false)), None));
    for (payload_type, text) in [
        (PayloadType::Output, "out "),
        (PayloadType::StdErr, "err "),
        (PayloadType::ExitCode, "EXIT_CODE: 3"),
        (PayloadType::HandshakeRequest, "no"),
        (PayloadType::Multiplexed, "no message"),
    ] {
        log.record(payload_type, &Bytes::from_static(text.as_bytes()));
    }
    finished(log).await;
    let captured = std::fs::read_to_string(fixture.output()).expect("captured");
    assert_eq!(captured, "out err EXIT_CODE: 3");
}

#[tokio::test]
async fn a_server_that_moved_is_found() {
    let (fixture, new) = (fixture().await, FakeServer::start().await);
    let mut log = fixture.begin(everywhere());
    log.record(PayloadType::Output, &Bytes::from_static(b"one\r\n"));
    beside(&mut log, fixture.server.until(|state| state.events.len() == 1)).await;
    register(&fixture.folder.path().join("state"), &new.endpoint);
    log.record(PayloadType::Output, &Bytes::from_static(b"two\r\n"));
    beside(&mut log, new.until(|state| state.events.len() == 1)).await;
    assert_eq!(finished(log).await.complaints, Vec::<String>::new());
    assert!(fixture.server.state().objects.is_empty());
    assert_eq!(new.state().objects.len(), 1);
}

/// The lines of streamed events.
fn lines(events: &[String]) -> Vec<String> {
    let data = events.iter().map(|event| {
        let event: Value = serde_json::from_str(event).expect("JSON");
        event["sessionData"].clone()
    });
    data.flat_map(|lines| lines.as_array().cloned().unwrap_or_default())
        .map(|line| line.as_str().expect("a text").to_owned())
        .collect()
}
