//! The kinds of message.

use std::fmt;

/// Names what a message is.
///
/// One list for both channels, so that no name is used twice (`protocol.md` 3.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MessageType {
    /// `input_stream_data`: client to node, numbered and acknowledged.
    InputStreamData,
    /// `output_stream_data`: node to client, numbered and acknowledged.
    OutputStreamData,
    /// `acknowledge`: either end of a data channel.
    Acknowledge,
    /// `channel_closed`: the server ends a session, towards either end.
    ChannelClosed,
    /// `pause_publication`: the server asks a node to stop sending output.
    PausePublication,
    /// `start_publication`: the server asks a node to go on.
    StartPublication,
    /// `agent_session_state`: a node tells the server where a session stands; never relayed.
    AgentSessionState,
    /// `interactive_shell`: the server asks a node to start a session.
    InteractiveShell,
    /// `agent_task_complete`: a node reports the end of a session.
    AgentTaskComplete,
    /// `agent_task_acknowledge`: the server has seen that report.
    AgentTaskAcknowledge,
    /// `agent_job`: Run Command.
    AgentJob,
    /// `agent_job_ack`: Run Command.
    AgentJobAck,
    /// `agent_job_reply`: Run Command.
    AgentJobReply,
    /// `agent_job_reply_ack`: Run Command.
    AgentJobReplyAck,
    /// `agent_telemetry`: counters of AWS's agent, without an answer.
    AgentTelemetry,
    /// `agent_update_result`: a report of AWS's agent, without an answer.
    AgentUpdateResult,
    /// `drawbridge_hello`: our server to our client, first on every connection.
    DrawbridgeHello,
    /// `drawbridge_notice`: our server to an end that named the capability, for the person to read.
    DrawbridgeNotice,
    /// Anything else, kept as it was received.
    Unknown(Label),
}

/// Keeps the message type field of a message that this version does not know, not blank.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Label([u8; 32]);

impl MessageType {
    /// Reads a name as it stands in JSON; names longer than the field or blank are `None`.
    pub fn parse(name: &str) -> Option<MessageType> {
        let mut field = [b' '; 32];
        field.get_mut(..name.len())?.copy_from_slice(name.as_bytes());
        MessageType::from_field(field)
    }

    /// Returns the name on the wire; `None` for an unknown one.
    pub fn name(self) -> Option<&'static str> {
        NAMES
            .iter()
            .find(|(known, _)| *known == self)
            .map(|(_, name)| *name)
    }

    /// Says whether the message carries a sequence number and wants an acknowledgement.
    pub fn is_stream_data(self) -> bool {
        matches!(self, MessageType::InputStreamData | MessageType::OutputStreamData)
    }

    pub(crate) fn is_publication_switch(self) -> bool {
        matches!(
            self,
            MessageType::PausePublication | MessageType::StartPublication
        )
    }

    /// Reads the 32-byte field; a blank one is `None`.
    pub(crate) fn from_field(field: [u8; 32]) -> Option<MessageType> {
        let name = trim(&field);
        if name.is_empty() {
            return None;
        }
        let known = NAMES.iter().find(|(_, known)| known.as_bytes() == name);
        Some(known.map_or(MessageType::Unknown(Label(field)), |(known, _)| *known))
    }

    pub(crate) fn to_field(self) -> [u8; 32] {
        if let MessageType::Unknown(Label(field)) = self {
            return field;
        }
        let name = self.name().unwrap_or_default();
        let mut field = [b' '; 32];
        field[..name.len()].copy_from_slice(name.as_bytes());
        field
    }
}

impl fmt::Display for MessageType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MessageType::Unknown(label) => write!(f, "{label:?}"),
            known => f.write_str(known.name().unwrap_or_default()),
        }
    }
}

impl fmt::Debug for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Escaped: a peer's bytes must not draw on the terminal of whoever reads the log.
        write!(f, "{}", trim(&self.0).escape_ascii())
    }
}

/// Cuts the padding that readers cut: NULs and white space, at both ends.
fn trim(field: &[u8]) -> &[u8] {
    let padding = |byte: &u8| *byte == 0 || byte.is_ascii_whitespace();
    let Some(start) = field.iter().position(|byte| !padding(byte)) else {
        return &[];
    };
    let end = field
        .iter()
        .rposition(|byte| !padding(byte))
        .map_or(start, |last| last + 1);
    &field[start..end]
}

const NAMES: [(MessageType, &str); 18] = [
    // The first two and acknowledge are nearly all traffic, so they are compared first.
    (MessageType::OutputStreamData, "output_stream_data"),
    (MessageType::InputStreamData, "input_stream_data"),
    (MessageType::Acknowledge, "acknowledge"),
    (MessageType::ChannelClosed, "channel_closed"),
    (MessageType::PausePublication, "pause_publication"),
    (MessageType::StartPublication, "start_publication"),
    (MessageType::AgentSessionState, "agent_session_state"),
    (MessageType::InteractiveShell, "interactive_shell"),
    (MessageType::AgentTaskComplete, "agent_task_complete"),
    (MessageType::AgentTaskAcknowledge, "agent_task_acknowledge"),
    (MessageType::AgentJob, "agent_job"),
    (MessageType::AgentJobAck, "agent_job_ack"),
    (MessageType::AgentJobReply, "agent_job_reply"),
    (MessageType::AgentJobReplyAck, "agent_job_reply_ack"),
    (MessageType::AgentTelemetry, "agent_telemetry"),
    (MessageType::AgentUpdateResult, "agent_update_result"),
    (MessageType::DrawbridgeHello, "drawbridge_hello"),
    (MessageType::DrawbridgeNotice, "drawbridge_notice"),
];

#[cfg(test)]
mod tests {
    use super::{MessageType, NAMES};

    #[test]
    fn every_name_reads_back() {
        for (message_type, name) in NAMES {
            assert_eq!(MessageType::parse(name), Some(message_type));
            assert_eq!(
                MessageType::from_field(message_type.to_field()),
                Some(message_type)
            );
            assert_eq!(message_type.to_string(), name);
        }
    }

    #[test]
    fn padding_of_either_kind_is_cut() {
        let mut field = [0; 32];
        field[1..12].copy_from_slice(b"acknowledge");
        field[20] = b' ';
        assert_eq!(MessageType::from_field(field), Some(MessageType::Acknowledge));
    }

    #[test]
    fn unknown_bytes_are_kept_and_printed_escaped() {
        let mut field = [b' '; 32];
        field[..4].copy_from_slice(b"\x1b[m\xff");
        let unknown = MessageType::from_field(field).unwrap();
        assert_eq!(unknown.to_field(), field);
        assert_eq!(unknown.to_string(), r"\x1b[m\xff");
        assert_eq!(unknown.name(), None);
    }

    #[test]
    fn blank_and_overlong_are_nothing() {
        assert_eq!(MessageType::from_field([b' '; 32]), None);
        assert_eq!(MessageType::from_field([0; 32]), None);
        assert_eq!(MessageType::parse(&"x".repeat(33)), None);
        assert_eq!(MessageType::parse(""), None);
    }
}
