//! The result of one action on one resource.

use drawbridge_session::iam::PolicyArn;
use drawbridge_session::policy::{
    Layer, PolicySet, Position, Request, Step, Verdict, applying, evaluate, missing_keys,
};
use serde_json::{Value, json};

use super::scene::Scene;

pub(super) fn result(scene: &Scene, action: &str, resource: &str, in_organization: bool) -> Value {
    let request = request(scene, action, resource);
    let verdict = evaluate(&request, &scene.policies);
    let decision = name(&verdict);
    let matched: Vec<Value> = applying(&request, &scene.policies)
        .iter()
        .filter(|step| decides(step, &verdict))
        .map(|step| statement(scene, step))
        .collect();
    let missing = missing_keys(&request, &scene.policies);
    let mut result = json!({
        "EvalActionName": action,
        "EvalResourceName": resource,
        "EvalDecision": decision,
        "MatchedStatements": matched,
        "MissingContextValues": [],
    });
    if in_organization {
        result["OrganizationsDecisionDetail"] = json!({ "AllowedByOrganizations": true });
    }
    let mut details = json!({});
    if let Some(boundary) = &scene.policies.boundary {
        let alone = PolicySet {
            identity: vec![boundary.clone()],
            ..PolicySet::default()
        };
        let allowed = evaluate(&request, &alone).is_allowed();
        details["PermissionsBoundaryDecisionDetail"] = json!({ "AllowedByPermissionsBoundary": allowed });
    }
    if scene.policies.resource.is_some() && request.crosses_accounts() {
        details["EvalDecisionDetails"] = by_kind(scene, &request);
    }
    copy(&details, &mut result);
    if resource == "*" {
        result["MissingContextValues"] = json!(missing);
    } else {
        let mut specific = json!({
            "EvalResourceName": resource,
            "EvalResourceDecision": decision,
            "MatchedStatements": matched,
            "MissingContextValues": missing,
        });
        copy(&details, &mut specific);
        result["ResourceSpecificResults"] = json!([specific]);
    }
    result
}

fn request<'a>(scene: &'a Scene, action: &str, resource: &'a str) -> Request<'a> {
    let request = Request::new(&scene.identity, action, resource, &scene.context);
    // The owner is that of resources whose ARNs do not say.
    match resource.split(':').nth(4) {
        Some("") => request.owned_by(&scene.owner),
        _ => request,
    }
}

/// Says what each side of an access across accounts comes to.
fn by_kind(scene: &Scene, request: &Request<'_>) -> Value {
    let identity = PolicySet {
        resource: None,
        ..scene.policies.clone()
    };
    let resource = PolicySet {
        resource: scene.policies.resource.clone(),
        ..PolicySet::default()
    };
    // Without the other side: what the statements that apply say.
    let side = |policies: &PolicySet| {
        let steps = applying(request, policies);
        if steps.iter().any(|step| step.effect == "Deny") {
            "explicitDeny"
        } else if steps.is_empty() {
            "implicitDeny"
        } else {
            "allowed"
        }
    };
    json!({ "IAM Policy": side(&identity), "Resource Policy": side(&resource) })
}

/// Says whether a statement that applies determines the result: every deny, or else every allow.
fn decides(step: &Step, verdict: &Verdict) -> bool {
    match verdict {
        Verdict::Allow { .. } => step.effect == "Allow",
        Verdict::ExplicitDeny { .. } => step.effect == "Deny",
        Verdict::ImplicitDeny { .. } => false,
    }
}

fn statement(scene: &Scene, step: &Step) -> Value {
    let name = &step.statement.policy;
    let kind = match step.layer {
        Layer::Resource | Layer::Trust => "Resource Policy",
        Layer::Boundary => "Permissions Boundary Policy",
        Layer::Identity | Layer::Session | Layer::ServiceControl => "IAM Policy",
    };
    let id = match PolicyArn::parse(name) {
        Ok(arn) => arn.name().to_owned(),
        // An inline policy, named after its holder as well.
        Err(_) => name.replace('/', "_"),
    };
    let mut statement = json!({ "SourcePolicyId": id, "SourcePolicyType": kind });
    if let Some(span) = scene.span(&step.statement) {
        let show = |at: Position| json!({ "Line": at.line, "Column": at.column });
        statement["StartPosition"] = show(span.start);
        statement["EndPosition"] = show(span.end);
    }
    statement
}

fn name(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Allow { .. } => "allowed",
        Verdict::ExplicitDeny { .. } => "explicitDeny",
        Verdict::ImplicitDeny { .. } => "implicitDeny",
    }
}

fn copy(from: &Value, into: &mut Value) {
    for (key, value) in from.as_object().into_iter().flatten() {
        into[key] = value.clone();
    }
}
