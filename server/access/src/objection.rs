//! Whether what was allowed once still is.

use drawbridge_session::iam::Directory;
use drawbridge_session::{
    Authority as _, AuthorityError, Caller, Decision, Grounds, Need, NodeId, Principal, Resource, Session,
};
use drawbridge_store::{Store, StoreError, credentials, floor_over};

use crate::Access;

/// Says why a live session may not go on: a decision or the floor.
pub(crate) async fn to_session(access: &Access, session: &Session) -> Result<Option<String>, AuthorityError> {
    if let Some(grounds) = &session.grounds
        && let Some(objection) = to(access, grounds).await?
    {
        return Ok(Some(objection));
    }
    let floor = floor_over(access.store.as_ref(), &session.account).await;
    let floor = floor.map_err(AuthorityError::new)?;
    let below = floor.check(&session.start.document, session.reason.as_deref());
    Ok(below.err().map(|below| {
        let document = &session.start.document_name;
        format!("no longer allowed: document {document} is {below}")
    }))
}

/// Says why a request that was allowed would not be any more.
pub(crate) async fn to(access: &Access, grounds: &Grounds) -> Result<Option<String>, AuthorityError> {
    let store = access.store.as_ref();
    let signs = may_still_sign(store, &grounds.caller).await;
    if !signs.map_err(AuthorityError::new)? {
        return Ok(Some(
            "the access key that started it is not active any more".to_owned(),
        ));
    }
    let today = as_of_today(store, &grounds.caller).await;
    let Some(caller) = today.map_err(AuthorityError::new)? else {
        return Ok(Some("the managed node is gone".to_owned()));
    };
    Ok(match access.decide(&caller, &grounds.needs).await? {
        Decision::Allow(_) => None,
        Decision::Deny(denied) => Some(format!("no longer allowed: {denied}")),
    })
}

/// What a node needs to open one of its channels.
pub fn open_channel_need(node: &Caller, action: &str) -> Need {
    let id = node.principal.node().map_or("", NodeId::as_str);
    Need::also(action, Resource::message_channel(&node.region, &node.account, id))
}

/// A caller as it is today: a node has the role that it has been given since. `None` for a node that is gone.
async fn as_of_today(store: &dyn Store, caller: &Caller) -> Result<Option<Caller>, StoreError> {
    let Principal::Node { node, .. } = &caller.principal else {
        return Ok(Some(caller.clone()));
    };
    let node = store.node(node).await?;
    Ok(node.map(|node| Caller {
        principal: credentials::principal_of_node(store, &node),
        ..caller.clone()
    }))
}

/// Says whether the long-lived key that a request was signed with is still there and active.
///
/// Temporary credentials run out while their sessions go on; whoever they were made for is looked at by the decision.
async fn may_still_sign(store: &dyn Store, caller: &Caller) -> Result<bool, StoreError> {
    let Some(id) = caller.access_key_id.as_ref().filter(|id| !id.is_temporary()) else {
        return Ok(true);
    };
    if let Some(node) = caller.principal.node() {
        let key = store.node_access_key(id).await?;
        return Ok(key.is_some_and(|key| key.node == *node));
    }
    let directory = store.directory(caller.principal.account());
    let active = |directory: &Directory| {
        directory
            .find_access_key(id)
            .is_some_and(|found| found.key.active)
    };
    Ok(directory.as_deref().is_some_and(active))
}
