//! The documents inside messages between our own ends.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::LONGEST_OPENING;

/// Asks for a connection, or for a command beside a shell.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Opening {
    /// Which of the session's destinations, counted from 0. Both ends and the server know them from the session's document,
    /// so that none can be asked for that was not allowed when it began.
    pub destination: u16,
    /// A program and its arguments, instead of a destination. No shell looks at them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
}

impl Opening {
    /// Asks for a destination.
    pub fn destination(destination: u16) -> Opening {
        Opening {
            destination,
            ..Opening::default()
        }
    }

    /// Asks for a command; `None` if its words are none or do not fit into one message.
    pub fn command(command: Vec<String>) -> Option<Opening> {
        let opening = Opening {
            command,
            ..Opening::default()
        };
        // The node repeats the words under a name that is one letter longer.
        let fits = crate::payload::to_bytes(&opening).len() + 64 <= LONGEST_OPENING;
        (fits && !opening.command.is_empty()).then_some(opening)
    }
}

/// Says that a connection is there, or that a command was started.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Accepted {
    /// Address and port, or path, that was reached.
    pub address: String,
    /// The words of the command: what the node says is what a recording keeps.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
}

/// Says how a command ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Exit {
    /// Its code, or 128 and the number of the signal that ended it; 126 and 127 for what cannot be executed, as in shells.
    pub code: i32,
    /// Why it could not be executed; empty when it was.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

impl Exit {
    /// The end of a command that was executed.
    pub fn with(code: i32) -> Exit {
        Exit {
            code,
            reason: String::new(),
        }
    }
}

/// Says why there is no connection and no command.
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
