//! Sessions that somebody ends.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use aws_sdk_ssm::types::{SessionFilter, SessionFilterKey, SessionState, SessionStatus};
use aws_ssm_bridge::{CloseReason, SessionManager};

use crate::server::Server;
use crate::shell::Shell;

/// Ends a session from its own client.
pub(crate) async fn terminate(server: &Server) -> Result<String> {
    let client = server.client();
    let shell = Shell::open(server, &client).await?;
    let id = shell.id().await?;
    shell.close().await?;
    let status = status_in_history(&client, &id).await?;
    Ok(format!("the history says `{status}`"))
}

/// Ends a session from a second client while the first one watches.
pub(crate) async fn terminate_elsewhere(server: &Server) -> Result<String> {
    let shell = Shell::open(server, &server.client()).await?;
    let id = shell.id().await?;
    let other = server.client();
    other
        .terminate_session(&id)
        .await
        .context("cannot terminate the session")?;
    let reason = shell.ended().await?;
    ensure!(
        matches!(reason, CloseReason::AgentClosed { .. }),
        "the client saw {reason:?}"
    );
    status_in_history(&other, &id).await?;
    Ok("the client is told that its session is over".to_owned())
}

/// The session's status once it is in the history.
async fn status_in_history(client: &SessionManager, id: &str) -> Result<String> {
    let this_one = SessionFilter::builder()
        .key(SessionFilterKey::SessionId)
        .value(id)
        .build()?;
    let request = client
        .ssm_client()
        .describe_sessions()
        .state(SessionState::History)
        .filters(this_one);
    // An orderly end takes the node's word as well, and nobody but the API can be asked whether it has come.
    let mut again = tokio::time::interval(Duration::from_millis(50));
    loop {
        again.tick().await;
        let answer = request.clone().send().await?;
        match answer.sessions().first().and_then(|session| session.status()) {
            Some(SessionStatus::Terminated) => return Ok("Terminated".to_owned()),
            None | Some(SessionStatus::Terminating) => {}
            Some(other) => bail!("the history says `{other}`"),
        }
    }
}
