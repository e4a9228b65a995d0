//! The node's end of a control channel.
