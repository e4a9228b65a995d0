//! The shell session: terminal and data channel, joined.
//!
//! ```text
//!            shell exits            terminal empty         all acknowledged         server confirms
//!  Running ─────────────▶ Draining ───────────────▶ Delivering ─────────────▶ Leaving ─────────────▶ over
//!     │                      │                        │    ▲                    │
//!     │                      │                        │    └─ connection lost ──┘
//!     └── terminated ────────┴── or server knows it no more, or patience ends ──┴──────────────────▶ over
//! ```
//!
//! In all states but the last the connection may come and go.

use std::ffi::OsString;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use drawbridge_protocol::data_channel::node::{Event, NodeConfig, NodeEnd, State};
use drawbridge_protocol::payload::Size;
use drawbridge_protocol::wire::PayloadType;
use drawbridge_protocol::{MessageIds, Time};
use drawbridge_session::{Clock, NodeId, Random, RandomArray};
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::WorkerError;
use super::input::Input;
use crate::account::Account;
use crate::backoff::Backoff;
use crate::identity::AGENT_VERSION;
use crate::line::{Dial, Line, LineEvent};
use crate::pty::{ExitStatus, Leftovers, ReadOutcome, Shell, Terminal, end_leftovers};
use crate::sessions::{Outcome, ShellPlan};

/// What a session is started with.
pub(super) struct Settings {
    pub(super) plan: ShellPlan,
    pub(super) node: NodeId,
    pub(super) account: Account,
    pub(super) environment: Vec<(&'static str, OsString)>,
    /// Whether orphans of the session become children of this process, which is then nothing but this session.
    pub(super) adopts_orphans: bool,
}

/// One shell session.
pub(super) struct ShellSession<D: Dial> {
    end: NodeEnd,
    line: Line<D>,
    terminal: Terminal,
    terminal_is_open: bool,
    shell: Shell,
    adopts_orphans: bool,
    input: Input,
    output: Vec<u8>,
    profile: Option<Profile>,
    phase: Phase,
    is_paused: bool,
    progress: Progress,
    sweep: Option<Pin<Box<dyn Future<Output = usize>>>>,
    children: Signal,
    clock: Arc<dyn Clock>,
}

#[derive(Debug)]
enum Phase {
    Running,
    Draining(ExitStatus),
    Delivering,
    Leaving { since: Duration },
    Over(Outcome),
}

/// The document's profile, typed once the shell has shown that it is there.
struct Profile {
    text: String,
    due: Duration,
}

/// When the server last took something, once everything has been said.
struct Progress {
    capacity: usize,
    at: Duration,
}

/// Everything a session can wait for.
enum Happened {
    Line(LineEvent),
    Output(io::Result<ReadOutcome>),
    InputTaken(io::Result<usize>),
    ChildEnded,
    Stopped,
    Swept(usize),
    Elapsed,
}

/// The size of a terminal until its client says otherwise.
const FIRST_SIZE: Size = Size { cols: 80, rows: 24 };
/// Bytes read from the terminal at once: one frame towards our own server.
const CHUNK_BYTES: usize = 32 * 1024;
/// Bytes that may wait for the network before the terminal is left alone, so that frames fill up while it is busy.
const BACKLOG_BYTES: usize = 128 * 1024;
/// A shell that says nothing for this long gets its profile all the same.
const PROFILE_PATIENCE: Duration = Duration::from_secs(1);
/// How long a connected server may take no output before the rest of an ended session is given up.
const SILENCE_PATIENCE: Duration = Duration::from_secs(60);
/// The same for a server that is away, or wants no output because nobody reads it.
const ABSENCE_PATIENCE: Duration = Duration::from_secs(15 * 60);
/// How long the server may take to return a goodbye.
const GOODBYE_PATIENCE: Duration = Duration::from_secs(3);

impl<D: Dial> ShellSession<D> {
    /// Starts the shell and, at the same time, the first attempt to connect.
    pub(super) fn start(
        settings: Settings,
        dial: D,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Result<Self, WorkerError> {
        // Before the shell, or the end of one that ends at once would go unnoticed.
        let children = signal(SignalKind::child()).map_err(WorkerError::Signals)?;
        let (columns, rows) = cells(FIRST_SIZE);
        let (shell, terminal) = Shell::start(&settings.account, &settings.environment, columns, rows)?;
        let config = NodeConfig::new(
            settings.plan.session.as_str(),
            settings.node.as_str(),
            AGENT_VERSION,
            settings.plan.extension,
        );
        let due = clock.monotonic() + PROFILE_PATIENCE;
        let profile = Some(settings.plan.profile).filter(|text| !text.trim().is_empty());
        let mut end = NodeEnd::new(config, MessageIds::new(random.array()));
        end.send_state(State::Connected);
        Ok(Self {
            end,
            line: Line::new(dial, Backoff::SESSION, random),
            terminal,
            terminal_is_open: true,
            shell,
            adopts_orphans: settings.adopts_orphans,
            input: Input::default(),
            output: Vec::new(),
            profile: profile.map(|text| Profile { text, due }),
            phase: Phase::Running,
            is_paused: false,
            progress: Progress {
                capacity: 0,
                at: Duration::ZERO,
            },
            sweep: None,
            children,
            clock,
        })
    }

    /// Returns the process id of the shell.
    pub(super) fn shell(&self) -> i32 {
        self.shell.pid.as_raw_nonzero().get()
    }

    /// Runs to the end. `stop` resolving means that the session is to be terminated.
    pub(super) async fn run(mut self, stop: Pin<Box<dyn Future<Output = ()>>>) -> Outcome {
        let mut stop = Some(stop);
        loop {
            self.advance();
            if let Phase::Over(outcome) = &self.phase {
                let outcome = outcome.clone();
                end_leftovers(self.leftovers()).await;
                return outcome;
            }
            match self.next(&mut stop).await {
                Happened::Line(event) => self.handle_line(event),
                Happened::Output(outcome) => self.handle_output(outcome),
                Happened::InputTaken(taken) => self.handle_input_taken(&taken),
                Happened::ChildEnded => {}
                Happened::Stopped => {
                    stop = None;
                    self.terminate();
                }
                Happened::Swept(remaining) => {
                    self.sweep = None;
                    if remaining > 0 {
                        tracing::warn!(remaining, "cannot end all processes of the session");
                    }
                }
                Happened::Elapsed => self.handle_elapsed(),
            }
        }
    }

    async fn next(&mut self, stop: &mut Option<Pin<Box<dyn Future<Output = ()>>>>) -> Happened {
        let limit = self.read_limit();
        let wait = self
            .deadline()
            .map(|deadline| deadline.saturating_sub(self.clock.monotonic()));
        let Self {
            line,
            terminal,
            input,
            output,
            children,
            sweep,
            ..
        } = self;
        tokio::select! {
            event = line.next() => Happened::Line(event),
            outcome = terminal.read(output, limit), if limit > 0 => Happened::Output(outcome),
            taken = terminal.write(input.front()), if !input.is_empty() => Happened::InputTaken(taken),
            _ = children.recv() => Happened::ChildEnded,
            () = finished(stop) => Happened::Stopped,
            remaining = finished(sweep) => Happened::Swept(remaining),
            () = tokio::time::sleep(wait.unwrap_or_default()), if wait.is_some() => Happened::Elapsed,
        }
    }

    /// Brings everything up to date with what has happened; waits for nothing.
    fn advance(&mut self) {
        self.reap();
        while let Some(event) = self.end.poll_event() {
            self.handle_event(event);
        }
        if let Phase::Draining(status) = self.phase {
            self.drain(status);
        }
        self.type_profile();
        // Before anything is sent: the shell answers a key while its acknowledgement is being written.
        if !self.input.is_empty() {
            self.handle_input_taken(&self.terminal.write_now(self.input.front()));
        }
        let now = self.now();
        let Self { line, end, .. } = self;
        let all_queued = line.fill(BACKLOG_BYTES, || end.poll_transmit(now));
        self.note_progress();
        if matches!(self.phase, Phase::Delivering) && all_queued && self.end.is_drained() {
            self.line.close();
            self.phase = Phase::Leaving { since: now.monotonic };
        }
    }

    fn handle_line(&mut self, event: LineEvent) {
        let now = self.now();
        match event {
            LineEvent::Up(token) => {
                tracing::debug!("data channel connected");
                self.progress.at = now.monotonic;
                self.end.handle_connected(token, now);
            }
            LineEvent::Frame(frame) if self.input.refuses(&frame) => {}
            LineEvent::Frame(frame) => {
                if let Err(error) = self.end.handle_message(frame, now) {
                    tracing::debug!(error = crate::sessions::chain(&error), "message ignored");
                }
            }
            LineEvent::Pong => self.end.handle_pong(now),
            LineEvent::Flushed => {}
            LineEvent::Lost { orderly } => {
                self.end.handle_disconnected(now);
                match self.phase {
                    Phase::Leaving { .. } if orderly => self.phase = Phase::Over(Outcome::success()),
                    Phase::Leaving { .. } => self.phase = Phase::Delivering,
                    Phase::Running | Phase::Draining(_) | Phase::Delivering | Phase::Over(_) => {}
                }
            }
            LineEvent::SessionEnded => self.terminate(),
        }
    }

    fn handle_event(&mut self, event: Event) {
        match event {
            Event::Input(bytes) if self.terminal_is_open => self.input.push(bytes),
            Event::Input(_) => {}
            Event::Size(size) => {
                let (columns, rows) = cells(size);
                if let Err(error) = self.terminal.resize(columns, rows) {
                    tracing::debug!(%error, "cannot resize the terminal");
                }
            }
            Event::Notice(text) => self.announce(&text),
            Event::Paused => self.is_paused = true,
            Event::Resumed => self.is_paused = false,
            Event::ChannelClosed => self.terminate(),
            Event::Unresponsive => {
                self.end.handle_disconnected(self.now());
                self.line.replace();
            }
            // A shell has neither flags nor a handshake.
            Event::Flag(_) | Event::HandshakeDone { .. } | Event::HandshakeFailed(_) => {}
        }
    }

    /// Puts words of the server on the person's terminal, where the client has no other place for them.
    fn announce(&mut self, text: &str) {
        let plain: String = text.chars().filter(|c| !c.is_control()).collect();
        let line = format!("\r\n{plain}\r\n");
        self.end.send_output(PayloadType::Output, Bytes::from(line));
    }

    fn handle_output(&mut self, outcome: io::Result<ReadOutcome>) {
        if !self.output.is_empty() {
            self.end
                .send_output(PayloadType::Output, Bytes::copy_from_slice(&self.output));
            self.output.clear();
            if let Some(profile) = &mut self.profile {
                profile.due = Duration::ZERO;
            }
        }
        match outcome {
            Ok(ReadOutcome::Limited | ReadOutcome::Drained) => {}
            Ok(ReadOutcome::Closed) => self.terminal_is_open = false,
            Err(error) => {
                tracing::warn!(%error, "cannot read the terminal");
                self.terminal_is_open = false;
            }
        }
    }

    fn handle_input_taken(&mut self, taken: &io::Result<usize>) {
        match taken {
            Ok(count) => self.input.taken(*count),
            // Nobody is left to read it.
            Err(_) => self.input.clear(),
        }
    }

    fn handle_elapsed(&mut self) {
        let now = self.now();
        self.end.handle_timeout(now);
        match self.phase {
            Phase::Delivering if now.monotonic >= self.patience_ends() => {
                tracing::warn!("the last output of the session was not taken by the server");
                self.phase = Phase::Over(Outcome::success());
            }
            Phase::Leaving { since } if now.monotonic >= since + GOODBYE_PATIENCE => {
                self.phase = Phase::Over(Outcome::success());
            }
            Phase::Running
            | Phase::Draining(_)
            | Phase::Delivering
            | Phase::Leaving { .. }
            | Phase::Over(_) => {}
        }
    }

    /// Ends the session at the word of the server or the agent: no output is waited for, no state is reported.
    fn terminate(&mut self) {
        self.phase = Phase::Over(Outcome::success());
    }

    /// Notices the end of the shell and collects orphans that ended.
    fn reap(&mut self) {
        let whom = if self.adopts_orphans {
            None
        } else {
            Some(Pid::from_raw(self.shell()))
        };
        while let Ok(status) = waitpid(whom, Some(WaitPidFlag::WNOHANG)) {
            let Some(pid) = status.pid() else { return };
            if pid.as_raw() == self.shell()
                && let Some(exit) = ExitStatus::from_wait(status)
            {
                self.handle_exit(exit);
            }
        }
    }

    fn handle_exit(&mut self, status: ExitStatus) {
        if matches!(self.phase, Phase::Running) {
            self.phase = Phase::Draining(status);
            self.input.clear();
            self.profile = None;
            // While the last output is on its way, so that nobody waits for a background job to notice the end.
            self.sweep = Some(Box::pin(end_leftovers(self.leftovers())));
        }
    }

    /// Takes what the shell had written before it ended. The kernel has all of it by now, so the first time that
    /// nothing is waiting is the end.
    fn drain(&mut self, status: ExitStatus) {
        while self.terminal_is_open {
            let limit = self.read_limit();
            if limit == 0 {
                return;
            }
            let outcome = self.terminal.read_waiting(&mut self.output, limit);
            if matches!(outcome, Ok(ReadOutcome::Drained)) {
                self.terminal_is_open = false;
            }
            self.handle_output(outcome);
        }
        self.end.send_state(State::Terminating {
            exit_code: Some(status.0),
        });
        self.progress = Progress {
            capacity: self.end.output_capacity(),
            at: self.clock.monotonic(),
        };
        self.phase = Phase::Delivering;
    }

    fn type_profile(&mut self) {
        if let Some(profile) = self
            .profile
            .take_if(|profile| self.clock.monotonic() >= profile.due)
        {
            self.input.push(Bytes::from(profile.text + "\n"));
        }
    }

    fn note_progress(&mut self) {
        let capacity = self.end.output_capacity();
        if capacity != self.progress.capacity {
            self.progress = Progress {
                capacity,
                at: self.clock.monotonic(),
            };
        }
    }

    fn patience_ends(&self) -> Duration {
        let is_served = self.line.is_up() && !self.is_paused;
        self.progress.at
            + if is_served {
                SILENCE_PATIENCE
            } else {
                ABSENCE_PATIENCE
            }
    }

    /// Returns how many bytes the terminal may be read for; 0 while the server or the network must catch up.
    fn read_limit(&self) -> usize {
        if !self.terminal_is_open || self.line.backlog() >= BACKLOG_BYTES {
            return 0;
        }
        self.end.output_capacity().min(CHUNK_BYTES)
    }

    fn deadline(&self) -> Option<Duration> {
        let own = match self.phase {
            Phase::Running => self.profile.as_ref().map(|profile| profile.due),
            Phase::Delivering => Some(self.patience_ends()),
            Phase::Leaving { since } => Some(since + GOODBYE_PATIENCE),
            Phase::Draining(_) | Phase::Over(_) => None,
        };
        [own, self.end.poll_timeout()].into_iter().flatten().min()
    }

    fn leftovers(&self) -> Leftovers {
        let ancestor = self.adopts_orphans.then(|| Pid::this().as_raw());
        Leftovers {
            session: self.shell(),
            ancestor,
        }
    }

    fn now(&self) -> Time {
        Time::new(self.clock.monotonic(), self.clock.epoch_ms())
    }
}

/// Waits for a future that may not be there.
async fn finished<T>(future: &mut Option<Pin<Box<dyn Future<Output = T>>>>) -> T {
    match future {
        Some(future) => future.await,
        None => std::future::pending().await,
    }
}

fn cells(size: Size) -> (u16, u16) {
    let clamp = |cells: u32| u16::try_from(cells).unwrap_or(u16::MAX).max(1);
    (clamp(size.cols), clamp(size.rows))
}
