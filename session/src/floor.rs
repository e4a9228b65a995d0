//! The floor: what every session of an account must have, whatever its document says.
//!
//! A document below the floor is refused when it is written and when it is used. Several floors may lie over one account,
//! its own and its organization's; what counts is the stricter of them in every rule, so none weakens another.

mod check;
mod scope;

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::document::SessionDocument;

pub use check::{BelowFloor, Rule, Violation};
pub use scope::FloorScope;

/// The rules for sessions; the default has none.
///
/// A stored floor with a rule that this program does not know cannot be read, and so refuses rather than allows.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Floor {
    /// What a session must have.
    pub requires: BTreeSet<Requirement>,
    /// The longest that a session may last, in minutes; its document must say so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_minutes: Option<u16>,
    /// The longest that a session may wait for input, in minutes; its document must say so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle_minutes: Option<u16>,
}

/// Something that a session must have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Requirement {
    /// A key that both ends encrypt with.
    Kms,
    /// A recording on the server, without which the session does not go on.
    Recording,
    /// A bucket for the session's log.
    Bucket,
    /// A log group for the session's log.
    LogGroup,
    /// Encryption wherever the session's log goes.
    EncryptedLogs,
    /// A reason, given by whoever starts the session.
    Reason,
    /// No tunnel and no SSH, which AWS's protocol neither encrypts nor records.
    NoPort,
}

/// Says that a text names no requirement.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is not a requirement: {known}", .0.escape_debug(), known = Requirement::ALL.map(Requirement::as_str).join(", "))]
pub struct UnknownRequirement(String);

impl Requirement {
    /// Every requirement.
    pub const ALL: [Self; 7] = [
        Self::Kms,
        Self::Recording,
        Self::Bucket,
        Self::LogGroup,
        Self::EncryptedLogs,
        Self::Reason,
        Self::NoPort,
    ];

    /// Returns its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Kms => "kms",
            Self::Recording => "recording",
            Self::Bucket => "bucket",
            Self::LogGroup => "log-group",
            Self::EncryptedLogs => "encrypted-logs",
            Self::Reason => "reason",
            Self::NoPort => "no-port",
        }
    }

    /// Says whether it is about what a session shows, of which a tunnel has nothing.
    fn is_of_streams(self) -> bool {
        match self {
            Self::Kms | Self::Recording | Self::Bucket | Self::LogGroup => true,
            Self::EncryptedLogs | Self::Reason | Self::NoPort => false,
        }
    }
}

impl FromStr for Requirement {
    type Err = UnknownRequirement;

    fn from_str(text: &str) -> Result<Self, UnknownRequirement> {
        let named = Self::ALL.into_iter().find(|it| it.as_str() == text);
        named.ok_or_else(|| UnknownRequirement(text.to_owned()))
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Floor {
    /// The most minutes that a floor can let a session last: what a document can say.
    pub const MOST_MINUTES: u16 = 1440;
    /// The most minutes that a floor can let a session wait for input: what a document can say.
    pub const MOST_IDLE_MINUTES: u16 = 60;

    /// Refuses tunnels too, if something is required that no tunnel can have.
    #[must_use]
    pub fn refusing_tunnels(mut self) -> Self {
        if self.requires.iter().any(|it| it.is_of_streams()) {
            self.requires.insert(Requirement::NoPort);
        }
        self
    }

    /// Returns the floor that asks for what either of two asks for.
    #[must_use]
    pub fn stricter(&self, other: &Self) -> Self {
        Self {
            requires: self.requires.union(&other.requires).copied().collect(),
            max_minutes: least(self.max_minutes, other.max_minutes),
            idle_minutes: least(self.idle_minutes, other.idle_minutes),
        }
    }

    /// Returns the strictest in every rule.
    pub fn strictest<'a>(floors: impl IntoIterator<Item = &'a Self>) -> Self {
        let none = Self::default();
        floors
            .into_iter()
            .fold(none, |strictest, floor| strictest.stricter(floor))
    }

    /// Says whether it has no rule.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Gives a document the floor's limits of time where it has none or longer ones; for documents that nobody can edit.
    pub fn shorten(&self, document: &mut SessionDocument) {
        let inputs = &mut document.inputs;
        for (text, most) in [
            (&mut inputs.max_session_duration, self.max_minutes),
            (&mut inputs.idle_session_timeout, self.idle_minutes),
        ] {
            if let Some(most) = most
                && text.parse().map_or(true, |minutes: u16| minutes > most)
            {
                *text = most.to_string();
            }
        }
    }
}

fn least(one: Option<u16>, other: Option<u16>) -> Option<u16> {
    one.into_iter().chain(other).min()
}

#[cfg(test)]
mod tests;
