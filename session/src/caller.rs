//! What the gateway knows of a request before an operation sees it.

use std::net::IpAddr;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::ids::{AccessKeyId, AccountId, Region};
use crate::principal::Principal;
use crate::tag::Tag;

/// Who calls, from where, and by which name they reached the server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Caller {
    /// Who signed the request.
    pub principal: Principal,
    /// The kind of signature that proved it.
    pub signed_with: SignedWith,
    /// The access key that signed; a node's own key and an unsigned request have none.
    pub access_key_id: Option<AccessKeyId>,
    /// What came with temporary credentials.
    pub grant: Option<Arc<SessionGrant>>,
    /// The account that the request acts in.
    pub account: AccountId,
    /// The region of the signature's scope; the server's own for an unsigned request.
    pub region: Region,
    /// The peer's address.
    pub source_ip: IpAddr,
    /// The client's `User-Agent`, at most 1,024 bytes; empty where it sent none.
    pub user_agent: String,
    /// The id of the request, also answered as `x-amzn-RequestId`.
    pub request_id: Uuid,
    /// The `Host` of the request, with its port where there is one.
    pub host: String,
    /// When the request came.
    pub received_at: Timestamp,
}

/// What STS put into temporary credentials, besides whose they are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionGrant {
    /// When they were given; `aws:TokenIssueTime`.
    pub issued_at: Timestamp,
    /// Tags of the session; they replace the principal's own of the same key.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<Tag>,
    /// The keys of tags that a session assumed from this one inherits.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub transitive_tag_keys: Vec<String>,
    /// The policies that limit the session; `None` for one without limits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policies: Option<SessionPolicies>,
    /// Who stands behind the session, `aws:SourceIdentity`; inherited by sessions assumed from it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_identity: Option<String>,
    /// The external id that was given, `sts:ExternalId` for the trust policy only; kept for the record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
}

impl SessionGrant {
    /// Makes what comes with credentials that nothing was asked for.
    pub fn plain(issued_at: Timestamp) -> Self {
        Self {
            issued_at,
            tags: Vec::new(),
            transitive_tag_keys: Vec::new(),
            policies: None,
            source_identity: None,
            external_id: None,
        }
    }
}

/// The policies of a session: what it may do is what these and the role's allow.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SessionPolicies {
    /// A document, at most 2,048 characters.
    pub inline: Option<String>,
    /// ARNs of managed policies, at most 10.
    pub managed: Vec<String>,
}

/// The kinds of signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum SignedWith {
    /// An access key's secret, with a session token for temporary credentials.
    AccessKey,
    /// A managed node's own RSA key.
    NodeKey,
    /// Nothing.
    Nothing,
    /// An access key's secret or nothing, of operations that a resource's policy may open to everyone.
    AccessKeyOrNothing,
}

impl SignedWith {
    /// Says whether an operation that takes this kind takes a request that was signed in the given one.
    pub fn covers(self, given: Self) -> bool {
        self == given
            || (self == Self::AccessKeyOrNothing && matches!(given, Self::AccessKey | Self::Nothing))
    }
}
