//! What a client's shell is told.

use bytes::Bytes;
use serde_json::Value;

use crate::Hello;
use crate::payload::SessionType;
use crate::wire::PayloadType;

/// Tells the client's shell what happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The kind of session is known and input is accepted; once.
    Established {
        /// What to put before the user.
        session_type: SessionType,
        /// Null for shells; the resolved properties of the document for tunnels.
        properties: Value,
        /// Version of the agent, as it says; empty for shells, whose agents do not.
        agent_version: String,
    },
    /// The node wants a data key: have this key make one of 64 bytes, and hand it over with
    /// [`handle_data_key`](super::ClientEnd::handle_data_key). The node waits 15 s, ours 30 s.
    DataKeyWanted {
        /// The key that wraps it: an id, an alias or an ARN.
        kms_key_id: String,
    },
    /// The node sent bytes, next in order.
    Output {
        /// [`Output`](PayloadType::Output), [`StdErr`](PayloadType::StdErr), [`ExitCode`](PayloadType::ExitCode),
        /// [`Flag`](PayloadType::Flag), or something newer.
        payload_type: PayloadType,
        /// The payload.
        bytes: Bytes,
    },
    /// The node, or our server, has words for the person at the client.
    Message(String),
    /// The session is over; nothing follows.
    Closed {
        /// Why; empty after a normal end.
        output: String,
        /// How the shell exited, if everybody on the way can tell.
        exit_code: Option<i32>,
        /// Whether it was the node that failed or vanished, as our server says.
        node_failed: bool,
    },
    /// Our server introduced itself; once per connection.
    Hello(Hello),
    /// The connection is dead although nothing was closed: replace it.
    Unresponsive,
}
