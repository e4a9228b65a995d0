//! The node's side of the handshake and, where the session is encrypted, of the key exchange.

use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;

use super::{Event, NodeEnd};
use crate::encryption::{Cipher, Undecryptable};
use crate::payload::{
    self, ActionStatus, ClientAction, HandshakeComplete, HandshakeRequest, HandshakeResponse, SessionType,
};
use crate::wire::{Frame, PayloadType};
use crate::{PeerMisbehaved, Time};

/// How far the client is prepared.
#[derive(Debug)]
pub(super) enum Handshake {
    NotStarted,
    AwaitingResponse { since: Duration },
    AwaitingDataKey { since: Began, client_version: String },
    AwaitingChallenge { since: Began, client_version: String },
    Complete,
    Failed,
}

/// When the handshake began, and its present state.
#[derive(Clone, Copy, Debug)]
pub(super) struct Began {
    handshake: Duration,
    state: Duration,
}

impl NodeEnd {
    /// Asks the client to prepare for a session that is not a plain shell (see [`SessionType::needs_handshake`]).
    ///
    /// Asks it for a data key too, where the configuration says so. The answer comes as [`Event::HandshakeDone`] or
    /// [`Event::HandshakeFailed`], at most 30 s later, or 90 s with a data key. Asking twice is asking once.
    pub fn begin_handshake(&mut self, session_type: SessionType, properties: Value, now: Time) {
        if !matches!(self.handshake, Handshake::NotStarted) {
            return;
        }
        self.handshake = Handshake::AwaitingResponse { since: now.monotonic };
        let mut actions = vec![ClientAction::session_type(session_type, properties)];
        if let Some(exchange) = &self.config.key_exchange {
            actions.push(ClientAction::kms_encryption(
                &exchange.kms_key_id,
                &exchange.request_challenge,
            ));
        }
        let request = HandshakeRequest {
            agent_version: self.config.agent_version.clone(),
            requested_client_actions: actions,
        };
        self.outbound
            .push(PayloadType::HandshakeRequest, payload::to_bytes(&request));
    }

    /// Takes the data key that [`Event::DataKeyWrapped`] told of, and has the client prove that it knows it.
    pub fn handle_data_key(&mut self, mut cipher: Cipher, now: Time) {
        let (
            Handshake::AwaitingDataKey {
                since,
                client_version,
            },
            Some(exchange),
        ) = (&self.handshake, &self.config.key_exchange)
        else {
            return;
        };
        let question = exchange.challenge.ask(&mut cipher);
        self.outbound.push(PayloadType::EncChallengeRequest, question);
        self.handshake = Handshake::AwaitingChallenge {
            since: Began {
                state: now.monotonic,
                ..*since
            },
            client_version: client_version.clone(),
        };
        self.secrecy.begin(cipher);
        // Whatever was said before there was a key was not said by the client.
        self.inbound.forget_early();
    }

    /// Ends the handshake because the data key cannot be had.
    pub fn handle_data_key_refused(&mut self, why: &str) {
        if let Handshake::AwaitingDataKey { .. } = self.handshake {
            self.fail_handshake(format!("Fetching data key failed: {why}"));
        }
    }

    /// Says whether what the user types and sees is encrypted.
    pub fn is_encrypted(&self) -> bool {
        self.secrecy.has_begun()
    }

    /// Takes the client's answer to the request.
    pub(super) fn handle_response(&mut self, answer: &[u8], now: Time) -> Result<(), PeerMisbehaved> {
        let payload_type = PayloadType::HandshakeResponse;
        let Handshake::AwaitingResponse { since } = self.handshake else {
            return Err(PeerMisbehaved::UnexpectedPayload(payload_type));
        };
        let response = HandshakeResponse::parse(answer)
            .map_err(|source| PeerMisbehaved::StreamPayload { payload_type, source })?;
        self.take_response(&response, since, now);
        Ok(())
    }

    /// Takes the client's proof, which was checked when it came.
    pub(super) fn handle_proof(&mut self, now: Time) -> Result<(), PeerMisbehaved> {
        let Handshake::AwaitingChallenge {
            since,
            client_version,
        } = &self.handshake
        else {
            return Err(PeerMisbehaved::UnexpectedPayload(
                PayloadType::EncChallengeResponse,
            ));
        };
        let (began, client_version) = (since.handshake, client_version.clone());
        self.complete_handshake(client_version, began, now);
        Ok(())
    }

    /// Decrypts what the client encrypts, before it counts as arrived.
    pub(super) fn decrypt(&self, frame: Frame) -> Result<Frame, PeerMisbehaved> {
        self.secrecy
            .decrypt(frame, PayloadType::EncChallengeResponse, |answer, cipher| {
                let exchange = self.config.key_exchange.as_ref();
                exchange
                    .filter(|exchange| exchange.challenge.is_answered_by(answer, cipher))
                    .map(|_| Bytes::new())
                    .ok_or(Undecryptable)
            })
    }

    fn take_response(&mut self, response: &HandshakeResponse, since: Duration, now: Time) {
        let mut actions = response.processed_client_actions.iter();
        if let Some(action) = actions.find(|action| action.action_status != ActionStatus::Success) {
            let (action_type, status) = (&action.action_type, u32::from(action.action_status));
            return self.fail_handshake(format!(
                "{action_type} failed on client with status {status} error: {}",
                action.error
            ));
        }
        let client_version = response.client_version.clone();
        if self.config.key_exchange.is_none() {
            return self.complete_handshake(client_version, since, now);
        }
        match response.wrapped_key() {
            Some(wrapped) => {
                let since = Began {
                    handshake: since,
                    state: now.monotonic,
                };
                self.handshake = Handshake::AwaitingDataKey {
                    since,
                    client_version,
                };
                self.events.push_back(Event::DataKeyWrapped(wrapped));
            }
            None => self.fail_handshake("the client gave no data key".to_owned()),
        }
    }

    fn complete_handshake(&mut self, client_version: String, began: Duration, now: Time) {
        self.handshake = Handshake::Complete;
        let took = now.monotonic.saturating_sub(began);
        let customer_message = if self.is_encrypted() { ENCRYPTED } else { "" };
        let complete = HandshakeComplete {
            handshake_time_to_complete: i64::try_from(took.as_nanos()).unwrap_or(i64::MAX),
            customer_message: customer_message.to_owned(),
        };
        self.outbound
            .push(PayloadType::HandshakeComplete, payload::to_bytes(&complete));
        self.events.push_back(Event::HandshakeDone { client_version });
    }

    pub(super) fn fail_handshake(&mut self, why: String) {
        self.handshake = Handshake::Failed;
        self.events.push_back(Event::HandshakeFailed(why));
    }
}

impl Handshake {
    /// Says whether bytes may flow, as far as the handshake goes.
    pub(super) fn is_over(&self) -> bool {
        match self {
            Handshake::NotStarted | Handshake::Complete => true,
            Handshake::AwaitingResponse { .. }
            | Handshake::AwaitingDataKey { .. }
            | Handshake::AwaitingChallenge { .. }
            | Handshake::Failed => false,
        }
    }

    /// Returns when the present state has lasted too long, and what is said then.
    pub(super) fn deadline(&self) -> Option<(Duration, &'static str)> {
        match self {
            Handshake::AwaitingResponse { since } => Some((*since + HANDSHAKE_TIMEOUT, HANDSHAKE_TIMED_OUT)),
            Handshake::AwaitingDataKey { since, .. } => {
                Some((since.state + HANDSHAKE_TIMEOUT, KEY_TIMED_OUT))
            }
            Handshake::AwaitingChallenge { since, .. } => {
                Some((since.state + HANDSHAKE_TIMEOUT, CHALLENGE_TIMED_OUT))
            }
            Handshake::NotStarted | Handshake::Complete | Handshake::Failed => None,
        }
    }
}

/// How long a client may take to answer: twice what AWS's agent allows (`protocol.md` 5.6), for the sake of slow paths.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(30);

/// What AWS's agent reports then; people search for it.
const HANDSHAKE_TIMED_OUT: &str =
    "Handshake timed out. Please ensure that you have the latest version of the session manager plugin.";

/// The same where the client was asked to prove its data key.
const CHALLENGE_TIMED_OUT: &str = "Timed out waiting for encryption challenge.";

/// What is said of a key service that does not answer.
const KEY_TIMED_OUT: &str = "Fetching data key failed: no answer in time";

/// What AWS's agent tells the person at the client; scripts look for it.
const ENCRYPTED: &str = "This session is encrypted using AWS KMS.";
