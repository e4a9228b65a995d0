//! A connection to one port, for `ssh` and others that speak over a single stream (`protocol.md` 6.4).
//!
//! ```text
//!             connected                the target hung up, or the client left
//!  Dialling ─────────────▶ Connected ───────────────────────────────────────▶ Ended
//!     └── refused ──────────────────────────────────────────────────────────▶
//! ```

use std::future::Future;
use std::io;
use std::os::fd::OwnedFd;
use std::pin::Pin;

use bytes::Bytes;
use drawbridge_protocol::payload::{SessionType, flag};
use drawbridge_protocol::wire::PayloadType;
use rustix::net::Shutdown;
use serde_json::Value;
use tokio::io::Interest;
use tokio::net::TcpStream;

use super::far_end::{End, FarEnd, FarEvent, Introduction};
use super::input::Input;
use super::target::{TargetError, dial};
use crate::pty::{ReadOutcome, Stream};
use crate::sessions::Target;

/// Carries bytes between a client and one port.
pub(super) struct SocketEnd {
    stage: Stage,
    input: Input,
    output: Vec<u8>,
    properties: Value,
}

type Dialling = Pin<Box<dyn Future<Output = Result<TcpStream, TargetError>>>>;

enum Stage {
    Dialling(Dialling),
    Connected { stream: Stream, said_end: bool },
    Ended(End),
}

impl SocketEnd {
    /// Begins to connect. `properties` are told to the client.
    pub(super) fn new(target: Target, properties: Value) -> Self {
        Self {
            stage: Stage::Dialling(Box::pin(async move { dial(&target).await })),
            input: Input::default(),
            output: Vec::new(),
            properties,
        }
    }

    fn dialled(&mut self, dialled: Result<TcpStream, TargetError>) {
        let connected = dialled
            .map_err(|error| error.to_string())
            .and_then(|stream| take_over(stream).map_err(|error| format!("{LOST}: {error}")));
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
            Ok(ReadOutcome::Closed) => self.stage = Stage::Ended(End::Closed),
            Err(error) => self.stage = Stage::Ended(End::Failed(format!("{LOST}: {error}"))),
        }
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

fn take_over(stream: TcpStream) -> io::Result<Stream> {
    // Keys and their echoes must not wait for one another.
    stream.set_nodelay(true)?;
    let stream = OwnedFd::from(stream.into_std()?);
    Stream::new(stream, Interest::READABLE | Interest::WRITABLE)
}

impl FarEnd for SocketEnd {
    fn introduction(&self) -> Option<Introduction> {
        Some(Introduction {
            session_type: SessionType::Port,
            properties: self.properties.clone(),
        })
    }

    fn handle_input(&mut self, bytes: Bytes) {
        self.input.push(bytes);
    }

    fn handle_flag(&mut self, number: u32) {
        match number {
            flag::END_OF_INPUT => self.input.finish(),
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
            Stage::Dialling(_) | Stage::Connected { .. } => None,
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
            Stage::Ended(_) => std::future::pending().await,
        }
    }

    fn is_kept_by_server(&self) -> bool {
        false
    }

    async fn end(&mut self) {
        self.stage = Stage::Ended(End::Closed);
    }
}
