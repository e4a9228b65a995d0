//! Commands beside a shell: the node's end of a shared connection.
//!
//! ```text
//!   client's streams ──▶ [ Credited ] ──▶ Command, Command, …    each a process on pipes, started by this worker itself
//! ```
//!
//! They run as the session's account, with the session's groups and environment: whoever has the shell could type them. For the
//! same reason they are refused where the account's login shell is not one that runs any command.

use std::collections::BTreeMap;
use std::future::Future;
use std::ops::Bound;

use bytes::Bytes;
use drawbridge_protocol::port_mux::{
    Accepted, Credited, Event, Exit, HEADER_BYTES, Opening, Refusal, RefusalCode, Side, StreamId,
};
use futures_util::StreamExt as _;
use futures_util::future::{LocalBoxFuture, select_all};
use futures_util::stream::FuturesUnordered;
use nix::sys::signal::Signal;

use super::command::{Command, Written};
use super::leader::Children;
use super::pipes::status_of;
use crate::pty::{Program, end_leftovers};
use crate::sessions::{COMMAND_FAILURE, chain};

/// Commands at one time in one session.
pub(super) const MOST_COMMANDS: usize = 64;

/// Bytes read from one command before it is another's turn.
const CHUNK_BYTES: usize = 64 * 1024;

/// Signals that clients send; a command is ended by resetting its stream.
const SIGNALS: [Signal; 4] = [Signal::SIGHUP, Signal::SIGINT, Signal::SIGQUIT, Signal::SIGTERM];

/// Makes a program of words.
pub(super) type Words = Box<dyn Fn(&str, &[String]) -> Program>;

/// All commands of a shared connection.
pub(super) struct Commands {
    mux: Credited,
    words: Words,
    children: Children,
    running: BTreeMap<StreamId, Command>,
    /// Whose turn it was last.
    last: StreamId,
    /// What is being ended of commands that are over.
    sweeps: FuturesUnordered<LocalBoxFuture<'static, Swept>>,
    chunk: usize,
}

/// What became of the processes that a command left behind.
struct Swept {
    pid: i32,
    remaining: usize,
}

impl Commands {
    /// Begins without commands. Messages have at most `max_payload` bytes.
    pub(super) fn new(words: Words, children: Children, max_payload: usize) -> Self {
        Self {
            mux: Credited::new(Side::Node),
            words,
            children,
            running: BTreeMap::new(),
            last: StreamId(0),
            sweeps: FuturesUnordered::new(),
            chunk: max_payload.saturating_sub(HEADER_BYTES).clamp(1, CHUNK_BYTES),
        }
    }

    /// Takes the client's next message.
    pub(super) fn receive(&mut self, message: Bytes) {
        if let Err(error) = self.mux.receive(message) {
            tracing::debug!(%error, "message of a shared connection ignored");
        }
        while let Some(event) = self.mux.poll_event() {
            self.handle_event(event);
        }
    }

    /// Says whether the client has to wait.
    pub(super) fn is_full(&self) -> bool {
        self.mux.is_full()
    }

    /// Returns the next message for the client, of at most `room` bytes.
    pub(super) fn poll(&mut self, room: usize) -> Option<Bytes> {
        self.note_ends();
        // What the mux has to say is small, or is said once for each command.
        if room <= HEADER_BYTES {
            return None;
        }
        if let Some(message) = self.mux.poll_transmit() {
            return Some(message);
        }
        let after = (Bound::Excluded(self.last), Bound::Unbounded);
        let turns: Vec<StreamId> = self
            .running
            .range(after)
            .chain(self.running.range(..=self.last))
            .map(|(stream, _)| *stream)
            .collect();
        for stream in turns {
            if let Some(message) = self.poll_command(stream, room - HEADER_BYTES) {
                self.last = stream;
                return Some(message);
            }
        }
        self.mux.poll_transmit()
    }

    /// Waits until something has happened; reads at most `room` bytes. Cancel safe.
    pub(super) async fn next(&mut self, room: usize) {
        let Self {
            mux,
            children,
            running,
            sweeps,
            ..
        } = self;
        let room = room.saturating_sub(HEADER_BYTES);
        let capacity = |stream| mux.capacity(stream).min(room);
        let commands: Vec<_> = running
            .iter_mut()
            .map(|(stream, command)| {
                let (stream, capacity) = (*stream, capacity(*stream));
                Box::pin(async move { (stream, command.next(capacity).await) })
            })
            .collect();
        let (stream, taken) = tokio::select! {
            () = children.changed() => return,
            Some(Swept { pid, remaining }) = sweeps.next() => {
                if remaining > 0 {
                    tracing::warn!(remaining, "cannot end all processes of a command");
                }
                children.ends().collect();
                children.ends().forget(pid);
                return;
            }
            taken = first(commands) => taken,
        };
        if taken > 0 {
            mux.consumed(stream, taken);
        }
    }

    fn handle_event(&mut self, event: Event) {
        match event {
            Event::Opened(stream, opening) => self.open(stream, &opening),
            Event::Data(stream, bytes) => {
                let length = bytes.len();
                let is_read = self
                    .running
                    .get_mut(&stream)
                    .is_some_and(|command| command.handle_input(bytes));
                if !is_read {
                    self.mux.consumed(stream, length);
                }
            }
            Event::Finished(stream) => {
                if let Some(command) = self.running.get_mut(&stream) {
                    command.finish_input();
                }
            }
            Event::Signalled(stream, number) => {
                let signal = SIGNALS
                    .into_iter()
                    .find(|signal| *signal as i32 == i32::from(number));
                if let (Some(command), Some(signal)) = (self.running.get(&stream), signal) {
                    command.signal(signal);
                }
            }
            Event::Reset(stream, _) | Event::Closed(stream) => {
                if let Some(command) = self.running.remove(&stream) {
                    self.sweep(&command);
                }
            }
            // Credit is looked at whenever there is something to say.
            Event::Room(_) => {}
            // Only nodes say so.
            Event::Accepted(..) | Event::Refused(..) | Event::Errors(..) | Event::Exited(..) => {}
        }
    }

    fn open(&mut self, stream: StreamId, opening: &Opening) {
        let refusal = |code, reason: String| Refusal { code, reason };
        let Some((program, arguments)) = opening.command.split_first() else {
            let why = "A shell's connection leads to no destinations.".to_owned();
            return self.mux.refuse(stream, &refusal(RefusalCode::NotAllowed, why));
        };
        if self.running.len() >= MOST_COMMANDS {
            let why = format!("{MOST_COMMANDS} commands run in this session already.");
            return self.mux.refuse(stream, &refusal(RefusalCode::TooMany, why));
        }
        let program = (self.words)(program, arguments);
        if !program.has_open_shell() {
            let why = "The account's login shell is not one that runs any command.".to_owned();
            return self.mux.refuse(stream, &refusal(RefusalCode::NotAllowed, why));
        }
        match Command::start(&program, self.chunk) {
            Ok(command) => {
                tracing::info!(stream = stream.0, pid = command.pid(), "command started");
                self.children.ends().follow(command.pid());
                self.running.insert(stream, command);
                let accepted = Accepted {
                    command: opening.command.clone(),
                    ..Accepted::default()
                };
                self.mux.accept(stream, &accepted);
            }
            Err(error) => {
                let why = COMMAND_FAILURE.to_owned() + &chain(&error);
                match status_of(&error) {
                    // Told as a shell tells it, whatever the client is waiting for.
                    Some(status) => {
                        self.mux.accept(stream, &Accepted::default());
                        let code = status.0;
                        self.mux.exit(stream, &Exit { code, reason: why });
                    }
                    None => self.mux.refuse(stream, &refusal(RefusalCode::Failed, why)),
                }
            }
        }
    }

    fn note_ends(&mut self) {
        self.children.ends().collect();
        for command in self.running.values_mut() {
            if let Some(status) = self.children.ends().of(command.pid()) {
                command.ended(status);
            }
        }
    }

    fn poll_command(&mut self, stream: StreamId, room: usize) -> Option<Bytes> {
        let command = self.running.get_mut(&stream)?;
        let taken = command.pass_input_on();
        if taken > 0 {
            self.mux.consumed(stream, taken);
        }
        match command.said(self.mux.capacity(stream).min(room)) {
            Some(Written::Output(bytes)) => return Some(self.mux.wrap(stream, bytes)),
            Some(Written::Errors(bytes)) => return Some(self.mux.wrap_errors(stream, bytes)),
            None => {}
        }
        let status = command.over()?;
        self.mux.exit(stream, &Exit::with(status.0));
        if let Some(command) = self.running.remove(&stream) {
            if self.children.ends().has_strangers() {
                self.sweep(&command);
            } else {
                self.children.ends().forget(command.pid());
            }
        }
        self.mux.poll_transmit()
    }

    fn sweep(&mut self, command: &Command) {
        let (pid, leftovers) = (command.pid(), command.leftovers());
        self.sweeps.push(Box::pin(async move {
            let remaining = end_leftovers(leftovers).await;
            Swept { pid, remaining }
        }));
    }
}

/// Waits for the first of some futures, and for ever where there are none.
async fn first<T>(futures: Vec<impl Future<Output = T> + Unpin>) -> T {
    if futures.is_empty() {
        return std::future::pending().await;
    }
    select_all(futures).await.0
}
