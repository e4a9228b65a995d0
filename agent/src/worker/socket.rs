//! A connection to one port, for `ssh` and others that speak over a single stream (`protocol.md` 6.4), and for clients that
//! know tunnels only as one connection after the other (6.5).
//!
//! ```text
//!             connected                the target hung up, or the client left
//!  Dialling ─────────────▶ Connected ───────────────────────────────────────▶ Ended
//!    │ ▲ └── refused ──────────────────│────────────────────────────────────▶
//!    │ │ the client speaks             │ either side hung up
//!    │ └───────────────────── Idle ◀───┘ (one after the other)
//! ```

use std::future::Future;
use std::io;
use std::os::fd::OwnedFd;
use std::pin::Pin;

use bytes::Bytes;
use drawbridge_protocol::payload::{SessionType, flag};
use drawbridge_protocol::wire::PayloadType;
use drawbridge_session::document::Destination;
use drawbridge_tunnel::Socket;
use rustix::net::Shutdown;
use serde_json::Value;
use tokio::io::Interest;

use super::far_end::{End, FarEnd, FarEvent, Introduction};
use super::input::Input;
use super::target::{Reach, Reached, TargetError, dial};
use crate::pty::{ReadOutcome, Stream};

/// Carries bytes between a client and one port.
pub(super) struct SocketEnd {
    destination: Destination,
    reach: Reach,
    /// Whether the end of a connection is that of the session.
    is_once: bool,
    stage: Stage,
    input: Input,
    output: Vec<u8>,
    properties: Value,
}

type Dialling = Pin<Box<dyn Future<Output = Result<Reached, TargetError>>>>;

enum Stage {
    Dialling(Dialling),
    Connected { stream: Stream, said_end: bool },
    Idle,
    Ended(End),
}

impl SocketEnd {
    /// Begins to connect. `properties` are told to the client.
    pub(super) fn new(destination: Destination, reach: Reach, properties: Value) -> Self {
        Self {
            stage: Stage::Dialling(dialling(&destination, &reach)),
            destination,
            reach,
            is_once: true,
            input: Input::default(),
            output: Vec::new(),
            properties,
        }
    }

    /// The same, and connects again whenever the client has something to say to a port that hung up.
    pub(super) fn again_and_again(destination: Destination, reach: Reach, properties: Value) -> Self {
        Self {
            is_once: false,
            ..Self::new(destination, reach, properties)
        }
    }

    fn dialled(&mut self, dialled: Result<Reached, TargetError>) {
        let connected = dialled
            .map_err(|error| error.to_string())
            .and_then(|reached| take_over(reached.socket).map_err(|error| format!("{LOST}: {error}")));
        self.stage = match connected {
            Ok(stream) => Stage::Connected {
                stream,
                said_end: false,
            },
            Err(why) => Stage::Ended(End::Failed(why)),
        };
    }

    fn read(&mut self, outcome: io::Result<ReadOutcome>) {
        match outcome {
            Ok(ReadOutcome::Limited | ReadOutcome::Drained) => {}
            Ok(ReadOutcome::Closed) => self.hang_up(),
            Err(_) if !self.is_once => self.hang_up(),
            Err(error) => self.stage = Stage::Ended(End::Failed(format!("{LOST}: {error}"))),
        }
    }

    fn hang_up(&mut self) {
        self.input.clear();
        self.stage = if self.is_once {
            Stage::Ended(End::Closed)
        } else {
            Stage::Idle
        };
    }

    /// The client's program hung up. As AWS's agent does, what the port has not taken by now is not waited for.
    fn disconnect(&mut self) {
        self.pass_input_on();
        self.output.clear();
        self.hang_up();
    }

    fn pass_input_on(&mut self) {
        let Stage::Connected { stream, said_end } = &mut self.stage else {
            return;
        };
        self.input.pass_on(|bytes| stream.write_now(bytes));
        if self.input.is_finished() && !std::mem::replace(said_end, true) {
            // A target that is gone says so itself.
            let _ = rustix::net::shutdown(&*stream, Shutdown::Write);
        }
    }
}

/// What is said when a connection breaks that was there.
const LOST: &str = "Connection to specified port was lost";

fn take_over(socket: Socket) -> io::Result<Stream> {
    let descriptor = match socket {
        Socket::Tcp(stream) => OwnedFd::from(stream.into_std()?),
        Socket::Unix(stream) => OwnedFd::from(stream.into_std()?),
    };
    Stream::new(descriptor, Interest::READABLE | Interest::WRITABLE)
}

fn dialling(destination: &Destination, reach: &Reach) -> Dialling {
    let (destination, reach) = (destination.clone(), reach.clone());
    Box::pin(async move { dial(&destination, &reach).await })
}

impl FarEnd for SocketEnd {
    fn introduction(&self) -> Option<Introduction> {
        Some(Introduction {
            session_type: SessionType::Port,
            properties: self.properties.clone(),
        })
    }

    fn handle_input(&mut self, bytes: Bytes) {
        if matches!(self.stage, Stage::Idle) {
            self.stage = Stage::Dialling(dialling(&self.destination, &self.reach));
        }
        self.input.push(bytes);
    }

    fn handle_flag(&mut self, number: u32) {
        match number {
            flag::END_OF_INPUT => self.input.finish(),
            flag::DISCONNECT_TO_PORT if !self.is_once => self.disconnect(),
            flag::TERMINATE_SESSION => self.stage = Stage::Ended(End::Closed),
            _ => {}
        }
    }

    fn refuses(&self, frame: &[u8]) -> bool {
        self.input.refuses(frame)
    }

    fn poll(&mut self, _room: usize) -> Option<FarEvent> {
        if !self.output.is_empty() {
            let bytes = Bytes::copy_from_slice(&self.output);
            self.output.clear();
            return Some(FarEvent::Said(PayloadType::Output, bytes));
        }
        self.pass_input_on();
        match &self.stage {
            Stage::Ended(end) => Some(FarEvent::Ended(end.clone())),
            Stage::Dialling(_) | Stage::Connected { .. } | Stage::Idle => None,
        }
    }

    async fn next(&mut self, room: usize) {
        let Self {
            stage, input, output, ..
        } = self;
        match stage {
            Stage::Dialling(dialling) => {
                let dialled = dialling.await;
                self.dialled(dialled);
            }
            Stage::Connected { stream, .. } => tokio::select! {
                outcome = stream.read(output, room), if room > 0 => self.read(outcome),
                taken = stream.write(input.front()), if !input.is_empty() => input.taken(&taken),
                () = std::future::pending() => {}
            },
            Stage::Ended(_) | Stage::Idle => std::future::pending().await,
        }
    }

    fn is_kept_by_server(&self) -> bool {
        false
    }

    async fn end(&mut self) {
        self.stage = Stage::Ended(End::Closed);
    }
}
