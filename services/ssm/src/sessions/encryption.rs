//! Sessions with `kmsKeyId`: whether both ends may use the key, and what a client that joins needs.

use std::net::{IpAddr, Ipv4Addr};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::{
    Caller, EncryptionContext, KeyError, KeyUse, KeyUser, ManagedNode, Session, SessionGrant, SessionId,
    SessionStart, SignedWith,
};
use drawbridge_store::credentials::principal_of_node;
use serde::Serialize;

use crate::Ssm;
use crate::error::internal;

/// What the client that joins an encrypted session asks the key service, which decides whether it may read.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct JoinedEncryption {
    kms_key_id: String,
    wrapped_key: String,
    target: String,
}

/// Checks that a session's ends may use its key, before there is a session; puts the key's ARN into the document.
///
/// The ARN is what both ends are sent, whatever the document says: an alias or a bare id means another key, or none, to an end
/// that acts in another account than the one whose document it is. AWS's programs pass it on as it is.
///
/// # Errors
///
/// Names the key and what stands in the way: at the caller, who must be allowed `kms:GenerateDataKey`, or at the node's role, which
/// must be allowed `kms:Decrypt`, each in the session's context.
pub(super) async fn check(
    ssm: &Ssm,
    caller: &Caller,
    node: &ManagedNode,
    id: &SessionId,
    start: &mut SessionStart,
) -> Result<(), AwsError> {
    if !start.document.is_encrypted() {
        return Ok(());
    }
    let context = context(id, node);
    let key = std::mem::take(&mut start.document.inputs.kms_key_id);
    let used_by = |caller| KeyUser { caller, via: None };
    let arn = ssm
        .keys
        .check(used_by(caller), &key, KeyUse::GenerateDataKey, &context)
        .await
        .map_err(|error| refused(&key, "", error))?;
    let agent = as_caller(ssm, node, caller);
    ssm.keys
        .check(used_by(&agent), &arn, KeyUse::Decrypt, &context)
        .await
        .map_err(|error| refused(&key, &format!(" by node {}", node.id), error))?;
    start.document.inputs.kms_key_id = arn;
    Ok(())
}

/// Tells a client that joins a session how it is encrypted; nothing of one that is not.
pub(super) async fn joined(ssm: &Ssm, session: &Session) -> Result<Option<JoinedEncryption>, AwsError> {
    let document = &session.start.document;
    if !document.is_encrypted() {
        return Ok(None);
    }
    let wrapped = ssm.relay.wrapped_data_key(&session.id).await;
    let wrapped = wrapped.ok_or_else(|| {
        let text = format!("Session {} is not encrypted yet.", session.id);
        AwsError::new("DoesNotExistException", text)
    })?;
    Ok(Some(JoinedEncryption {
        kms_key_id: document.inputs.kms_key_id.clone(),
        wrapped_key: STANDARD.encode(wrapped),
        target: session.node.to_string(),
    }))
}

/// What the session's data key is bound to (`protocol.md` 5.8).
fn context(id: &SessionId, node: &ManagedNode) -> EncryptionContext {
    EncryptionContext::from([
        ("aws:ssm:SessionId".to_owned(), id.to_string()),
        ("aws:ssm:TargetId".to_owned(), node.id.to_string()),
    ])
}

/// The node's agent as it will ask for the key, as far as that can be foreseen.
fn as_caller(ssm: &Ssm, node: &ManagedNode, request: &Caller) -> Caller {
    let now = ssm.clock.now();
    let address = node.agent.ip_address.as_deref();
    Caller {
        principal: principal_of_node(ssm.store.as_ref(), node),
        signed_with: SignedWith::AccessKey,
        access_key_id: None,
        // A registered node has temporary credentials, an enrolled one an access key.
        grant: node.id.is_registered().then(|| SessionGrant::plain(now).into()),
        account: node.account.clone(),
        region: node.region.clone(),
        source_ip: address
            .and_then(|address| address.parse().ok())
            .unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
        user_agent: node.agent.name.clone().unwrap_or_default(),
        request_id: request.request_id,
        host: request.host.clone(),
        received_at: now,
    }
}

fn refused(key: &str, by_whom: &str, error: KeyError) -> AwsError {
    let code = match &error {
        KeyError::Denied(_) => "AccessDeniedException",
        // The document names something that is no use. StartSession has no closer word, and clients know only its own.
        KeyError::NotFound(_)
        | KeyError::Disabled(_)
        | KeyError::InvalidState(_)
        | KeyError::InvalidCiphertext(_) => "InvalidDocument",
        KeyError::Internal(_) => return internal(error),
    };
    let text = format!("The session cannot be encrypted: key {key} cannot be used{by_whom}: {error}");
    AwsError::new(code, text)
}

#[cfg(test)]
mod tests;
