//! A terminal window with the program in it.

use std::num::NonZero;
use std::process::ExitStatus;
use std::sync::{Arc, Mutex};

use pty_process::{Command, OwnedReadPty, OwnedWritePty, Size};
use rustix::termios::{LocalModes, Termios, tcgetattr};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Child;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::server::{PATIENCE, Server};

pub(crate) struct Window {
    keyboard: OwnedWritePty,
    /// A second handle on the terminal, which outlives what happens to the first.
    device: std::os::fd::OwnedFd,
    shown: Arc<Shown>,
    showing: JoinHandle<()>,
    child: Child,
}

const ROWS: u16 = 30;
const COLUMNS: u16 = 100;

struct Shown {
    screen: Mutex<vt100::Parser>,
    changed: Notify,
}

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_session-manager-plugin");

/// The arguments that the CLI gives, with the answer in the environment.
pub(crate) fn arguments(server: &Server) -> Vec<String> {
    let fixed = [
        VARIABLE,
        "us-east-1",
        "StartSession",
        "",
        r#"{"Target":"mi-0123456789abcdef0"}"#,
    ];
    fixed
        .into_iter()
        .map(str::to_owned)
        .chain([server.endpoint()])
        .collect()
}

pub(crate) const VARIABLE: &str = "AWS_SSM_START_SESSION_RESPONSE";

/// An environment in which nothing but the test decides.
pub(crate) fn environment(server: &Server) -> Vec<(&'static str, String)> {
    vec![
        (VARIABLE, server.response()),
        ("AWS_ACCESS_KEY_ID", "AKIATEST".into()),
        ("AWS_SECRET_ACCESS_KEY", "secret".into()),
        ("PATH", std::env::var("PATH").unwrap_or_default()),
        ("TERM", "xterm".into()),
    ]
}

impl Window {
    /// Opens a window of 100 by 30 and starts the program in it as the CLI does.
    pub(crate) fn open(server: &Server) -> Self {
        Self::start(
            Command::new(PROGRAM)
                .args(arguments(server))
                .env_clear()
                .envs(environment(server)),
        )
    }

    /// The same by way of a shell script, whose `"$@"` is the program and its arguments.
    pub(crate) fn open_script(server: &Server, script: &str) -> Self {
        let shell = Command::new("bash")
            .args(["-c", script, "bash", PROGRAM])
            .args(arguments(server));
        Self::start(shell.env_clear().envs(environment(server)))
    }

    fn start(command: Command) -> Self {
        let (pty, pts) = pty_process::open().unwrap();
        pty.resize(Size::new(ROWS, COLUMNS)).unwrap();
        let child = command.kill_on_drop(true).spawn(pts).unwrap();
        let device = std::os::fd::AsFd::as_fd(&pty).try_clone_to_owned().unwrap();
        let (output, keyboard) = pty.into_split();
        let cells = |count| NonZero::new(count).unwrap();
        let parser = vt100::Parser::new(cells(ROWS), cells(COLUMNS), 0);
        let shown = Arc::new(Shown {
            screen: Mutex::new(parser),
            changed: Notify::new(),
        });
        let showing = tokio::spawn(show(output, Arc::clone(&shown)));
        Self {
            keyboard,
            device,
            shown,
            showing,
            child,
        }
    }

    pub(crate) async fn types(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).await.unwrap();
    }

    pub(crate) fn resize(&self, columns: u16, rows: u16) {
        self.keyboard.resize(Size::new(rows, columns)).unwrap();
    }

    /// Waits until the screen shows `text`.
    pub(crate) async fn shows(&self, text: &str) {
        let shown = timeout(PATIENCE, async {
            loop {
                let changed = self.shown.changed.notified();
                if self.contents().contains(text) {
                    return;
                }
                changed.await;
            }
        });
        assert!(
            shown.await.is_ok(),
            "`{text}` is not on the screen:\n{}",
            self.contents()
        );
    }

    pub(crate) fn contents(&self) -> String {
        self.shown.screen.lock().unwrap().screen().contents()
    }

    pub(crate) fn settings(&self) -> Termios {
        tcgetattr(&self.device).unwrap()
    }

    pub(crate) fn is_raw(&self) -> bool {
        !self
            .settings()
            .local_modes
            .intersects(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id().expect("the program runs")
    }

    /// Sends the program a signal, by name.
    pub(crate) async fn signal(&self, name: &str) {
        let pid = self.pid().to_string();
        let status = tokio::process::Command::new("kill")
            .args(["-s", name, &pid])
            .status()
            .await;
        assert!(status.unwrap().success());
    }

    /// Waits for the program's end.
    pub(crate) async fn end(&mut self) -> ExitStatus {
        timeout(PATIENCE, self.child.wait())
            .await
            .expect("the program ends")
            .unwrap()
    }

    /// Closes the window with the program in it.
    pub(crate) async fn slam(self) -> Child {
        self.showing.abort();
        // It holds the window open until it is gone.
        let _ = self.showing.await;
        self.child
    }
}

async fn show(mut output: OwnedReadPty, shown: Arc<Shown>) {
    let mut buffer = [0; 4096];
    while let Ok(length @ 1..) = output.read(&mut buffer).await {
        shown.screen.lock().unwrap().process(&buffer[..length]);
        shown.changed.notify_waiters();
    }
}
