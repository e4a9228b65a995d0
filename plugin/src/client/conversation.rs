//! The loop between terminal, data channel and clock.

use std::time::Duration;

use bytes::Bytes;
use drawbridge_aws_client::CallError;
use drawbridge_protocol::data_channel::client::{ClientConfig, ClientEnd, Event};
use drawbridge_protocol::payload::SessionType;
use drawbridge_protocol::wire::PayloadType;
use drawbridge_protocol::{Keepalive, MessageIds, Time, Transmit};
use drawbridge_session::{Clock, Random, RandomArray};
use tokio_tungstenite::tungstenite::Message;

use super::backlog::Backlog;
use super::line::{Attempt, Line, LineEvent};
use super::link::{LinkEvent, frame};
use super::typing::Typing;
use super::{ClientError, ClientOptions, Mode, Remote, SessionEnd};
use crate::SessionTicket;
use crate::api::ApiError;
use crate::invocation::VERSION;
use crate::terminal::{Channel, Escape, Occurrence, Signal, Terminal, Typed};

/// How the loop came to its end.
#[derive(Debug)]
pub(crate) enum Ending {
    /// The session is over.
    Over(SessionEnd),
    /// The person leaves and wants nothing left running.
    Leave,
    /// The person leaves and wants the session to run on.
    Detach,
    /// The process was told to end.
    Signal(Signal),
}

/// One session between a terminal and a server.
pub(crate) struct Conversation<'a, R: Remote, T> {
    ticket: &'a SessionTicket,
    options: &'a ClientOptions,
    terminal: &'a mut T,
    clock: &'a dyn Clock,
    core: ClientEnd,
    line: Line<'a, R>,
    backlog: Backlog,
    typing: Typing,
    stage: Stage,
    /// Whether the server has shown itself to be ours.
    server_is_ours: bool,
}

/// How far the session is, as the person sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Waits for the far end, having told the person so or not.
    Starting { told: bool },
    /// What is typed goes to the far end; a pipe's end is passed on or, to a command without a terminal, not.
    Established { tell_end_of_input: bool },
}

enum Happening<S> {
    Line(LineEvent<S>),
    Terminal(Occurrence),
    Deadline,
}

/// Ends the loop from wherever it is found: the end itself, or why the client cannot go on.
type Stop = Result<Ending, ClientError>;

impl<'a, R: Remote, T: Terminal> Conversation<'a, R, T> {
    pub(crate) fn new(
        ticket: &'a SessionTicket,
        options: &'a ClientOptions,
        remote: &'a R,
        terminal: &'a mut T,
        clock: &'a dyn Clock,
        random: &'a dyn Random,
    ) -> Self {
        let mut config = ClientConfig::new(random.uuid(), VERSION);
        config.capabilities = options.capabilities;
        let token = ticket.token.clone();
        let line = Line::new(remote, random, options.patience, token, clock.monotonic());
        let typing = match terminal.is_interactive() {
            true => Typing::of_person(options.mode.may_detach()),
            false => Typing::of_pipe(),
        };
        Self {
            ticket,
            options,
            terminal,
            clock,
            core: ClientEnd::new(config, MessageIds::new(random.array())),
            line,
            backlog: Backlog::default(),
            typing,
            stage: Stage::Starting { told: false },
            server_is_ours: false,
        }
    }

    /// Runs until the session ends, the person leaves or the client cannot go on.
    pub(crate) async fn run(mut self) -> Result<Ending, ClientError> {
        loop {
            if let Some(stop) = self.pump() {
                return stop;
            }
            let wait = self
                .next_deadline()
                .map(|at| at.saturating_sub(self.clock.monotonic()));
            let wants_input = self.wants_input();
            let may_read = self.backlog.has_room();
            let happening = tokio::select! {
                occurrence = self.terminal.next(wants_input) => Happening::Terminal(occurrence),
                event = self.line.next(may_read) => Happening::Line(event),
                () = sleep(wait) => Happening::Deadline,
            };
            let stop = match happening {
                Happening::Terminal(occurrence) => self.handle_terminal(occurrence),
                Happening::Line(LineEvent::Link(event)) => self.handle_link(event),
                Happening::Line(LineEvent::Attempt(attempt)) => self.handle_attempt(attempt),
                Happening::Deadline => self.handle_deadline(),
            };
            if let Some(stop) = stop {
                return stop;
            }
        }
    }

    /// Moves everything that can move without waiting.
    fn pump(&mut self) -> Option<Stop> {
        while let Some(message) = self.backlog.next(self.terminal.room()) {
            if let Some(stop) = self.receive(message) {
                return Some(stop);
            }
        }
        if let Some(stop) = self.handle_events() {
            return Some(stop);
        }
        self.typing.send(&mut self.core);
        if let Some(link) = self.line.link() {
            while link.has_room() {
                let Some(transmit) = self.core.poll_transmit(now(self.clock)) else {
                    break;
                };
                let opens = matches!(transmit, Transmit::Text(_));
                link.push(transmit);
                if opens {
                    // A peer that has answered once is held to it; the sooner, the sooner a dead path is noticed.
                    link.push(Transmit::Ping(Bytes::from_static(Keepalive::PAYLOAD)));
                }
            }
        }
        None
    }

    /// Takes one frame and everything that follows from it.
    fn receive(&mut self, message: Bytes) -> Option<Stop> {
        if let Err(fault) = self.core.handle_message(message, now(self.clock)) {
            // The core stays intact, and whoever broke the rule may be the node and not the server.
            tracing::warn!(session.id = %self.ticket.session_id, fault = %fault, "message refused");
        }
        self.handle_events()
    }

    fn handle_events(&mut self) -> Option<Stop> {
        while let Some(event) = self.core.poll_event() {
            if let Some(stop) = self.handle_event(event) {
                return Some(stop);
            }
        }
        None
    }

    fn handle_event(&mut self, event: Event) -> Option<Stop> {
        match event {
            Event::Established { session_type, .. } => return self.establish(session_type),
            Event::Output { payload_type, bytes } => self.show(payload_type, bytes),
            Event::Message(text) => {
                let channel = self.text_channel();
                self.terminal.write(channel, format!("{text}\n").into());
            }
            Event::Closed { output, exit_code } => {
                // AWS's service also gives words to ends that are none of the session's fault.
                let failed = !output.is_empty() && (self.server_is_ours || !self.is_established());
                return Some(Ok(Ending::Over(SessionEnd::Closed {
                    output,
                    exit_code,
                    failed,
                })));
            }
            Event::Hello(_) => self.server_is_ours = true,
            Event::Unresponsive => {
                tracing::info!(session.id = %self.ticket.session_id, "connection is silent");
                self.lose();
            }
        }
        None
    }

    fn establish(&mut self, session_type: SessionType) -> Option<Stop> {
        let tell_end_of_input = match session_type {
            SessionType::StandardStream | SessionType::InteractiveCommands => true,
            SessionType::NonInteractiveCommands => false,
            SessionType::Port => return Some(Err(ClientError::UnsupportedSessionType("Port".into()))),
            SessionType::Unknown(name) => return Some(Err(ClientError::UnsupportedSessionType(name))),
        };
        self.stage = Stage::Established { tell_end_of_input };
        if let Err(error) = self.terminal.enter_raw() {
            return Some(Err(ClientError::Terminal(error)));
        }
        self.report_size();
        None
    }

    /// Shows what the far end sent, on the stream that scripts expect it on.
    fn show(&mut self, payload_type: PayloadType, bytes: Bytes) {
        let channel = match (payload_type, self.options.mode) {
            (PayloadType::Output, _) => Channel::Output,
            // AWS's plugin puts everything on standard output; scripts look for `EXIT_CODE: 3` there.
            (PayloadType::StdErr | PayloadType::ExitCode, Mode::Plugin) => Channel::Output,
            (PayloadType::StdErr, _) => Channel::Notice,
            // Numbers in binary, and whatever a later version invents, are not for reading.
            _ => return,
        };
        self.terminal.write(channel, bytes);
    }

    fn handle_terminal(&mut self, occurrence: Occurrence) -> Option<Stop> {
        match occurrence {
            Occurrence::Input(bytes) if self.options.mode == Mode::Watch => {
                return self.handle_watcher(bytes);
            }
            Occurrence::Input(bytes) => {
                for typed in self.typing.read(bytes) {
                    match typed {
                        Typed::Bytes(bytes) => self.typing.push(bytes),
                        Typed::Escape(escape) => {
                            if let Some(stop) = self.handle_escape(escape) {
                                return Some(stop);
                            }
                        }
                    }
                }
            }
            // A terminal that has no more to say has hung up.
            Occurrence::EndOfInput if self.terminal.is_interactive() => {
                return Some(Ok(Ending::Signal(Signal::Hangup)));
            }
            Occurrence::EndOfInput => {
                if matches!(
                    self.stage,
                    Stage::Established {
                        tell_end_of_input: true
                    }
                ) {
                    self.typing.push_end();
                }
            }
            Occurrence::Signal(signal) => return self.handle_signal(signal),
            Occurrence::Written => {}
            Occurrence::OutputFailed(error) => return Some(Err(ClientError::Output(error))),
        }
        None
    }

    /// A watcher's keys go nowhere; those by which people leave programs leave.
    fn handle_watcher(&mut self, bytes: Bytes) -> Option<Stop> {
        if !self.terminal.is_interactive() {
            return None;
        }
        let leaves = bytes.iter().any(|&byte| byte == b'q' || byte == CTRL_C)
            || self.typing.read(bytes).contains(&Typed::Escape(Escape::Leave));
        leaves.then_some(Ok(Ending::Leave))
    }

    fn handle_escape(&mut self, escape: Escape) -> Option<Stop> {
        match escape {
            Escape::Leave => return Some(Ok(Ending::Leave)),
            Escape::Detach => return Some(Ok(Ending::Detach)),
            Escape::Help => {
                let detach = if self.options.mode.may_detach() {
                    DETACH_HELP
                } else {
                    ""
                };
                self.terminal.notice(&format!("{HELP}{detach}"));
            }
            Escape::Suspend => self.stop_job(),
        }
        None
    }

    fn handle_signal(&mut self, signal: Signal) -> Option<Stop> {
        let established = self.is_established();
        match signal {
            Signal::Terminate | Signal::Hangup => return Some(Ok(Ending::Signal(signal))),
            Signal::Interrupt | Signal::Quit if !established || self.options.mode == Mode::Watch => {
                return Some(Ok(Ending::Leave));
            }
            // Ahead of a paste that is still on its way: who interrupts does not want it to go on.
            Signal::Interrupt => self.core.send_input(Bytes::from_static(&[CTRL_C])),
            Signal::Quit => self.core.send_input(Bytes::from_static(&[CTRL_BACKSLASH])),
            Signal::Stop if established => self.core.send_input(Bytes::from_static(&[CTRL_Z])),
            Signal::Stop => self.stop_job(),
            Signal::WindowChanged if established => self.report_size(),
            Signal::Continued if established => {
                // A terminal that hangs up also continues its programs, and not always in that order.
                if self.terminal.enter_raw().is_err() {
                    return Some(Ok(Ending::Signal(Signal::Hangup)));
                }
                self.report_size();
            }
            Signal::WindowChanged | Signal::Continued => {}
        }
        None
    }

    fn stop_job(&mut self) {
        self.terminal.leave_raw();
        if !self.terminal.stop() {
            self.terminal
                .notice("this program has no shell that could bring it back, so it goes on");
            if self.is_established() {
                // It was raw a moment ago; if it cannot be again, the next read says so.
                let _ = self.terminal.enter_raw();
            }
        }
    }

    fn handle_link(&mut self, event: LinkEvent) -> Option<Stop> {
        match event {
            LinkEvent::Arrived(messages) => {
                self.note_recovery(messages.len());
                for message in messages {
                    if matches!(message, Message::Pong(_)) {
                        self.core.handle_pong(now(self.clock));
                    }
                    let room = self.terminal.room();
                    if let Some(message) = frame(message).and_then(|bytes| self.backlog.admit(bytes, room))
                        && let Some(stop) = self.receive(message)
                    {
                        return Some(stop);
                    }
                }
            }
            LinkEvent::Room => {}
            LinkEvent::Lost(error) => {
                tracing::info!(session.id = %self.ticket.session_id, error = ?error, "connection lost");
                self.lose();
            }
        }
        None
    }

    fn note_recovery(&mut self, arrived: usize) {
        let recovery = self.line.arrived(arrived);
        match self.options.mode {
            // A watcher begins anew wherever the session is by then.
            Mode::Watch if recovery.after_loss => self
                .terminal
                .notice("connected again; output in between is not shown"),
            _ if recovery.was_told => self.terminal.notice("connected again"),
            _ => {}
        }
    }

    fn lose(&mut self) {
        let now = now(self.clock);
        if self.line.lose(now.monotonic) {
            self.core.handle_disconnected(now);
        }
    }

    fn handle_attempt(&mut self, attempt: Attempt<R::Socket>) -> Option<Stop> {
        let session_id = || self.ticket.session_id.clone();
        let now = now(self.clock);
        let lost_for = self.line.down_for(now.monotonic);
        match attempt {
            Attempt::Connected(socket, token) => {
                self.core.handle_connected(token, now);
                self.line.connected(socket, now.monotonic);
            }
            Attempt::NothingToResume => return Some(Ok(Ending::Over(SessionEnd::TimedOut))),
            Attempt::NotRenewed(source)
                if lost_for >= self.options.patience.reconnection || is_final(&source) =>
            {
                return Some(Err(ClientError::Resume {
                    session_id: session_id(),
                    source,
                }));
            }
            Attempt::NotRenewed(error) => {
                tracing::info!(session.id = %self.ticket.session_id, error = ?error, "cannot resume yet");
                self.line.try_again(None);
            }
            Attempt::NotOpened(source) if !self.line.was_ever_up() => {
                if !source.is_transient() || lost_for >= self.options.patience.first_connection {
                    return Some(Err(ClientError::Open {
                        session_id: session_id(),
                        source,
                    }));
                }
                tracing::info!(session.id = %self.ticket.session_id, error = ?source, "cannot connect yet");
                self.line.try_again(Some(self.ticket.token.clone()));
            }
            Attempt::NotOpened(source) => {
                if lost_for >= self.options.patience.reconnection {
                    let source = Some(source);
                    return Some(Err(ClientError::ConnectionLost {
                        session_id: session_id(),
                        lost_for,
                        source,
                    }));
                }
                tracing::info!(session.id = %self.ticket.session_id, error = ?source, "cannot connect yet");
                self.line.try_again(None);
            }
        }
        None
    }

    fn handle_deadline(&mut self) -> Option<Stop> {
        let now = now(self.clock);
        self.core.handle_timeout(now);
        if self.deaf_at().is_some_and(|at| now.monotonic >= at) {
            tracing::info!(session.id = %self.ticket.session_id, "nothing was ever heard on this connection");
            self.lose();
        }
        if self.notice_at().is_some_and(|at| now.monotonic >= at) {
            self.give_notice();
        }
        None
    }

    /// When the person is to be told that something takes long.
    fn notice_at(&self) -> Option<Duration> {
        let start = match self.stage {
            Stage::Starting { told: false } => self
                .line
                .up_since()
                .map(|since| since + self.options.patience.start_notice),
            Stage::Starting { told: true } | Stage::Established { .. } => None,
        };
        self.line.notice_at().or(start)
    }

    /// When a server that has said nothing at all is given up.
    ///
    /// Only before the session begins: later, a proxy that swallows pongs must not cut an idle session.
    fn deaf_at(&self) -> Option<Duration> {
        if self.is_established() {
            None
        } else {
            self.line.deaf_at()
        }
    }

    fn give_notice(&mut self) {
        let way_out = match (self.is_established(), self.terminal.is_interactive()) {
            (false, _) => " (Ctrl-C to give up)",
            (true, true) => " (~. to give up)",
            (true, false) => "",
        };
        let what = if self.line.up_since().is_some() {
            self.stage = Stage::Starting { told: true };
            "waiting for the session to begin"
        } else {
            self.line.tell();
            match self.line.was_ever_up() {
                true => "connection lost, reconnecting",
                false => "no connection yet, trying again",
            }
        };
        self.terminal.notice(&format!("{what} …{way_out}"));
    }

    fn next_deadline(&self) -> Option<Duration> {
        [self.core.poll_timeout(), self.notice_at(), self.deaf_at()]
            .into_iter()
            .flatten()
            .min()
    }

    fn wants_input(&self) -> bool {
        match (self.stage, self.options.mode) {
            (Stage::Starting { .. }, _) => false,
            (Stage::Established { .. }, Mode::Watch) => self.terminal.is_interactive(),
            (Stage::Established { .. }, _) => self.typing.wants_more(self.core.input_capacity()),
        }
    }

    fn is_established(&self) -> bool {
        matches!(self.stage, Stage::Established { .. })
    }

    fn report_size(&mut self) {
        if self.options.mode != Mode::Watch {
            self.core.send_size(self.terminal.size());
        }
    }

    /// Where words for the person go.
    fn text_channel(&self) -> Channel {
        match self.options.mode {
            Mode::Plugin => Channel::Output,
            Mode::Connect | Mode::Attach | Mode::Watch => Channel::Notice,
        }
    }
}

/// Whether asking again is of no use: nothing to sign with, or a clear no.
fn is_final(error: &ApiError) -> bool {
    match error {
        ApiError::Credentials { .. } => true,
        // Proxies and captive portals answer in the server's place; only an AWS error is the server's own word.
        ApiError::Call {
            source: source @ CallError::Aws { .. },
            ..
        } => !source.is_transient(),
        ApiError::Call { .. } | ApiError::Answer { .. } => false,
    }
}

fn now(clock: &dyn Clock) -> Time {
    Time::new(clock.monotonic(), clock.epoch_ms())
}

async fn sleep(wait: Option<Duration>) {
    match wait {
        Some(wait) => tokio::time::sleep(wait).await,
        None => std::future::pending().await,
    }
}

const CTRL_C: u8 = 0x03;
const CTRL_BACKSLASH: u8 = 0x1c;
const CTRL_Z: u8 = 0x1a;

const HELP: &str = "Escapes, after a newline:
  ~.   end the session and leave
  ~^Z  stop this program
  ~~   send a tilde
  ~?   this list";
const DETACH_HELP: &str = "\n  ~d   leave, and let the session run on";
