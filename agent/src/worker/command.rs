//! One command beside a shell: a process on three pipes, in a session of its own.

use bytes::{BufMut as _, Bytes, BytesMut};
use drawbridge_protocol::port_mux::HEADER_BYTES;
use drawbridge_protocol::wire::PayloadType;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::input::Input;
use super::pipes::{fill, write};
use super::source::Source;
use crate::pty::{ExitStatus, Leftovers, Plumbing, Program, StartError, Stream};

/// A command that runs, or has ended and left output.
pub(super) struct Command {
    pid: i32,
    stdin: Option<Stream>,
    input: Input,
    output: Source,
    errors: Option<Source>,
    /// What was read and has not been said.
    waiting: Option<(PayloadType, Bytes)>,
    status: Option<ExitStatus>,
}

/// What a command has written.
#[derive(Debug)]
pub(super) enum Written {
    /// To its standard output.
    Output(BytesMut),
    /// To its standard error.
    Errors(BytesMut),
}

impl Command {
    /// Starts a program; it says at most `chunk` bytes at once.
    pub(super) fn start(program: &Program, chunk: usize) -> Result<Self, StartError> {
        let plumbing = Plumbing {
            has_input: true,
            separates_errors: true,
        };
        let (pid, pipes) = program.start_on_pipes(plumbing)?;
        let source = |stream, payload_type| Source::new(stream, payload_type, String::new(), chunk);
        Ok(Self {
            pid: pid.as_raw_nonzero().get(),
            stdin: pipes.input,
            input: Input::default(),
            output: source(pipes.output, PayloadType::Output),
            errors: pipes.errors.map(|errors| source(errors, PayloadType::StdErr)),
            waiting: None,
            status: None,
        })
    }

    /// Its process id, which is that of its session and of its process group too.
    pub(super) fn pid(&self) -> i32 {
        self.pid
    }

    /// What belongs to it: its own session, and neither the shell nor other commands. A process that has made itself the leader
    /// of another session is left until the shared one ends.
    pub(super) fn leftovers(&self) -> Leftovers {
        Leftovers {
            session: self.pid,
            ancestor: None,
        }
    }

    /// Takes bytes for its input; says whether anybody may still read them.
    pub(super) fn handle_input(&mut self, bytes: Bytes) -> bool {
        if self.stdin.is_some() {
            self.input.push(bytes);
        }
        self.stdin.is_some()
    }

    pub(super) fn finish_input(&mut self) {
        self.input.finish();
    }

    /// Signals it and what it has in its process group, as long as its number cannot be another's.
    pub(super) fn signal(&self, number: Signal) {
        if self.status.is_none() {
            let _ = killpg(Pid::from_raw(self.pid), number);
        }
    }

    /// Notes that it has ended.
    pub(super) fn ended(&mut self, status: ExitStatus) {
        self.status = Some(status);
    }

    /// Writes what it takes of its input without waiting; returns how many bytes were got rid of.
    pub(super) fn pass_input_on(&mut self) -> usize {
        let before = self.input.len();
        if self.status.is_some() {
            self.input.clear();
        } else if let Some(stdin) = &self.stdin {
            self.input.pass_on(|bytes| stdin.write_now(bytes));
        }
        if self.status.is_some() || self.input.is_finished() {
            self.stdin = None;
        }
        before - self.input.len()
    }

    /// Returns what it has written, up to `room` bytes.
    pub(super) fn said(&mut self, room: usize) -> Option<Written> {
        if self.waiting.is_none() {
            self.waiting = self.read(room);
        }
        let (payload_type, mut bytes) = self.waiting.take()?;
        // More may have been read than there is room for now.
        let piece = bytes.split_to(bytes.len().min(room));
        if !bytes.is_empty() {
            self.waiting = Some((payload_type, bytes));
        }
        if piece.is_empty() {
            return None;
        }
        let mut message = BytesMut::with_capacity(HEADER_BYTES + piece.len());
        message.put_bytes(0, HEADER_BYTES);
        message.put_slice(&piece);
        Some(match payload_type {
            PayloadType::StdErr => Written::Errors(message),
            _ => Written::Output(message),
        })
    }

    fn read(&mut self, room: usize) -> Option<(PayloadType, Bytes)> {
        for source in std::iter::once(&mut self.output).chain(&mut self.errors) {
            if self.status.is_some() {
                source.drain(room);
            }
            if let Some(said) = source.said() {
                return Some(said);
            }
        }
        None
    }

    /// Returns how it has ended, once everything it wrote was said.
    pub(super) fn over(&self) -> Option<ExitStatus> {
        self.status.filter(|_| {
            self.waiting.is_none()
                && !self.output.is_open()
                && !self.errors.as_ref().is_some_and(Source::is_open)
        })
    }

    /// Waits until it has written or taken something; it is read for at most `room` bytes. Returns how many bytes of input it
    /// took. Cancel safe.
    pub(super) async fn next(&mut self, room: usize) -> usize {
        let Self {
            stdin,
            input,
            output,
            errors,
            waiting,
            ..
        } = self;
        let before = input.len();
        // Both share one credit, so one is not read while the other's bytes wait for their turn.
        let is_waiting =
            waiting.is_some() || output.is_waiting() || errors.as_ref().is_some_and(Source::is_waiting);
        let room = if is_waiting { 0 } else { room };
        tokio::select! {
            () = output.fill(room) => {}
            () = fill(errors.as_mut(), room) => {}
            taken = write(stdin.as_ref(), input.front()) => input.taken(&taken),
        }
        before - input.len()
    }
}
