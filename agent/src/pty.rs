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

pub use child::detach;
pub(crate) use descriptor::watch;
pub use leftovers::{Leftovers, end_leftovers};
pub use pipes::{Pipes, Plumbing};
pub use program::{ExitStatus, Program, StartError};
pub use stream::{ReadOutcome, Stream};
pub use terminal::Terminal;

#[cfg(test)]
mod tests;
