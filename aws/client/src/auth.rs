//! Who signs a request.

use drawbridge_aws_dialects::sigv4::{Credentials, RsaSigner};

/// The signature a request gets.
#[derive(Debug, Clone, Copy)]
pub enum Auth<'a> {
    /// An access key's HMAC.
    Credentials(&'a Credentials),
    /// A managed node's RSA key, for the two calls a node makes before it has credentials.
    Node(&'a RsaSigner),
    /// None: registration, and data channels, whose token is their proof.
    Unsigned,
}
