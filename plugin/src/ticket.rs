//! What opens a session's data channel.

use drawbridge_protocol::Token;
use serde::Deserialize;

/// The answer to `StartSession`, `WatchSession` or `AttachSession`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionTicket {
    /// The session.
    pub session_id: String,
    /// Opens one connection of this session, for a short time.
    pub token: Token,
    /// Where, `wss://…`; dialled verbatim.
    pub stream_url: String,
    /// The managed node as the request named it: data keys are bound to it. `None` if that is not known.
    pub target: Option<String>,
    /// The data key of a session that was encrypted before this client came.
    pub joined_key: Option<JoinedKey>,
}

/// What `WatchSession` and `AttachSession` tell of an encrypted session: whoever may unwrap its data key can read it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct JoinedKey {
    /// The key that wrapped the data key.
    pub kms_key_id: String,
    /// Base64 of the wrapped data key.
    pub wrapped_key: String,
    /// The managed node that the data key is bound to.
    pub target: String,
}
