//! The sessions of this node: what each was told to run, which process runs it, and how it ended.
//!
//! ```text
//!   interactive_shell ──▶ Order ──▶ begun ──▶ running ──▶ ended ──▶ acknowledged (forgotten)
//!                           │                   │          ▲
//!                           └── refused ────────┼──────────┘
//!                                               └ the worker vanished
//! ```
//!
//! Every step is on disk before the next one, so that an agent that was restarted, updated or killed finds its workers
//! again and reports every end exactly until the server has acknowledged it.

mod launch;
mod order;
mod outcome;
mod plan;
mod registry;

pub use launch::{LaunchError, WorkerProgram, WorkerSpec};
pub(crate) use order::{COMMAND_FAILURE, failure_of, session_type_of};
pub use order::{Order, Referring, Work};
pub(crate) use outcome::chain;
pub use outcome::{Logged, Outcome, Status};
pub use plan::{Login, Plan, PlanError, Separation, Task};
pub use registry::{Registry, SessionFolder};
