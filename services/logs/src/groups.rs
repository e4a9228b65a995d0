//! The operations on groups.

pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod describe;
pub(crate) mod key;
pub(crate) mod protection;
pub(crate) mod retention;
