//! A program on a terminal: a login shell, or a command that people use.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use drawbridge_protocol::payload::{SessionType, Size};
use drawbridge_protocol::wire::PayloadType;
use drawbridge_session::Clock;
use serde_json::Value;

use super::far_end::{End, FarEnd, FarEvent, Introduction};
use super::input::Input;
use super::leader::{Children, Leader};
use crate::pty::{Program, ReadOutcome, StartError, Terminal};

/// Runs a program on a terminal of its own.
pub(super) struct TerminalEnd {
    leader: Leader,
    terminal: Terminal,
    is_open: bool,
    input: Input,
    output: Vec<u8>,
    profile: Option<Profile>,
    is_introduced: bool,
    clock: Arc<dyn Clock>,
}

/// The document's profile, typed once the shell has shown that it is there.
struct Profile {
    text: String,
    due: Duration,
}

/// The size of a terminal until its client says otherwise.
const FIRST_SIZE: Size = Size { cols: 80, rows: 24 };
/// A shell that says nothing for this long gets its profile all the same.
const PROFILE_PATIENCE: Duration = Duration::from_secs(1);

impl TerminalEnd {
    /// Starts the program. `profile` is typed once it has said something; nothing is, when that is blank.
    pub(super) fn start(
        program: &Program,
        profile: String,
        children: Children,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, StartError> {
        let (columns, rows) = cells(FIRST_SIZE);
        let (pid, terminal) = program.start_on_terminal(columns, rows)?;
        let due = clock.monotonic() + PROFILE_PATIENCE;
        Ok(Self {
            leader: Leader::new(pid, children),
            terminal,
            is_open: true,
            input: Input::default(),
            output: Vec::new(),
            profile: Some(Profile { text: profile, due }).filter(|profile| !profile.text.trim().is_empty()),
            is_introduced: false,
            clock,
        })
    }

    /// Has the client told at once that this is a command.
    ///
    /// Without that it learns from the first output that there is a terminal, and a command that waits for a key before it says
    /// anything waits for ever.
    pub(super) fn introduced(self) -> Self {
        Self {
            is_introduced: true,
            ..self
        }
    }

    /// Returns the process id of the program.
    pub(super) fn pid(&self) -> i32 {
        self.leader.pid()
    }

    /// Notices ends of children for somebody beside the terminal.
    pub(super) fn other_children(&self) -> io::Result<Children> {
        self.leader.other_children()
    }

    fn type_profile(&mut self) {
        let now = self.clock.monotonic();
        if let Some(profile) = self.profile.take_if(|profile| now >= profile.due) {
            self.input.push(Bytes::from(profile.text + "\n"));
        }
    }

    fn said(&mut self) -> Option<FarEvent> {
        if self.output.is_empty() {
            return None;
        }
        let bytes = Bytes::copy_from_slice(&self.output);
        self.output.clear();
        if let Some(profile) = &mut self.profile {
            profile.due = Duration::ZERO;
        }
        Some(FarEvent::Said(PayloadType::Output, bytes))
    }

    /// Takes what the program had written before it ended. The kernel has all of it by now, so the first time that
    /// nothing is waiting is the end.
    fn drain(&mut self, room: usize) {
        if !self.is_open || room == 0 {
            return;
        }
        match self.terminal.read_waiting(&mut self.output, room) {
            Ok(ReadOutcome::Limited) => {}
            Ok(ReadOutcome::Drained | ReadOutcome::Closed) => self.is_open = false,
            Err(error) => {
                tracing::warn!(%error, "cannot read the terminal");
                self.is_open = false;
            }
        }
    }
}

impl FarEnd for TerminalEnd {
    fn introduction(&self) -> Option<Introduction> {
        self.is_introduced.then_some(Introduction {
            session_type: SessionType::InteractiveCommands,
            properties: Value::Null,
        })
    }

    fn handle_input(&mut self, bytes: Bytes) {
        if self.is_open {
            self.input.push(bytes);
        }
    }

    fn handle_size(&mut self, size: Size) {
        let (columns, rows) = cells(size);
        if let Err(error) = self.terminal.resize(columns, rows) {
            tracing::debug!(%error, "cannot resize the terminal");
        }
    }

    fn is_read_by_people(&self) -> bool {
        true
    }

    fn refuses(&self, frame: &[u8]) -> bool {
        self.input.refuses(frame)
    }

    fn poll(&mut self, room: usize) -> Option<FarEvent> {
        let status = self.leader.status();
        if status.is_some() {
            self.input.clear();
            self.profile = None;
            if self.output.is_empty() {
                self.drain(room);
            }
        }
        if let Some(said) = self.said() {
            return Some(said);
        }
        if let Some(status) = status
            && !self.is_open
        {
            return Some(FarEvent::Ended(End::Exited(status)));
        }
        self.type_profile();
        // Before anything is sent: the shell answers a key while its acknowledgement is being written.
        self.input.pass_on(|bytes| self.terminal.write_now(bytes));
        None
    }

    async fn next(&mut self, room: usize) {
        let Self {
            leader,
            terminal,
            input,
            output,
            profile,
            ..
        } = self;
        let wait = profile
            .as_ref()
            .map(|profile| profile.due.saturating_sub(self.clock.monotonic()));
        tokio::select! {
            outcome = terminal.read(output, room), if self.is_open && room > 0 => match outcome {
                Ok(ReadOutcome::Limited | ReadOutcome::Drained) => {}
                Ok(ReadOutcome::Closed) => self.is_open = false,
                Err(error) => {
                    tracing::warn!(%error, "cannot read the terminal");
                    self.is_open = false;
                }
            },
            taken = terminal.write(input.front()), if !input.is_empty() => input.taken(&taken),
            () = leader.changed() => {}
            () = tokio::time::sleep(wait.unwrap_or_default()), if wait.is_some() => {}
        }
    }

    async fn end(&mut self) {
        self.leader.end().await;
    }
}

fn cells(size: Size) -> (u16, u16) {
    let clamp = |cells: u32| u16::try_from(cells).unwrap_or(u16::MAX).max(1);
    (clamp(size.cols), clamp(size.rows))
}
