//! Where a session stands.
//!
//! ```text
//!  AwaitingClient ──client──▶ Starting ──node──▶ Running
//!        │                       │                  │  the node, an API call or a deadline ends it
//!        └───────────────────────┴──────────────────┴──▶ Draining ──▶ Lingering ──▶ Over
//!                             last output confirmed, or no progress ──┘            │
//!            the node has hung up and the owner has confirmed, or did not in time ─────┘
//! ```

use std::time::Duration;

use super::Outcome;
use super::farewell::Farewell;

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
    /// Clients were told of the end; the node may still be hanging up, and the owner has perhaps not heard of it.
    Lingering(Lingering),
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
    /// Gives up on watchers, and on a node that may send more, at this time, unless the owner makes progress.
    pub(super) others_until: Duration,
    /// The same of an owner that is there.
    pub(super) patience_until: Duration,
    /// Gives up at this time whatever happens.
    pub(super) deadline: Duration,
    /// How far the owner was when patience was last renewed.
    pub(super) cursor: i64,
}

/// Waits for both ends to take the end in.
#[derive(Debug)]
pub(super) struct Lingering {
    pub(super) outcome: Outcome,
    /// When a node that does not hang up is left.
    pub(super) node_until: Duration,
    /// What the owner has yet to confirm, if it is one that does.
    pub(super) farewell: Option<Farewell>,
}

impl Lingering {
    /// Returns when nobody is waited for any longer, if nothing happens until then.
    pub(super) fn deadline(&self, node_is_here: bool) -> Duration {
        let node_until = if node_is_here {
            self.node_until
        } else {
            Duration::ZERO
        };
        let farewell_until = self
            .farewell
            .as_ref()
            .map_or(Duration::ZERO, |farewell| farewell.until);
        node_until.max(farewell_until)
    }
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
