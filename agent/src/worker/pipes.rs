//! A command without a terminal.
//!
//! ```text
//!            the client is ready            it has ended             its pipes are empty
//!  Waiting ─────────────────────▶ Running ─────────────▶ draining ─────────────────────▶ Over
//!     └── cannot be started ──▶ Refused ─────────────────────────────────────────────────▶
//! ```

use std::collections::VecDeque;
use std::io;

use bytes::Bytes;
use drawbridge_protocol::payload::{SessionType, flag};
use drawbridge_protocol::wire::PayloadType;
use nix::sys::signal::Signal;
use serde_json::Value;

use super::far_end::{End, FarEnd, FarEvent, Introduction};
use super::input::Input;
use super::leader::{Children, Leader};
use super::source::Source;
use crate::pty::{ExitStatus, Plumbing, Program, StartError, Stream};
use crate::sessions::{COMMAND_FAILURE, Separation, chain};

/// Runs a command on pipes.
pub(super) struct PipesEnd {
    stage: Stage,
    settings: PipeSettings,
}

/// What decides how a command's pipes are treated.
#[derive(Clone, Debug)]
pub(super) struct PipeSettings {
    /// Whether and how output and errors are told apart.
    pub(super) separation: Option<Separation>,
    /// Whether what the client sends is the command's input; otherwise two of its bytes are keys, and the rest nothing.
    pub(super) takes_input: bool,
    /// Bytes of payload in one frame.
    pub(super) max_payload: usize,
}

enum Stage {
    Waiting(Box<Start>),
    Running(Box<Running>),
    /// What is left to tell.
    Refused(VecDeque<FarEvent>),
    Over,
}

struct Start {
    program: Program,
    children: Children,
    started: Box<dyn FnOnce(i32)>,
}

struct Running {
    leader: Leader,
    stdin: Option<Stream>,
    input: Input,
    output: Source,
    errors: Option<Source>,
    exit_code_is_due: bool,
}

/// What AWS's plugin sends for Ctrl-C and Ctrl-\ (`protocol.md` 1.3).
const KEYS: [(u8, Signal); 2] = [(0x03, Signal::SIGINT), (0x1c, Signal::SIGQUIT)];

impl PipesEnd {
    /// Prepares a command, which starts when the client is ready. `started` is told its process id.
    pub(super) fn new(
        program: Program,
        settings: PipeSettings,
        children: Children,
        started: impl FnOnce(i32) + 'static,
    ) -> Self {
        let start = Start {
            program,
            children,
            started: Box::new(started),
        };
        Self {
            stage: Stage::Waiting(Box::new(start)),
            settings,
        }
    }
}

impl Running {
    fn start(start: Start, settings: &PipeSettings) -> Result<Self, StartError> {
        let plumbing = Plumbing {
            has_input: settings.takes_input,
            separates_errors: settings.separation.is_some(),
        };
        let (pid, pipes) = start.program.start_on_pipes(plumbing)?;
        let leader = Leader::new(pid, start.children);
        (start.started)(leader.pid());
        let Separation {
            output_prefix,
            error_prefix,
        } = settings.separation.clone().unwrap_or_default();
        let source =
            |stream, payload_type, prefix| Source::new(stream, payload_type, prefix, settings.max_payload);
        Ok(Self {
            leader,
            stdin: pipes.input,
            input: Input::default(),
            output: source(pipes.output, PayloadType::Output, output_prefix),
            errors: pipes
                .errors
                .map(|errors| source(errors, PayloadType::StdErr, error_prefix)),
            exit_code_is_due: settings.separation.is_some(),
        })
    }

    fn handle_input(&mut self, bytes: Bytes) {
        if self.stdin.is_some() {
            self.input.push(bytes);
        }
    }

    fn handle_flag(&mut self, number: u32) {
        match number {
            flag::END_OF_INPUT => self.input.finish(),
            flag::INTERRUPT => self.leader.signal(Signal::SIGINT),
            flag::QUIT => self.leader.signal(Signal::SIGQUIT),
            flag::TERMINATE => self.leader.signal(Signal::SIGTERM),
            _ => {}
        }
    }

    fn press_keys(&self, bytes: &[u8]) {
        for byte in bytes {
            if let Some((_, signal)) = KEYS.iter().find(|(key, _)| key == byte) {
                self.leader.signal(*signal);
            }
        }
    }

    fn poll(&mut self, room: usize) -> Option<FarEvent> {
        let status = self.leader.status();
        if status.is_some() {
            self.stdin = None;
            self.input.clear();
        }
        for source in [Some(&mut self.output), self.errors.as_mut()]
            .into_iter()
            .flatten()
        {
            if status.is_some() {
                source.drain(room);
            }
            if let Some((payload_type, bytes)) = source.said() {
                return Some(FarEvent::Said(payload_type, bytes));
            }
        }
        if let Some(status) = status {
            let errors_are_open = self.errors.as_ref().is_some_and(Source::is_open);
            if self.output.is_open() || errors_are_open {
                return None;
            }
            if std::mem::take(&mut self.exit_code_is_due) {
                return Some(exit_code(status));
            }
            return Some(FarEvent::Ended(End::Exited(status)));
        }
        self.pass_input_on();
        None
    }

    fn pass_input_on(&mut self) {
        let Some(stdin) = &self.stdin else { return };
        self.input.pass_on(|bytes| stdin.write_now(bytes));
        if self.input.is_finished() {
            self.stdin = None;
        }
    }

    async fn next(&mut self, room: usize) {
        let Self {
            leader,
            stdin,
            input,
            output,
            errors,
            ..
        } = self;
        tokio::select! {
            () = output.fill(room) => {}
            () = fill(errors.as_mut(), room) => {}
            taken = write(stdin.as_ref(), input.front()) => input.taken(&taken),
            () = leader.changed() => {}
        }
    }
}

/// What a command's end is to a client that tells it apart from output.
fn exit_code(status: ExitStatus) -> FarEvent {
    FarEvent::Said(PayloadType::ExitCode, format!("EXIT_CODE: {}", status.0).into())
}

/// What is told of a command that did not start. One that is not there, or is no program, ends as it would in a shell.
fn refusal(error: &StartError, is_separate: bool) -> VecDeque<FarEvent> {
    let why = COMMAND_FAILURE.to_owned() + &chain(error);
    let Some(status) = status_of(error) else {
        return VecDeque::from([FarEvent::Ended(End::Failed(why))]);
    };
    let payload_type = if is_separate {
        PayloadType::StdErr
    } else {
        PayloadType::Output
    };
    let mut events = VecDeque::from([FarEvent::Said(payload_type, format!("{why}\n").into())]);
    if is_separate {
        events.push_back(exit_code(status));
    }
    events.push_back(FarEvent::Ended(End::NotExecuted { status, why }));
    events
}

/// The codes of shells for a program that is not found, and for one that cannot be executed.
pub(super) fn status_of(error: &StartError) -> Option<ExitStatus> {
    match error {
        StartError::Execute { source, .. } if source.kind() == io::ErrorKind::NotFound => {
            Some(ExitStatus(127))
        }
        StartError::Execute { .. } => Some(ExitStatus(126)),
        _ => None,
    }
}

pub(super) async fn fill(source: Option<&mut Source>, room: usize) {
    match source {
        Some(source) => source.fill(room).await,
        None => std::future::pending().await,
    }
}

pub(super) async fn write(stdin: Option<&Stream>, bytes: &[u8]) -> io::Result<usize> {
    match stdin {
        Some(stdin) if !bytes.is_empty() => stdin.write(bytes).await,
        _ => std::future::pending().await,
    }
}

impl FarEnd for PipesEnd {
    fn introduction(&self) -> Option<Introduction> {
        Some(Introduction {
            session_type: SessionType::NonInteractiveCommands,
            properties: Value::Null,
        })
    }

    fn begin(&mut self, _client_version: &str) {
        if let Stage::Waiting(start) = std::mem::replace(&mut self.stage, Stage::Over) {
            self.stage = match Running::start(*start, &self.settings) {
                Ok(running) => Stage::Running(Box::new(running)),
                Err(error) => Stage::Refused(refusal(&error, self.settings.separation.is_some())),
            };
        }
    }

    fn handle_input(&mut self, bytes: Bytes) {
        match &mut self.stage {
            Stage::Running(running) if self.settings.takes_input => running.handle_input(bytes),
            Stage::Running(running) => running.press_keys(&bytes),
            Stage::Waiting(_) | Stage::Refused(_) | Stage::Over => {}
        }
    }

    fn handle_flag(&mut self, number: u32) {
        match &mut self.stage {
            Stage::Running(running) => running.handle_flag(number),
            Stage::Waiting(_) | Stage::Refused(_) | Stage::Over => {}
        }
    }

    fn refuses(&self, frame: &[u8]) -> bool {
        matches!(&self.stage, Stage::Running(running) if running.input.refuses(frame))
    }

    fn poll(&mut self, room: usize) -> Option<FarEvent> {
        match &mut self.stage {
            Stage::Running(running) => running.poll(room),
            Stage::Refused(events) => events.pop_front(),
            Stage::Waiting(_) | Stage::Over => None,
        }
    }

    async fn next(&mut self, room: usize) {
        match &mut self.stage {
            Stage::Running(running) => running.next(room).await,
            Stage::Waiting(_) | Stage::Refused(_) | Stage::Over => std::future::pending().await,
        }
    }

    async fn end(&mut self) {
        if let Stage::Running(running) = &mut self.stage {
            running.leader.end().await;
        }
    }
}
