//! `StartSession`: asks for a shell, a command or a tunnel on a node.

use std::collections::BTreeMap;
use std::sync::Arc;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::document::NeedsOurAgent;
use drawbridge_session::{
    Audit, Call, Caller, Ending, Grounds, ManagedNode, Need, Needs, NodeId, RelayError, Resource, Session,
    SessionId, SessionStart, SessionState, SignedWith,
};
use drawbridge_store::{ChannelEnd, CreateSessionError};
use serde::Deserialize;
use serde_json::Value;

use super::run_as::run_as;
use super::{Stream, encryption};
use crate::error::internal;
use crate::service_settings::{allows_sessions_on_registered_nodes, session_limits};
use crate::{Operation, Ssm, documents, floor, input};

pub(crate) const OPERATION: Operation = Operation {
    name: "StartSession",
    action: "ssm:StartSession",
    signed_with: SignedWith::AccessKey,
    needs,
    audit: Audit::WRITE.hiding(&["TokenValue"]),
    handler: |ssm, call| Box::pin(start(ssm, call)),
};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Input {
    target: String,
    document_name: Option<String>,
    reason: Option<String>,
    parameters: Option<BTreeMap<String, Vec<String>>>,
}

/// The node, and the document where the request names one: each must be allowed.
///
/// `ssm:SessionDocumentAccessCheck` says whether a document was named, so that a policy can insist on it.
fn needs(caller: &Caller, input: &Value) -> Needs {
    let document = input::text(input, "DocumentName");
    let named = if document.is_empty() { "false" } else { "true" };
    let on = |resource| Need::on(resource).with("ssm:SessionDocumentAccessCheck", named);
    let target = input::text(input, "Target");
    let mut needs = vec![on(Resource::node(&caller.region, &caller.account, target))];
    if !document.is_empty() {
        needs.push(on(Resource::document(&caller.region, &caller.account, document)));
    }
    needs.into()
}

async fn start(ssm: Arc<Ssm>, call: Call) -> Result<Value, AwsError> {
    let grounds = Grounds::of(&call);
    let (caller, allowed, input) = call.into_parts();
    let input: Input = input::read(input)?;
    let mut start = prepare(&ssm, &caller, &input).await?;
    let node = find_connected(&ssm, &caller, &input.target).await?;
    check_agent(&ssm, &node.id, &start).await?;

    let id = SessionId::generate(caller.principal.session_prefix(), ssm.random.as_ref());
    encryption::check(&ssm, &caller, &node, &id, &mut start).await?;
    let authorized = allowed
        .open_session(id.clone(), node.id)
        .ok_or_else(|| AwsError::internal("InternalServerError"))?;
    let session = Session {
        grounds: Some(grounds.clone()),
        ..Session::new(
            &authorized,
            caller.region.clone(),
            input.reason,
            start.clone(),
            ssm.clock.now(),
        )
    };
    let (token, grant) = ssm.draw_token(&id, ChannelEnd::ClientStart);
    let limits = session_limits(&ssm, &caller).await?;
    let created = ssm.store.create_session(&session, &grant, limits).await;
    created.map_err(|error| refused(&session, error))?;

    // The wait for the node was long enough for policies to change. From here on a change finds the session's record.
    if let Some(objection) = ssm.authority.objection(&grounds).await.map_err(internal)? {
        fail(&ssm, &id, &objection).await?;
        return Err(AwsError::new("AccessDeniedException", objection));
    }
    if let Err(refusal) = floor::check_session(&ssm, &caller, &start, session.reason.as_deref()).await {
        fail(&ssm, &id, refusal.message()).await?;
        return Err(refusal);
    }
    if let Err(error) = ssm.relay.start(authorized, start).await {
        fail(&ssm, &id, &error.to_string()).await?;
        return Err(match error {
            RelayError::NodeNotConnected(_) => not_connected(&input.target),
            RelayError::NotRecorded(error) => AwsError::new("BadRequest", format!("{error}.")),
            RelayError::NeedsOurAgent { document, reason } => needs_our_agent(&document, reason),
            RelayError::UnknownSession(_) | RelayError::Unavailable(_) => internal(error),
        });
    }
    tracing::info!(session.id = %id, node.id = %session.node, principal.id = session.owner_id, "session started");
    input::write(&Stream::new(&ssm, &caller, id, Some(&token)))
}

/// Refuses what the node's agent would not do, while there is no session yet.
async fn check_agent(ssm: &Ssm, node: &NodeId, start: &SessionStart) -> Result<(), AwsError> {
    match start.document.for_awss_agent() {
        Err(reason) if !ssm.relay.node_keeps_destinations(node).await => {
            Err(needs_our_agent(&start.document_name, reason))
        }
        Ok(_) | Err(_) => Ok(()),
    }
}

fn needs_our_agent(document: &str, reason: NeedsOurAgent) -> AwsError {
    AwsError::new("InvalidDocument", format!("Document {document} {reason}."))
}

async fn fail(ssm: &Ssm, id: &SessionId, details: &str) -> Result<(), AwsError> {
    let failed = SessionState::Failed(Ending {
        at: ssm.clock.now(),
        details: details.to_owned(),
        exit_code: None,
    });
    ssm.store
        .change_session(id, failed)
        .await
        .map(drop)
        .map_err(internal)
}

/// Settles what the session runs, before anything is started.
async fn prepare(ssm: &Ssm, caller: &Caller, input: &Input) -> Result<SessionStart, AwsError> {
    let start = choose_document(ssm, caller, input).await?;
    floor::check_start(ssm, caller, &start, input.reason.as_deref()).await?;
    let run_as_user = run_as(ssm, caller, &start.document)?;
    Ok(SessionStart { run_as_user, ..start })
}

async fn choose_document(ssm: &Ssm, caller: &Caller, input: &Input) -> Result<SessionStart, AwsError> {
    let chosen = documents::choose::choose(ssm, caller, input.document_name.as_deref()).await?;
    let given = input.parameters.clone().unwrap_or_default();
    let resolved = chosen.content.resolve(&given);
    let (mut document, parameters) =
        resolved.map_err(|error| AwsError::new("InvalidParameters", error.to_string()))?;
    if let Some(settings) = chosen.settings {
        document.inputs = settings;
    }
    if chosen.provided {
        floor::of(ssm, caller).await?.shorten(&mut document);
    }
    Ok(SessionStart {
        document_name: chosen.name,
        document,
        parameters,
        run_as_user: None,
    })
}

/// Says why a session was not made.
fn refused(session: &Session, error: CreateSessionError) -> AwsError {
    let quota = |text: String| AwsError::new("ServiceQuotaExceededException", text);
    match error {
        CreateSessionError::TooManyOfOwner(limit) => quota(format!(
            "{} has {limit} live sessions already, which is the limit of the service setting /drawbridge/sessions/per-user.",
            session.owner_arn
        )),
        CreateSessionError::TooManyOnNode(limit) => quota(format!(
            "{} has {limit} live sessions already, which is the limit of the service setting /drawbridge/sessions/per-node.",
            session.node
        )),
        CreateSessionError::Store(error) => internal(error),
    }
}

/// Finds the node by its id and waits for it where it is expected back; one that is not there, belongs to someone
/// else or is down looks the same.
async fn find_connected(ssm: &Ssm, caller: &Caller, target: &str) -> Result<ManagedNode, AwsError> {
    let node = ssm
        .node(caller, target)
        .await?
        .ok_or_else(|| not_connected(target))?;
    if node.id.is_registered() && !allows_sessions_on_registered_nodes(ssm, caller).await? {
        return Err(AwsError::new(
            "BadRequest",
            "Enable advanced-instances tier to use Session Manager with your on-premises instances",
        ));
    }
    if ssm
        .relay
        .node_connected(&node.id, ssm.settings.node_patience)
        .await
    {
        Ok(node)
    } else {
        Err(not_connected(target))
    }
}

fn not_connected(target: &str) -> AwsError {
    AwsError::new("TargetNotConnected", format!("{target} is not connected."))
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tunnels;
