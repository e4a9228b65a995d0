//! Websockets: tokens, signatures, first frames.

use drawbridge_aws_client::{Auth, Service, WebSocket};
use drawbridge_aws_dialects::sigv4::{self, Signing};
use drawbridge_session::{Relay, SessionId};
use drawbridge_store::ChannelEnd;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use super::lab::{Lab, PATIENCE, goodbye, read_to_end};

fn open(token: &str) -> Message {
    Message::text(json!({ "MessageSchemaVersion": "1.0", "TokenValue": token, "ClientId": "c" }).to_string())
}

/// Presents a first frame and returns why the server said goodbye.
async fn refusal(lab: &Lab, session: &SessionId, auth: Auth<'_>, first: Message) -> String {
    let mut socket = lab.dial(session, auth).await;
    socket.send(first).await.expect("sent");
    goodbye(&read_to_end(&mut socket).await).expect("a goodbye")
}

/// Whether a client with this token is let in: the node is then asked to start.
async fn node_is_asked_to_start(control: &mut WebSocket, session: &SessionId) {
    let asked = async {
        while let Some(Ok(message)) = control.next().await {
            let Message::Binary(bytes) = message else { continue };
            let frame = drawbridge_protocol::wire::Frame::decode(bytes).expect("a frame");
            let order: Value = serde_json::from_slice(&frame.payload).expect("JSON");
            if order["TaskId"] == session.as_str() {
                return;
            }
        }
        panic!("the control channel closed");
    };
    tokio::time::timeout(PATIENCE, asked)
        .await
        .expect("the node is asked to start");
}

const INVALID: &str =
    "the token is not valid: it was used already, has expired, or was made for something else";

#[tokio::test]
async fn a_client_with_its_token_is_joined_with_its_node() {
    let lab = Lab::open().await;
    let (node, credentials, mut control) = lab.connected_node(1).await;
    let (session, token) = lab.session(&node).await;
    let mut client = lab.dial(&session, Auth::Unsigned).await;
    client
        .send(Message::Ping("keepalive".into()))
        .await
        .expect("sent");
    assert_eq!(
        client.next().await.expect("open").expect("a pong"),
        Message::Pong("keepalive".into())
    );
    client.send(open(&token)).await.expect("sent");
    node_is_asked_to_start(&mut control, &session).await;

    let path = format!("/v1/data-channel/{}", session.url_segment());
    let node_token = lab.channel_token(&path, &credentials).await;
    let mut worker = lab.dial(&session, Auth::Credentials(&credentials)).await;
    let first = json!({ "TokenValue": node_token, "ClientInstanceId": node.as_str(), "ClientId": "" });
    worker.send(Message::text(first.to_string())).await.expect("sent");
    lab.relay()
        .terminate(&session, "that was all")
        .await
        .expect("live");
    let goodbye = goodbye(&read_to_end(&mut client).await).expect("a goodbye");
    assert!(goodbye.contains("that was all"), "{goodbye}");
    lab.close().await;
}

#[tokio::test]
async fn whoever_says_goodbye_first_is_answered() {
    let lab = Lab::open().await;
    let (node, _, mut control) = lab.connected_node(1).await;
    let (session, token) = lab.session(&node).await;
    let mut client = lab.dial(&session, Auth::Unsigned).await;
    client.send(open(&token)).await.expect("sent");
    node_is_asked_to_start(&mut control, &session).await;
    client.send(Message::Close(None)).await.expect("sent");
    let last = read_to_end(&mut client).await.pop();
    assert!(matches!(last, Some(Message::Close(_))), "{last:?}");
    lab.close().await;
}

#[tokio::test]
async fn tokens_open_one_thing_once() {
    let lab = Lab::open().await;
    let (node, credentials, mut control) = lab.connected_node(1).await;
    let (session, token) = lab.session(&node).await;
    let (other, other_token) = lab.session(&node).await;
    let signed = Auth::Credentials(&credentials);

    for wrong in ["", "x", &token[1..], &token.to_lowercase(), &format!("{token}x")] {
        assert_eq!(
            refusal(&lab, &session, Auth::Unsigned, open(wrong)).await,
            INVALID,
            "{wrong}"
        );
    }
    // Another session's token, which is used up by the attempt.
    assert_eq!(
        refusal(&lab, &session, Auth::Unsigned, open(&other_token)).await,
        INVALID
    );
    assert_eq!(
        refusal(&lab, &other, Auth::Unsigned, open(&other_token)).await,
        INVALID
    );
    // A client's token in the hands of a node.
    let stolen = lab.another_token(&other, ChannelEnd::ClientResume).await;
    let wrong_end = "the token belongs to the other end of the session";
    assert_eq!(refusal(&lab, &other, signed, open(&stolen)).await, wrong_end);
    // A node's token in the hands of a client.
    let path = format!("/v1/data-channel/{}", session.url_segment());
    let nodes = lab.channel_token(&path, &credentials).await;
    assert_eq!(
        refusal(&lab, &session, Auth::Unsigned, open(&nodes)).await,
        wrong_end
    );
    assert_eq!(refusal(&lab, &session, signed, open(&nodes)).await, INVALID);

    // The right token still opens, once.
    let mut client = lab.dial(&session, Auth::Unsigned).await;
    client.send(open(&token)).await.expect("sent");
    node_is_asked_to_start(&mut control, &session).await;
    assert_eq!(
        refusal(&lab, &session, Auth::Unsigned, open(&token)).await,
        INVALID
    );
    lab.close().await;
}

#[tokio::test]
async fn of_two_clients_that_race_with_one_token_one_wins() {
    let lab = Lab::open().await;
    let (node, _credentials, mut control) = lab.connected_node(1).await;
    for _ in 0..8 {
        let (session, token) = lab.session(&node).await;
        let (mut one, mut two) = tokio::join!(
            lab.dial(&session, Auth::Unsigned),
            lab.dial(&session, Auth::Unsigned)
        );
        let (sent_one, sent_two) = tokio::join!(one.send(open(&token)), two.send(open(&token)));
        sent_one.and(sent_two).expect("sent");
        // The node is asked to start for the winner; the loser is told at once.
        node_is_asked_to_start(&mut control, &session).await;
        let (first, second) = {
            let (one, two) = (read_to_end(&mut one), read_to_end(&mut two));
            tokio::pin!(one, two);
            let over = lab.relay().terminate(&session, "race over");
            tokio::select! {
                first = &mut one => {
                    over.await.expect("the winner is in");
                    (first, two.await)
                }
                first = &mut two => {
                    over.await.expect("the winner is in");
                    (first, one.await)
                }
            }
        };
        assert_eq!(goodbye(&first).as_deref(), Some(INVALID));
        assert!(goodbye(&second).expect("a goodbye").contains("race over"));
    }
    lab.close().await;
}

#[tokio::test]
async fn a_node_cannot_open_anothers_channels() {
    let lab = Lab::open().await;
    let (node, credentials, _control) = lab.connected_node(1).await;
    let (thief, thiefs_credentials) = lab.node(2).await;
    let thiefs = Auth::Credentials(&thiefs_credentials);
    let client = lab.client();

    // Asking for the token.
    for path in [format!("/v1/control-channel/{node}"), {
        let (session, _) = lab.session(&node).await;
        format!("/v1/data-channel/{}", session.url_segment())
    }] {
        let answer = client
            .post(Service::SSMMESSAGES, &path, &json!({}), thiefs)
            .await
            .expect("answers");
        assert_eq!(answer.status, 403, "{path}");
        assert!(
            answer.body.starts_with(b"<AccessDeniedException>"),
            "{:?}",
            answer.body
        );
    }
    // Presenting a stolen one.
    let (session, _) = lab.session(&node).await;
    let path = format!("/v1/data-channel/{}", session.url_segment());
    let stolen = lab.channel_token(&path, &credentials).await;
    let wrong_end = "the token belongs to the other end of the session";
    assert_eq!(refusal(&lab, &session, thiefs, open(&stolen)).await, wrong_end);
    // The control channel's path names its node.
    let url = format!("wss://{}/v1/control-channel/{node}", lab.address);
    let refused = client.open_websocket(&url, thiefs).await.expect_err("refused");
    assert_eq!(refused.code(), Some("AccessDeniedException"));
    // A control token of another node, on the thief's own channel.
    let stolen = lab
        .channel_token(&format!("/v1/control-channel/{node}"), &credentials)
        .await;
    let mut socket = lab.dial_control(&thief, thiefs).await;
    socket.send(open(&stolen)).await.expect("sent");
    read_to_end(&mut socket).await;
    assert!(
        !lab.relay()
            .node_connected(&thief, std::time::Duration::ZERO)
            .await
    );
    lab.close().await;
}

#[tokio::test]
async fn a_control_channel_needs_its_nodes_signature() {
    let lab = Lab::open().await;
    let (node, _credentials) = lab.node(1).await;
    let client = lab.client();
    let url = format!("wss://{}/v1/control-channel/{node}", lab.address);
    let unsigned = client
        .open_websocket(&url, Auth::Unsigned)
        .await
        .expect_err("refused");
    assert_eq!(unsigned.code(), Some("MissingAuthenticationTokenException"));
    let administrator = lab.administrators_credentials();
    let administrators = Auth::Credentials(&administrator);
    let refused = client
        .open_websocket(&url, administrators)
        .await
        .expect_err("refused");
    assert_eq!(refused.code(), Some("AccessDeniedException"));
    let path = format!("/v1/control-channel/{node}");
    let answer = client
        .post(Service::SSMMESSAGES, &path, &json!({}), administrators)
        .await
        .expect("answers");
    assert_eq!(answer.status, 403);
    lab.close().await;
}

#[tokio::test]
async fn clients_may_sign_or_presign_their_upgrade_but_not_wrongly() {
    let lab = Lab::open().await;
    let (node, _credentials, mut control) = lab.connected_node(1).await;
    let administrator = lab.administrators_credentials();

    let (session, token) = lab.session(&node).await;
    let mut signed = lab.dial(&session, Auth::Credentials(&administrator)).await;
    signed.send(open(&token)).await.expect("sent");
    node_is_asked_to_start(&mut control, &session).await;

    let (session, token) = lab.session(&node).await;
    let now = lab.gateway.clock.now();
    let signing = Signing {
        region: "us-east-1",
        service: "ssmmessages",
        now,
    };
    let url = lab.data_url(&session).parse().expect("a URL");
    let url = sigv4::presign(&url, 60, &administrator, signing)
        .expect("presigned")
        .to_string();
    let mut presigned = lab
        .client()
        .open_websocket(&url, Auth::Unsigned)
        .await
        .expect("upgraded");
    presigned.send(open(&token)).await.expect("sent");
    node_is_asked_to_start(&mut control, &session).await;

    let (session, token) = lab.session(&node).await;
    let mut wrong = administrator.clone();
    wrong.secret_access_key = "not the secret".to_owned().into();
    let refused = refusal(&lab, &session, Auth::Credentials(&wrong), open(&token)).await;
    assert!(refused.contains("signature"), "{refused}");
    // A key that nobody here has counts as no signature: the token decides, and it was not used up.
    wrong.access_key_id = "AKIAAAAAAAAAAAAAAAAA".to_owned();
    let mut stranger = lab.dial(&session, Auth::Credentials(&wrong)).await;
    stranger.send(open(&token)).await.expect("sent");
    node_is_asked_to_start(&mut control, &session).await;
    lab.close().await;
}

#[tokio::test]
async fn bad_first_frames_close_the_socket_and_touch_nothing_else() {
    let lab = Lab::open().await;
    let (node, _credentials, mut control) = lab.connected_node(1).await;
    let (session, token) = lab.session(&node).await;
    let mut client = lab.dial(&session, Auth::Unsigned).await;
    client.send(open(&token)).await.expect("sent");
    node_is_asked_to_start(&mut control, &session).await;

    let unreadable = "the first message cannot be read";
    for text in ["", "{", "[]", r#"{"TokenValue":7}"#, "\u{1F980}"] {
        assert_eq!(
            refusal(&lab, &session, Auth::Unsigned, Message::text(text)).await,
            unreadable,
            "{text}"
        );
    }
    let long = format!(r#"{{"TokenValue":"{}"}}"#, "a".repeat(9_000));
    for silent in [Message::text(long), Message::binary(vec![0; 200])] {
        let mut socket = lab.dial(&session, Auth::Unsigned).await;
        socket.send(silent).await.expect("sent");
        assert_eq!(goodbye(&read_to_end(&mut socket).await), None);
    }
    // A second text frame, where only binary ones belong, ends its own connection and no other.
    let resume = lab.another_token(&session, ChannelEnd::Watcher).await;
    let mut watcher = lab.dial(&session, Auth::Unsigned).await;
    watcher.send(open(&resume)).await.expect("sent");
    watcher.send(Message::text("{}")).await.expect("sent");
    read_to_end(&mut watcher).await;

    lab.relay()
        .terminate(&session, "untouched")
        .await
        .expect("the session goes on");
    let goodbye = goodbye(&read_to_end(&mut client).await).expect("a goodbye");
    assert!(goodbye.contains("untouched"), "{goodbye}");
    lab.close().await;
}

#[tokio::test]
async fn sessions_that_are_over_say_so() {
    let lab = Lab::open().await;
    let (node, credentials, _control) = lab.connected_node(1).await;
    let (session, token) = lab.session(&node).await;
    lab.relay().terminate(&session, "over").await.expect("live");
    let ended = async {
        while lab.relay().live_sessions() > 0 {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, ended).await.expect("it ends");
    let refused = refusal(&lab, &session, Auth::Unsigned, open(&token)).await;
    assert!(refused == INVALID || refused.contains("is over"), "{refused}");

    let path = format!("/v1/data-channel/{}", session.url_segment());
    let told = async {
        loop {
            let auth = Auth::Credentials(&credentials);
            let answer = lab
                .client()
                .post(Service::SSMMESSAGES, &path, &json!({}), auth)
                .await
                .expect("answers");
            if answer.status != 201 {
                return answer;
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    let answer = tokio::time::timeout(PATIENCE, told)
        .await
        .expect("the store is told");
    let body = String::from_utf8_lossy(&answer.body).into_owned();
    assert!(body.contains("Session is already terminated"), "{body}");
    lab.close().await;
}
