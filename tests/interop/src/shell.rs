//! A shell as a person uses it: type, look, wait.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use aws_ssm_bridge::{CloseReason, OutputStream, ReconnectingSession, Session, SessionManager};
use tokio::time::timeout;

use crate::server::Server;

/// How long anything awaited may take to show up.
const PATIENCE: Duration = Duration::from_secs(30);

/// Where typed bytes go.
enum Line {
    Plain(Box<Session>),
    Resuming(ReconnectingSession),
}

/// An open shell and what it has printed.
pub(crate) struct Shell {
    line: Line,
    output: OutputStream,
    seen: Vec<u8>,
}

impl Shell {
    /// Starts a session on the managed node and waits until its shell answers.
    pub(crate) async fn open(server: &Server, client: &SessionManager) -> Result<Shell> {
        let session = client
            .start_session(server.shell_config())
            .await
            .context("cannot start a session")?;
        Shell::over(session).await
    }

    /// Uses a session whose data channel is open, and waits until its shell answers.
    pub(crate) async fn over(session: Session) -> Result<Shell> {
        let output = session.output();
        session
            .wait_ready()
            .await
            .context("the session never became ready")?;
        Shell {
            line: Line::Plain(Box::new(session)),
            output,
            seen: Vec::new(),
        }
        .greeted()
        .await
    }

    /// Uses a session that comes back by itself, and waits until its shell answers.
    pub(crate) async fn over_resuming(session: ReconnectingSession) -> Result<Shell> {
        let output = session.output();
        Shell {
            line: Line::Resuming(session),
            output,
            seen: Vec::new(),
        }
        .greeted()
        .await
    }

    async fn greeted(mut self) -> Result<Shell> {
        self.run("echo rea''dy").await?;
        self.wait_for("ready\r\n")
            .await
            .context("the shell does not answer")?;
        Ok(self)
    }

    /// The session's id.
    pub(crate) async fn id(&self) -> Result<String> {
        match &self.line {
            Line::Plain(session) => Ok(session.id().to_owned()),
            Line::Resuming(session) => {
                let current = session
                    .current()
                    .await
                    .context("the client has given the session up")?;
                Ok(current.id().to_owned())
            }
        }
    }

    /// The session itself, where it does not resume.
    pub(crate) fn session(&self) -> Result<&Session> {
        match &self.line {
            Line::Plain(session) => Ok(session),
            Line::Resuming(_) => bail!("a session that resumes has no single channel"),
        }
    }

    /// Types a command and Enter, forgetting what was printed before.
    pub(crate) async fn run(&mut self, command: &str) -> Result<()> {
        self.forget();
        self.send(format!("{command}\r").into_bytes()).await
    }

    /// Types exactly these bytes.
    pub(crate) async fn send(&self, bytes: Vec<u8>) -> Result<()> {
        match &self.line {
            Line::Plain(session) => session.send(bytes).await,
            Line::Resuming(session) => session.send(bytes).await,
        }
        .context("cannot send")
    }

    /// Tells the far end that the window has changed.
    pub(crate) async fn resize(&self, columns: u16, rows: u16) -> Result<()> {
        self.session()?
            .send_terminal_size(columns, rows)
            .await
            .context("cannot send a size")
    }

    /// Drops what has been read so far.
    pub(crate) fn forget(&mut self) {
        self.seen.clear();
    }

    /// What has been printed since the last command.
    pub(crate) fn seen(&self) -> &[u8] {
        &self.seen
    }

    /// Reads until `needle` has been printed; answers where it ends.
    pub(crate) async fn wait_for(&mut self, needle: &str) -> Result<usize> {
        let mut from = 0;
        loop {
            if let Some(at) = find(&self.seen[from..], needle.as_bytes()) {
                return Ok(from + at + needle.len());
            }
            from = self.seen.len().saturating_sub(needle.len());
            self.read()
                .await
                .with_context(|| format!("waiting for {needle:?} after {:?}", self.tail()))?;
        }
    }

    /// Reads until this many bytes have been printed since the last command.
    pub(crate) async fn wait_for_length(&mut self, length: usize) -> Result<()> {
        while self.seen.len() < length {
            let have = self.seen.len();
            self.read()
                .await
                .with_context(|| format!("waiting for {length} bytes, {have} have come"))?;
        }
        Ok(())
    }

    /// Waits until the client counts the session as ended; answers why.
    pub(crate) async fn ended(&self) -> Result<CloseReason> {
        ended(self.session()?).await
    }

    /// Ends the session.
    pub(crate) async fn close(self) -> Result<()> {
        match &self.line {
            Line::Plain(session) => session.terminate().await,
            Line::Resuming(session) => session.terminate().await,
        }
        .context("cannot terminate the session")
    }

    async fn read(&mut self) -> Result<()> {
        match timeout(PATIENCE, self.output.recv()).await {
            Ok(Some(bytes)) => {
                self.seen.extend_from_slice(&bytes);
                Ok(())
            }
            Ok(None) => match &self.line {
                Line::Plain(session) => bail!("the output ended: {:?}", session.close_reason()),
                Line::Resuming(_) => bail!("the output ended"),
            },
            Err(_) => bail!("nothing printed for {} s", PATIENCE.as_secs()),
        }
    }

    fn tail(&self) -> String {
        let from = self.seen.len().saturating_sub(300);
        String::from_utf8_lossy(&self.seen[from..]).into_owned()
    }
}

/// Waits until the client counts `session` as ended; answers why.
pub(crate) async fn ended(session: &Session) -> Result<CloseReason> {
    timeout(PATIENCE, session.closed())
        .await
        .context("the client was not told that its session is over")?;
    session
        .close_reason()
        .context("the session ended without a reason")
}

/// Where `needle` first occurs in `haystack`.
pub(crate) fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}
