//! The handshake of a data channel (`protocol.md` 5).

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::payload::{PayloadError, parse, plain_json};

/// Asks the client to prepare: payload type 5, node to client.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct HandshakeRequest {
    /// Version of the agent, four numbers.
    #[serde(default)]
    pub agent_version: String,
    /// What to do, session type first.
    #[serde(default)]
    pub requested_client_actions: Vec<ClientAction>,
}

/// Is one thing that a node wants of a client.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ClientAction {
    /// What kind of thing.
    pub action_type: ActionType,
    /// [`SessionTypeParameters`] or [`KmsParameters`], by the type.
    #[serde(default)]
    pub action_parameters: Value,
}

/// Names a kind of handshake action.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum ActionType {
    /// `SessionType`: install the handler for this kind of session.
    SessionType,
    /// `KMSEncryption`: make a data key.
    KmsEncryption,
    /// Anything else; AWS's plugin answers these in a way that fails the session.
    Unknown(String),
}

/// Are the parameters of [`ActionType::SessionType`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct SessionTypeParameters {
    /// Kind of session.
    pub session_type: SessionType,
    /// Null for shells and commands; the document's properties for ports, all values strings.
    #[serde(default)]
    pub properties: Value,
}

/// Are the parameters of [`ActionType::KmsEncryption`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KmsParameters {
    /// Key that wraps the data key.
    #[serde(rename = "KMSKeyId")]
    pub kms_key_id: String,
    /// Base64 of 16 random bytes.
    #[serde(rename = "Challenge", default)]
    pub challenge: String,
}

/// Names a kind of session (`protocol.md` 6).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum SessionType {
    /// `Standard_Stream`: a shell.
    StandardStream,
    /// `InteractiveCommands`: a command on a terminal.
    InteractiveCommands,
    /// `NonInteractiveCommands`: a command without one.
    NonInteractiveCommands,
    /// `Port`: a tunnel.
    Port,
    /// Anything else.
    Unknown(String),
}

/// Answers a [`HandshakeRequest`]: payload type 6, client to node, exactly once.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct HandshakeResponse {
    /// Version of the plugin, four numbers.
    #[serde(default)]
    pub client_version: String,
    /// One answer per action requested, in the same order.
    #[serde(default)]
    pub processed_client_actions: Vec<ProcessedAction>,
    /// Null, or what went wrong outside the actions.
    #[serde(default)]
    pub errors: Option<Vec<String>>,
}

/// Answers one [`ClientAction`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ProcessedAction {
    /// The action answered.
    pub action_type: ActionType,
    /// How it went; anything but success fails the session.
    pub action_status: ActionStatus,
    /// Null, or a [`KmsResult`].
    #[serde(default)]
    pub action_result: Value,
    /// Empty, or what went wrong.
    #[serde(default)]
    pub error: String,
}

/// Says how an action went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "u32", into = "u32")]
pub enum ActionStatus {
    /// 1.
    Success,
    /// 2.
    Failed,
    /// 3.
    Unsupported,
    /// Anything else; AWS's plugin says 0 to actions that it does not know.
    Unknown(u32),
}

/// Is the result of [`ActionType::KmsEncryption`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KmsResult {
    /// Base64 of the wrapped data key.
    #[serde(rename = "KMSCipherTextKey")]
    pub cipher_text_key: String,
    /// Always null.
    #[serde(rename = "KMSCipherTextHash", default)]
    pub cipher_text_hash: Option<String>,
}

/// Asks for, or gives, proof of the data key: payload types 8 and 9.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct EncChallenge {
    /// Base64 of the encrypted challenge.
    pub challenge: String,
}

/// Ends the handshake: payload type 7, node to client.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct HandshakeComplete {
    /// How long the handshake took, in nanoseconds.
    pub handshake_time_to_complete: i64,
    /// Empty, or words for the person at the client.
    pub customer_message: String,
}

/// Length of the longest handshake document that is read.
///
/// Parsed JSON of free shape takes many times the memory of its text, so what a peer may send of it is kept small; real
/// ones have well under 4 KiB.
pub const MAX_HANDSHAKE_BYTES: usize = 64 * 1024;

impl HandshakeRequest {
    /// Reads the payload.
    ///
    /// # Errors
    ///
    /// It is longer than [`MAX_HANDSHAKE_BYTES`], or not JSON of this shape.
    pub fn parse(payload: &[u8]) -> Result<HandshakeRequest, PayloadError> {
        parse_bounded(payload)
    }
}

impl HandshakeResponse {
    /// Reads the payload.
    ///
    /// # Errors
    ///
    /// It is longer than [`MAX_HANDSHAKE_BYTES`], or not JSON of this shape.
    pub fn parse(payload: &[u8]) -> Result<HandshakeResponse, PayloadError> {
        parse_bounded(payload)
    }
}

fn parse_bounded<T: DeserializeOwned>(payload: &[u8]) -> Result<T, PayloadError> {
    if payload.len() > MAX_HANDSHAKE_BYTES {
        return Err(PayloadError::Length {
            expected: MAX_HANDSHAKE_BYTES,
            actual: payload.len(),
        });
    }
    parse(payload)
}

impl ClientAction {
    /// Asks the client to install the handler for a kind of session.
    pub fn session_type(session_type: SessionType, properties: Value) -> ClientAction {
        let parameters = SessionTypeParameters {
            session_type,
            properties,
        };
        ClientAction {
            action_type: ActionType::SessionType,
            action_parameters: serde_json::to_value(parameters).unwrap_or_default(),
        }
    }
}

impl ClientAction {
    /// Asks the client to make a data key; `challenge` is random.
    pub fn kms_encryption(kms_key_id: &str, challenge: &[u8; 16]) -> ClientAction {
        let parameters = KmsParameters {
            kms_key_id: kms_key_id.to_owned(),
            challenge: STANDARD.encode(challenge),
        };
        ClientAction {
            action_type: ActionType::KmsEncryption,
            action_parameters: serde_json::to_value(parameters).unwrap_or_default(),
        }
    }
}

impl KmsResult {
    /// Tells of a wrapped data key.
    pub fn new(wrapped: &[u8]) -> KmsResult {
        KmsResult {
            cipher_text_key: STANDARD.encode(wrapped),
            cipher_text_hash: None,
        }
    }

    /// Returns the wrapped data key; `None` if this is not one.
    pub fn wrapped(&self) -> Option<Vec<u8>> {
        let wrapped = STANDARD.decode(&self.cipher_text_key).ok()?;
        (1..=MAX_WRAPPED_BYTES)
            .contains(&wrapped.len())
            .then_some(wrapped)
    }
}

impl HandshakeResponse {
    /// Returns the wrapped data key that the client has made, if it has.
    pub fn wrapped_key(&self) -> Option<Vec<u8>> {
        let made = |action: &&ProcessedAction| {
            action.action_type == ActionType::KmsEncryption && action.action_status == ActionStatus::Success
        };
        let action = self.processed_client_actions.iter().find(made)?;
        KmsResult::deserialize(&action.action_result).ok()?.wrapped()
    }

    /// Says whether everybody who reads this answer in an encrypted session finds the same in it: one data key, bound to the
    /// session alone, or that something failed, with which no session begins.
    ///
    /// AWS's agent takes the last of several keys, and one that acknowledges its challenge is bound to that as well, which
    /// is nowhere kept. So a client could have an agent take a key that nobody finds who plays the recording.
    pub fn is_clear(payload: &[u8]) -> bool {
        let Ok(response) = HandshakeResponse::parse(payload) else {
            return false;
        };
        if !plain_json::is_plain(payload) {
            return false;
        }
        let actions = &response.processed_client_actions;
        if actions
            .iter()
            .any(|action| action.action_status != ActionStatus::Success)
        {
            return true;
        }
        let mut keys = actions
            .iter()
            .filter(|action| action.action_type == ActionType::KmsEncryption);
        match (keys.next(), keys.next()) {
            (Some(key), None) => {
                !acknowledges_challenge(&key.action_result) && response.wrapped_key().is_some()
            }
            (None, _) | (_, Some(_)) => false,
        }
    }
}

/// Says whether a result has the member by which AWS's agent binds the key to its challenge (`protocol.md` 5.3).
fn acknowledges_challenge(result: &Value) -> bool {
    let mut members = result.as_object().into_iter().flatten();
    members.any(|(name, value)| {
        name.eq_ignore_ascii_case("ChallengeAcknowledgement")
            && !matches!(value, Value::Null | Value::Bool(false))
    })
}

/// Length of the longest wrapped data key that is taken; KMS knows none beyond this.
const MAX_WRAPPED_BYTES: usize = 6144;

impl ProcessedAction {
    /// Answers [`ActionType::KmsEncryption`] with the data key that was made.
    pub fn data_key(wrapped: &[u8]) -> ProcessedAction {
        ProcessedAction {
            action_result: serde_json::to_value(KmsResult::new(wrapped)).unwrap_or_default(),
            ..ProcessedAction::success(ActionType::KmsEncryption)
        }
    }

    /// Answers an action that was done.
    pub fn success(action_type: ActionType) -> ProcessedAction {
        ProcessedAction {
            action_type,
            action_status: ActionStatus::Success,
            action_result: Value::Null,
            error: String::new(),
        }
    }

    /// Answers an action that was not done.
    pub fn refused(action_type: ActionType, action_status: ActionStatus, error: String) -> ProcessedAction {
        ProcessedAction {
            action_type,
            action_status,
            action_result: Value::Null,
            error,
        }
    }
}

impl ActionType {
    fn name(&self) -> &str {
        match self {
            ActionType::SessionType => "SessionType",
            ActionType::KmsEncryption => "KMSEncryption",
            ActionType::Unknown(name) => name,
        }
    }
}

impl fmt::Display for ActionType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl From<String> for ActionType {
    fn from(name: String) -> ActionType {
        match name.as_str() {
            "SessionType" => ActionType::SessionType,
            "KMSEncryption" => ActionType::KmsEncryption,
            _ => ActionType::Unknown(name),
        }
    }
}

impl From<ActionType> for String {
    fn from(action_type: ActionType) -> String {
        action_type.name().to_owned()
    }
}

impl SessionType {
    /// Returns the name on the wire and in documents.
    pub fn name(&self) -> &str {
        match self {
            SessionType::StandardStream => "Standard_Stream",
            SessionType::InteractiveCommands => "InteractiveCommands",
            SessionType::NonInteractiveCommands => "NonInteractiveCommands",
            SessionType::Port => "Port",
            SessionType::Unknown(name) => name,
        }
    }

    /// Says whether a session of this kind, without encryption, begins with a handshake (`protocol.md` 5.1).
    pub fn needs_handshake(&self) -> bool {
        match self {
            SessionType::StandardStream | SessionType::InteractiveCommands | SessionType::Unknown(_) => false,
            SessionType::NonInteractiveCommands | SessionType::Port => true,
        }
    }
}

impl fmt::Display for SessionType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl From<String> for SessionType {
    fn from(name: String) -> SessionType {
        match name.as_str() {
            "Standard_Stream" => SessionType::StandardStream,
            "InteractiveCommands" => SessionType::InteractiveCommands,
            "NonInteractiveCommands" => SessionType::NonInteractiveCommands,
            "Port" => SessionType::Port,
            _ => SessionType::Unknown(name),
        }
    }
}

impl From<SessionType> for String {
    fn from(session_type: SessionType) -> String {
        session_type.name().to_owned()
    }
}

impl From<u32> for ActionStatus {
    fn from(number: u32) -> ActionStatus {
        match number {
            1 => ActionStatus::Success,
            2 => ActionStatus::Failed,
            3 => ActionStatus::Unsupported,
            other => ActionStatus::Unknown(other),
        }
    }
}

impl From<ActionStatus> for u32 {
    fn from(status: ActionStatus) -> u32 {
        match status {
            ActionStatus::Success => 1,
            ActionStatus::Failed => 2,
            ActionStatus::Unsupported => 3,
            ActionStatus::Unknown(other) => other,
        }
    }
}
