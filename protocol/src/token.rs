//! The credential in the first text frame of a channel.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Holds the opaque token that opens a channel, and keeps it out of logs and errors.
///
/// `Debug` prints `Token(..)`; there is no `Display`. Two tokens are compared in constant time.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Token(String);

impl Token {
    /// Wraps a token as received from, or about to be sent to, a peer.
    pub fn new(value: impl Into<String>) -> Token {
        Token(value.into())
    }

    /// Shows the token itself, for putting it on the wire or looking it up.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Says whether the peer sent no token at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<String> for Token {
    fn from(value: String) -> Token {
        Token(value)
    }
}

impl From<&str> for Token {
    fn from(value: &str) -> Token {
        Token(value.to_owned())
    }
}

impl PartialEq for Token {
    fn eq(&self, other: &Token) -> bool {
        aws_lc_rs::constant_time::verify_slices_are_equal(self.0.as_bytes(), other.0.as_bytes()).is_ok()
    }
}

impl Eq for Token {}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::Token;

    #[test]
    fn never_prints_itself() {
        assert_eq!(format!("{:?}", Token::new("s3cret")), "Token(..)");
    }

    #[test]
    fn compares_by_value() {
        assert_eq!(Token::new("a"), Token::new("a"));
        assert_ne!(Token::new("a"), Token::new("A"));
        assert_ne!(Token::new("a"), Token::new("aa"));
    }
}
