//! The program of one session, and the terminal or the pipes that it lives on.
//!
//! This module owns everything the kernel has to be told: opening the terminal, starting a child with exactly the
//! identity, descriptors and environment it may have, and ending whatever the child left behind. It knows nothing of
//! sessions, documents or the network.
//!
//! It has `unsafe` code, nearly all of it in `child`: what runs between `fork` and `exec`. Beside it only `pam` has any.

mod child;
mod descriptor;
mod environment;
mod leftovers;
mod pipes;
mod program;
mod stream;
mod terminal;

pub(crate) use child::detach;
pub(crate) use descriptor::watch;
pub(crate) use leftovers::{Leftovers, end_leftovers};
pub(crate) use pipes::Plumbing;
pub(crate) use program::{ExitStatus, Program, StartError};
pub(crate) use stream::{ReadOutcome, Stream};
pub(crate) use terminal::Terminal;

#[cfg(test)]
mod tests;
