//! A program on a terminal that starts when its client is ready, and not before.
//!
//! ```text
//!            the client is ready
//!  Waiting ─────────────────────▶ Running
//!     └── cannot be started ────▶ Refused
//! ```

use std::sync::Arc;

use bytes::Bytes;
use drawbridge_protocol::payload::{SessionType, Size};
use drawbridge_session::Clock;
use serde_json::Value;

use super::far_end::{End, FarEnd, FarEvent, Introduction};
use super::leader::Children;
use super::terminal::TerminalEnd;
use crate::pty::{Program, StartError};
use crate::sessions::{chain, failure_of};

/// Runs a program of a session that is encrypted: nothing is started for a client that has no key.
pub(super) struct DeferredEnd {
    session_type: SessionType,
    stage: Stage,
}

enum Stage {
    Waiting(Option<Box<Start>>),
    Running(Box<TerminalEnd>),
    Refused(String),
}

/// What is to be started.
pub(super) struct Start {
    pub(super) program: Program,
    /// What is typed into it once it is there; may be blank.
    pub(super) profile: String,
    pub(super) children: Children,
    pub(super) clock: Arc<dyn Clock>,
    /// Told the process id.
    pub(super) started: Box<dyn FnOnce(i32)>,
}

impl Start {
    fn start(self) -> Result<TerminalEnd, StartError> {
        let far = TerminalEnd::start(&self.program, self.profile, self.children, self.clock)?;
        (self.started)(far.pid());
        Ok(far)
    }
}

impl DeferredEnd {
    pub(super) fn new(session_type: SessionType, start: Start) -> Self {
        Self {
            session_type,
            stage: Stage::Waiting(Some(Box::new(start))),
        }
    }

    fn running(&mut self) -> Option<&mut TerminalEnd> {
        match &mut self.stage {
            Stage::Running(far) => Some(far),
            Stage::Waiting(_) | Stage::Refused(_) => None,
        }
    }
}

impl FarEnd for DeferredEnd {
    fn introduction(&self) -> Option<Introduction> {
        Some(Introduction {
            session_type: self.session_type.clone(),
            properties: Value::Null,
        })
    }

    fn begin(&mut self, _client_version: &str) {
        if let Stage::Waiting(start) = &mut self.stage
            && let Some(start) = start.take()
        {
            self.stage = match start.start() {
                Ok(far) => Stage::Running(Box::new(far)),
                Err(error) => {
                    let failure = failure_of(self.session_type.name());
                    Stage::Refused(format!("{failure}{}", chain(&error)))
                }
            };
        }
    }

    fn handle_input(&mut self, bytes: Bytes) {
        if let Some(far) = self.running() {
            far.handle_input(bytes);
        }
    }

    fn handle_size(&mut self, size: Size) {
        if let Some(far) = self.running() {
            far.handle_size(size);
        }
    }

    fn is_read_by_people(&self) -> bool {
        true
    }

    fn refuses(&self, frame: &[u8]) -> bool {
        match &self.stage {
            Stage::Running(far) => far.refuses(frame),
            Stage::Waiting(_) | Stage::Refused(_) => false,
        }
    }

    fn poll(&mut self, room: usize) -> Option<FarEvent> {
        match &mut self.stage {
            Stage::Waiting(_) => None,
            Stage::Running(far) => far.poll(room),
            Stage::Refused(why) => Some(FarEvent::Ended(End::Failed(why.clone()))),
        }
    }

    async fn next(&mut self, room: usize) {
        match &mut self.stage {
            Stage::Running(far) => far.next(room).await,
            Stage::Waiting(_) | Stage::Refused(_) => std::future::pending().await,
        }
    }

    async fn end(&mut self) {
        if let Some(far) = self.running() {
            far.end().await;
        }
    }
}
