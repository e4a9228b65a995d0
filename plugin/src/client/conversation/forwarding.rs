//! A tunnel's side of a session: what programs that connect say and are told.

use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use drawbridge_protocol::payload::flag;
use drawbridge_protocol::wire::PayloadType;
use drawbridge_tunnel::Listeners;
use serde_json::Value;

use super::{Conversation, Stage, Stop};
use crate::client::tunnel::{Forwarding, LocalEnd, ToSend, TunnelNews, listener_of};
use crate::client::{ClientError, Mode, Remote, SessionKind};
use crate::terminal::{Channel, Terminal};
use crate::texts;

/// What is known of a tunnel before its listeners are there.
#[derive(Debug)]
pub(super) struct Opening {
    pub(super) properties: Value,
    pub(super) agent_version: String,
}

/// Bytes read from programs that may wait for the network; what exceeds it is left to them.
const UNSENT_BYTES: usize = 256 * 1024;

/// How often a view is told what connections have carried.
const FIGURES_EVERY: Duration = Duration::from_millis(250);

impl<'a, R: Remote, T: Terminal> Conversation<'a, R, T> {
    /// Has listeners and somebody who watches.
    pub(crate) fn forwarding(mut self, forwarding: &'a mut Forwarding) -> Self {
        self.forwarding = Some(forwarding);
        self
    }

    /// Opens the tunnel, once the node is known to be ready for it.
    pub(super) async fn open_tunnel(&mut self, opening: Opening) -> Result<(), ClientError> {
        let Opening {
            properties,
            agent_version,
        } = opening;
        let listeners = match &self.forwarding {
            Some(forwarding) => Rc::clone(&forwarding.listeners),
            None => {
                let place = |key: &str| properties.get(key).and_then(Value::as_str).map(str::to_owned);
                let listener = listener_of(&properties)
                    .await
                    .map_err(|source| ClientError::Listen {
                        place: place("localUnixSocket")
                            .or_else(|| place("localPortNumber").map(|port| format!("port {port}"))),
                        source,
                    })?;
                Rc::new(Listeners::new(vec![listener]))
            }
        };
        let local = LocalEnd::new(listeners, &agent_version, self.hello.as_ref());
        self.core.set_window(local.window());
        match &mut self.forwarding {
            Some(forwarding) => forwarding.view.opened(&self.ticket.session_id, local.listeners()),
            None => {
                for listener in local.listeners() {
                    let text = texts::opened(&self.ticket.session_id, listener, local.is_multiplexed());
                    self.terminal.write(Channel::Output, text.into());
                }
            }
        }
        self.tunnel = Some(local);
        Ok(())
    }

    /// Takes what the node sent into the tunnel.
    pub(super) fn pass_on(&mut self, payload_type: PayloadType, bytes: Bytes) -> Option<Stop> {
        if payload_type == PayloadType::Flag {
            if flag::parse(&bytes) == Ok(flag::CONNECT_TO_PORT_ERROR) {
                self.say_not_connected();
            }
            return None;
        }
        let received = self.tunnel.as_mut()?.receive(payload_type, bytes);
        received.err().map(|error| Err(ClientError::Tunnel(error)))
    }

    /// Moves what programs said into the data channel; says whether anything was moved.
    pub(super) fn take_from_tunnel(&mut self) -> bool {
        let Some(local) = &mut self.tunnel else {
            return false;
        };
        let mut moved = false;
        loop {
            let room = UNSENT_BYTES.saturating_sub(self.core.unsent_input());
            let Some(to_send) = local.poll(room.min(self.core.input_capacity())) else {
                break;
            };
            moved = true;
            match to_send {
                ToSend::Bytes(bytes) => self.core.send_input(bytes),
                ToSend::Message(message) => self.core.send_multiplexed(message),
                ToSend::Flag(number) => self.core.send_flag(number),
            }
        }
        for news in local.take_news() {
            self.tell(&news);
        }
        moved
    }

    /// How much of the node's output may be taken.
    pub(super) fn output_room(&self) -> usize {
        match (&self.tunnel, self.is_tunnel()) {
            (Some(local), _) if local.is_full() => 0,
            (Some(_), _) => usize::MAX,
            // There is nowhere to put it yet.
            (None, true) => 0,
            (None, false) => self.terminal.room(),
        }
    }

    /// Returns the end of the session, where it stands behind output that waits for a program that may never come.
    pub(super) fn end_behind_nobody(&mut self) -> Option<Bytes> {
        match &self.tunnel {
            Some(local) if local.is_idle() => self.backlog.take_end(),
            Some(_) | None => None,
        }
    }

    /// A signal ends a tunnel, and the node is told, as AWS's plugin does it.
    pub(super) fn leave_tunnel(&mut self) -> Option<Stop> {
        if self.options.mode == Mode::Plugin {
            self.terminal.write(Channel::Output, texts::TERMINATING.into());
        }
        self.core.send_flag(flag::TERMINATE_SESSION);
        self.stage = Stage::Leaving {
            kind: SessionKind::Tunnel,
            until: self.clock.monotonic() + self.options.patience.goodbye,
        };
        None
    }

    /// When the view is to be told what connections have carried.
    pub(super) fn figures_at(&self) -> Option<Duration> {
        let has_connections = self
            .tunnel
            .as_ref()
            .is_some_and(|local| local.figures().next().is_some());
        self.forwarding.as_ref()?;
        has_connections.then(|| self.figures_told + FIGURES_EVERY)
    }

    pub(super) fn tell_figures(&mut self, now: Duration) {
        self.figures_told = now;
        if let (Some(forwarding), Some(local)) = (&mut self.forwarding, &self.tunnel) {
            forwarding.view.figures(&mut local.figures());
        }
    }

    pub(super) fn is_tunnel(&self) -> bool {
        self.kind() == Some(SessionKind::Tunnel)
    }

    fn tell(&mut self, news: &TunnelNews) {
        if let Some(forwarding) = &mut self.forwarding {
            forwarding.view.happened(news);
            if let Some(local) = &self.tunnel {
                forwarding.view.figures(&mut local.figures());
            }
            return;
        }
        match news {
            TunnelNews::Arrived(_) if !std::mem::replace(&mut self.ever_accepted, true) => {
                let text = texts::accepted(&self.ticket.session_id);
                self.terminal.write(Channel::Output, text.into());
            }
            TunnelNews::Refused(_, refusal) => {
                self.say_not_connected();
                self.terminal.notice(&refusal.to_string());
            }
            TunnelNews::Arrived(_) | TunnelNews::Ended { .. } => {}
        }
    }

    fn say_not_connected(&mut self) {
        if self.options.mode == Mode::Plugin {
            self.terminal.write(Channel::Output, texts::NOT_CONNECTED.into());
        }
    }
}
