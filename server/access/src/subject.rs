//! The object that a need is about: the ARN that it really has, its tags, and a policy of its own.

use std::sync::Arc;

use drawbridge_session::iam::Directory;
use drawbridge_session::policy::{self, Context, NamedPolicy, ResourcePolicy, Subject};
use drawbridge_session::{AccountId, Caller, Need, NodeId, Region, SessionId, Tag};
use drawbridge_store::{DocumentAt, Store, StoreError, TagTarget, TagsOf};

use crate::{Access, bucket, key};

/// The condition keys of tags of what SSM owns.
const SSM_TAGS: &[&str] = &["ssm:resourceTag", "aws:ResourceTag"];

/// A need about an object that was looked up.
pub(crate) struct Found {
    /// The need, its resource at the ARN that it really has.
    pub(crate) need: Need,
    /// What is known of the object.
    pub(crate) context: Context,
    /// The object's own policy.
    pub(crate) resource_policy: Option<ResourcePolicy>,
}

/// Looks up what a need is about. An object that is not there has no tags, and is decided on all the same.
pub(crate) async fn find(access: &Access, caller: &Caller, need: Need) -> Result<Found, StoreError> {
    let store = access.store.as_ref();
    let mut found = Found {
        need,
        context: Context::new(),
        resource_policy: None,
    };
    add_owner(&mut found, store, caller);
    if found.need.action().starts_with("kms:") {
        let account = caller.principal.account();
        found.context.add("kms:CallerAccount", account.to_string());
    }
    match found.need.resource().subject().clone() {
        Subject::Nothing | Subject::NodeMessages(_) => {}
        Subject::Bucket(name) => bucket::add(&mut found, access, caller, &name).await?,
        Subject::Upload { bucket, id } => {
            bucket::add(&mut found, access, caller, &bucket).await?;
            bucket::add_upload(&mut found, access, &bucket, &id).await?;
        }
        Subject::Key(arn) => key::add(&mut found, store, caller, &arn).await?,
        Subject::LogGroup(name) => {
            add_own(&mut found, store, caller, TagTarget::LogGroup, &name).await?;
        }
        Subject::Node(id) => add_node(&mut found, store, caller, &id).await?,
        Subject::Session(id) => add_session(&mut found, store, caller, &id).await?,
        Subject::Document(name) => add_document(&mut found, store, caller, &name).await?,
        Subject::Parameter(name) => {
            add_own(&mut found, store, caller, TagTarget::Parameter, &name).await?;
        }
        Subject::Role(name) if found.need.action().starts_with("sts:") => add_trust(&mut found, store, &name),
        Subject::User(_)
        | Subject::Group(_)
        | Subject::Role(_)
        | Subject::Policy(_)
        | Subject::InstanceProfile(_) => add_entity(&mut found, store),
    }
    Ok(found)
}

fn add_owner(found: &mut Found, store: &dyn Store, caller: &Caller) {
    let owner = account_of(found.need.resource().arn()).unwrap_or_else(|| caller.account.clone());
    if let Some(organization) = store.organization_of(&owner) {
        found.context.add("aws:ResourceOrgID", organization.to_string());
    }
    found.context.add("aws:ResourceAccount", owner.to_string());
}

async fn add_node(found: &mut Found, store: &dyn Store, caller: &Caller, id: &str) -> Result<(), StoreError> {
    let Ok(id) = NodeId::parse(id) else {
        return Ok(());
    };
    let node = store.node(&id).await?;
    let here = |account: &AccountId| *account == caller.account;
    let Some(node) = node.filter(|node| here(&node.account) && node.region == caller.region) else {
        return Ok(());
    };
    let tags = store.tags(TagsOf::node(&node)).await?;
    let prefixes: &[&str] = if found.need.action().starts_with("ec2:") {
        &["ec2:ResourceTag", "aws:ResourceTag"]
    } else {
        SSM_TAGS
    };
    add_tags(&mut found.context, prefixes, &tags);
    Ok(())
}

/// A session says whose it is and where it runs by two tags, as on AWS.
async fn add_session(
    found: &mut Found,
    store: &dyn Store,
    caller: &Caller,
    id: &str,
) -> Result<(), StoreError> {
    let Ok(id) = SessionId::parse(id) else {
        return Ok(());
    };
    let session = store.session(&id).await?;
    let Some(session) = session.filter(|it| it.account == caller.account && it.region == caller.region)
    else {
        return Ok(());
    };
    let tags = [
        Tag::new("aws:ssmmessages:session-id", session.owner_id),
        Tag::new("aws:ssmmessages:target-id", session.node.to_string()),
    ];
    add_tags(&mut found.context, SSM_TAGS, &tags);
    Ok(())
}

/// A document of the caller's account, or of another one that shares it with the caller's; those that AWS provides are
/// nobody's and have no tags.
async fn add_document(
    found: &mut Found,
    store: &dyn Store,
    caller: &Caller,
    name: &str,
) -> Result<(), StoreError> {
    let arn = found.need.resource().arn();
    let Some((account, region)) = account_of(arn).zip(region_of(arn)) else {
        return Ok(());
    };
    let at = DocumentAt {
        account: &account,
        region: &region,
        name,
    };
    let own = caller.principal.account();
    if account != *own {
        if store.document_share(at, own).await?.is_none() {
            return Ok(());
        }
        found.resource_policy = Some(policy::shared_document());
    }
    let tags = store.tags(TagsOf::document(at)).await?;
    add_tags(&mut found.context, SSM_TAGS, &tags);
    Ok(())
}

/// A parameter or log group of the caller's own account.
async fn add_own(
    found: &mut Found,
    store: &dyn Store,
    caller: &Caller,
    target: TagTarget,
    name: &str,
) -> Result<(), StoreError> {
    let arn = found.need.resource().arn();
    let own = |account: &AccountId| account == caller.principal.account();
    let Some((account, region)) = account_of(arn).filter(own).zip(region_of(arn)) else {
        return Ok(());
    };
    let of = TagsOf {
        account: &account,
        region: &region,
        target,
        id: name,
    };
    let prefixes = match target {
        TagTarget::Parameter => SSM_TAGS,
        _ => &["aws:ResourceTag"],
    };
    add_tags(&mut found.context, prefixes, &store.tags(of).await?);
    Ok(())
}

fn add_entity(found: &mut Found, store: &dyn Store) {
    let resource = found.need.resource();
    let directory = account_of(resource.arn()).and_then(|account| store.directory(&account));
    let Some(directory) = directory else { return };
    let (arn, tags) = match resource.subject() {
        Subject::User(name) => match directory.user(name) {
            Ok(user) => (user.arn(directory.account()), user.tags.as_slice().to_vec()),
            Err(_) => return,
        },
        Subject::Group(name) => match directory.group(name) {
            Ok(group) => (group.arn(directory.account()), Vec::new()),
            Err(_) => return,
        },
        Subject::Role(name) => match directory.role(name) {
            Ok(role) => (role.arn(directory.account()), role.tags.as_slice().to_vec()),
            Err(_) => return,
        },
        Subject::Policy(arn) => match directory.policy(arn) {
            Ok(policy) => (arn.clone(), policy.tags().to_vec()),
            Err(_) => return,
        },
        // What is passed with an instance profile is the role in it.
        Subject::InstanceProfile(name) if found.need.action() == "iam:PassRole" => {
            let profile = directory.instance_profile(name).ok();
            match profile.and_then(|profile| directory.role_in(profile)) {
                Some(role) => (role.arn(directory.account()), role.tags.as_slice().to_vec()),
                None => return,
            }
        }
        Subject::InstanceProfile(name) => match directory.instance_profile(name) {
            Ok(profile) => (profile.arn(directory.account()), profile.tags.as_slice().to_vec()),
            Err(_) => return,
        },
        Subject::Nothing
        | Subject::Node(_)
        | Subject::NodeMessages(_)
        | Subject::Session(_)
        | Subject::Document(_)
        | Subject::Parameter(_)
        | Subject::Key(_)
        | Subject::Bucket(_)
        | Subject::Upload { .. }
        | Subject::LogGroup(_) => return,
    };
    let boundary = boundary_of(&directory, resource.subject());
    if let Some(boundary) = boundary.filter(|_| asks_for_boundary(found.need.action())) {
        found.context.add("iam:PermissionsBoundary", boundary);
    }
    found.need = found.need.clone().found_at(arn);
    add_tags(&mut found.context, &["iam:ResourceTag", "aws:ResourceTag"], &tags);
}

fn boundary_of(directory: &Directory, subject: &Subject) -> Option<String> {
    let boundary = match subject {
        Subject::User(name) => directory.user(name).ok()?.boundary.clone(),
        Subject::Role(name) => directory.role(name).ok()?.boundary.clone(),
        Subject::Nothing
        | Subject::Node(_)
        | Subject::NodeMessages(_)
        | Subject::Session(_)
        | Subject::Document(_)
        | Subject::Parameter(_)
        | Subject::Group(_)
        | Subject::Policy(_)
        | Subject::InstanceProfile(_)
        | Subject::Key(_)
        | Subject::Bucket(_)
        | Subject::Upload { .. }
        | Subject::LogGroup(_) => None,
    };
    boundary.map(|arn| arn.to_string())
}

/// Whether `iam:PermissionsBoundary` stands for the boundary that the user or role has, so that who hands out policies
/// can be kept to those who are within one. Where a boundary is being set, it stands for the new one.
fn asks_for_boundary(action: &str) -> bool {
    const ACTIONS: [&str; 10] = [
        "iam:AttachRolePolicy",
        "iam:AttachUserPolicy",
        "iam:DeleteRolePermissionsBoundary",
        "iam:DeleteRolePolicy",
        "iam:DeleteUserPermissionsBoundary",
        "iam:DeleteUserPolicy",
        "iam:DetachRolePolicy",
        "iam:DetachUserPolicy",
        "iam:PutRolePolicy",
        "iam:PutUserPolicy",
    ];
    ACTIONS.contains(&action)
}

/// A role that somebody wants to be, by the ARN that the request gives it.
///
/// One that is not there, or has another path, trusts nobody: it is refused in the words in which one that is there is.
fn add_trust(found: &mut Found, store: &dyn Store, name: &str) {
    let arn = found.need.resource().arn();
    let directory = account_of(arn).and_then(|account| store.directory(&account));
    let role = directory.and_then(|directory| {
        let role = directory.role(name).ok()?;
        (role.arn(directory.account()) == arn).then(|| Arc::clone(role))
    });
    let Some(role) = role else {
        found.resource_policy = Some(ResourcePolicy::trusting_nobody());
        return;
    };
    let trust = NamedPolicy::shared(format!("trust of {arn}"), Arc::clone(role.trust.policy()));
    found.resource_policy = Some(ResourcePolicy::required(trust));
    add_tags(
        &mut found.context,
        &["iam:ResourceTag", "aws:ResourceTag"],
        role.tags.as_slice(),
    );
}

pub(crate) fn add_tags(context: &mut Context, prefixes: &[&str], tags: &[Tag]) {
    for prefix in prefixes {
        for tag in tags {
            context.add(&format!("{prefix}/{}", tag.key), tag.value.as_str());
        }
    }
}

/// The region that an ARN names.
fn region_of(arn: &str) -> Option<Region> {
    Region::parse(arn.split(':').nth(3)?).ok()
}

/// The account that an ARN names.
fn account_of(arn: &str) -> Option<AccountId> {
    AccountId::parse(arn.split(':').nth(4)?).ok()
}
