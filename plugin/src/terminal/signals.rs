//! The signals a client listens to.
//!
//! Handlers are installed rather than inherited: the AWS CLI ignores `SIGINT`, `SIGQUIT` and `SIGTSTP` while its
//! plugin runs, and an ignored signal stays ignored across `exec`.

use std::io;

use rustix::process::Signal as Number;
use tokio::signal::unix::{Signal as Stream, SignalKind, signal};

/// Something the system or another program told this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// `SIGINT`.
    Interrupt,
    /// `SIGQUIT`.
    Quit,
    /// `SIGTSTP`.
    Stop,
    /// `SIGTERM`.
    Terminate,
    /// `SIGHUP`: the terminal is gone.
    Hangup,
    /// `SIGWINCH`: the window has another size.
    WindowChanged,
    /// `SIGCONT`: the process runs again after it was stopped.
    Continued,
}

impl Signal {
    /// The number of the signal on this system.
    pub fn number(self) -> u8 {
        let number = match self {
            Self::Interrupt => Number::INT,
            Self::Quit => Number::QUIT,
            Self::Stop => Number::TSTP,
            Self::Terminate => Number::TERM,
            Self::Hangup => Number::HUP,
            Self::WindowChanged => Number::WINCH,
            Self::Continued => Number::CONT,
        };
        // Signal numbers are below 65 on Linux.
        u8::try_from(number.as_raw()).unwrap_or(u8::MAX)
    }

    const ALL: [Self; 7] = [
        Self::Terminate,
        Self::Hangup,
        Self::Interrupt,
        Self::Quit,
        Self::Stop,
        Self::Continued,
        Self::WindowChanged,
    ];
}

/// The handlers of every [`Signal`], in place until the process ends.
#[derive(Debug)]
pub(crate) struct Signals(Vec<(Signal, Stream)>);

impl Signals {
    /// Installs the handlers. Must be called within a runtime whose I/O is enabled.
    pub(crate) fn install() -> io::Result<Self> {
        let stream = |which: Signal| signal(SignalKind::from_raw(which.number().into()));
        Signal::ALL
            .into_iter()
            .map(|which| Ok((which, stream(which)?)))
            .collect::<io::Result<_>>()
            .map(Self)
    }

    /// The next signal. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Signal {
        let streams = &mut self.0;
        std::future::poll_fn(|context| {
            for (which, stream) in streams.iter_mut() {
                if stream.poll_recv(context).is_ready() {
                    return std::task::Poll::Ready(*which);
                }
            }
            std::task::Poll::Pending
        })
        .await
    }
}
