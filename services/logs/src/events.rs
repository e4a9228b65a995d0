//! Events: written in batches, and read across them in the order of their times.

mod batch;
pub(crate) mod filter;
pub(crate) mod get;
mod pattern;
mod position;
pub(crate) mod put;
mod reader;
mod retention;
