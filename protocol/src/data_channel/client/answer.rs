//! The client's answer to a handshake.

use bytes::Bytes;
use serde::Deserialize as _;
use serde_json::Value;

use crate::payload::{
    self, ActionStatus, ActionType, HandshakeRequest, HandshakeResponse, KmsParameters, PayloadError,
    ProcessedAction, SessionType, SessionTypeParameters,
};

/// An answer, complete but for the data key if one was asked for.
#[derive(Debug)]
pub(super) struct Answer {
    processed: Vec<ProcessedAction>,
    session: Option<SessionTypeParameters>,
    pub(super) agent_version: String,
    /// The key that is to wrap a data key, and the place of the action that asks for it.
    key: Option<(usize, String)>,
}

impl Answer {
    /// Does what can be done at once of a request.
    pub(super) fn to(request: HandshakeRequest) -> Answer {
        let mut answer = Answer {
            processed: Vec::with_capacity(request.requested_client_actions.len().min(MAX_ACTIONS)),
            session: None,
            agent_version: request.agent_version,
            key: None,
        };
        for action in request.requested_client_actions.into_iter().take(MAX_ACTIONS) {
            let processed = match action.action_type {
                ActionType::SessionType => answer.session_type(action.action_parameters),
                ActionType::KmsEncryption => answer.kms_encryption(&action.action_parameters),
                ActionType::Unknown(name) => {
                    let error = format!("Unsupported action {name}");
                    ProcessedAction::refused(ActionType::Unknown(name), ActionStatus::Unsupported, error)
                }
            };
            answer.processed.push(processed);
        }
        answer
    }

    /// Returns the key that is to wrap a data key, unless the session will not begin anyway.
    pub(super) fn wanted_key(&self) -> Option<&str> {
        let (_, key) = self.key.as_ref().filter(|_| self.all_done())?;
        Some(key)
    }

    /// Says what came of making the data key: the wrapped one, or why there is none.
    pub(super) fn note_key(&mut self, wrapped: Result<&[u8], &str>) {
        let Some((place, _)) = self.key.take() else { return };
        if let Some(action) = self.processed.get_mut(place) {
            *action = match wrapped {
                Ok(wrapped) => ProcessedAction::data_key(wrapped),
                Err(why) => refused_key(why),
            };
        }
    }

    /// Writes the answer; gives the kind of session if everything could be done.
    pub(super) fn finish(self, client_version: &str) -> (Bytes, Option<SessionTypeParameters>) {
        let all_done = self.all_done();
        let response = HandshakeResponse {
            client_version: client_version.to_owned(),
            processed_client_actions: self.processed,
            errors: None,
        };
        (payload::to_bytes(&response), self.session.filter(|_| all_done))
    }

    fn all_done(&self) -> bool {
        self.processed
            .iter()
            .all(|action| action.action_status == ActionStatus::Success)
    }

    fn session_type(&mut self, parameters: Value) -> ProcessedAction {
        match read_session_type(parameters) {
            Ok(parameters) => {
                self.session = Some(parameters);
                ProcessedAction::success(ActionType::SessionType)
            }
            Err(error) => ProcessedAction::refused(ActionType::SessionType, ActionStatus::Failed, error),
        }
    }

    fn kms_encryption(&mut self, parameters: &Value) -> ProcessedAction {
        if self.key.is_some() {
            return refused_key("a session has one data key");
        }
        if self.is_tunnel() {
            return refused_key("the protocol does not encrypt tunnels");
        }
        match KmsParameters::deserialize(parameters) {
            Ok(parameters) => {
                self.key = Some((self.processed.len(), parameters.kms_key_id));
                ProcessedAction::success(ActionType::KmsEncryption)
            }
            Err(error) => refused_key(&PayloadError::from(error).to_string()),
        }
    }

    fn is_tunnel(&self) -> bool {
        self.session
            .as_ref()
            .is_some_and(|session| session.session_type == SessionType::Port)
    }
}

fn refused_key(why: &str) -> ProcessedAction {
    let error = format!("Failed to process action KMSEncryption: {why}");
    ProcessedAction::refused(ActionType::KmsEncryption, ActionStatus::Failed, error)
}

/// Reads what kind of session is asked for, or says in AWS's words why it cannot be had.
fn read_session_type(parameters: Value) -> Result<SessionTypeParameters, String> {
    let failed = |why: String| format!("Failed to process action SessionType: {why}");
    let parameters: SessionTypeParameters =
        serde_json::from_value(parameters).map_err(|error| failed(PayloadError::from(error).to_string()))?;
    match parameters.session_type {
        SessionType::Unknown(name) => Err(failed(format!("Unknown session type {name}"))),
        SessionType::StandardStream
        | SessionType::InteractiveCommands
        | SessionType::NonInteractiveCommands
        | SessionType::Port => Ok(parameters),
    }
}

/// Answers at most this many actions of one request; AWS's agent sends two.
const MAX_ACTIONS: usize = 16;
