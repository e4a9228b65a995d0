//! The operations on sessions.

pub(crate) mod attach;
pub(crate) mod connection_status;
pub(crate) mod describe;
pub(crate) mod describe_recording;
mod encryption;
pub(crate) mod get_recording;
mod output_url;
pub(crate) mod resume;
mod run_as;
pub(crate) mod start;
pub(crate) mod terminate;
pub(crate) mod watch;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::{Call, Caller, Grounds, Needs, Resource, SessionId};
use drawbridge_store::{ChannelEnd, Token, TokenGrant};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::internal;
use crate::{Ssm, floor, input};
use encryption::JoinedEncryption;

/// The input of every operation on one session.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct OneSession {
    session_id: String,
}

/// What a client needs to open a stream; all three or it cannot.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Stream {
    session_id: SessionId,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_value: Option<String>,
    stream_url: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    encryption: Option<JoinedEncryption>,
}

impl Stream {
    fn new(ssm: &Ssm, caller: &Caller, session_id: SessionId, token: Option<&Token>) -> Self {
        Self {
            stream_url: ssm.stream_url(caller, &session_id),
            token_value: token.map(|token| token.expose().to_owned()),
            session_id,
            encryption: None,
        }
    }
}

/// Needs the operation's action on the session that a request names.
fn needs_session(caller: &Caller, input: &Value) -> Needs {
    Resource::session(&caller.region, &caller.account, input::text(input, "SessionId")).into()
}

/// Grants a token for one end of a session that is live.
///
/// `grounds` are those of somebody whose session it is not: their end is closed when they no longer hold.
async fn grant(
    ssm: &Ssm,
    session: &SessionId,
    end: ChannelEnd,
    grounds: Option<Grounds>,
) -> Result<Token, AwsError> {
    let (token, grant) = ssm.draw_token(session, end);
    let grant = TokenGrant { grounds, ..grant };
    ssm.store.grant_token(&grant).await.map_err(internal)?;
    Ok(token)
}

fn does_not_exist(id: &str) -> AwsError {
    AwsError::new("DoesNotExistException", format!("Session {id} does not exist."))
}

/// Opens a live session for someone other than its client.
async fn join(ssm: &Ssm, call: Call, end: ChannelEnd) -> Result<Value, AwsError> {
    let grounds = Grounds::of(&call);
    let (caller, _, input) = call.into_parts();
    let OneSession { session_id } = input::read(input)?;
    let (id, caller) = (session_id.as_str(), &caller);
    let session = ssm.session(caller, id).await?.ok_or_else(|| does_not_exist(id))?;
    if !session.state.is_active() {
        return Err(AwsError::new(
            "DoesNotExistException",
            format!("Session {id} has ended."),
        ));
    }
    floor::check_session(ssm, caller, &session.start, session.reason.as_deref()).await?;
    let encryption = encryption::joined(ssm, &session).await?;
    let token = grant(ssm, &session.id, end, Some(grounds)).await?;
    input::write(&Stream {
        encryption,
        ..Stream::new(ssm, caller, session.id, Some(&token))
    })
}
