//! Ends that may not come in.

use anyhow::{Context, Result, bail, ensure};
use aws_ssm_bridge::{CloseReason, Error, Session};

use crate::server::Server;
use crate::shell::{Shell, ended};

/// What `StartSession` answers.
struct Started {
    id: String,
    stream: String,
    token: String,
}

impl Started {
    async fn by_api(server: &Server) -> Result<Started> {
        let answer = server
            .client()
            .ssm_client()
            .start_session()
            .target(server.node())
            .send()
            .await?;
        Ok(Started {
            id: answer.session_id().context("no session id")?.to_owned(),
            stream: answer.stream_url().context("no stream address")?.to_owned(),
            token: answer.token_value().context("no token")?.to_owned(),
        })
    }

    /// Opens the data channel with this token, by an upgrade that nobody signed.
    async fn attach(&self, server: &Server, token: &str) -> Result<Session, Error> {
        Session::attach(&self.id, &self.stream, token, server.shell_config()).await
    }

    async fn terminate(&self, server: &Server) -> Result<()> {
        Ok(server.client().terminate_session(&self.id).await?)
    }
}

/// Opens a data channel without a signature: the token alone counts.
pub(crate) async fn unsigned_upgrade(server: &Server) -> Result<String> {
    let started = Started::by_api(server).await?;
    let shell = Shell::over(started.attach(server, &started.token).await?).await?;
    started.terminate(server).await?;
    let reason = shell.ended().await?;
    ensure!(
        matches!(reason, CloseReason::AgentClosed { .. }),
        "the client saw {reason:?}"
    );
    Ok("the token alone opens the data channel".to_owned())
}

/// Tries a token that was never given; the right one still works afterwards.
pub(crate) async fn wrong_token(server: &Server) -> Result<String> {
    let started = Started::by_api(server).await?;
    let sentence = refused(&started, server, "wrong-token").await?;
    let shell = Shell::over(started.attach(server, &started.token).await?).await;
    shell.context("after a wrong token, the right one")?;
    started.terminate(server).await?;
    Ok(format!("refused, {sentence}"))
}

/// Tries a token a second time; the client that used it first does not notice.
pub(crate) async fn used_token(server: &Server) -> Result<String> {
    let started = Started::by_api(server).await?;
    let mut shell = Shell::over(started.attach(server, &started.token).await?).await?;
    let sentence = refused(&started, server, &started.token).await?;
    shell.run("echo undis''turbed").await?;
    shell
        .wait_for("undisturbed\r\n")
        .await
        .context("after a second use of its token")?;
    started.terminate(server).await?;
    Ok(format!("refused, {sentence}; the first client goes on"))
}

/// Asks for a node that nobody registered.
pub(crate) async fn unknown_node(server: &Server) -> Result<String> {
    let mut config = server.shell_config();
    config.target = "mi-00000000000000000".to_owned();
    match server.client().start_session(config).await {
        Ok(session) => bail!("session `{}` started on a node that does not exist", session.id()),
        Err(Error::Aws { code: Some(code), .. }) if code == "TargetNotConnected" => {
            Ok(format!("refused as {code}"))
        }
        Err(error) => Err(error).context("expected TargetNotConnected"),
    }
}

/// Opens the data channel with `token` and sees it refused after the upgrade, by `channel_closed`; answers its sentence.
async fn refused(started: &Started, server: &Server, token: &str) -> Result<String> {
    let session = started
        .attach(server, token)
        .await
        .context("a token is refused after the upgrade, not before")?;
    match ended(&session).await? {
        CloseReason::AgentClosed {
            detail: Some(detail), ..
        } => Ok(format!("\"{detail}\"")),
        CloseReason::AgentClosed { detail: None, .. } => Ok("without a sentence".to_owned()),
        other => bail!("the token was refused as {other:?}"),
    }
}
