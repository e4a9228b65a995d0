//! The loop between terminal, data channel and clock.

mod connection;
mod encryption;
mod forwarding;
mod person;
mod sharing;

use std::time::Duration;

use bytes::Bytes;
use drawbridge_protocol::data_channel::client::{ClientConfig, ClientEnd, Event};
use drawbridge_protocol::payload::SessionType;
use drawbridge_protocol::wire::PayloadType;
use drawbridge_protocol::{Hello, Keepalive, MessageIds, Time, Transmit};
use drawbridge_session::{Clock, Random, RandomArray};
use serde_json::Value;
use tokio::time::timeout;

use super::backlog::Backlog;
use super::data_key::Making;
use super::end::exit_code;
use super::kind::InputRule;
use super::line::{Line, LineEvent};
use super::tunnel::{Forwarding, LocalEnd};
use super::typing::Typing;
use super::{ClientError, ClientOptions, DataKeyError, MadeKey, Mode, Remote, SessionEnd, SessionKind};
use crate::invocation::VERSION;
use crate::sharing::{Exchange, Sharing};
use crate::terminal::{Channel, Occurrence, Signal, Terminal};
use crate::{SessionTicket, texts};

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
    /// Whoever holds the other ends of standard input and output needs the connection no more.
    Finished,
}

/// What a loop leaves behind.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// What the session was, if it began.
    pub(crate) kind: Option<SessionKind>,
    /// How it ended, or why the client could not go on.
    pub(crate) ending: Result<Ending, ClientError>,
}

/// One session between a terminal and a server.
pub(crate) struct Conversation<'a, R: Remote, T> {
    ticket: &'a SessionTicket,
    options: &'a ClientOptions,
    remote: &'a R,
    terminal: &'a mut T,
    clock: &'a dyn Clock,
    random: &'a dyn Random,
    core: ClientEnd,
    line: Line<'a, R>,
    backlog: Backlog,
    typing: Typing,
    stage: Stage,
    /// What our server says of the session; AWS's says nothing.
    hello: Option<Hello>,
    /// The node's words for the person, until it is known where words go.
    message: Option<String>,
    /// The exit code that a command's node has told.
    exit_code: Option<i32>,
    /// The signal that the command was sent.
    interrupted: Option<Signal>,
    /// A tunnel that has no listeners yet.
    opening: Option<forwarding::Opening>,
    tunnel: Option<LocalEnd>,
    /// The listeners and the view of a person's own tunnel.
    forwarding: Option<&'a mut Forwarding>,
    /// Where commands are to be asked for, once it is known that the node runs them.
    to_share: Option<Sharing>,
    exchange: Option<Exchange>,
    /// The data key that the node has asked for.
    making: Option<Making<'a>>,
    ever_accepted: bool,
    figures_told: Duration,
}

/// How far the session is, as the person sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Waits for the far end, having told the person so or not.
    Starting { told: bool },
    /// Standard input goes to the far end as the rule says.
    Established { kind: SessionKind, input: InputRule },
    /// Standard input has ended, and with it the connection once the far end has what was sent.
    Finishing { kind: SessionKind, until: Duration },
    /// The node was told that the session is over, and has not ended it yet.
    Leaving { kind: SessionKind, until: Duration },
}

enum Happening<S> {
    Line(LineEvent<S>),
    Terminal(Occurrence),
    /// A program has connected, said something, or taken something; or one that wants a command has.
    Tunnel,
    /// A data key was made, or was not.
    DataKey(Result<MadeKey, DataKeyError>),
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
        Self {
            ticket,
            options,
            remote,
            terminal,
            clock,
            random,
            core: ClientEnd::new(config, MessageIds::new(random.array())),
            line,
            backlog: Backlog::default(),
            typing: Typing::of_pipe(),
            stage: Stage::Starting { told: false },
            hello: None,
            message: None,
            exit_code: None,
            interrupted: None,
            opening: None,
            tunnel: None,
            forwarding: None,
            to_share: None,
            exchange: None,
            making: None,
            ever_accepted: false,
            figures_told: Duration::ZERO,
        }
    }

    /// Runs until the session ends, the person leaves or the client cannot go on.
    pub(crate) async fn run(mut self) -> Outcome {
        let ending = self.until_stopped().await;
        if matches!(ending, Ok(Ending::Over(_))) {
            self.confirm_end().await;
        }
        Outcome {
            kind: self.kind(),
            ending,
        }
    }

    async fn until_stopped(&mut self) -> Stop {
        self.join_encryption().await?;
        loop {
            if let Some(stop) = self.pump() {
                return stop;
            }
            if let Some(opening) = self.opening.take() {
                self.open_tunnel(opening).await?;
                continue;
            }
            let wait = self
                .next_deadline()
                .map(|at| at.saturating_sub(self.clock.monotonic()));
            let wants_input = self.wants_input();
            let may_read = self.backlog.has_room();
            let happening = tokio::select! {
                occurrence = self.terminal.next(wants_input) => Happening::Terminal(occurrence),
                event = self.line.next(may_read) => Happening::Line(event),
                () = local(&mut self.tunnel) => Happening::Tunnel,
                () = calls(&mut self.exchange) => Happening::Tunnel,
                made = made(&mut self.making) => Happening::DataKey(made),
                () = sleep(wait) => Happening::Deadline,
            };
            let stop = match happening {
                Happening::Terminal(occurrence) => self.handle_terminal(occurrence),
                Happening::Line(LineEvent::Link(event)) => self.handle_link(event),
                Happening::Line(LineEvent::Attempt(attempt)) => self.handle_attempt(attempt),
                Happening::Tunnel => None,
                Happening::DataKey(made) => {
                    self.take_data_key(made);
                    None
                }
                Happening::Deadline => self.handle_deadline(),
            };
            if let Some(stop) = stop {
                return stop;
            }
        }
    }

    /// Sends what the server waits for when it has told of the end. Without it the server tells it once more, to nobody.
    async fn confirm_end(&mut self) {
        self.fill_link();
        if let Some(link) = self.line.link() {
            let sent = timeout(self.options.patience.goodbye, link.flush()).await;
            if !matches!(sent, Ok(Ok(()))) {
                tracing::debug!(session.id = %self.ticket.session_id, sent = ?sent, "the end is not confirmed");
            }
        }
    }

    /// Moves everything that can move without waiting.
    fn pump(&mut self) -> Option<Stop> {
        while let Some(message) = self.backlog.next(self.output_room()) {
            if let Some(stop) = self.receive(message) {
                return Some(stop);
            }
        }
        if let Some(message) = self.end_behind_nobody()
            && let Some(stop) = self.receive(message)
        {
            return Some(stop);
        }
        if let Some(stop) = self.handle_events() {
            return Some(stop);
        }
        self.typing.send(&mut self.core);
        if matches!(self.stage, Stage::Finishing { .. }) && self.typing.is_empty() && self.core.is_drained() {
            return Some(Ok(Ending::Finished));
        }
        loop {
            let moved = self.take_from_tunnel() | self.take_from_exchange();
            self.fill_link();
            if !moved {
                return None;
            }
        }
    }

    fn fill_link(&mut self) {
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
            Event::Established {
                session_type,
                properties,
                agent_version,
            } => {
                if let Err(error) = self.establish(session_type, &properties) {
                    return Some(Err(error));
                }
                if self.is_tunnel() {
                    self.opening = Some(forwarding::Opening {
                        properties,
                        agent_version,
                    });
                }
            }
            Event::Output { payload_type, bytes } if self.is_tunnel() => {
                return self.pass_on(payload_type, bytes);
            }
            Event::Output {
                payload_type: PayloadType::Multiplexed,
                bytes,
            } => self.receive_for_callers(bytes),
            Event::Output { payload_type, bytes } => self.show(payload_type, bytes),
            // The server warns in the middle of a session, whose output may be anybody's.
            Event::Message(text) if self.is_established() => self.terminal.notice(&text),
            Event::Message(text) => self.message = Some(text),
            Event::Closed {
                output,
                exit_code,
                node_failed,
            } => {
                if let Some(forwarding) = &mut self.forwarding {
                    forwarding.node_failed = node_failed;
                }
                return Some(Ok(Ending::Over(self.end(output, exit_code))));
            }
            Event::DataKeyWanted { kms_key_id } => self.begin_data_key(kms_key_id),
            Event::Hello(hello) => self.hello = Some(hello),
            Event::Unresponsive => {
                tracing::info!(session.id = %self.ticket.session_id, "connection is silent");
                self.lose();
            }
        }
        None
    }

    fn establish(&mut self, session_type: SessionType, properties: &Value) -> Result<(), ClientError> {
        let kind = SessionKind::of(session_type, properties)?;
        let input = kind.input_rule(self.hello.as_ref());
        self.stage = Stage::Established { kind, input };
        if self.options.mode.announces(Some(kind)) {
            let text = texts::starting(&self.ticket.session_id);
            self.terminal.write(Channel::Output, text.into());
        }
        // One that runs for scripts has nothing to say while all goes well.
        if let Some(text) = self
            .message
            .take()
            .filter(|_| !self.options.mode.is_part_of_program())
        {
            let channel = self.options.mode.channel_of_words(Some(kind));
            self.terminal.write(channel, format!("{text}\n").into());
        }
        self.begin_sharing(kind)?;
        if kind.is_on_terminal() && self.options.mode != Mode::Hold {
            if self.terminal.is_interactive() {
                self.typing = Typing::of_person(self.options.mode.may_detach());
            }
            self.terminal.enter_raw().map_err(ClientError::Terminal)?;
            self.report_size();
        }
        Ok(())
    }

    /// Shows what the far end sent, on the stream that scripts expect it on.
    fn show(&mut self, payload_type: PayloadType, bytes: Bytes) {
        match payload_type {
            _ if self.options.mode == Mode::Hold => {}
            PayloadType::Output => self.terminal.write(Channel::Output, bytes),
            PayloadType::StdErr => self.terminal.write(Channel::Notice, bytes),
            PayloadType::ExitCode => self.exit_code = exit_code(&bytes),
            // Numbers in binary, and whatever a later version invents, are not for reading.
            _ => {}
        }
    }

    /// What the end of the channel means.
    fn end(&self, output: String, exit_code: Option<i32>) -> SessionEnd {
        let exit_code = exit_code.or(self.exit_code);
        // AWS's service also gives words to ends that are none of the session's fault.
        let failed = !output.is_empty() && (self.hello.is_some() || !self.stage.has_begun());
        // What AWS's agent says of a command that a signal ended is no shell's code for it.
        if let Some(signal) = self.interrupted
            && (!self.node_knows_signals() || (exit_code.is_none() && !failed))
        {
            return SessionEnd::Signalled(signal);
        }
        SessionEnd::Closed {
            kind: self.kind(),
            output,
            exit_code,
            failed,
        }
    }

    fn handle_deadline(&mut self) -> Option<Stop> {
        let now = now(self.clock);
        self.core.handle_timeout(now);
        if self.finish_at().is_some_and(|at| now.monotonic >= at) {
            return Some(Ok(Ending::Finished));
        }
        if self.deaf_at().is_some_and(|at| now.monotonic >= at) {
            tracing::info!(session.id = %self.ticket.session_id, "nothing was ever heard on this connection");
            self.lose();
        }
        if self.notice_at().is_some_and(|at| now.monotonic >= at) {
            self.give_notice();
        }
        if self.figures_at().is_some_and(|at| now.monotonic >= at) {
            self.tell_figures(now.monotonic);
        }
        None
    }

    fn next_deadline(&self) -> Option<Duration> {
        [
            self.core.poll_timeout(),
            self.notice_at(),
            self.deaf_at(),
            self.finish_at(),
            self.figures_at(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// When a far end that does not take what was sent is left alone with it.
    fn finish_at(&self) -> Option<Duration> {
        match self.stage {
            Stage::Finishing { until, .. } | Stage::Leaving { until, .. } => Some(until),
            Stage::Starting { .. } | Stage::Established { .. } => None,
        }
    }

    fn kind(&self) -> Option<SessionKind> {
        match self.stage {
            Stage::Starting { .. } => None,
            Stage::Established { kind, .. } | Stage::Finishing { kind, .. } | Stage::Leaving { kind, .. } => {
                Some(kind)
            }
        }
    }

    fn node_knows_signals(&self) -> bool {
        self.hello.is_some_and(|hello| hello.capabilities.signals)
    }

    fn is_established(&self) -> bool {
        self.stage.has_begun()
    }
}

impl Stage {
    fn has_begun(self) -> bool {
        !matches!(self, Self::Starting { .. })
    }
}

fn now(clock: &dyn Clock) -> Time {
    Time::new(clock.monotonic(), clock.epoch_ms())
}

async fn local(tunnel: &mut Option<LocalEnd>) {
    match tunnel {
        Some(tunnel) => tunnel.next().await,
        None => std::future::pending().await,
    }
}

async fn calls(exchange: &mut Option<Exchange>) {
    match exchange {
        Some(exchange) => exchange.next().await,
        None => std::future::pending().await,
    }
}

async fn made(making: &mut Option<Making<'_>>) -> Result<MadeKey, DataKeyError> {
    match making {
        Some(making) => making.await,
        None => std::future::pending().await,
    }
}

async fn sleep(wait: Option<Duration>) {
    match wait {
        Some(wait) => tokio::time::sleep(wait).await,
        None => std::future::pending().await,
    }
}
