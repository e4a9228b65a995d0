//! Runs both ends of a session and the relay between them in one thread, under a virtual clock and a hostile network.
//!
//! One seed decides everything: who takes part, what is sent when, how the network delays, cuts, copies and reorders, when the
//! relay crashes and how much of its journal survives. A run either ends with every byte delivered exactly once, in order,
//! or with a [`Failure`] that names the seed.
//!
//! | module | owns |
//! |---|---|
//! | `chance` | the seeded choices |
//! | `pipe` | one direction of a connection |
//! | `journal` | a journal in memory that loses what was not synced |
//! | `aws` | how AWS's programs number, resend and order frames, quirks included |
//! | `plugin`, `agent` | AWS's plugin and agent, as far as the relay can tell them from ours |
//! | `client`, `node` | an end with something to say |
//! | `scenario` | what happens in a run |
//! | `world` | the run |
//! | `trace` | what passes, in words, with `DRAWBRIDGE_SIMULATION_TRACE` set |

mod agent;
mod aws;
mod chance;
mod client;
mod journal;
mod node;
mod pipe;
mod plugin;
mod scenario;
mod trace;
mod world;

pub use scenario::Scenario;
pub use world::{Failure, Report, run};
