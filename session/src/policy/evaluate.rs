//! The decision: an explicit deny anywhere, then what allows, then the first layer that does not.
//!
//! ```text
//! any Deny that applies, in any layer ───────────────────────────────▶ explicit deny
//! a service-control level without Allow ─────────────────────────────▶ implicit deny
//! same account:   the resource's policy names the user or session ───▶ allow
//!                 … names the role, and the limits allow ────────────▶ allow
//!                 an identity policy and the limits allow ───────────▶ allow, if the resource's policy need not
//!                                                                      agree or passes it on to the account
//! cross account:  an identity policy, the limits and the resource's ─▶ allow
//! otherwise ─────────────────────────────────────────────────────────▶ implicit deny
//! ```
//!
//! The limits are the permissions boundary and the session policies. The root of an account needs no identity
//! policy and has no boundary, but its session's policies, service-control policies and the resource's policy bind it.

use std::slice;

use super::document::Effect;
use super::grantee::Closeness;
use super::identity::Kind;
use super::request::Request;
use super::set::{NamedPolicy, PolicySet};
use super::verdict::{Layer, StatementName, Verdict};

/// A statement that applies.
#[derive(Debug, Clone, Copy)]
struct Found<'a> {
    policy: &'a NamedPolicy,
    index: usize,
    closeness: Closeness,
}

/// What the policies of one layer say.
#[derive(Debug, Clone, Copy, Default)]
struct Opinion<'a> {
    deny: Option<Found<'a>>,
    /// The closest allow.
    allow: Option<Found<'a>>,
}

/// What every layer says.
struct Opinions<'a> {
    controls: Vec<Opinion<'a>>,
    /// With the layer's name and whether it must agree even within its own account.
    resource: Option<(Opinion<'a>, Layer, bool)>,
    identity: Opinion<'a>,
    boundary: Option<Opinion<'a>>,
    session: Option<Opinion<'a>>,
}

impl Found<'_> {
    fn name(&self) -> StatementName {
        self.policy.statement_name(self.index)
    }
}

/// Decides on a request.
pub fn evaluate(request: &Request<'_>, policies: &PolicySet) -> Verdict {
    let opinions = Opinions::gather(request, policies);
    opinions
        .explicit_deny()
        .unwrap_or_else(|| opinions.allow_or_implicit_deny(request))
}

impl<'a> Opinions<'a> {
    fn gather(request: &Request<'_>, policies: &'a PolicySet) -> Self {
        let controls = policies.service_control.iter().map(|level| ask(level, request));
        let resource = policies.resource.as_ref().map(|resource| {
            let opinion = ask(&resource.policies, request);
            (opinion, resource.layer(), resource.is_required())
        });
        let mut opinions = Self {
            controls: controls.collect(),
            resource,
            identity: Opinion::default(),
            boundary: None,
            session: policies.session.as_ref().map(|list| ask(list, request)),
        };
        if !is_root(request) {
            opinions.identity = ask(&policies.identity, request);
            let boundary = policies.boundary.as_ref();
            opinions.boundary = boundary.map(|policy| ask(slice::from_ref(policy), request));
        }
        opinions
    }

    fn explicit_deny(&self) -> Option<Verdict> {
        let controls = self
            .controls
            .iter()
            .map(|level| (Layer::ServiceControl, level.deny));
        let others = [
            (
                self.resource_layer(),
                self.resource.and_then(|(opinion, ..)| opinion.deny),
            ),
            (Layer::Identity, self.identity.deny),
            (Layer::Boundary, self.boundary.and_then(|opinion| opinion.deny)),
            (Layer::Session, self.session.and_then(|opinion| opinion.deny)),
        ];
        let (layer, found) = controls
            .chain(others)
            .find_map(|(layer, deny)| Some((layer, deny?)))?;
        Some(Verdict::ExplicitDeny {
            layer,
            by: found.name(),
        })
    }

    fn allow_or_implicit_deny(&self, request: &Request<'_>) -> Verdict {
        let denied = |layer| Verdict::ImplicitDeny { layer };
        if self.controls.iter().any(|level| level.allow.is_none()) {
            return denied(Layer::ServiceControl);
        }
        let limit = self.silent_limit();
        let grant = self.resource.and_then(|(opinion, ..)| opinion.allow);
        let crossing = request.crosses_accounts();
        if let Some(grant) = grant
            && !crossing
            && (grant.closeness == Closeness::Direct || grant.closeness == Closeness::Role && limit.is_none())
        {
            let by = Some(grant.name());
            return Verdict::Allow { by };
        }
        let required = self.resource.is_some_and(|(_, _, required)| required);
        let resource_is_missing = grant.is_none() && (crossing || required);
        if !is_root(request) && self.identity.allow.is_none() {
            // Who has no identity policies, or would not be helped by one, is told about the resource's.
            let only_resource =
                request.identity().account().is_none() || required && grant.is_none() && !crossing;
            return denied(if only_resource && self.resource.is_some() {
                self.resource_layer()
            } else {
                Layer::Identity
            });
        }
        if let Some(layer) = limit {
            return denied(layer);
        }
        if resource_is_missing {
            return denied(self.resource_layer());
        }
        Verdict::Allow {
            by: self.identity.allow.map(|found| found.name()),
        }
    }

    /// Returns the first of the limits that does not allow.
    fn silent_limit(&self) -> Option<Layer> {
        [(Layer::Boundary, self.boundary), (Layer::Session, self.session)]
            .into_iter()
            .find(|(_, opinion)| opinion.is_some_and(|opinion| opinion.allow.is_none()))
            .map(|(layer, _)| layer)
    }

    fn resource_layer(&self) -> Layer {
        self.resource.map_or(Layer::Resource, |(_, layer, _)| layer)
    }
}

fn is_root(request: &Request<'_>) -> bool {
    request.identity().kind() == Kind::Root
}

fn ask<'a>(policies: &'a [NamedPolicy], request: &Request<'_>) -> Opinion<'a> {
    let mut opinion = Opinion::default();
    for policy in policies {
        for (index, statement) in policy.policy.statements.iter().enumerate() {
            let Ok(closeness) = statement.applies(request) else {
                continue;
            };
            let found = Found {
                policy,
                index,
                closeness,
            };
            match statement.effect {
                Effect::Deny => {
                    opinion.deny.get_or_insert(found);
                }
                Effect::Allow => {
                    if opinion.allow.is_none_or(|before| before.closeness < closeness) {
                        opinion.allow = Some(found);
                    }
                }
            }
        }
    }
    opinion
}
