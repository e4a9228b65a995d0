//! The operations on grants.

pub(crate) mod token;
