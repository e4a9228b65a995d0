//! The client's answer to a handshake.

use serde_json::Value;

use crate::payload::{
    ActionStatus, ActionType, HandshakeRequest, HandshakeResponse, PayloadError, ProcessedAction,
    SessionType, SessionTypeParameters,
};

/// Answers every action of a request; gives the kind of session if all of them could be done.
pub(super) fn answer(
    request: HandshakeRequest,
    client_version: &str,
) -> (HandshakeResponse, Option<SessionTypeParameters>) {
    let mut session = None;
    let mut processed = Vec::with_capacity(request.requested_client_actions.len().min(MAX_ACTIONS));
    for action in request.requested_client_actions.into_iter().take(MAX_ACTIONS) {
        processed.push(match action.action_type {
            ActionType::SessionType => match read_session_type(action.action_parameters) {
                Ok(parameters) => {
                    session = Some(parameters);
                    ProcessedAction::success(ActionType::SessionType)
                }
                Err(error) => ProcessedAction::refused(ActionType::SessionType, ActionStatus::Failed, error),
            },
            ActionType::KmsEncryption => ProcessedAction::refused(
                ActionType::KmsEncryption,
                ActionStatus::Unsupported,
                "this client cannot encrypt sessions with a KMS key".to_owned(),
            ),
            ActionType::Unknown(name) => {
                let error = format!("Unsupported action {name}");
                ProcessedAction::refused(ActionType::Unknown(name), ActionStatus::Unsupported, error)
            }
        });
    }
    let all_done = processed
        .iter()
        .all(|action| action.action_status == ActionStatus::Success);
    let response = HandshakeResponse {
        client_version: client_version.to_owned(),
        processed_client_actions: processed,
        errors: None,
    };
    (response, session.filter(|_| all_done))
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
