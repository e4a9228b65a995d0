//! The policies of whoever asks.

use drawbridge_session::iam::{Directory, PrincipalPolicies};
use drawbridge_session::policy::{self, NamedPolicy, Policy, PolicyKind, PolicySet};
use drawbridge_session::{Caller, Principal, SessionPolicies, SignedWith};
use drawbridge_store::Store;

/// Returns the policies of a caller, without those of what it asks for.
///
/// Whoever is not in the directory any more has none, and so may nothing.
pub(crate) fn of(store: &dyn Store, caller: &Caller) -> PolicySet {
    let directory = store.directory(caller.principal.account());
    let own = |find: &dyn Fn(&Directory) -> Option<PrincipalPolicies>| {
        directory.as_deref().and_then(find).unwrap_or_default()
    };
    let PrincipalPolicies { identity, boundary } = match &caller.principal {
        // A service may what the policies of resources let it.
        Principal::Root { .. } | Principal::Service { .. } => PrincipalPolicies::default(),
        Principal::User { user, .. } => own(&|directory| directory.user_policies_by_id(&user.id)),
        Principal::AssumedRole { role, .. } => own(&|directory| directory.role_policies_by_id(&role.id)),
        Principal::Node { .. } if caller.signed_with == SignedWith::NodeKey => only(policy::node_key()),
        Principal::Node { role, .. } => {
            let mut policies = own(&|directory| directory.role_policies_by_id(&role.id));
            policies.identity.push(policy::node_guard());
            policies
        }
        Principal::Anonymous { .. } => only(policy::anonymous()),
    };
    PolicySet {
        identity,
        boundary,
        session: limits(store, caller),
        ..PolicySet::default()
    }
}

fn only(policy: NamedPolicy) -> PrincipalPolicies {
    PrincipalPolicies {
        identity: vec![policy],
        boundary: None,
    }
}

/// What limits the session, `None` for nothing.
fn limits(store: &dyn Store, caller: &Caller) -> Option<Vec<NamedPolicy>> {
    let grant = caller.grant.as_ref()?;
    match &caller.principal {
        Principal::User { .. } | Principal::Root { .. } => Some(vec![policy::session_token()]),
        Principal::AssumedRole { .. }
        | Principal::Node { .. }
        | Principal::Service { .. }
        | Principal::Anonymous { .. } => {
            let given = grant.policies.as_ref()?;
            Some(session_policies(store, caller, given))
        }
    }
}

/// The policies that were given to the session; one that is gone allows nothing.
fn session_policies(store: &dyn Store, caller: &Caller, limits: &SessionPolicies) -> Vec<NamedPolicy> {
    let inline = limits.inline.iter().filter_map(|text| {
        let policy = Policy::parse(text, PolicyKind::Identity).ok()?;
        Some(NamedPolicy::new("session policy", policy))
    });
    let directory = store.directory(caller.principal.account());
    let managed = limits.managed.iter().filter_map(|arn| {
        Some(NamedPolicy::shared(
            arn,
            directory.as_ref()?.policy(arn).ok()?.policy(),
        ))
    });
    inline.chain(managed).collect()
}
