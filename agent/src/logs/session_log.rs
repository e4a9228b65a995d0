//! The log of one session, from its first byte to its places.

use std::fs::File;
use std::future::Future;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use drawbridge_protocol::port_mux::{Passing, Saying};
use drawbridge_protocol::wire::PayloadType;
use drawbridge_session::{Clock, Random, SessionId};
use jiff::Timestamp;
use tokio::sync::watch;

use super::attempts::Pace;
use super::bucket::BucketCalls;
use super::capture::{Capture, Captured, Tap, capture};
use super::destinations::{Destinations, GroupPlan};
use super::event::Author;
use super::group::{GroupCalls, GroupStream};
use super::stream::{Streamed, Streaming, send_plain};
use super::transcript::Transcript;
use crate::identity::PresentNode;
use crate::sessions::{Logged, chain};

/// What a log says of its session, and what it is shipped with.
pub(crate) struct Particulars {
    pub(crate) destinations: Destinations,
    pub(crate) session: SessionId,
    /// The account on the node.
    pub(crate) run_as: String,
    pub(crate) node: Arc<PresentNode>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Random>,
    pub(crate) pace: Pace,
}

/// Records what a session says, and ships it.
///
/// Somebody must call [`progress`](SessionLog::progress) for anything to happen.
pub(crate) struct SessionLog {
    tap: Tap,
    stage: Stage,
}

enum Stage {
    Running(Pin<Box<dyn Future<Output = Logged>>>),
    Shipped(Logged),
}

impl SessionLog {
    /// Begins a log whose capture is in a file of its own.
    ///
    /// # Errors
    ///
    /// When the file is there already, or cannot be made.
    pub(crate) fn begin(particulars: Particulars, path: &Path) -> io::Result<Self> {
        let (tap, capture) = capture(path, particulars.pace.collect)?;
        let began = particulars.clock.now();
        Ok(Self {
            tap,
            stage: Stage::Running(Box::pin(run(particulars, capture, began))),
        })
    }

    /// Takes what the session said. Nothing is waited for.
    pub(crate) fn record(&self, payload_type: PayloadType, bytes: &Bytes) {
        match payload_type {
            PayloadType::Output | PayloadType::StdErr | PayloadType::ExitCode => self.tap.pour(bytes.clone()),
            // Commands beside a shell: what ran, and what it said.
            PayloadType::Multiplexed => match Passing::read(bytes.clone()).map(|message| message.saying()) {
                Ok(Some(Saying::Ran(words))) => self.tap.pour(command_line(&words)),
                Ok(Some(Saying::Output(bytes) | Saying::Errors(bytes))) => self.tap.pour(bytes),
                Ok(Some(Saying::Exited(_) | Saying::GivenUp) | None) | Err(_) => {}
            },
            _ => {}
        }
    }

    /// Says whether the session should say no more for now.
    pub(crate) fn is_behind(&self) -> bool {
        matches!(self.stage, Stage::Running(_)) && self.tap.is_behind()
    }

    /// Says that the session has said everything.
    pub(crate) fn close(&self) {
        self.tap.close();
    }

    /// Says whether everything is where it goes, or given up.
    pub(crate) fn is_shipped(&self) -> bool {
        matches!(self.stage, Stage::Shipped(_))
    }

    /// Carries on, until there is news of [`is_behind`](SessionLog::is_behind) or [`is_shipped`](SessionLog::is_shipped).
    /// Cancel safe.
    pub(crate) async fn progress(&mut self) {
        let Stage::Running(running) = &mut self.stage else {
            return std::future::pending().await;
        };
        let is_behind = self.tap.is_behind();
        tokio::select! {
            logged = running => self.stage = Stage::Shipped(logged),
            () = self.tap.taken(), if is_behind => {}
        }
    }

    /// Ships what there is, and says how that went.
    pub(crate) async fn finish(mut self) -> Logged {
        self.close();
        loop {
            match self.stage {
                Stage::Shipped(logged) => return logged,
                Stage::Running(_) => self.progress().await,
            }
        }
    }
}

/// A line in the log for a command that was run beside a shell, which nobody typed there.
fn command_line(words: &[String]) -> Bytes {
    let words = words.iter().map(|word| word.escape_debug().to_string());
    let words: Vec<String> = words.collect();
    Bytes::from(format!("\r\n[command beside the shell: {}]\r\n", words.join(" ")))
}

async fn run(particulars: Particulars, capture: Capture, began: Timestamp) -> Logged {
    let shipping = Shipping {
        particulars: &particulars,
        captured: capture.follow(),
        began,
    };
    let ((), transcript, events) = tokio::join!(
        capture.run(),
        shipping.bounded(shipping.transcript()),
        shipping.bounded(shipping.events()),
    );
    let (_, captured) = &shipping.captured;
    let lost = captured.borrow().lost.clone();
    let lost = lost.map(|why| format!("The log of the session is incomplete: {why}"));
    Logged {
        complaints: [lost, transcript, events].into_iter().flatten().collect(),
        ..Logged::to(&particulars.destinations, &particulars.session)
    }
}

/// Brings a capture to its places. Each of them says what went wrong, if anything did.
struct Shipping<'a> {
    particulars: &'a Particulars,
    captured: (Arc<File>, watch::Receiver<Captured>),
    began: Timestamp,
}

impl Shipping<'_> {
    /// Lets something take as long as the session takes, and a limited time more.
    async fn bounded(&self, ship: impl Future<Output = Option<String>>) -> Option<String> {
        tokio::pin!(ship);
        tokio::select! {
            shipped = &mut ship => return shipped,
            () = self.over() => {}
        }
        let patience = self.particulars.pace.patience;
        let late = || {
            let seconds = patience.as_secs();
            Some(format!(
                "The log of the session was given up: it was not shipped within {seconds} s"
            ))
        };
        tokio::time::timeout(patience, ship)
            .await
            .unwrap_or_else(|_| late())
    }

    /// Waits until the session has said everything and it is written down.
    async fn over(&self) {
        let mut captured = self.captured.1.clone();
        // A capture that is gone has nothing to add either.
        let _ = captured.wait_for(|captured| captured.is_over).await;
    }

    async fn whole(&self) -> Transcript {
        self.over().await;
        let (file, captured) = &self.captured;
        let ended = self.particulars.clock.now();
        Transcript::new(Arc::clone(file), &captured.borrow(), self.began, ended)
    }

    /// Puts the transcript into its bucket. What goes wrong is said in the words of AWS's agent that people look for.
    async fn transcript(&self) -> Option<String> {
        let Particulars {
            destinations,
            session,
            node,
            random,
            pace,
            ..
        } = self.particulars;
        let bucket = destinations.bucket.as_ref()?;
        let transcript = self.whole().await;
        let key = bucket.key(session);
        let mut calls = BucketCalls::new(Arc::clone(node), &bucket.name, pace, random);
        let error = calls.put(&key, &transcript).await.err()?;
        let why = chain(&error);
        Some(format!(
            "Failed uploading {session}.log to s3://{}/{key} err:{why}",
            bucket.name
        ))
    }

    /// Sends events to the log group, while the session runs or afterwards.
    async fn events(&self) -> Option<String> {
        let group = self.particulars.destinations.group.as_ref()?;
        let streamed = match group.is_streamed {
            true => self.streaming(group).run().await,
            false => Ok(Streamed::Nothing),
        };
        let sent = match streamed {
            Ok(Streamed::All) => Ok(()),
            // There may be such a group by the end.
            Ok(Streamed::Nothing) => {
                let transcript = self.whole().await;
                send_plain(self.stream(group), &transcript, self.captured.1.clone()).await
            }
            Err(error) => Err(error),
        };
        let why = chain(&sent.err()?);
        Some(format!(
            "Failed sending the session's log to log group {} err:{why}",
            group.name
        ))
    }

    fn streaming(&self, group: &GroupPlan) -> Streaming {
        let particulars = self.particulars;
        let node = particulars.node.get();
        let (file, captured) = &self.captured;
        Streaming {
            stream: self.stream(group),
            author: Author {
                session: particulars.session.clone(),
                node: node.id().to_string(),
                region: node.region().to_owned(),
                owner: particulars.destinations.owner.clone(),
                run_as: particulars.run_as.clone(),
            },
            file: Arc::clone(file),
            captured: captured.clone(),
            clock: Arc::clone(&particulars.clock),
            tick: particulars.pace.tick,
        }
    }

    fn stream(&self, group: &GroupPlan) -> GroupStream {
        let Particulars {
            session,
            node,
            clock,
            random,
            pace,
            ..
        } = self.particulars;
        let calls = GroupCalls::new(Arc::clone(node), &group.name, clock, random, pace);
        GroupStream::new(calls, session.as_str())
    }
}
