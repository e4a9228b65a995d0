//! A terminal, a server's front door and a clock, all in memory.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use drawbridge_aws_client::CallError;
use drawbridge_protocol::encryption::DataKey;
use drawbridge_protocol::payload::Size;
use drawbridge_protocol::{Hello, Token};
use drawbridge_session::{Clock, SeededRandom};
use jiff::Timestamp;
use tokio::io::{DuplexStream, duplex};
use tokio::sync::{Notify, mpsc};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::peer::{HELLO, Peer};
use crate::SessionTicket;
use crate::api::ApiError;
use crate::client::{
    ClientError, ClientOptions, DataKeyError, MadeKey, Mode, Remote, SessionEnd, run_session,
};
use crate::terminal::{Channel, Occurrence, Signal, Terminal};

/// What a script holds: the far side of everything the client touches.
pub(super) struct Stage {
    pub(super) server: Rc<Server>,
    pub(super) screen: Rc<Screen>,
    doors: mpsc::UnboundedReceiver<DuplexStream>,
}

/// What is left when the curtain has fallen.
pub(super) struct Played {
    pub(super) end: Result<SessionEnd, ClientError>,
    pub(super) server: Rc<Server>,
    pub(super) screen: Rc<Screen>,
}

/// Runs a session in `mode` against `script`, in front of a person.
pub(super) async fn play(mode: Mode, script: impl AsyncFnOnce(&mut Stage)) -> Played {
    play_with(&ClientOptions::new(mode), true, script).await
}

/// The same with standard input from a pipe.
pub(super) async fn play_piped(mode: Mode, script: impl AsyncFnOnce(&mut Stage)) -> Played {
    play_with(&ClientOptions::new(mode), false, script).await
}

pub(super) async fn play_with(
    options: &ClientOptions,
    interactive: bool,
    script: impl AsyncFnOnce(&mut Stage),
) -> Played {
    let (door, doors) = mpsc::unbounded_channel();
    let server = Rc::new(Server {
        door,
        refusals: RefCell::default(),
        renewals: RefCell::default(),
        keys: RefCell::default(),
        joined: RefCell::default(),
        calls: RefCell::default(),
    });
    let screen = Rc::new(Screen::new(interactive));
    let mut stage = Stage {
        server: Rc::clone(&server),
        screen: Rc::clone(&screen),
        doors,
    };
    let ticket = SessionTicket {
        session_id: "alice-0a1b2c3d4e5f67890".into(),
        token: Token::new("first-token"),
        stream_url: "wss://bridge.example/v1/data-channel/alice-0a1b2c3d4e5f67890".into(),
        target: Some("mi-0123456789abcdef0".into()),
        joined_key: None,
    };
    let clock = VirtualClock {
        origin: tokio::time::Instant::now(),
    };
    let random = SeededRandom::new(7);
    let mut terminal = FakeTerminal(Rc::clone(&screen));
    // The script goes first, so that what it prepares is there for the first attempt to connect.
    let ((), end) = tokio::join!(
        script(&mut stage),
        run_session(&ticket, options, &*server, &mut terminal, &clock, &random)
    );
    Played { end, server, screen }
}

impl Stage {
    /// The next connection that the client opens.
    pub(super) async fn accept(&mut self) -> Peer {
        let door = tokio::time::timeout(Duration::from_secs(3600), self.doors.recv());
        Peer::accept(door.await.expect("a connection").expect("the client is there")).await
    }

    /// The next connection, and a shell on it that has shown its prompt; the size was reported.
    pub(super) async fn shell(&mut self) -> Peer {
        let mut peer = self.accept().await;
        peer.output(0, "$ ").await;
        peer.size().await;
        peer
    }

    /// The next connection, on which our server has said hello and a command without a terminal has begun.
    pub(super) async fn command(&mut self) -> Peer {
        self.command_with(HELLO).await
    }

    /// The same on a server that says this.
    pub(super) async fn command_with(&mut self, hello: Hello) -> Peer {
        let mut peer = self.accept().await;
        peer.hello(hello).await;
        peer.handshake("NonInteractiveCommands").await;
        peer.complete_handshake("").await;
        self.settle().await;
        peer
    }

    /// Cannot be reached for the next attempts to connect.
    pub(super) fn refuses(&self, attempts: usize) {
        let refusals = (0..attempts).map(|_| unreachable());
        self.server.refusals.borrow_mut().extend(refusals);
    }

    pub(super) fn types(&self, text: impl Into<Bytes>) {
        self.screen.happens(Occurrence::Input(text.into()));
    }

    pub(super) fn signals(&self, signal: Signal) {
        self.screen.happens(Occurrence::Signal(signal));
    }

    /// Lets everything that can happen at this moment happen.
    pub(super) async fn settle(&self) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

impl Played {
    pub(super) fn exit_code(&self) -> u8 {
        self.end.as_ref().unwrap().exit_code()
    }
}

/// The server's front door and its API.
pub(super) struct Server {
    door: mpsc::UnboundedSender<DuplexStream>,
    /// Answers to the next attempts to connect, in place of a connection.
    pub(super) refusals: RefCell<VecDeque<CallError>>,
    /// Answers to the next requests for a token, in place of a token.
    pub(super) renewals: RefCell<VecDeque<Result<Option<Token>, ApiError>>>,
    /// Answers to requests for a data key.
    pub(super) keys: RefCell<VecDeque<Result<DataKey, DataKeyError>>>,
    /// The data key of the session, if it was encrypted before.
    pub(super) joined: RefCell<Option<Result<Option<DataKey>, DataKeyError>>>,
    /// The calls made, by name.
    pub(super) calls: RefCell<Vec<&'static str>>,
}

impl Server {
    pub(super) fn count(&self, call: &str) -> usize {
        self.calls.borrow().iter().filter(|made| **made == call).count()
    }
}

impl Remote for Server {
    type Socket = WebSocketStream<DuplexStream>;

    async fn dial(&self) -> Result<Self::Socket, CallError> {
        self.calls.borrow_mut().push("dial");
        if let Some(error) = self.refusals.borrow_mut().pop_front() {
            return Err(error);
        }
        let (ours, theirs) = duplex(64 * 1024);
        self.door.send(theirs).unwrap();
        Ok(WebSocketStream::from_raw_socket(ours, Role::Client, None).await)
    }

    async fn renew(&self) -> Result<Option<Token>, ApiError> {
        self.calls.borrow_mut().push("renew");
        let answer = self.renewals.borrow_mut().pop_front();
        answer.unwrap_or_else(|| Ok(Some(Token::new(format!("token-{}", self.count("renew"))))))
    }

    async fn make_data_key(&self, kms_key_id: String) -> Result<MadeKey, DataKeyError> {
        self.calls.borrow_mut().push("make_data_key");
        assert_eq!(kms_key_id, "alias/k");
        let answer = self.keys.borrow_mut().pop_front();
        let key = answer.unwrap_or(Err(DataKeyError::NotOne))?;
        let wrapped = b"wrapped".to_vec();
        Ok(MadeKey { key, wrapped })
    }

    async fn joined_data_key(&self) -> Result<Option<DataKey>, DataKeyError> {
        self.joined.borrow_mut().take().unwrap_or(Ok(None))
    }

    async fn terminate(&self) -> Result<(), ApiError> {
        self.calls.borrow_mut().push("terminate");
        Ok(())
    }
}

/// What a person would see and do.
pub(super) struct Screen {
    interactive: bool,
    pub(super) size: Cell<Size>,
    output: RefCell<Vec<u8>>,
    notices: RefCell<Vec<String>>,
    /// `raw`, `cooked` and `stopped`, in order.
    modes: RefCell<Vec<&'static str>>,
    /// Whether the terminal takes no bytes.
    stuck: Cell<bool>,
    backlog: Cell<usize>,
    keys: RefCell<VecDeque<Occurrence>>,
    events: RefCell<VecDeque<Occurrence>>,
    changed: Notify,
}

impl Screen {
    fn new(interactive: bool) -> Self {
        Self {
            interactive,
            size: Cell::new(Size { cols: 120, rows: 40 }),
            output: RefCell::default(),
            notices: RefCell::default(),
            modes: RefCell::default(),
            stuck: Cell::default(),
            backlog: Cell::default(),
            keys: RefCell::default(),
            events: RefCell::default(),
            changed: Notify::new(),
        }
    }

    pub(super) fn output(&self) -> String {
        String::from_utf8(self.bytes()).unwrap()
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        self.output.borrow().clone()
    }

    /// How much input nobody has asked for.
    pub(super) fn unread(&self) -> usize {
        self.keys.borrow().len()
    }

    pub(super) fn notices(&self) -> String {
        self.notices.borrow().join("\n")
    }

    pub(super) fn modes(&self) -> Vec<&'static str> {
        self.modes.borrow().clone()
    }

    pub(super) fn backlog(&self) -> usize {
        self.backlog.get()
    }

    pub(super) fn happens(&self, occurrence: Occurrence) {
        let queue = match occurrence {
            Occurrence::Input(_) | Occurrence::EndOfInput => &self.keys,
            _ => &self.events,
        };
        queue.borrow_mut().push_back(occurrence);
        self.changed.notify_one();
    }

    pub(super) fn stick(&self) {
        self.stuck.set(true);
    }

    pub(super) fn release(&self) {
        self.stuck.set(false);
        self.backlog.set(0);
        self.happens(Occurrence::Written);
    }

    fn is_raw(&self) -> bool {
        self.modes.borrow().last() == Some(&"raw")
    }
}

pub(super) struct FakeTerminal(Rc<Screen>);

impl Terminal for FakeTerminal {
    fn is_interactive(&self) -> bool {
        self.0.interactive
    }

    fn enter_raw(&mut self) -> io::Result<()> {
        if self.0.interactive && !self.0.is_raw() {
            self.0.modes.borrow_mut().push("raw");
        }
        Ok(())
    }

    fn leave_raw(&mut self) {
        if self.0.is_raw() {
            self.0.modes.borrow_mut().push("cooked");
        }
    }

    fn stop(&mut self) -> bool {
        self.0.modes.borrow_mut().push("stopped");
        true
    }

    fn size(&self) -> Size {
        self.0.size.get()
    }

    fn write(&mut self, channel: Channel, bytes: Bytes) {
        if self.0.stuck.get() {
            self.0.backlog.set(self.0.backlog.get() + bytes.len());
        }
        match channel {
            Channel::Output => self.0.output.borrow_mut().extend_from_slice(&bytes),
            Channel::Notice => {
                self.0
                    .notices
                    .borrow_mut()
                    .push(String::from_utf8(bytes.to_vec()).unwrap());
            }
        }
    }

    fn notice(&mut self, sentence: &str) {
        self.0.notices.borrow_mut().push(sentence.to_owned());
    }

    fn backlog(&self) -> usize {
        self.0.backlog.get()
    }

    fn room(&self) -> usize {
        (256 * 1024_usize).saturating_sub(self.0.backlog.get())
    }

    async fn next(&mut self, want_input: bool) -> Occurrence {
        loop {
            if let Some(event) = self.0.events.borrow_mut().pop_front() {
                return event;
            }
            if want_input && let Some(key) = self.0.keys.borrow_mut().pop_front() {
                return key;
            }
            self.0.changed.notified().await;
        }
    }

    async fn drained(&mut self) {
        while self.0.backlog.get() > 0 {
            self.0.changed.notified().await;
        }
    }
}

struct VirtualClock {
    origin: tokio::time::Instant,
}

impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
    }

    fn monotonic(&self) -> Duration {
        self.origin.elapsed()
    }
}

/// A failure that may pass.
pub(super) fn unreachable() -> CallError {
    CallError::Connect {
        host: "bridge.example".into(),
        port: 443,
        source: io::ErrorKind::ConnectionRefused.into(),
    }
}

/// A clear no.
pub(super) fn denied() -> CallError {
    CallError::Aws {
        code: "AccessDeniedException".into(),
        message: "not allowed".into(),
        status: http::StatusCode::BAD_REQUEST,
        request_id: None,
    }
}
