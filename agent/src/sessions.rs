//! The sessions of this node: what each was told to run, which process runs it, and how it ended.
//!
//! ```text
//!   interactive_shell ──▶ ShellPlan ──▶ begun ──▶ running ──▶ ended ──▶ acknowledged (forgotten)
//!                            │                       │          ▲
//!                            └── refused ────────────┼──────────┘
//!                                                    └ the worker vanished
//! ```
//!
//! Every step is on disk before the next one, so that an agent that was restarted, updated or killed finds its workers
//! again and reports every end exactly until the server has acknowledged it.

mod launch;
mod outcome;
mod plan;
mod registry;

pub use launch::{LaunchError, WorkerProgram, WorkerSpec};
pub(crate) use outcome::chain;
pub use outcome::{Outcome, Status};
pub use plan::{PlanError, ShellPlan};
pub use registry::{Registry, SessionFolder};
