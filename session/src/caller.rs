//! What the gateway knows of a request before an operation sees it.

use std::net::IpAddr;

use uuid::Uuid;

use crate::ids::{AccountId, Region};
use crate::principal::Principal;

/// Who calls, from where, and by which name they reached the server.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Who signed the request.
    pub principal: Principal,
    /// The kind of signature that proved it.
    pub signed_with: SignedWith,
    /// The account that the request acts in.
    pub account: AccountId,
    /// The region of the signature's scope; the server's own for an unsigned request.
    pub region: Region,
    /// The peer's address.
    pub source_ip: IpAddr,
    /// The id of the request, also answered as `x-amzn-RequestId`.
    pub request_id: Uuid,
    /// The `Host` of the request, with its port where there is one.
    pub host: String,
}

/// The kinds of signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignedWith {
    /// An access key's secret, with a session token for temporary credentials.
    AccessKey,
    /// A managed node's own RSA key.
    NodeKey,
    /// Nothing.
    Nothing,
}
