//! The condition keys that every request has: who asks, when, from where and how.

use drawbridge_session::policy::{Context, Identity};
use drawbridge_session::{Caller, Principal, Resource, SignedWith};
use drawbridge_store::Store;
use jiff::Timestamp;

/// Adds the caller's keys; they take the place of keys of the same name that a request brought along.
pub(crate) fn add_caller(context: &mut Context, store: &dyn Store, caller: &Caller) {
    let identity = Identity::from(&caller.principal);
    for (key, values) in identity.context().iter() {
        context.set(key, values.to_vec());
    }
    let mut set = |key: &str, value: String| context.set(key, vec![value]);
    set("aws:SourceIp", caller.source_ip.to_string());
    set("aws:CurrentTime", rfc3339(caller.received_at));
    set("aws:EpochTime", caller.received_at.as_second().to_string());
    // The gateway speaks nothing but TLS.
    set("aws:SecureTransport", "true".to_owned());
    set("aws:RequestedRegion", caller.region.to_string());
    set(
        "aws:PrincipalIsAWSService",
        matches!(caller.principal, Principal::Service { .. }).to_string(),
    );
    set("aws:ViaAWSService", "false".to_owned());
    if !caller.user_agent.is_empty() {
        set("aws:UserAgent", caller.user_agent.clone());
    }
    if let Some(node) = caller.principal.node() {
        let key = if node.is_registered() {
            "ssm:SourceInstanceARN"
        } else {
            "ec2:SourceInstanceARN"
        };
        let resource = Resource::node(&caller.region, &caller.account, node.as_str());
        set(key, resource.arn().to_owned());
    }
    // Who did not sign is nobody's, although the request is dealt with in some account.
    let own = identity.account();
    if let Some(organization) = own.and_then(|account| store.organization_of(account)) {
        set("aws:PrincipalOrgID", organization.to_string());
    }
    if let Some(grant) = &caller.grant {
        set("aws:TokenIssueTime", rfc3339(grant.issued_at));
        if let Some(source) = &grant.source_identity {
            set("aws:SourceIdentity", source.clone());
        }
    }
    // As on AWS: only temporary credentials say whether a second factor was used.
    if caller.signed_with == SignedWith::AccessKey && caller.grant.is_some() {
        set("aws:MultiFactorAuthPresent", "false".to_owned());
    }
    let directory = own.and_then(|account| store.directory(account));
    let tags = directory.map(|directory| directory.principal_tags(caller));
    for tag in tags.unwrap_or_default() {
        context.set(&format!("aws:PrincipalTag/{}", tag.key), vec![tag.value]);
    }
}

fn rfc3339(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
