//! What our own ends tell each other beyond the public protocol.
//!
//! AWS's programs ignore unknown JSON keys, so an end names its capabilities inside the first text frame of a connection
//! and the server answers in ways that only an end which named them can see. Against AWS's own service both are left out.

use serde::{Deserialize, Serialize};

use crate::payload::SessionType;

/// Bytes of payload that every peer accepts in one stream frame.
pub const DEFAULT_MAX_PAYLOAD: usize = 1024;

/// Bytes of payload that no agreement exceeds, whatever a peer names.
pub const LARGEST_MAX_PAYLOAD: usize = 256 * 1024;

/// Names what an end can do, in its first text frame.
///
/// Absent keys mean "cannot"; unknown keys are ignored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Capabilities {
    /// Bytes of payload that this end accepts in one stream frame; 0 means the default of 1024.
    pub large_frames: u32,
    /// Whether this end understands `"Cumulative": true` in an acknowledgement.
    pub cumulative_ack: bool,
    /// Whether this end reports (node) or uses (client) the exit code of a shell.
    pub exit_code: bool,
    /// Whether this end knows [`flag::END_OF_INPUT`](crate::payload::flag::END_OF_INPUT): a node passes all input to a
    /// command without a terminal, and that flag as the end of it.
    pub end_of_input: bool,
    /// Whether this end shows a [`Notice`].
    pub notices: bool,
    /// Whether this end speaks [`Credited`](crate::port_mux::Credited) in a tunnel.
    pub tunnels: bool,
    /// Whether this end knows the signals among the numbers of [`flag`](crate::payload::flag): a node passes them to a command
    /// without a terminal.
    pub signals: bool,
    /// Whether this end knows commands beside a shell, over [`Credited`](crate::port_mux::Credited).
    pub commands: bool,
    /// Whether this end knows them where the shell is encrypted, which their messages are then, too.
    pub sealed_commands: bool,
    /// Whether this client says that it has heard of the end, when it is asked to
    /// ([`ChannelClosed::confirm`](crate::payload::ChannelClosed::confirm)).
    pub confirms_end: bool,
}

impl Capabilities {
    /// Lists what the ends of this version can do.
    pub const OURS: Capabilities = Capabilities {
        large_frames: 128 * 1024,
        cumulative_ack: true,
        exit_code: true,
        end_of_input: true,
        notices: true,
        tunnels: true,
        signals: true,
        commands: true,
        sealed_commands: true,
        confirms_end: true,
    };

    /// Returns the payload bytes per frame that may be sent to this end, between 1 KiB and 256 KiB.
    pub fn max_payload(&self) -> usize {
        (self.large_frames as usize).clamp(DEFAULT_MAX_PAYLOAD, LARGEST_MAX_PAYLOAD)
    }

    /// Says whether this end knows commands beside a shell, which may be encrypted.
    pub fn knows_commands(&self, is_encrypted: bool) -> bool {
        self.commands && (self.sealed_commands || !is_encrypted)
    }
}

/// Says whether a client may type or only look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The client whose input reaches the node.
    #[default]
    Owner,
    /// A client that only sees output.
    Watcher,
}

/// Names the kind of a session that is a command.
///
/// A client that comes when the session's handshake is over hears it from nobody else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CommandKind {
    /// A command on a terminal.
    InteractiveCommands,
    /// A command between pipes.
    NonInteractiveCommands,
}

impl From<CommandKind> for SessionType {
    fn from(kind: CommandKind) -> SessionType {
        match kind {
            CommandKind::InteractiveCommands => SessionType::InteractiveCommands,
            CommandKind::NonInteractiveCommands => SessionType::NonInteractiveCommands,
        }
    }
}

/// Is the server's first word on every connection of a client that named capabilities.
///
/// Payload of the binary message [`MessageType::DrawbridgeHello`](crate::wire::MessageType::DrawbridgeHello).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Hello {
    /// What the server and the far end can do together.
    pub capabilities: Capabilities,
    /// Sequence number of the first input that has not reached the node for good: everything before it is acknowledged,
    /// and a client that has sent nothing starts there.
    pub input_sequence: i64,
    /// Whether this client may type.
    pub role: Role,
    /// Bytes of payload that this client may send in one stream frame.
    pub max_payload: u32,
    /// Which kind of command the session is; `None` for others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<CommandKind>,
}

/// Tells the person at the other end what is about to happen.
///
/// Payload of the binary message [`MessageType::DrawbridgeNotice`](crate::wire::MessageType::DrawbridgeNotice). A client shows
/// it beside the session's output. A node is sent it where the client cannot read it, and puts it into the output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Notice {
    /// One sentence without control characters.
    pub text: String,
}

/// Tells our agent, inside `interactive_shell`, what it may use in this session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct NodeExtension {
    /// Bytes of payload that the agent may send in one stream frame; 0 means the default of 1024.
    pub max_payload: u32,
    /// Whether the agent may acknowledge many frames with one message.
    pub cumulative_ack: bool,
    /// Whether the client passes its standard input on byte for byte, with [`flag::END_OF_INPUT`] as the end of it.
    /// AWS's plugin does not: of what it sends to a command without a terminal only two control characters count.
    ///
    /// [`flag::END_OF_INPUT`]: crate::payload::flag::END_OF_INPUT
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub client_streams_input: bool,
    /// Whether the client speaks [`Credited`](crate::port_mux::Credited) in a tunnel.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub client_tunnels: bool,
    /// Whether the client may ask for commands beside a shell.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub client_commands: bool,
}

impl NodeExtension {
    /// Returns the payload bytes per frame that the agent may send, between 1 KiB and 256 KiB.
    pub fn max_payload(&self) -> usize {
        (self.max_payload as usize).clamp(DEFAULT_MAX_PAYLOAD, LARGEST_MAX_PAYLOAD)
    }
}

#[cfg(test)]
mod tests {
    use super::{Capabilities, CommandKind, DEFAULT_MAX_PAYLOAD, Hello, LARGEST_MAX_PAYLOAD, Role};

    #[test]
    fn ignores_unknown_and_absent_keys() {
        let parsed: Capabilities = serde_json::from_str(r#"{"CumulativeAck":true,"Telepathy":[1]}"#).unwrap();
        assert_eq!(
            parsed,
            Capabilities {
                cumulative_ack: true,
                ..Capabilities::default()
            }
        );
    }

    #[test]
    fn agreed_payload_stays_within_bounds() {
        let named = |large_frames| {
            Capabilities {
                large_frames,
                ..Capabilities::default()
            }
            .max_payload()
        };
        assert_eq!(named(0), DEFAULT_MAX_PAYLOAD);
        assert_eq!(named(4096), 4096);
        assert_eq!(named(u32::MAX), LARGEST_MAX_PAYLOAD);
    }

    #[test]
    fn hello_round_trips() {
        let hello = Hello {
            capabilities: Capabilities::OURS,
            input_sequence: 9,
            role: Role::Watcher,
            max_payload: 32768,
            command: Some(CommandKind::NonInteractiveCommands),
        };
        let json = serde_json::to_string(&hello).unwrap();
        assert!(json.contains(r#""Role":"watcher""#), "{json}");
        assert!(json.contains(r#""Command":"NonInteractiveCommands""#), "{json}");
        assert_eq!(serde_json::from_str::<Hello>(&json).unwrap(), hello);
    }
}
