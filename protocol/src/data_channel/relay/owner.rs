//! The client that may type.

use std::collections::VecDeque;

use bytes::Bytes;

use super::journal;
use super::link::ClientLink;
use super::reader::Reader;
use crate::Time;

/// Is the session's owner, connected or not.
#[derive(Debug)]
pub(super) struct Owner {
    /// Who it is; `None` until the first client comes.
    pub(super) identity: Option<journal::Owner>,
    pub(super) reader: Reader,
    pub(super) presence: Presence,
    /// What [`says_goodbye`](Owner::says_goodbye) was of the client that is gone.
    said_it_would: bool,
    /// Whether it has said so.
    pub(super) said_goodbye: bool,
}

/// Says whether the owner is there.
#[derive(Debug)]
pub(super) enum Presence {
    /// Not connected since then.
    Gone { since: Option<Time> },
    /// Connected, and its numbering is not durable yet: nothing passes in either direction.
    Waiting {
        link: ClientLink,
        messages: VecDeque<Bytes>,
    },
    /// Connected.
    Here(ClientLink),
}

impl Owner {
    /// Starts without a client, which will count as the node counts.
    pub(super) fn nobody() -> Owner {
        Owner {
            identity: None,
            reader: Reader::new(0, 0),
            presence: Presence::Gone { since: None },
            said_it_would: false,
            said_goodbye: false,
        }
    }

    /// Returns the link, if output may flow on it.
    pub(super) fn link(&self) -> Option<&ClientLink> {
        match &self.presence {
            Presence::Here(link) => Some(link),
            Presence::Gone { .. } | Presence::Waiting { .. } => None,
        }
    }

    pub(super) fn is_here(&self) -> bool {
        self.link().is_some()
    }

    /// Returns the link, whether output may flow on it or not.
    pub(super) fn any_link(&self) -> Option<&ClientLink> {
        match &self.presence {
            Presence::Here(link) | Presence::Waiting { link, .. } => Some(link),
            Presence::Gone { .. } => None,
        }
    }

    /// Takes the link away.
    pub(super) fn leave(&mut self, now: Time) -> Option<ClientLink> {
        self.reader.disconnected();
        match std::mem::replace(&mut self.presence, Presence::Gone { since: Some(now) }) {
            Presence::Here(link) | Presence::Waiting { link, .. } => {
                self.said_it_would = !link.is_plain();
                Some(link)
            }
            Presence::Gone { since } => {
                self.presence = Presence::Gone { since };
                None
            }
        }
    }

    /// Says whether the client is one that says so when it leaves for good.
    pub(super) fn says_goodbye(&self) -> bool {
        self.any_link()
            .map_or(self.said_it_would, |link| !link.is_plain())
    }

    pub(super) fn input_base(&self) -> i64 {
        self.identity.as_ref().map_or(0, |identity| identity.input_base)
    }
}
