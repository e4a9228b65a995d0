//! What passes through tunnels is told to the audit log, and none of the content.

use bytes::Bytes;
use drawbridge_protocol::payload::SessionType;
use drawbridge_protocol::wire::PayloadType;
use drawbridge_relay::ClientRole;
use drawbridge_session::document::builtin;
use drawbridge_session::{AuditEvent, Relay, SessionId, SessionStart};
use drawbridge_store::AuditLog;
use serde_json::{Value, json};

use crate::peers::{Client, Peer, Worker};
use crate::world::{NODE, World};

const SESSION: &str = "alice-00000000000000001";

fn to_a_database() -> SessionStart {
    let name = "AWS-StartPortForwardingSessionToRemoteHost";
    let (_, content) = builtin(name).expect("built in");
    let values = [("host", "db.internal"), ("portNumber", "5432")];
    let values = values.map(|(name, value)| (name.to_owned(), vec![value.to_owned()]));
    let (document, parameters) = content.resolve(&values.into()).expect("resolved");
    SessionStart {
        document_name: name.to_owned(),
        document,
        parameters,
        run_as_user: None,
    }
}

struct Tunnel {
    world: World,
    session: SessionId,
    client: Peer<Client>,
    worker: Peer<Worker>,
}

impl Tunnel {
    async fn new() -> Tunnel {
        let mut world = World::new().await;
        let session = world.start_session_of(SESSION, to_a_database()).await;
        let mut client = Client::ours();
        world.connect_client(&session, &mut client, ClientRole::Start);
        world.until_agent(|agent| !agent.orders.is_empty()).await;
        let order = world.agent.core.orders.remove(0);
        let mut worker = Worker::start(SESSION, NODE, order.drawbridge);
        let properties = json!({"portNumber": "5432", "type": "LocalPortForwarding"});
        let now = worker.now();
        worker
            .core
            .end
            .begin_handshake(SessionType::Port, properties, now);
        world.connect_worker(&session, &mut worker);
        world
            .until(&mut client, &mut worker, |client, worker| {
                client.established && worker.end.is_drained()
            })
            .await;
        Tunnel {
            world,
            session,
            client,
            worker,
        }
    }

    /// Opens a connection and sends something each way.
    async fn use_connection(&mut self, stream: u8, accepted: &[u8]) {
        let message = |kind, body: &[u8]| Bytes::from([&[kind, 0, 0, 0, 0, 0, 0, stream], body].concat());
        let heard = self.worker.core.messages;
        self.client.core.end.send_multiplexed(message(0, b"{}"));
        self.client
            .core
            .end
            .send_multiplexed(message(3, b"SELECT secret"));
        self.client.flush();
        self.until(|_, worker| worker.messages == heard + 2).await;
        let end = &mut self.worker.core.end;
        end.send_output(PayloadType::Multiplexed, message(1, accepted));
        end.send_output(PayloadType::Multiplexed, message(3, b"42"));
        self.worker.flush();
        self.until(|_, worker| worker.end.is_drained()).await;
    }

    async fn until(&mut self, so: impl Fn(&Client, &Worker) -> bool) {
        self.world.until(&mut self.client, &mut self.worker, so).await;
    }

    async fn terminate(&mut self) {
        self.world
            .relay
            .terminate(&self.session, "enough")
            .await
            .expect("live");
        self.until(|client, _| client.closed.is_some()).await;
        self.worker.cut();
    }
}

fn details(event: &AuditEvent) -> Value {
    let record: Value = serde_json::from_str(&event.to_json()).expect("JSON");
    record["serviceEventDetails"].clone()
}

#[tokio::test]
async fn connections_are_in_the_audit_log_when_their_session_is_over() {
    let mut tunnel = Tunnel::new().await;
    tunnel.use_connection(1, br#"{"Address":"10.0.0.3:5432"}"#).await;
    tunnel.terminate().await;

    let events = tunnel.world.tunnel_flows(1).await;
    let [event] = &events[..] else {
        panic!("{events:?}")
    };
    assert_eq!(event.user_name(), Some("alice"));
    assert!(!event.to_json().contains("secret"), "{event:?}");
    let details = details(event);
    let flow = &details["flows"][0];
    let times = ["startTimeMillis", "endTimeMillis"].map(|name| flow[name].as_u64().expect("a time"));
    assert!(times[0] > 1_700_000_000_000 && times[0] <= times[1], "{flow}");
    let expected = json!({
        "sessionId": SESSION,
        "nodeId": NODE,
        "documentName": "AWS-StartPortForwardingSessionToRemoteHost",
        "flows": [{
            "destination": "db.internal:5432",
            "address": "10.0.0.3:5432",
            "startTimeMillis": times[0],
            "endTimeMillis": times[1],
            "bytesToNode": 13,
            "bytesFromNode": 2,
            "outcome": "open",
        }],
    });
    assert_eq!(details, expected);
    tunnel.world.store.verify_events(None).await.expect("whole");
}

#[tokio::test]
async fn a_server_that_stops_leaves_what_it_knows_and_the_next_one_goes_on() {
    let mut tunnel = Tunnel::new().await;
    tunnel.use_connection(1, b"{}").await;
    tunnel.world.kill_and_reopen().await;
    tunnel.client.cut();
    tunnel.worker.cut();
    let session = tunnel.session.clone();
    tunnel.world.connect_worker(&session, &mut tunnel.worker);
    tunnel
        .world
        .connect_client(&session, &mut tunnel.client, ClientRole::Resume);
    tunnel.use_connection(2, b"{}").await;
    tunnel.terminate().await;

    let events = tunnel.world.tunnel_flows(2).await;
    let [before, after] = &events[..] else {
        panic!("{events:?}")
    };
    let (before, after) = (details(before), details(after));
    assert_eq!(before["flows"][0]["outcome"], "interrupted");
    assert_eq!(before["flows"][0]["bytesToNode"], 13);
    assert_eq!(before.get("afterRestart"), None);
    assert_eq!(after["afterRestart"], true);
    assert_eq!(
        (&after["flows"][0]["bytesToNode"], &after["flows"][0]["outcome"]),
        (&json!(13), &json!("open"))
    );
    assert_eq!(after["flows"].as_array().map(Vec::len), Some(1));
}
