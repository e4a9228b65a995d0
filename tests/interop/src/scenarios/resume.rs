//! Clients whose network goes away.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use aws_ssm_bridge::{ReconnectConfig, ReconnectEvent, ReconnectingSession};
use tokio::sync::broadcast::Receiver;
use tokio::time::{sleep, timeout};

use crate::cuttable::Cuttable;
use crate::server::Server;
use crate::shell::Shell;

const CUTS: usize = 5;
const LINES: usize = 20_000;

/// Cuts the client's network in the middle of output, five times; nothing is lost, doubled or out of order.
pub(crate) async fn busy(server: &Server) -> Result<String> {
    let network = Cuttable::in_front_of(server.address()).await?;
    let (mut shell, mut events) = resuming(server, &network).await?;
    let id = shell.id().await?;
    shell.run("kept=kept; stty -echo; echo qui''et").await?;
    shell.wait_for("quiet\r\n").await?;
    for _ in 0..CUTS {
        shell
            .run(&format!(
                "for i in $(seq 1 {LINES}); do echo line-$i; done; echo coun''ted-$kept"
            ))
            .await?;
        shell.wait_for("line-50\r\n").await?;
        network.cut();
        shell.wait_for("counted-kept\r\n").await?;
        check_lines(shell.seen())?;
        resumed(&mut events, &id).await?;
    }
    shell.close().await?;
    Ok(format!("{CUTS} cuts within {LINES} lines each, every line once"))
}

/// Cuts the client's network while the shell waits for input, then types.
pub(crate) async fn idle(server: &Server) -> Result<String> {
    let network = Cuttable::in_front_of(server.address()).await?;
    let (mut shell, mut events) = resuming(server, &network).await?;
    let id = shell.id().await?;
    shell.run("kept=kept; echo se''t").await?;
    shell.wait_for("set\r\n").await?;
    // With the prompt acknowledged, nothing is left to deliver. The client shows nobody its acknowledgements; a second
    // stands for them.
    sleep(Duration::from_secs(1)).await;
    network.cut();
    resumed(&mut events, &id).await?;
    let outcome = async {
        shell.run("echo still-''$kept").await?;
        shell
            .wait_for("still-kept\r\n")
            .await
            .context("after a resume with nothing to deliver")
    }
    .await;
    shell.close().await?;
    outcome.map(|_| "the same shell answers after a cut at its prompt".to_owned())
}

/// Resumes a session that is over: an answer without a token.
pub(crate) async fn ended(server: &Server) -> Result<String> {
    let client = server.client();
    let shell = Shell::open(server, &client).await?;
    let id = shell.id().await?;
    shell.close().await?;
    let answer = client
        .ssm_client()
        .resume_session()
        .session_id(&id)
        .send()
        .await?;
    ensure!(
        answer.session_id() == Some(&id),
        "answered for {:?}",
        answer.session_id()
    );
    ensure!(
        answer.token_value().unwrap_or_default().is_empty(),
        "a session that is over got a token"
    );
    Ok("a session that is over gets no token".to_owned())
}

async fn resuming(server: &Server, network: &Cuttable) -> Result<(Shell, Receiver<ReconnectEvent>)> {
    let config = ReconnectConfig {
        initial_delay: Duration::from_millis(50),
        max_delay: Duration::from_secs(1),
        session: server.shell_config(),
        ..ReconnectConfig::default()
    };
    let client = server.client_through(network.port()).await;
    let session = ReconnectingSession::connect_with(server.node(), config, client).await?;
    let events = session.events();
    Ok((Shell::over_resuming(session).await?, events))
}

/// Waits for the client's word that it resumed session `id`, and did not start another.
async fn resumed(events: &mut Receiver<ReconnectEvent>, id: &str) -> Result<()> {
    let word = async {
        loop {
            match events.recv().await? {
                ReconnectEvent::Resumed { session_id, .. } if session_id == id => return Ok(()),
                ReconnectEvent::Disconnected { .. } | ReconnectEvent::Reconnecting { .. } => {}
                other => bail!("instead of resuming: {other:?}"),
            }
        }
    };
    timeout(Duration::from_secs(30), word)
        .await
        .context("the client did not resume within 30 s")?
}

/// Says which line is the first that is missing, doubled or misplaced.
fn check_lines(output: &[u8]) -> Result<()> {
    let text = String::from_utf8_lossy(output);
    let numbers = text.lines().filter_map(|line| line.strip_prefix("line-"));
    let mut expected = 1;
    for number in numbers {
        ensure!(
            number == expected.to_string(),
            "`line-{number}` came where line {expected} belongs"
        );
        expected += 1;
    }
    ensure!(expected == LINES + 1, "the output ended before line {expected}");
    Ok(())
}
