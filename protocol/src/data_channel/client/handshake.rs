//! The client's side of the handshake and, where the session is encrypted, of the key exchange.

use super::answer::Answer;
use super::{ClientEnd, Event, Phase};
use crate::PeerMisbehaved;
use crate::encryption::{self, Cipher};
use crate::payload::{self, HandshakeComplete, HandshakeRequest};
use crate::wire::PayloadType;

impl ClientEnd {
    /// Takes the data key that [`Event::DataKeyWanted`] asked for, and as what it was wrapped.
    pub fn handle_data_key(&mut self, cipher: Cipher, wrapped: &[u8]) {
        if let Phase::AwaitingDataKey(_) = self.phase {
            self.secrecy.begin(cipher);
            // Whatever was said before there was a key was not said by the node.
            self.inbound.forget_early();
            self.answer_with_key(Ok(wrapped));
        }
    }

    /// Tells the node, and so the server, why there is no data key. The session will not begin.
    pub fn handle_data_key_refused(&mut self, why: &str) {
        self.answer_with_key(Err(why));
    }

    /// Takes the node's request.
    pub(super) fn handle_request(&mut self, request: &[u8]) -> Result<(), PeerMisbehaved> {
        let payload_type = PayloadType::HandshakeRequest;
        if !matches!(self.phase, Phase::AwaitingFirstMessage) {
            // A second answer would block AWS's agent for good.
            return Err(PeerMisbehaved::UnexpectedPayload(payload_type));
        }
        let request = HandshakeRequest::parse(request)
            .map_err(|source| PeerMisbehaved::StreamPayload { payload_type, source })?;
        let answer = Answer::to(request);
        if let Some(kms_key_id) = answer.wanted_key() {
            self.events.push_back(Event::DataKeyWanted {
                kms_key_id: kms_key_id.to_owned(),
            });
            self.phase = Phase::AwaitingDataKey(answer);
        } else {
            self.send_answer(answer, false);
        }
        Ok(())
    }

    /// Takes the node's word that the handshake is over.
    pub(super) fn handle_complete(&mut self, complete: &[u8]) -> Result<(), PeerMisbehaved> {
        let payload_type = PayloadType::HandshakeComplete;
        let complete: HandshakeComplete = payload::parse(complete)
            .map_err(|source| PeerMisbehaved::StreamPayload { payload_type, source })?;
        match std::mem::replace(&mut self.phase, Phase::Refused) {
            Phase::AwaitingHandshakeComplete {
                session,
                agent_version,
                proof_is_due: false,
            } => {
                if !complete.customer_message.is_empty() {
                    self.events.push_back(Event::Message(complete.customer_message));
                }
                self.establish(session, agent_version);
                Ok(())
            }
            other => {
                self.phase = other;
                Err(PeerMisbehaved::UnexpectedPayload(payload_type))
            }
        }
    }

    /// Answers the node's question, once and only while the handshake lasts.
    pub(super) fn prove_key(&mut self, question: &[u8]) -> Result<(), PeerMisbehaved> {
        match (&mut self.phase, self.secrecy.cipher()) {
            (Phase::AwaitingHandshakeComplete { proof_is_due, .. }, Some(cipher)) if *proof_is_due => {
                *proof_is_due = false;
                let answer = encryption::answer(question, cipher);
                self.outbound.push(PayloadType::EncChallengeResponse, answer);
                Ok(())
            }
            _ => Err(PeerMisbehaved::UnexpectedPayload(
                PayloadType::EncChallengeRequest,
            )),
        }
    }

    fn answer_with_key(&mut self, wrapped: Result<&[u8], &str>) {
        match std::mem::replace(&mut self.phase, Phase::Refused) {
            Phase::AwaitingDataKey(mut answer) => {
                answer.note_key(wrapped);
                self.send_answer(answer, true);
            }
            other => self.phase = other,
        }
    }

    fn send_answer(&mut self, answer: Answer, proof_is_due: bool) {
        let agent_version = answer.agent_version.clone();
        let (response, session) = answer.finish(&self.config.client_version);
        self.phase = match session {
            Some(session) => Phase::AwaitingHandshakeComplete {
                session,
                agent_version,
                proof_is_due,
            },
            None => Phase::Refused,
        };
        self.outbound.push(PayloadType::HandshakeResponse, response);
    }
}
