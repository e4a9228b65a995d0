//! The policies that everyone has until policies are attached to users and roles.
//!
//! Users and the root of an account are its administrators; a node may do what agents do, to itself; a request
//! without a signature may register a node, for which the activation's code is the proof; everyone who signs may ask
//! who they are, as in AWS, where that needs no permission.

use std::sync::LazyLock;

use super::context::Context;
use super::document::{Policy, PolicyKind};
use super::identity::Identity;
use super::resource::Resource;
use super::set::{NamedPolicy, PolicySet};
use crate::principal::Principal;

static ADMINISTRATOR: LazyLock<PolicySet> = LazyLock::new(|| {
    set(&[
        (
            "DrawbridgeAdministrator",
            include_str!("builtin/administrator.json"),
        ),
        OWN_IDENTITY,
    ])
});
static NODE_ROLE: LazyLock<PolicySet> = LazyLock::new(|| {
    set(&[
        ("DrawbridgeNodeRole", include_str!("builtin/node-role.json")),
        OWN_IDENTITY,
    ])
});
static ROLE: LazyLock<PolicySet> = LazyLock::new(|| set(&[OWN_IDENTITY]));
static NOBODY: LazyLock<PolicySet> = LazyLock::new(|| {
    set(&[(
        "DrawbridgeRegistration",
        include_str!("builtin/registration.json"),
    )])
});
const OWN_IDENTITY: (&str, &str) = ("DrawbridgeOwnIdentity", include_str!("builtin/own-identity.json"));

/// Returns the policies of a principal.
pub(super) fn policies_of(principal: &Principal) -> &'static PolicySet {
    match principal {
        Principal::Root { .. } | Principal::User { .. } => &ADMINISTRATOR,
        Principal::Node { .. } => &NODE_ROLE,
        Principal::AssumedRole { .. } => &ROLE,
        Principal::Anonymous { .. } => &NOBODY,
    }
}

/// Returns what is known of a request without its transport: the caller's names, and the nodes on both sides.
///
/// `drawbridge:CallingNode` is the node that calls, `drawbridge:TargetNode` the one that the request is about.
pub(super) fn context_of(identity: &Identity, principal: &Principal, resource: &Resource) -> Context {
    let mut context = identity.context();
    if let Some(node) = principal.node() {
        context.add("drawbridge:CallingNode", node.to_string());
    }
    if let Some(node) = resource.target_node() {
        context.add("drawbridge:TargetNode", node);
    }
    context
}

fn set(documents: &[(&str, &str)]) -> PolicySet {
    let parse = |(name, text): &(&str, &str)| {
        let policy = Policy::parse(text, PolicyKind::Identity).expect("a built-in document is valid");
        NamedPolicy::new(*name, policy)
    };
    PolicySet {
        identity: documents.iter().map(parse).collect(),
        ..PolicySet::default()
    }
}
