//! What is kept of a connection.

use super::super::{Refusal, RefusalCode, Side};

/// Is a connection that was there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flow {
    /// Which of the session's destinations was asked for, counted from 0.
    pub destination: u16,
    /// The address that the node says it reached; AWS's agent says none.
    pub address: Option<String>,
    /// When it was asked for, in milliseconds since the epoch.
    pub opened_ms: u64,
    /// When it ended.
    pub ended_ms: u64,
    /// Bytes of the client that passed the relay.
    pub to_node: u64,
    /// Bytes of the node that passed the relay.
    pub from_node: u64,
    /// What became of it.
    pub outcome: FlowOutcome,
}

/// Says what became of a connection. Texts are an end's own, cut, without control characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FlowOutcome {
    /// Both directions ended.
    Ended,
    /// The node did not reach the destination.
    Refused {
        /// The kind of reason.
        code: RefusalCode,
        /// The node's words.
        reason: String,
    },
    /// One of the ends gave it up.
    Reset {
        /// That end's words.
        reason: String,
    },
    /// It was there when its session ended.
    Open,
    /// It was there when the server stopped, and may go on.
    Interrupted,
}

impl FlowOutcome {
    /// Is what the node says of a connection that it did not make.
    pub fn refused(refusal: &Refusal) -> FlowOutcome {
        FlowOutcome::Refused {
            code: refusal.code,
            reason: plain(&refusal.reason),
        }
    }

    /// Is what one end says of a connection that broke.
    pub fn reset(reason: &str) -> FlowOutcome {
        FlowOutcome::Reset {
            reason: plain(reason),
        }
    }
}

/// Counts connections that cannot be told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rest {
    /// How many of them are known to be there.
    pub connections: u64,
    /// Bytes of the client. Of smux that cannot be read they include its headers.
    pub to_node: u64,
    /// Bytes of the node.
    pub from_node: u64,
    /// When the first of this was seen, in milliseconds since the epoch.
    pub first_ms: u64,
    /// When the last of this was seen.
    pub last_ms: u64,
}

impl Rest {
    pub(super) fn since(at_ms: u64) -> Rest {
        Rest {
            connections: 0,
            to_node: 0,
            from_node: 0,
            first_ms: at_ms,
            last_ms: at_ms,
        }
    }
}

/// A direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    ToNode,
    FromNode,
}

impl From<Side> for Way {
    fn from(from: Side) -> Way {
        match from {
            Side::Client => Way::ToNode,
            Side::Node => Way::FromNode,
        }
    }
}

/// Characters that are kept of a text.
const LONGEST_TEXT: usize = 256;

/// Cuts a text of an end, and leaves nothing that a terminal would act on.
pub(super) fn plain(text: &str) -> String {
    let plain = text.chars().filter(|character| !character.is_control());
    plain.take(LONGEST_TEXT).collect()
}
