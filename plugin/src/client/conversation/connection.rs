//! The connection under a session: what it brings, how it breaks, and what the person is told meanwhile.

use std::time::Duration;

use drawbridge_aws_client::CallError;
use tokio_tungstenite::tungstenite::Message;

use super::{Conversation, Ending, Stage, Stop, now};
use crate::api::ApiError;
use crate::client::line::Attempt;
use crate::client::link::{LinkEvent, frame};
use crate::client::{ClientError, Mode, Remote, SessionEnd, SessionKind};
use crate::terminal::Terminal;

impl<R: Remote, T: Terminal> Conversation<'_, R, T> {
    pub(super) fn handle_link(&mut self, event: LinkEvent) -> Option<Stop> {
        match event {
            LinkEvent::Arrived(messages) => {
                self.note_recovery(messages.len());
                for message in messages {
                    if matches!(message, Message::Pong(_)) {
                        self.core.handle_pong(now(self.clock));
                    }
                    let room = self.output_room();
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

    pub(super) fn note_recovery(&mut self, arrived: usize) {
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

    pub(super) fn lose(&mut self) {
        let now = now(self.clock);
        if self.line.lose(now.monotonic) {
            self.core.handle_disconnected(now);
        }
    }

    pub(super) fn handle_attempt(&mut self, attempt: Attempt<R::Socket>) -> Option<Stop> {
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

    /// When the person is to be told that something takes long.
    pub(super) fn notice_at(&self) -> Option<Duration> {
        let start = match self.stage {
            Stage::Starting { told: false } => self
                .line
                .up_since()
                .map(|since| since + self.options.patience.start_notice),
            Stage::Starting { told: true }
            | Stage::Established { .. }
            | Stage::Finishing { .. }
            | Stage::Leaving { .. } => None,
        };
        self.line.notice_at().or(start)
    }

    /// When a server that has said nothing at all is given up.
    ///
    /// Only before the session begins: later, a proxy that swallows pongs must not cut an idle session.
    pub(super) fn deaf_at(&self) -> Option<Duration> {
        if self.is_established() {
            None
        } else {
            self.line.deaf_at()
        }
    }

    pub(super) fn give_notice(&mut self) {
        let way_out = match self.kind() {
            None | Some(SessionKind::Command) => " (Ctrl-C to give up)",
            Some(_) if !self.terminal.is_interactive() => "",
            Some(SessionKind::Shell | SessionKind::InteractiveCommand) => " (~. to give up)",
            Some(SessionKind::Connection | SessionKind::Tunnel) => " (Ctrl-C to give up)",
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
