//! What opens a session's data channel.

use drawbridge_protocol::Token;

/// The answer to `StartSession`, `WatchSession` or `AttachSession`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionTicket {
    /// The session.
    pub session_id: String,
    /// Opens one connection of this session, for a short time.
    pub token: Token,
    /// Where, `wss://…`; dialled verbatim.
    pub stream_url: String,
}
