//! The program itself: in a terminal, in a pipe, and called wrongly.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod called;
mod commands;
mod piped;
mod server;
mod shown;
mod terminal;
