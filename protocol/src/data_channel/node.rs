//! The node's end of a data channel.
