//! One session: its far end and its data channel, joined.
//!
//! ```text
//!               client is ready          far end has ended        all acknowledged         server confirms
//!  Introducing ────────────────▶ Running ────────────────▶ Delivering ─────────────▶ Leaving ─────────────▶ over
//!  (where it must)                  │                        │    ▲                    │
//!     │                             │                        │    └─ connection lost ──┘
//!     └── client is not ────────────┴── terminated, or the server knows it no more, or patience ends ───▶ over
//! ```
//!
//! In all states but the last the connection may come and go. The log of a session, if it has one, is shipped between delivering
//! and leaving, or when it is over already; the client knows of the end by then.

mod patience;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use drawbridge_protocol::data_channel::node::{Event, KeyExchange, NodeConfig, NodeEnd, State};
use drawbridge_protocol::encryption::{Challenge, Cipher, DataKey};
use drawbridge_protocol::wire::PayloadType;
use drawbridge_protocol::{MessageIds, NodeExtension, Time};
use drawbridge_session::{Clock, NodeId, Random, RandomArray, SessionId};

use patience::Patience;

use super::encryption::{Encryption, Unwrap, Unwrapping};
use super::far_end::{End, FarEnd, FarEvent};
use super::logging::Logging;
use crate::backoff::Backoff;
use crate::identity::AGENT_VERSION;
use crate::line::{Dial, Line, LineEvent};
use crate::pty::ExitStatus;
use crate::sessions::Outcome;

/// What a session is known by.
pub(super) struct Settings {
    pub(super) session: SessionId,
    pub(super) node: NodeId,
    /// What may be used towards the server beyond the public protocol.
    pub(super) extension: Option<NodeExtension>,
}

/// One session with its far end.
pub(super) struct Session<D: Dial, F> {
    end: NodeEnd,
    line: Line<D>,
    far: F,
    log: Option<Logging>,
    phase: Phase,
    is_paused: bool,
    patience: Patience,
    /// How often the server was told goodbye.
    goodbyes: u32,
    /// Who unwraps the data key of an encrypted session, and the unwrapping under way.
    keys: Option<Box<dyn Unwrap>>,
    unwrapping: Option<Unwrapping>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
}

#[derive(Debug)]
enum Phase {
    Introducing,
    Running,
    Delivering(Outcome),
    Leaving { outcome: Outcome, since: Duration },
    Over(Outcome),
}

/// Everything a session can wait for.
enum Happened {
    Line(LineEvent),
    FarEnd,
    DataKey(Result<DataKey, String>),
    Log,
    Stopped,
    Elapsed,
}

/// Bytes that may wait for the network before the far end is left alone, so that frames fill up while it is busy.
const BACKLOG_BYTES: usize = 256 * 1024;
/// Goodbyes after which a server that hangs up without returning one is believed to have heard: everything before them is
/// acknowledged.
const GOODBYES: u32 = 5;
/// How long the server may take to return a goodbye.
const GOODBYE_PATIENCE: Duration = Duration::from_secs(3);

impl<D: Dial, F: FarEnd> Session<D, F> {
    /// Joins a far end with a data channel and starts the first attempt to connect it.
    pub(super) fn new(
        settings: &Settings,
        encryption: Option<Encryption>,
        far: F,
        log: Option<Logging>,
        dial: D,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Self {
        let key_exchange = encryption.as_ref().map(|encryption| KeyExchange {
            kms_key_id: encryption.kms_key_id.clone(),
            request_challenge: random.array(),
            challenge: Challenge::new(random.array()),
        });
        let config = NodeConfig {
            key_exchange,
            window: far.window(),
            ..NodeConfig::new(
                settings.session.as_str(),
                settings.node.as_str(),
                AGENT_VERSION,
                settings.extension,
            )
        };
        let mut end = NodeEnd::new(config, MessageIds::new(random.array()));
        end.send_state(State::Connected);
        let phase = match far.introduction() {
            Some(_) => Phase::Introducing,
            None => Phase::Running,
        };
        Self {
            end,
            line: Line::new(dial, Backoff::SESSION, Arc::clone(&random)),
            far,
            log,
            phase,
            is_paused: false,
            patience: Patience::new(0, Duration::ZERO),
            goodbyes: 0,
            keys: encryption.map(|encryption| encryption.keys),
            unwrapping: None,
            clock,
            random,
        }
    }

    /// Runs to the end. `stop` resolving means that the session is to be terminated.
    pub(super) async fn run(mut self, stop: Pin<Box<dyn Future<Output = ()>>>) -> Outcome {
        let mut stop = Some(stop);
        loop {
            self.advance();
            if let Phase::Over(outcome) = &self.phase {
                let outcome = outcome.clone();
                return self.finish(outcome).await;
            }
            match self.next(&mut stop).await {
                Happened::Line(event) => self.handle_line(event),
                Happened::FarEnd => {}
                Happened::DataKey(key) => self.handle_data_key(key),
                Happened::Log => self.patience.restart(self.clock.monotonic()),
                Happened::Stopped => {
                    stop = None;
                    self.terminate();
                }
                Happened::Elapsed => self.handle_elapsed(),
            }
        }
    }

    async fn finish(mut self, outcome: Outcome) -> Outcome {
        self.far.end().await;
        let logged = match self.log.take() {
            Some(log) => Some(log.finish().await),
            None => None,
        };
        Outcome { logged, ..outcome }
    }

    async fn next(&mut self, stop: &mut Option<Pin<Box<dyn Future<Output = ()>>>>) -> Happened {
        let room = self.room();
        let wait = self
            .deadline()
            .map(|deadline| deadline.saturating_sub(self.clock.monotonic()));
        let Self {
            line,
            far,
            log,
            unwrapping,
            ..
        } = self;
        tokio::select! {
            key = finished(unwrapping) => {
                *unwrapping = None;
                Happened::DataKey(key)
            }
            event = line.next() => Happened::Line(event),
            () = far.next(room) => Happened::FarEnd,
            () = carried_on(log) => Happened::Log,
            () = finished(stop) => Happened::Stopped,
            () = tokio::time::sleep(wait.unwrap_or_default()), if wait.is_some() => Happened::Elapsed,
        }
    }

    /// Brings everything up to date with what has happened; waits for nothing.
    fn advance(&mut self) {
        while let Some(event) = self.end.poll_event() {
            self.handle_event(event);
        }
        // Until the client is ready there may be an end to tell, but nothing to say.
        while matches!(self.phase, Phase::Introducing | Phase::Running)
            && let Some(event) = self.far.poll(self.room())
        {
            self.handle_far_end(event);
        }
        let now = self.now();
        let Self { line, end, .. } = self;
        let all_queued = line.fill(BACKLOG_BYTES, || end.poll_transmit(now));
        self.patience.note(self.end.output_capacity(), now.monotonic);
        if let Phase::Delivering(outcome) = &self.phase
            && all_queued
            && self.end.is_drained()
            && self.log.as_mut().is_none_or(Logging::ship)
        {
            self.phase = Phase::Leaving {
                outcome: outcome.clone(),
                since: now.monotonic,
            };
            self.goodbyes += 1;
            self.line.close();
        }
    }

    fn handle_line(&mut self, event: LineEvent) {
        let now = self.now();
        match event {
            LineEvent::Up(token) => {
                tracing::debug!("data channel connected");
                self.patience.restart(now.monotonic);
                self.end.handle_connected(token, now);
                self.introduce(now);
            }
            LineEvent::Frame(frame) if self.far.refuses(&frame) => {}
            LineEvent::Frame(frame) => {
                if let Err(error) = self.end.handle_message(frame, now) {
                    tracing::debug!(error = crate::sessions::chain(&error), "message ignored");
                }
            }
            LineEvent::Pong => self.end.handle_pong(now),
            LineEvent::Flushed => {}
            LineEvent::Lost { orderly } => {
                self.end.handle_disconnected(now);
                if let Phase::Leaving { outcome, .. } = &self.phase {
                    let outcome = outcome.clone();
                    self.phase = if orderly || self.goodbyes >= GOODBYES {
                        Phase::Over(outcome)
                    } else {
                        Phase::Delivering(outcome)
                    };
                }
            }
            LineEvent::SessionEnded => self.terminate(),
        }
    }

    /// Tells the client what to prepare for, once it can hear that: its patience and ours run from then on.
    fn introduce(&mut self, now: Time) {
        if let Some(introduction) = self.far.introduction() {
            self.end
                .begin_handshake(introduction.session_type, introduction.properties, now);
        }
    }

    fn handle_event(&mut self, event: Event) {
        match event {
            Event::Input(bytes) => self.far.handle_input(bytes),
            Event::Multiplexed(message) => self.far.handle_message(message),
            Event::Size(size) => self.far.handle_size(size),
            Event::Flag(number) => self.far.handle_flag(number),
            Event::DataKeyWrapped(wrapped) => {
                self.unwrapping = self.keys.as_ref().map(|keys| keys.unwrap(wrapped));
            }
            Event::HandshakeDone { client_version } => {
                tracing::debug!(client_version, "the client is ready");
                if matches!(self.phase, Phase::Introducing) {
                    self.phase = Phase::Running;
                    self.far.begin(&client_version);
                }
            }
            Event::HandshakeFailed(why) => {
                if matches!(self.phase, Phase::Introducing) {
                    self.phase = Phase::Over(Outcome::failed(why));
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
        }
    }

    fn handle_data_key(&mut self, key: Result<DataKey, String>) {
        let now = self.now();
        match key {
            Ok(key) => {
                let cipher = Cipher::of_node(&key, self.random.array());
                self.end.handle_data_key(cipher, now);
            }
            Err(why) => self.end.handle_data_key_refused(&why),
        }
    }

    /// Puts words of the server where the person reads what the far end says, if that is for people at all.
    fn announce(&mut self, text: &str) {
        if self.far.is_read_by_people() {
            let plain: String = text.chars().filter(|c| !c.is_control()).collect();
            let line = format!("\r\n{plain}\r\n");
            self.say(PayloadType::Output, Bytes::from(line));
        }
    }

    fn say(&mut self, payload_type: PayloadType, bytes: Bytes) {
        if let Some(log) = &self.log {
            log.record(payload_type, &bytes);
        }
        self.end.send_output(payload_type, bytes);
    }

    fn handle_far_end(&mut self, event: FarEvent) {
        let outcome = match event {
            FarEvent::Said(payload_type, bytes) => return self.say(payload_type, bytes),
            FarEvent::Ended(End::Exited(status)) => {
                self.report_exit(status);
                Outcome::success()
            }
            FarEvent::Ended(End::NotExecuted { status, why }) => {
                self.report_exit(status);
                Outcome::failed(why)
            }
            FarEvent::Ended(End::Closed) => Outcome::success(),
            FarEvent::Ended(End::Failed(why)) => Outcome::failed(why),
        };
        self.patience = Patience::new(self.end.output_capacity(), self.clock.monotonic());
        self.phase = match self.phase {
            // There is no client yet that could take anything.
            Phase::Introducing => Phase::Over(outcome),
            _ => Phase::Delivering(outcome),
        };
    }

    fn report_exit(&mut self, status: ExitStatus) {
        self.end.send_state(State::Terminating {
            exit_code: Some(status.0),
        });
    }

    fn handle_elapsed(&mut self) {
        let now = self.now();
        self.end.handle_timeout(now);
        match &self.phase {
            Phase::Delivering(_) if self.log.as_ref().is_some_and(Logging::is_shipping) => {}
            Phase::Delivering(outcome) if now.monotonic >= self.patience_ends() => {
                tracing::warn!("the last output of the session was not taken by the server");
                self.phase = Phase::Over(outcome.clone());
            }
            Phase::Leaving { outcome, since } if now.monotonic >= *since + GOODBYE_PATIENCE => {
                self.phase = Phase::Over(outcome.clone());
            }
            Phase::Introducing
            | Phase::Running
            | Phase::Delivering(_)
            | Phase::Leaving { .. }
            | Phase::Over(_) => {}
        }
    }

    /// Ends the session at the word of the server or the agent: no output is waited for, no state is reported. What
    /// the far end has come to stands.
    fn terminate(&mut self) {
        let outcome = match &self.phase {
            Phase::Introducing | Phase::Running => Outcome::success(),
            Phase::Delivering(outcome) | Phase::Leaving { outcome, .. } | Phase::Over(outcome) => {
                outcome.clone()
            }
        };
        self.phase = Phase::Over(outcome);
    }

    fn patience_ends(&self) -> Duration {
        let is_served = self.line.is_up() && !self.is_paused && self.far.is_kept_by_server();
        self.patience.ends(is_served)
    }

    /// Returns how many bytes the far end may be read for; 0 while the client, the server or the network must catch up.
    fn room(&self) -> usize {
        let may_speak = matches!(self.phase, Phase::Running);
        // Only what goes out soon is read: the rest waits where it is, and whoever writes it is slowed down by that.
        let waiting = self.line.backlog() + self.end.unsent_output();
        let log_is_behind = self.log.as_ref().is_some_and(Logging::is_behind);
        if !may_speak || waiting >= BACKLOG_BYTES || log_is_behind {
            return 0;
        }
        self.end.output_capacity().min(self.far.chunk())
    }

    fn deadline(&self) -> Option<Duration> {
        let own = match self.phase {
            // Shipping a log has a limit of its own.
            Phase::Delivering(_) if self.log.as_ref().is_some_and(Logging::is_shipping) => None,
            Phase::Delivering(_) => Some(self.patience_ends()),
            Phase::Leaving { since, .. } => Some(since + GOODBYE_PATIENCE),
            Phase::Introducing | Phase::Running | Phase::Over(_) => None,
        };
        [own, self.end.poll_timeout()].into_iter().flatten().min()
    }

    fn now(&self) -> Time {
        Time::new(self.clock.monotonic(), self.clock.epoch_ms())
    }
}

/// Carries on with a log that may not be there.
async fn carried_on(log: &mut Option<Logging>) {
    match log {
        Some(log) => log.progress().await,
        None => std::future::pending().await,
    }
}

/// Waits for a future that may not be there.
async fn finished<T>(future: &mut Option<Pin<Box<dyn Future<Output = T>>>>) -> T {
    match future {
        Some(future) => future.await,
        None => std::future::pending().await,
    }
}
