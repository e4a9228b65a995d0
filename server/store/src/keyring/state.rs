//! The states of a key.
//!
//! ```text
//!              disable              schedule deletion
//!   ┌─────────┐ ─────▶ ┌──────────┐ ─────▶ ┌─────────────────┐  date is past
//!   │ Enabled │        │ Disabled │        │ PendingDeletion │ ─────────────▶ gone
//!   └─────────┘ ◀───── └──────────┘ ◀───── └─────────────────┘
//!        │      enable       cancel deletion       ▲
//!        └──────────── schedule deletion ──────────┘
//! ```

use std::time::Duration;

use jiff::Timestamp;

use super::Key;

/// Whether a key can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyState {
    /// It encrypts and decrypts.
    Enabled,
    /// It does neither until it is enabled.
    Disabled,
    /// It does neither, and is gone after a date.
    PendingDeletion {
        /// The date.
        at: Timestamp,
    },
}

/// How often a key gets a new material.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rotation {
    /// Days from one to the next, 90 to 2,560.
    pub period_days: u16,
    /// When the next is due.
    pub next_at: Timestamp,
}

/// Says that a key is in a state in which this cannot be done to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the key is {}", .0.as_str())]
pub struct WrongState(pub KeyState);

impl KeyState {
    /// Returns the word of the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Enabled => "Enabled",
            Self::Disabled => "Disabled",
            Self::PendingDeletion { .. } => "PendingDeletion",
        }
    }

    fn is_pending_deletion(self) -> bool {
        matches!(self, Self::PendingDeletion { .. })
    }
}

impl Rotation {
    /// Plans the next one after a moment.
    pub fn after(now: Timestamp, period_days: u16) -> Self {
        Self {
            period_days,
            next_at: later(now, u32::from(period_days)),
        }
    }
}

impl Key {
    /// Lets it be used again; one that is enabled already stays so.
    pub fn enable(&mut self) -> Result<(), WrongState> {
        self.changeable()?;
        self.state = KeyState::Enabled;
        Ok(())
    }

    /// Keeps it from being used; one that is disabled already stays so.
    pub fn disable(&mut self) -> Result<(), WrongState> {
        self.changeable()?;
        self.state = KeyState::Disabled;
        Ok(())
    }

    /// Plans its deletion; returns the date.
    pub fn schedule_deletion(&mut self, now: Timestamp, days: u32) -> Result<Timestamp, WrongState> {
        self.changeable()?;
        let at = later(now, days);
        self.state = KeyState::PendingDeletion { at };
        Ok(at)
    }

    /// Takes back the plan to delete it; it is disabled then.
    pub fn cancel_deletion(&mut self) -> Result<(), WrongState> {
        if !self.state.is_pending_deletion() {
            return Err(WrongState(self.state));
        }
        self.state = KeyState::Disabled;
        Ok(())
    }

    /// Says whether it may be changed: not while its deletion is pending.
    pub fn changeable(&self) -> Result<(), WrongState> {
        if self.state.is_pending_deletion() {
            return Err(WrongState(self.state));
        }
        Ok(())
    }

    /// Says whether it may encrypt and decrypt.
    pub fn usable(&self) -> Result<(), WrongState> {
        match self.state {
            KeyState::Enabled => Ok(()),
            KeyState::Disabled | KeyState::PendingDeletion { .. } => Err(WrongState(self.state)),
        }
    }
}

fn later(now: Timestamp, days: u32) -> Timestamp {
    let by = Duration::from_secs(u64::from(days) * 24 * 3600);
    now.checked_add(by).unwrap_or(Timestamp::MAX)
}
