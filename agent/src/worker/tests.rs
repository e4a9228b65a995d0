//! A worker's session against the client's end of the protocol, over websockets in memory.

use std::collections::HashMap;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use drawbridge_protocol::data_channel::client::{ClientConfig, ClientEnd, Event};
use drawbridge_protocol::encryption::{Cipher, DataKey};
use drawbridge_protocol::payload::{AgentSessionState, OpenDataChannel, SessionState, SessionType, Size};
use drawbridge_protocol::wire::{Frame, MessageType, PayloadType};
use drawbridge_protocol::{MessageIds, NodeExtension, Time, Token, Transmit};
use drawbridge_session::{Clock, NodeId, SeededRandom, SessionId, SystemClock};
use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::sync::Notify;
use tokio_tungstenite::tungstenite::Message;
use uuid::Uuid;

use super::encryption::Encryption;
use super::far_end::FarEnd;
use super::leader::Children;
use super::logging::Logging;
use super::session::{Session, Settings};
use super::terminal::TerminalEnd;
use crate::account::Account;
use crate::line::memory::{Listener, Socket, memory};
use crate::pty::{Leftovers, Program};
use crate::sessions::Outcome;

mod commands;
mod encryption;
mod logs;
mod ports;
mod shared;
mod tunnels;

/// Long enough for a busy machine; no test waits this long when it passes.
const PATIENCE: Duration = Duration::from_secs(60);

/// The client's end, with what a relay does in between left out.
struct Client {
    end: ClientEnd,
    listener: Listener,
    socket: Option<Socket>,
    clock: Arc<dyn Clock>,
    output: Vec<u8>,
    errors: Vec<u8>,
    /// What came of streams.
    messages: Vec<Bytes>,
    /// Everything that came but the bytes of plain output, in order.
    pieces: Vec<(PayloadType, String)>,
    established: Option<(SessionType, Value)>,
    /// Whether it ignores what it is told.
    deaf: bool,
    hears_goodbye: bool,
    /// Whether it hangs up when it is told goodbye, without a word.
    hangs_up: bool,
    /// How often it has sent each of its frames.
    sent: HashMap<i64, usize>,
    opened: Vec<OpenDataChannel>,
    states: Vec<AgentSessionState>,
    /// What it answers to a node that wants a data key.
    data_key: Option<DataKey>,
    /// The payloads of all frames that came.
    frames: Vec<Bytes>,
}

impl Client {
    fn now(&self) -> Time {
        Time::new(self.clock.monotonic(), self.clock.epoch_ms())
    }

    /// Exchanges messages until `done`, reconnecting whenever the worker does.
    async fn until(&mut self, mut done: impl FnMut(&Self) -> bool) {
        let exchange = async {
            while !done(self) {
                self.step().await;
            }
        };
        tokio::time::timeout(PATIENCE, exchange)
            .await
            .expect("it happens in time");
    }

    async fn until_seen(&mut self, mark: &str) {
        self.until(|client| client.text().contains(mark)).await;
    }

    /// Waits until the worker leaves input alone, so that it has to be sent again and again.
    async fn until_refused(&mut self) {
        self.until(|client| client.sent.values().any(|times| *times >= 5))
            .await;
    }

    async fn step(&mut self) {
        let now = self.now();
        if let Some(socket) = &mut self.socket
            && !self.hears_goodbye
        {
            while let Some(transmit) = self.end.poll_transmit(now) {
                let message = match transmit {
                    Transmit::Binary(frame) => {
                        let read = Frame::decode(frame.clone()).expect("a frame");
                        if read.message_type == MessageType::InputStreamData {
                            *self.sent.entry(read.sequence).or_default() += 1;
                        }
                        Message::Binary(frame)
                    }
                    Transmit::Ping(payload) => Message::Ping(payload),
                    // Meant for the relay.
                    Transmit::Text(_) => continue,
                };
                // A worker that hung up is noticed by reading.
                let _ = socket.feed(message).await;
            }
            let _ = socket.flush().await;
        }
        let wait = self
            .end
            .poll_timeout()
            .map_or(PATIENCE, |deadline| deadline.saturating_sub(now.monotonic));
        tokio::select! {
            Some(socket) = self.listener.connections.recv() => {
                self.socket = Some(socket);
                self.end.handle_connected(Token::new("t"), now);
            }
            message = next(&mut self.socket) => self.receive(message),
            () = tokio::time::sleep(wait) => {}
        }
        let now = self.now();
        self.end.handle_timeout(now);
        while let Some(event) = self.end.poll_event() {
            match event {
                Event::Output { payload_type, bytes } => self.take(payload_type, &bytes),
                Event::Established {
                    session_type,
                    properties,
                    ..
                } => self.established = Some((session_type, properties)),
                Event::DataKeyWanted { .. } => match &self.data_key {
                    Some(key) => self
                        .end
                        .handle_data_key(Cipher::of_client(key, [8; 32]), b"wrapped"),
                    None => self.end.handle_data_key_refused("no such key"),
                },
                _ => {}
            }
        }
    }

    fn take(&mut self, payload_type: PayloadType, bytes: &[u8]) {
        match payload_type {
            PayloadType::Output => return self.output.extend_from_slice(bytes),
            PayloadType::Multiplexed => return self.messages.push(Bytes::copy_from_slice(bytes)),
            PayloadType::StdErr => self.errors.extend_from_slice(bytes),
            _ => {}
        }
        self.pieces
            .push((payload_type, String::from_utf8_lossy(bytes).into_owned()));
    }

    fn receive(&mut self, message: Option<Message>) {
        let now = self.now();
        match message {
            Some(Message::Text(text)) => self.opened.push(OpenDataChannel::parse(&text).expect("valid")),
            Some(Message::Binary(bytes)) => {
                let frame = Frame::decode(bytes.clone()).expect("a frame");
                self.frames.push(frame.payload.clone());
                if frame.message_type == MessageType::AgentSessionState {
                    self.states
                        .push(serde_json::from_slice(&frame.payload).expect("a state"));
                } else if !self.deaf {
                    self.end.handle_message(bytes, now).expect("well behaved");
                }
            }
            Some(Message::Pong(_)) => self.end.handle_pong(now),
            // Nothing may follow it but the answer, which reading on gives.
            Some(Message::Close(_)) if self.hangs_up => self.cut(),
            Some(Message::Close(_)) => self.hears_goodbye = true,
            Some(_) => {}
            None => self.cut(),
        }
    }

    fn cut(&mut self) {
        self.socket = None;
        self.hears_goodbye = false;
        self.end.handle_disconnected(self.now());
    }

    fn type_in(&mut self, text: &str) {
        self.end.send_input(Bytes::copy_from_slice(text.as_bytes()));
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.output).into_owned()
    }

    fn ended_with(&self) -> Option<&AgentSessionState> {
        self.states
            .iter()
            .find(|state| state.session_state == SessionState::Terminating)
    }

    async fn send(&mut self, message_type: MessageType, payload: &'static str) {
        let frame = Frame::control(
            message_type,
            Uuid::nil(),
            Bytes::from_static(payload.as_bytes()),
            self.now(),
        );
        let socket = self.socket.as_mut().expect("connected");
        socket.send(Message::Binary(frame.encode())).await.expect("sent");
    }
}

async fn next(socket: &mut Option<Socket>) -> Option<Message> {
    match socket {
        Some(socket) => socket.next().await.and_then(Result::ok),
        None => std::future::pending().await,
    }
}

/// What a worker runs beside its client.
struct Worker {
    session: Pin<Box<dyn Future<Output = Outcome>>>,
    shell: i32,
    stop: Arc<Notify>,
}

impl Worker {
    /// Runs the session beside the client's script.
    async fn beside<T>(&mut self, script: impl Future<Output = T>) -> T {
        tokio::select! {
            done = script => done,
            outcome = &mut self.session => panic!("ended before the client was done: {outcome:?}"),
        }
    }

    /// Runs the session to its end.
    async fn outcome(&mut self, client: &mut Client) -> Outcome {
        let ended = async {
            tokio::select! {
                outcome = &mut self.session => outcome,
                () = async { loop { client.step().await } } => unreachable!("it steps for ever"),
            }
        };
        tokio::time::timeout(PATIENCE, ended)
            .await
            .expect("the session ends")
    }
}

/// A shell.
fn shell(profile: &str, extension: Option<NodeExtension>) -> (Client, Worker) {
    let program = Program::login_shell(own_account(), None);
    let far = TerminalEnd::start(&program, profile.to_owned(), children(), clock()).expect("started");
    let shell = far.pid();
    let (client, worker) = joined(far, extension);
    (client, Worker { shell, ..worker })
}

fn own_account() -> Account {
    Account {
        shell: PathBuf::from("/bin/sh"),
        ..Account::of_this_process().expect("an account")
    }
}

/// The test program has other tests' children, so it adopts none.
fn children() -> Children {
    Children::watch(false).expect("watched")
}

fn clock() -> Arc<dyn Clock> {
    Arc::new(SystemClock::new())
}

/// A session with this far end.
fn joined<F: FarEnd + 'static>(far: F, extension: Option<NodeExtension>) -> (Client, Worker) {
    joined_with(far, extension, None, None)
}

/// The same, encrypted or with a log.
fn joined_with<F: FarEnd + 'static>(
    far: F,
    extension: Option<NodeExtension>,
    encryption: Option<Encryption>,
    log: Option<Logging>,
) -> (Client, Worker) {
    let clock = clock();
    let random = Arc::new(SeededRandom::new(1));
    let settings = Settings {
        session: SessionId::parse("alice-0a1b2c3d4e5f67890").expect("valid"),
        node: NodeId::parse("mi-0a1b2c3d4e5f67890").expect("valid"),
        extension,
    };
    let (dial, listener) = memory();
    let session = Session::new(&settings, encryption, far, log, dial, Arc::clone(&clock), random);
    let stop = Arc::new(Notify::new());
    let stopped = Arc::clone(&stop).notified_owned();
    let worker = Worker {
        session: Box::pin(session.run(Box::pin(stopped))),
        shell: 0,
        stop,
    };
    let client = Client {
        end: ClientEnd::new(
            ClientConfig::new(Uuid::nil(), "1.2.764.0"),
            MessageIds::new([9; 16]),
        ),
        listener,
        socket: None,
        clock,
        output: Vec::new(),
        errors: Vec::new(),
        messages: Vec::new(),
        pieces: Vec::new(),
        established: None,
        deaf: false,
        hears_goodbye: false,
        hangs_up: false,
        sent: HashMap::new(),
        opened: Vec::new(),
        states: Vec::new(),
        data_key: None,
        frames: Vec::new(),
    };
    (client, worker)
}

const EXTENSION: NodeExtension = NodeExtension {
    max_payload: 32 * 1024,
    cumulative_ack: true,
    client_streams_input: true,
    client_tunnels: true,
    client_commands: true,
};

const OURS: Option<NodeExtension> = Some(EXTENSION);

#[tokio::test]
async fn runs_a_shell_from_prompt_to_exit() {
    for extension in [None, OURS] {
        let (mut client, mut worker) = shell("", extension);
        worker
            .beside(async {
                client.until(|client| !client.output.is_empty()).await;
                client.end.send_size(Size { cols: 132, rows: 50 });
                client.type_in("printf '%s' '<''<'; stty size; printf '%s' '>''>'\r");
                client.until_seen(">>").await;
                assert!(client.text().contains("<<50 132"), "{}", client.text());
                client.type_in("sleep 1000 & exit 3\r");
            })
            .await;
        assert_eq!(worker.outcome(&mut client).await, Outcome::success());

        let [connected, terminating] = &client.states[..] else {
            panic!("two states: {:?}", client.states)
        };
        assert_eq!(connected.session_state, SessionState::Connected);
        assert_eq!(terminating.session_state, SessionState::Terminating);
        assert_eq!(terminating.exit_code, extension.map(|_| 3));
        let [opened] = &client.opened[..] else {
            panic!("one connection")
        };
        assert_eq!(opened.token_value.expose(), "t0ken");
        assert_eq!(opened.client_instance_id.as_deref(), Some("mi-0a1b2c3d4e5f67890"));
        assert_eq!(opened.client_id, "");
        assert_eq!(
            Leftovers {
                session: worker.shell,
                ancestor: None
            }
            .find(),
            Vec::<i32>::new()
        );
    }
}

#[tokio::test]
async fn loses_and_doubles_nothing_when_the_connection_is_cut_again_and_again() {
    const LINES: usize = 200_000;
    let (mut client, mut worker) = shell("", OURS);
    worker
        .beside(async {
            client.until(|client| !client.output.is_empty()).await;
            client.type_in(&format!(
                "stty -echo -onlcr; printf '%s' '<''<'; seq {LINES}; printf '%s' '>''>'\r"
            ));
            client.until_seen("<<").await;
            for _ in 0..10 {
                let before = client.output.len();
                client
                    .until(|client| client.output.len() > before + 60_000 || client.text().ends_with(">>"))
                    .await;
                client.cut();
            }
            client
                .until(|client| client.output.windows(2).any(|two| two == b">>"))
                .await;
        })
        .await;
    let text = client.text();
    let (_, rest) = text.split_once("<<").expect("the first mark");
    let (body, _) = rest.split_once(">>").expect("the second mark");
    let expected: String = (1..=LINES).map(|line| format!("{line}\n")).collect();
    assert!(
        body == expected,
        "{} bytes instead of {}",
        body.len(),
        expected.len()
    );
    assert!(client.opened.len() >= 10, "{}", client.opened.len());
    client.type_in("exit\r");
    assert_eq!(worker.outcome(&mut client).await, Outcome::success());
}

#[tokio::test]
async fn delivers_what_was_written_before_the_exit_to_a_client_that_was_away() {
    let (mut client, mut worker) = shell("", OURS);
    worker
        .beside(async {
            client.until(|client| !client.output.is_empty()).await;
            client.type_in("seq 50000; exit\r");
            client.until(|client| client.end.is_drained()).await;
            client.cut();
        })
        .await;
    assert_eq!(worker.outcome(&mut client).await, Outcome::success());
    assert!(client.text().contains("\n50000\r\n"));
    assert!(client.ended_with().is_some());
}

#[tokio::test]
async fn ends_although_nobody_returns_its_goodbye() {
    let (mut client, mut worker) = shell("", None);
    client.hangs_up = true;
    worker
        .beside(async {
            client.type_in("exit 3\r");
            client.until(|client| client.ended_with().is_some()).await;
        })
        .await;
    assert_eq!(worker.outcome(&mut client).await, Outcome::success());
}

#[tokio::test]
async fn ends_when_told_to_without_a_word() {
    let (mut client, mut worker) = shell("", OURS);
    worker
        .beside(client.until(|client| !client.output.is_empty()))
        .await;
    worker.stop.notify_one();
    assert_eq!(worker.outcome(&mut client).await, Outcome::success());
    assert_eq!(client.ended_with(), None);
    assert_eq!(
        Leftovers {
            session: worker.shell,
            ancestor: None
        }
        .find(),
        Vec::<i32>::new()
    );
}

#[tokio::test]
async fn ends_when_the_server_closes_the_channel() {
    let (mut client, mut worker) = shell("", OURS);
    worker
        .beside(async {
            client.until(|client| !client.output.is_empty()).await;
            client
                .send(
                    MessageType::ChannelClosed,
                    r#"{"SessionId":"alice-0a1b2c3d4e5f67890"}"#,
                )
                .await;
        })
        .await;
    assert_eq!(worker.outcome(&mut client).await, Outcome::success());
}

#[tokio::test]
async fn ends_when_the_server_knows_the_session_no_more() {
    let (mut client, mut worker) = shell("", OURS);
    worker
        .beside(client.until(|client| !client.output.is_empty()))
        .await;
    client.listener.session_ended.set(true);
    client.cut();
    assert_eq!(worker.outcome(&mut client).await, Outcome::success());
}

#[tokio::test]
async fn goes_on_after_a_pause() {
    let (mut client, mut worker) = shell("", OURS);
    worker
        .beside(async {
            client.until(|client| !client.output.is_empty()).await;
            for round in 0..3 {
                client.send(MessageType::PausePublication, "{}").await;
                client.type_in(&format!("printf '%s' 'rou''nd {round}.'\r"));
                client.until_seen(&format!("round {round}.")).await;
            }
        })
        .await;
}

#[tokio::test]
async fn types_the_profile_once_the_shell_is_there() {
    let (mut client, mut worker) = shell("printf '%s' 'from ''profile'", OURS);
    worker.beside(client.until_seen("from profile")).await;
}
