//! A shell's session that others have commands run in.

use bytes::Bytes;
use drawbridge_protocol::port_mux::{Credited, Side};

use super::Conversation;
use crate::client::{ClientError, Mode, Remote, SessionKind};
use crate::sharing::{Exchange, Sharing};
use crate::terminal::Terminal;

/// Bytes read from callers that may wait for the network; what exceeds it is left to them.
const UNSENT_BYTES: usize = 256 * 1024;

impl<R: Remote, T: Terminal> Conversation<'_, R, T> {
    /// Shares the session at a socket, once it has begun and if the node can.
    pub(crate) fn sharing(mut self, sharing: Sharing) -> Self {
        self.to_share = Some(sharing);
        self
    }

    /// Errors: there is nothing else to do, and the node cannot.
    pub(super) fn begin_sharing(&mut self, kind: SessionKind) -> Result<(), ClientError> {
        let is_encrypted = self.core.is_encrypted();
        let can_share = kind == SessionKind::Shell
            && self
                .hello
                .is_some_and(|hello| hello.capabilities.knows_commands(is_encrypted));
        match self.to_share.take() {
            Some(sharing) if can_share => {
                self.exchange = Some(Exchange::new(sharing, &self.ticket.session_id));
                if self.options.mode == Mode::Hold {
                    let text = format!("session {} is shared", self.ticket.session_id);
                    self.terminal.notice(&text);
                }
            }
            Some(_) => {
                let why = match is_encrypted {
                    true => ClientError::EncryptedNotShared,
                    false => ClientError::NotShared,
                };
                if self.options.mode == Mode::Hold {
                    return Err(why);
                }
                self.terminal.notice(&why.to_string());
            }
            None => {}
        }
        if can_share && self.options.mode == Mode::Attach {
            // Whoever had the session before may have shared it.
            let mut mux = Credited::new(Side::Client);
            mux.begin();
            while let Some(message) = mux.poll_transmit() {
                self.core.send_multiplexed(message);
            }
        }
        Ok(())
    }

    pub(super) fn receive_for_callers(&mut self, message: Bytes) {
        if let Some(exchange) = &mut self.exchange {
            exchange.receive(message);
        }
    }

    /// Moves what callers said into the data channel; says whether anything was moved.
    pub(super) fn take_from_exchange(&mut self) -> bool {
        let Some(exchange) = &mut self.exchange else {
            return false;
        };
        let mut moved = false;
        while self.core.unsent_input() < UNSENT_BYTES
            && self.core.input_capacity() > 0
            && let Some(message) = exchange.poll()
        {
            self.core.send_multiplexed(message);
            moved = true;
        }
        moved
    }
}
