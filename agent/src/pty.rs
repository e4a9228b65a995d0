//! The pseudo-terminal of one session and the shell that lives on it.
//!
//! This module owns everything the kernel has to be told: opening the terminal, starting a child with exactly the
//! identity, descriptors and environment it may have, and ending whatever the child left behind. It knows nothing of
//! sessions, documents or the network.
//!
//! It is the one part of the agent with `unsafe` code (what runs between `fork` and `exec`), all of it in `child`.

mod child;
mod descriptor;
mod environment;
mod leftovers;
mod shell;
mod terminal;

pub use child::detach;
pub(crate) use descriptor::watch;
pub use environment::shell_environment;
pub use leftovers::{Leftovers, end_leftovers};
pub use shell::{ExitStatus, Shell, ShellError};
pub use terminal::{ReadOutcome, Terminal};

#[cfg(test)]
mod tests;
