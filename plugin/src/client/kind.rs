//! What a session is, and what follows for the streams in front of the person.
//!
//! | kind | terminal | standard input | at its end |
//! |---|---|---|---|
//! | shell, interactive command | raw, its size is reported | keys, with escapes | Ctrl-D is typed |
//! | command | left as it is | bytes, to a node that takes them | the node is told |
//! | connection | left as it is | bytes | the client leaves |
//! | tunnel | left as it is | not read | |

use drawbridge_protocol::Hello;
use drawbridge_protocol::payload::SessionType;
use serde_json::Value;

use super::ClientError;

/// What a session is, as its node says when it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionKind {
    /// A shell on a terminal.
    Shell,
    /// One command on a terminal.
    InteractiveCommand,
    /// One command between pipes.
    Command,
    /// One connection, which standard input and output carry.
    Connection,
    /// Connections that programs make to a listener.
    Tunnel,
}

/// What becomes of standard input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InputRule {
    /// It is typed: a person's escapes are found, and a pipe's end is Ctrl-D.
    Keys,
    /// Every byte is passed on, and then that there are no more.
    Bytes,
    /// Every byte is passed on, and then the client has nothing left to do.
    Connection,
    /// Nobody at the far end reads it, so nobody here does.
    Unread,
}

impl SessionKind {
    /// Reads the node's declaration.
    ///
    /// Errors: [`ClientError::UnsupportedSessionType`], with the name that people know it by.
    pub(crate) fn of(session_type: SessionType, properties: &Value) -> Result<Self, ClientError> {
        match session_type {
            SessionType::StandardStream => Ok(Self::Shell),
            SessionType::InteractiveCommands => Ok(Self::InteractiveCommand),
            SessionType::NonInteractiveCommands => Ok(Self::Command),
            SessionType::Port => match properties.get("type") {
                None | Some(Value::Null) => Ok(Self::Connection),
                Some(Value::String(kind)) if kind.is_empty() => Ok(Self::Connection),
                Some(Value::String(kind)) if kind == "LocalPortForwarding" => Ok(Self::Tunnel),
                Some(Value::String(kind)) => Err(ClientError::UnsupportedSessionType(kind.clone())),
                Some(_) => Err(ClientError::UnsupportedSessionType("Port".into())),
            },
            SessionType::Unknown(name) => Err(ClientError::UnsupportedSessionType(name)),
        }
    }

    /// Whether the far end is a terminal, and so the near one is to be raw.
    pub(crate) fn is_on_terminal(self) -> bool {
        matches!(self, Self::Shell | Self::InteractiveCommand)
    }

    /// Whether the far end is a command, whose exit code is that of the client.
    pub(crate) fn is_command(self) -> bool {
        matches!(self, Self::InteractiveCommand | Self::Command)
    }

    /// What to do with standard input, given what the server has said of the node.
    pub(crate) fn input_rule(self, hello: Option<&Hello>) -> InputRule {
        match self {
            Self::Shell | Self::InteractiveCommand => InputRule::Keys,
            Self::Command if hello.is_some_and(|hello| hello.capabilities.end_of_input) => InputRule::Bytes,
            // AWS's agent gives its commands no input, and takes some of its bytes for signals.
            Self::Command => InputRule::Unread,
            Self::Connection => InputRule::Connection,
            Self::Tunnel => InputRule::Unread,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_port_without_a_type_is_a_connection_and_unknown_ones_are_refused_by_name() {
        let kind = |properties| SessionKind::of(SessionType::Port, &properties);
        for properties in [
            Value::Null,
            json!({ "portNumber": "22" }),
            json!({ "portNumber": "22", "type": "" }),
        ] {
            assert_eq!(kind(properties).unwrap(), SessionKind::Connection);
        }
        let tunnel = json!({ "portNumber": "80", "type": "LocalPortForwarding" });
        assert_eq!(kind(tunnel).unwrap(), SessionKind::Tunnel);
        for (properties, name) in [
            (json!({ "portNumber": "80", "type": "Telepathy" }), "Telepathy"),
            (json!({ "type": [1] }), "Port"),
        ] {
            let refused = kind(properties).unwrap_err().to_string();
            assert_eq!(
                refused,
                format!("session type `{name}` is not supported by this client")
            );
        }
    }
}
