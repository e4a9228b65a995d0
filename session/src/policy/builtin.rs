//! The policies that are nobody's to change, and what every request says about nodes.
//!
//! Users and roles have the policies that the account's directory gives them. These stand beside them: a node acts as
//! an agent for itself only, whatever its role allows; its own key is good for asking for credentials and for a new
//! key; a request without a signature may register a node, for which the activation's code is the proof.

use std::sync::LazyLock;

use super::context::Context;
use super::document::{Policy, PolicyKind};
use super::resource::Resource;
use super::set::{NamedPolicy, ResourcePolicy};
use super::verdict::StatementName;
use crate::principal::Principal;

static ADMINISTRATOR: LazyLock<NamedPolicy> = LazyLock::new(|| {
    parse(
        "DrawbridgeAdministrator",
        include_str!("builtin/administrator.json"),
    )
});
static NODE_GUARD: LazyLock<NamedPolicy> =
    LazyLock::new(|| parse("DrawbridgeNodeGuard", include_str!("builtin/node-guard.json")));
static NODE_KEY: LazyLock<NamedPolicy> =
    LazyLock::new(|| parse("DrawbridgeNodeKey", include_str!("builtin/node-key.json")));
static SESSION_TOKEN: LazyLock<NamedPolicy> = LazyLock::new(|| {
    parse(
        "DrawbridgeSessionToken",
        include_str!("builtin/session-token.json"),
    )
});
static ANONYMOUS: LazyLock<NamedPolicy> = LazyLock::new(|| {
    parse(
        "DrawbridgeRegistration",
        include_str!("builtin/registration.json"),
    )
});
static SHARED_DOCUMENT: LazyLock<NamedPolicy> = LazyLock::new(|| {
    let text = include_str!("builtin/shared-document.json");
    let policy = Policy::parse(text, PolicyKind::Resource).expect("a built-in document is valid");
    NamedPolicy::new("DrawbridgeSharedDocument", policy)
});

/// Allows everything.
pub fn administrator() -> NamedPolicy {
    ADMINISTRATOR.clone()
}

/// Denies a node what agents do, on any node but itself, and a registered one the keys of other accounts.
pub fn node_guard() -> NamedPolicy {
    NODE_GUARD.clone()
}

/// Says in words why a statement of these policies denies, where that is told to whoever asked: it is about them, and
/// says nothing of what another account has.
pub(super) fn reason(denied_by: &StatementName) -> Option<&'static str> {
    let is_cross_account_key = denied_by.policy == NODE_GUARD.name()
        && denied_by.sid.as_deref() == Some("RegisteredNodesUseKeysOfTheirAccount");
    is_cross_account_key
        .then_some("because a hybrid node (mi-) cannot use a key of another account, whatever policies allow")
}

/// Allows what a node signs with its own key.
pub fn node_key() -> NamedPolicy {
    NODE_KEY.clone()
}

/// Allows what a user or root may do with temporary credentials of their own: nothing of IAM without a second factor,
/// and of STS only to assume roles.
pub fn session_token() -> NamedPolicy {
    SESSION_TOKEN.clone()
}

/// Allows what needs no signature.
pub fn anonymous() -> NamedPolicy {
    ANONYMOUS.clone()
}

/// Lets the accounts that a session document is shared with read and use it, if they allow it themselves.
pub fn shared_document() -> ResourcePolicy {
    ResourcePolicy::sufficient(SHARED_DOCUMENT.clone())
}

/// Adds `drawbridge:CallingNode`, the node that calls, and `drawbridge:TargetNode`, the one that the request is about.
pub fn add_nodes(context: &mut Context, principal: &Principal, resource: &Resource) {
    if let Some(node) = principal.node() {
        context.add("drawbridge:CallingNode", node.to_string());
    }
    if let Some(node) = resource.target_node() {
        context.add("drawbridge:TargetNode", node);
    }
}

fn parse(name: &str, text: &str) -> NamedPolicy {
    let policy = Policy::parse(text, PolicyKind::Identity).expect("a built-in document is valid");
    NamedPolicy::new(name, policy)
}
