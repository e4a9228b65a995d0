//! The documents inside messages between our own ends.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Asks for a connection.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Opening {
    /// Which of the session's destinations, counted from 0. Both ends and the server know them from the session's document,
    /// so that none can be asked for that was not allowed when it began.
    pub destination: u16,
}

/// Says that a connection is there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Accepted {
    /// Address and port, or path, that was reached.
    pub address: String,
}

/// Says why there is no connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Refusal {
    /// The kind of reason.
    pub code: RefusalCode,
    /// One sentence for the person who asked.
    #[serde(default)]
    pub reason: String,
}

/// Says why a connection that was there broke.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Reset {
    /// One sentence.
    pub reason: String,
}

/// Names what stood in the way of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RefusalCode {
    /// Nobody may be led to this address.
    Forbidden,
    /// The session's document does not allow it.
    NotAllowed,
    /// The name has no address, or the path does not exist.
    NotFound,
    /// Nobody listens there.
    Refused,
    /// There is no way there.
    Unreachable,
    /// There was no answer in time.
    TimedOut,
    /// There are too many connections.
    TooMany,
    /// Anything else.
    #[serde(other)]
    Failed,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Whoever reads it sits at a terminal, and the words come from the other end.
        let plain = self.reason.chars().filter(|c| !c.is_control());
        f.write_str(&plain.collect::<String>())
    }
}
