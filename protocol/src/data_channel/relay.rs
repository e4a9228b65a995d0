//! The relay between the two ends of a data channel.
