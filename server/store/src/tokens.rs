//! Tokens that open a channel: 32 random bytes, single use, short lived, stored as a hash, bound to one end.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use aws_lc_rs::{constant_time, digest};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use drawbridge_session::{Grounds, NodeId, Random, RandomArray as _, Secret, SessionId};
use jiff::Timestamp;

use crate::StoreError;

/// A token as its bearer holds it: URL-safe base64 without padding, 43 characters.
#[derive(Debug, Clone)]
pub struct Token(Secret);

impl Token {
    /// Draws a token of 256 bits.
    pub fn generate(random: &dyn Random) -> Self {
        Self(Secret::new(BASE64_URL_SAFE_NO_PAD.encode(random.array::<32>())))
    }

    /// Returns what the store keeps of it.
    pub fn hash(&self) -> TokenHash {
        TokenHash::of(self.0.expose())
    }

    /// Returns the text, for the answer that hands it out.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

/// What the store keeps of a token or of an activation code: its SHA-256.
///
/// No salt and no slow function: what is hashed has at least 100 random bits.
#[derive(Clone)]
pub struct TokenHash([u8; 32]);

impl TokenHash {
    /// Hashes what a bearer presents.
    pub fn of(token: &str) -> Self {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest::digest(&digest::SHA256, token.as_bytes()).as_ref());
        Self(hash)
    }

    /// Returns the bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Compares in constant time.
    pub fn equals(&self, other: &[u8]) -> bool {
        constant_time::verify_slices_are_equal(&self.0, other).is_ok()
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenHash(..)")
    }
}

/// What a token opens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenBinding {
    /// One end of a session's data channel.
    DataChannel {
        /// The session.
        session: SessionId,
        /// The end.
        end: ChannelEnd,
    },
    /// A node's control channel.
    ControlChannel {
        /// The node.
        node: NodeId,
    },
}

/// The ends of a data channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChannelEnd {
    /// The client that started the session, for the first time.
    ClientStart,
    /// The same client after its socket broke.
    ClientResume,
    /// Another client, which takes the session over.
    ClientAttach,
    /// Someone who may see and not type.
    Watcher,
    /// The node.
    Node,
}

impl ChannelEnd {
    /// Names this end of a session.
    pub fn of(self, session: &SessionId) -> TokenBinding {
        let session = session.clone();
        TokenBinding::DataChannel { session, end: self }
    }
}

impl TokenBinding {
    /// Returns the id that the token is about.
    pub(crate) fn subject(&self) -> &str {
        match self {
            Self::DataChannel { session, .. } => session.as_str(),
            Self::ControlChannel { node } => node.as_str(),
        }
    }

    /// Returns the stored word for what the token is for.
    pub(crate) fn purpose(&self) -> &'static str {
        match self {
            Self::DataChannel {
                end: ChannelEnd::ClientStart,
                ..
            } => "client-start",
            Self::DataChannel {
                end: ChannelEnd::ClientResume,
                ..
            } => "client-resume",
            Self::DataChannel {
                end: ChannelEnd::ClientAttach,
                ..
            } => "client-attach",
            Self::DataChannel {
                end: ChannelEnd::Watcher,
                ..
            } => "watcher",
            Self::DataChannel {
                end: ChannelEnd::Node,
                ..
            } => "node",
            Self::ControlChannel { .. } => "control",
        }
    }

    /// Returns the purposes whose older tokens a new one withdraws: there is one client and one node per session.
    pub(crate) fn supersedes(&self) -> &'static [&'static str] {
        match self {
            Self::DataChannel {
                end: ChannelEnd::ClientStart | ChannelEnd::ClientResume | ChannelEnd::ClientAttach,
                ..
            } => &["client-start", "client-resume", "client-attach"],
            Self::DataChannel {
                end: ChannelEnd::Watcher,
                ..
            } => &[],
            Self::DataChannel {
                end: ChannelEnd::Node,
                ..
            } => &["node"],
            Self::ControlChannel { .. } => &["control"],
        }
    }

    pub(crate) fn restore(subject: &str, purpose: &str) -> Result<Self, StoreError> {
        let unreadable = || StoreError::new("read a token", format!("unknown purpose `{purpose}`"));
        let end = match purpose {
            "client-start" => ChannelEnd::ClientStart,
            "client-resume" => ChannelEnd::ClientResume,
            "client-attach" => ChannelEnd::ClientAttach,
            "watcher" => ChannelEnd::Watcher,
            "node" => ChannelEnd::Node,
            "control" => {
                let node = NodeId::parse(subject).map_err(StoreError::doing("read a token"))?;
                return Ok(Self::ControlChannel { node });
            }
            _ => return Err(unreadable()),
        };
        let session = SessionId::parse(subject).map_err(StoreError::doing("read a token"))?;
        Ok(Self::DataChannel { session, end })
    }
}

/// A token to be stored.
#[derive(Debug, Clone)]
pub struct TokenGrant {
    /// The hash of the token.
    pub hash: TokenHash,
    /// What it opens.
    pub binding: TokenBinding,
    /// When it was granted.
    pub granted_at: Timestamp,
    /// The first moment at which it opens nothing.
    pub expires_at: Timestamp,
    /// What it was given on, where it lets somebody into a session that is not theirs.
    pub grounds: Option<Grounds>,
}

impl TokenGrant {
    /// Draws a token and grants it for a while.
    pub fn draw(
        binding: TokenBinding,
        granted_at: Timestamp,
        lifetime: Duration,
        random: &dyn Random,
    ) -> (Token, Self) {
        let token = Token::generate(random);
        let grant = Self {
            hash: token.hash(),
            binding,
            granted_at,
            // The end of time is late enough for what lies beyond it.
            expires_at: granted_at.checked_add(lifetime).unwrap_or(Timestamp::MAX),
            grounds: None,
        };
        (token, grant)
    }
}

/// What a token turned out to be.
#[derive(Debug, Clone, PartialEq)]
pub struct Redeemed {
    /// What it opens.
    pub binding: TokenBinding,
    /// What it was given on, where it lets somebody into a session that is not theirs.
    pub grounds: Option<Grounds>,
}

/// Remembers tokens until they are used or expire.
#[async_trait]
pub trait Tokens: Send + Sync {
    /// Stores a token; older ones for the same end of the same session, or the same node, are withdrawn.
    async fn grant_token(&self, grant: &TokenGrant) -> Result<(), StoreError>;

    /// Uses a token up and returns what it opens; `None` for one that is unknown, used or expired.
    ///
    /// A token that is presented is gone, whatever the presenter wanted with it: compare the binding with what is
    /// being opened and refuse a difference.
    async fn redeem_token(&self, token: &str, now: Timestamp) -> Result<Option<Redeemed>, StoreError>;
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use drawbridge_session::SystemRandom;

    use super::*;

    #[test]
    fn draws_tokens_that_are_never_alike_and_never_printed() {
        let mut seen = HashSet::new();
        for _ in 0..100_000 {
            let token = Token::generate(&SystemRandom);
            assert_eq!(token.expose().len(), 43);
            assert!(seen.insert(token.expose().to_owned()));
        }
        let token = Token::generate(&SystemRandom);
        assert_eq!(
            format!("{token:?} {:?}", token.hash()),
            "Token(Secret(..)) TokenHash(..)"
        );
    }
}
