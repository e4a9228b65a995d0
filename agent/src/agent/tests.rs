//! The agent against the server's end of the control channel, over websockets in memory, with scripts for workers.

use std::path::Path;

use bytes::Bytes;
use drawbridge_protocol::Transmit;
use drawbridge_protocol::control_channel::server::{Event as ServerEvent, ServerControl};
use drawbridge_protocol::payload::{InteractiveShell, OpenControlChannel, TaskComplete, TaskStatus};
use drawbridge_session::{SeededRandom, SystemClock};
use futures_util::SinkExt;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use super::*;
use crate::line::memory::{Listener, MemoryDial, Socket, memory};

/// Long enough for a busy machine; no test waits this long when it passes.
const PATIENCE: Duration = Duration::from_secs(30);

/// Reads what it is told and goes on until it is terminated.
const PATIENT: &str = "cat >/dev/null; exec sleep 1000";
/// Says that its session ended well.
const QUICK: &str = r#"spec=$(cat)
folder=$(printf %s "$spec" | sed 's/.*"session_folder":"\([^"]*\)".*/\1/')
printf '{"status":"success","output":""}' >"$folder/outcome.json""#;

struct Server {
    listener: Listener,
    clock: Arc<dyn Clock>,
    control: Option<(ServerControl, Socket)>,
    opened: Vec<OpenControlChannel>,
    completed: Vec<TaskComplete>,
    /// Whether reports are answered.
    acknowledges: bool,
}

impl Server {
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

    async fn connected(&mut self) {
        let before = self.opened.len();
        self.until(|server| server.opened.len() > before).await;
    }

    async fn start(&mut self, session: &str, inputs: &Value) {
        let content = ShellContent {
            document_content: json!({"schemaVersion": "1.0", "sessionType": "Standard_Stream", "inputs": inputs}),
            session_id: session.to_owned(),
            ..ShellContent::default()
        };
        let (control, _) = self.control.as_mut().expect("connected");
        control.start(InteractiveShell::new(&content));
        self.flush().await;
    }

    async fn terminate(&mut self, session: &str) {
        let (control, _) = self.control.as_mut().expect("connected");
        control.terminate(session);
        self.flush().await;
    }

    /// Waits until the agent has handled everything that was sent to it.
    async fn settled(&mut self) {
        const NOBODY: &str = "nobody-1";
        self.terminate(NOBODY).await;
        self.until(|server| server.completed.iter().any(|complete| complete.task_id == NOBODY))
            .await;
        self.completed.retain(|complete| complete.task_id != NOBODY);
    }

    async fn step(&mut self) {
        self.flush().await;
        tokio::select! {
            Some(socket) = self.listener.connections.recv() => {
                let control = ServerControl::new(MessageIds::new([7; 16]), self.now());
                self.control = Some((control, socket));
            }
            message = next(&mut self.control) => match message {
                Some(message) => self.receive(message),
                None => self.control = None,
            }
        }
    }

    fn receive(&mut self, message: Message) {
        let now = self.now();
        let Some((control, _)) = &mut self.control else {
            return;
        };
        match message {
            Message::Text(text) => control.handle_text(&text, now).expect("well formed"),
            Message::Binary(frame) => control.handle_message(frame, now).expect("well behaved"),
            _ => {}
        }
        while let Some(event) = control.poll_event() {
            match event {
                ServerEvent::Opened(open) => {
                    self.opened.push(open);
                    control.accept(now);
                }
                ServerEvent::Completed(complete) => self.completed.push(complete),
                ServerEvent::Unresponsive => {}
            }
        }
    }

    async fn flush(&mut self) {
        let now = self.now();
        let Some((control, socket)) = &mut self.control else {
            return;
        };
        while let Some(transmit) = control.poll_transmit(now) {
            let is_acknowledge = |frame: &Bytes| frame[4..].starts_with(b"agent_task_acknowledge");
            match transmit {
                Transmit::Binary(frame) if is_acknowledge(&frame) && !self.acknowledges => {}
                Transmit::Binary(frame) => drop(socket.feed(Message::Binary(frame)).await),
                Transmit::Ping(payload) => drop(socket.feed(Message::Ping(payload)).await),
                Transmit::Text(_) => panic!("the server never sends text"),
            }
        }
        let _ = socket.flush().await;
    }

    fn now(&self) -> Time {
        Time::new(self.clock.monotonic(), self.clock.epoch_ms())
    }
}

async fn next(control: &mut Option<(ServerControl, Socket)>) -> Option<Message> {
    match control {
        Some((_, socket)) => socket.next().await.and_then(Result::ok),
        None => std::future::pending().await,
    }
}

fn agent(state: &Path, script: &str) -> (Agent<MemoryDial>, Server) {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let identity = Identity {
        node: NodeId::parse("mi-0a1b2c3d4e5f67890").expect("valid"),
        capabilities: Some(Capabilities::OURS),
        clock: Arc::clone(&clock),
        random: Arc::new(SeededRandom::new(1)),
    };
    let settings = AgentSettings {
        default_account: DefaultAccount::AgentUser,
        worker: WorkerProgram {
            program: "/bin/sh".into(),
            arguments: vec!["-c".into(), script.into()],
        },
    };
    let state = StateFolder::create(state).expect("created");
    let registry = Registry::open(&state).expect("opened");
    let (dial, listener) = memory();
    let server = Server {
        listener,
        clock,
        control: None,
        opened: Vec::new(),
        completed: Vec::new(),
        acknowledges: true,
    };
    (Agent::new(identity, dial, state, registry, settings), server)
}

/// Runs the agent beside the server's script.
async fn beside<T>(agent: &mut Agent<MemoryDial>, script: impl Future<Output = T>) -> T {
    agent.take_up().await.expect("readable");
    tokio::select! {
        done = script => done,
        () = agent.serve() => unreachable!("it serves for ever"),
    }
}

fn known(state: &Path) -> usize {
    let state = StateFolder::open(state).expect("there");
    Registry::open(&state)
        .expect("opened")
        .known()
        .expect("listed")
        .len()
}

#[tokio::test]
async fn reports_an_end_until_it_is_acknowledged_and_then_forgets() {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut agent, mut server) = agent(folder.path(), QUICK);
    beside(&mut agent, async {
        server.connected().await;
        server.start("alice-1", &json!({})).await;
        server.until(|server| !server.completed.is_empty()).await;
        server.settled().await;
    })
    .await;
    assert_eq!(known(folder.path()), 0);
    assert_eq!(server.opened[0].capabilities, Some(Capabilities::OURS));
    assert_eq!(server.opened[0].platform_type, "linux");
    let [complete] = &server.completed[..] else {
        panic!("one report: {:?}", server.completed)
    };
    assert_eq!(complete.task_id, "alice-1");
    assert_eq!(complete.instance_id, "mi-0a1b2c3d4e5f67890");
    assert_eq!(complete.final_task_status, TaskStatus::Success);
}

#[tokio::test]
async fn an_agent_that_was_replaced_finds_its_sessions_and_ends_them_when_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut first, mut server) = agent(folder.path(), PATIENT);
    beside(&mut first, async {
        server.connected().await;
        server.start("alice-1", &json!({})).await;
        server.settled().await;
    })
    .await;
    assert_eq!(known(folder.path()), 1);
    drop(first);

    let (mut second, mut server) = agent(folder.path(), PATIENT);
    beside(&mut second, async {
        server.connected().await;
        // Repeated by a server that was replaced too; it must not start a second worker.
        server.start("alice-1", &json!({})).await;
        server.terminate("alice-1").await;
        server.until(|server| !server.completed.is_empty()).await;
    })
    .await;
    // The script cannot say how its session ended.
    assert_eq!(server.completed[0].final_task_status, TaskStatus::Failed);
    assert_eq!(
        server.completed[0].output,
        "The session's worker process ended unexpectedly"
    );
}

#[tokio::test]
async fn a_report_that_nobody_acknowledged_is_made_again_by_the_next_agent() {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut first, mut server) = agent(folder.path(), QUICK);
    server.acknowledges = false;
    beside(&mut first, async {
        server.connected().await;
        server.start("alice-1", &json!({})).await;
        server.until(|server| !server.completed.is_empty()).await;
    })
    .await;
    drop(first);

    let (mut second, mut server) = agent(folder.path(), QUICK);
    beside(&mut second, async {
        server.until(|server| !server.completed.is_empty()).await;
        server.settled().await;
    })
    .await;
    assert_eq!(known(folder.path()), 0);
    assert_eq!(server.completed[0].final_task_status, TaskStatus::Success);
}

#[tokio::test]
async fn says_why_it_refuses_a_session() {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut agent, mut server) = agent(folder.path(), PATIENT);
    beside(&mut agent, async {
        server.connected().await;
        server.start("alice-1", &json!({"runAsEnabled": "perhaps"})).await;
        server.start("../../etc/cron.d/x", &json!({})).await;
        server.until(|server| !server.completed.is_empty()).await;
    })
    .await;
    assert_eq!(server.completed[0].final_task_status, TaskStatus::Failed);
    assert!(
        server.completed[0].output.contains("session document is invalid"),
        "{}",
        server.completed[0].output
    );
    assert_eq!(server.completed.len(), 1);
}

#[tokio::test]
async fn tells_a_server_that_a_session_it_believes_in_is_over() {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut agent, mut server) = agent(folder.path(), PATIENT);
    beside(&mut agent, async {
        server.connected().await;
        server.terminate("alice-1").await;
        server.until(|server| !server.completed.is_empty()).await;
    })
    .await;
    assert_eq!(server.completed[0].final_task_status, TaskStatus::Success);
}

#[tokio::test]
async fn comes_back_when_the_connection_is_lost() {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut agent, mut server) = agent(folder.path(), QUICK);
    beside(&mut agent, async {
        server.connected().await;
        for _ in 0..3 {
            server.control = None;
            server.connected().await;
        }
        server.start("alice-1", &json!({})).await;
        server.until(|server| !server.completed.is_empty()).await;
    })
    .await;
}
