//! Where a session stands.
//!
//! ```text
//!  AwaitingClient ──client──▶ Starting ──node──▶ Running
//!        │                       │                  │  the node, an API call or a deadline ends it
//!        └───────────────────────┴──────────────────┴──▶ Draining ──▶ Lingering ──▶ Over
//!                             last output confirmed, or no progress ──┘            │
//!                                    the node has hung up, or did not in time ─────┘
//! ```

use std::time::Duration;

use super::Outcome;

/// Is where a session stands.
#[derive(Debug)]
pub(super) enum Stage {
    /// No client yet; the node is not asked, because its handshake deadline runs from its arrival.
    AwaitingClient { deadline: Duration },
    /// The node was asked and has not come yet.
    Starting {
        deadline: Duration,
        ask_again_at: Duration,
    },
    /// The node was there.
    Running { since: Duration },
    /// Ended; the last output is on its way.
    Draining(Draining),
    /// Clients know of the end; the node may still be hanging up.
    Lingering { outcome: Outcome, deadline: Duration },
    /// Nothing more happens.
    Over,
}

/// Waits for the last output to be confirmed.
#[derive(Debug)]
pub(super) struct Draining {
    pub(super) outcome: Outcome,
    /// Whether the outcome was appended to the journal.
    pub(super) recorded: bool,
    /// First output frame that need not be delivered; `None` while the node may send more.
    pub(super) end: Option<i64>,
    /// Whether the node said so behind its output, so that nothing is still on its way.
    pub(super) in_order: bool,
    pub(super) since: Duration,
    /// Gives up on a client that is there at this time unless there is progress.
    pub(super) patience_until: Duration,
    /// Gives up at this time whatever happens.
    pub(super) deadline: Duration,
    /// How far the owner was when patience was last renewed.
    pub(super) cursor: i64,
}

impl Stage {
    /// Says whether the session has neither ended nor begun to.
    pub(super) fn is_live(&self) -> bool {
        matches!(
            self,
            Stage::AwaitingClient { .. } | Stage::Starting { .. } | Stage::Running { .. }
        )
    }

    pub(super) fn is_over(&self) -> bool {
        matches!(self, Stage::Over)
    }
}
