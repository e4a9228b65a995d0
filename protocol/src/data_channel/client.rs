//! The client's end of a data channel.
