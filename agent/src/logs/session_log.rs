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
use super::destinations::{BucketPlan, Destinations, GroupPlan};
use super::event::Author;
use super::group::{GroupCalls, GroupStream};
use super::stream::{StreamError, Streaming, send_plain};
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
                Ok(Some(Saying::Said(bytes))) => self.tap.pour(bytes),
                Ok(None) | Err(_) => {}
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
    let mut logged = Logged::to(&particulars.destinations, &particulars.session);
    let (file, captured) = capture.follow();
    let streaming = particulars.streaming(&file, &captured);
    let stream = async {
        match streaming {
            Some(streaming) => streaming.run().await,
            None => Ok(()),
        }
    };
    let ((), streamed) = tokio::join!(capture.run(), stream);
    let ended = particulars.clock.now();
    let transcript = Transcript::new(file, &captured.borrow(), began, ended);
    if let Some(lost) = &captured.borrow().lost {
        logged.complain(format!("The log of the session is incomplete: {lost}"));
    }
    let shipped = async {
        if let Some(bucket) = &particulars.destinations.bucket {
            logged
                .complaints
                .extend(particulars.upload(bucket, &transcript).await);
        }
        if let Some(group) = &particulars.destinations.group {
            let sent = match streamed {
                Ok(()) if group.is_streamed => Ok(()),
                // There may be such a group by now.
                Ok(()) | Err(StreamError::NoGroup) => {
                    particulars.send(group, &transcript, captured.clone()).await
                }
                Err(error) => Err(error),
            };
            if let Err(error) = sent {
                logged.complain(failure(&group.name, &error));
            }
        }
    };
    let patience = particulars.pace.patience;
    if tokio::time::timeout(patience, shipped).await.is_err() {
        logged.complain(format!(
            "The log of the session was given up: it took longer than {} s to ship",
            patience.as_secs()
        ));
    }
    logged
}

fn failure(group: &str, error: &StreamError) -> String {
    format!(
        "Failed sending the session's log to log group {group} err:{}",
        chain(error)
    )
}

impl Particulars {
    fn streaming(&self, file: &Arc<File>, captured: &watch::Receiver<Captured>) -> Option<Streaming> {
        let group = self
            .destinations
            .group
            .as_ref()
            .filter(|group| group.is_streamed)?;
        let node = self.node.get();
        Some(Streaming {
            stream: self.stream(group),
            author: Author {
                session: self.session.clone(),
                node: node.id().to_string(),
                region: node.region().to_owned(),
                owner: self.destinations.owner.clone(),
                run_as: self.run_as.clone(),
            },
            file: Arc::clone(file),
            captured: captured.clone(),
            clock: Arc::clone(&self.clock),
            pace: self.pace.clone(),
        })
    }

    fn stream(&self, group: &GroupPlan) -> GroupStream {
        let calls = GroupCalls::new(
            Arc::clone(&self.node),
            &group.name,
            &self.clock,
            &self.random,
            &self.pace,
        );
        GroupStream::new(calls, self.session.as_str())
    }

    async fn send(
        &self,
        group: &GroupPlan,
        transcript: &Transcript,
        captured: watch::Receiver<Captured>,
    ) -> Result<(), StreamError> {
        send_plain(self.stream(group), transcript, captured).await
    }

    /// Says what went wrong, in the words of AWS's agent that people look for.
    async fn upload(&self, bucket: &BucketPlan, transcript: &Transcript) -> Option<String> {
        let key = bucket.key(&self.session);
        let mut calls = BucketCalls::new(Arc::clone(&self.node), &bucket.name, &self.pace, &self.random);
        let error = calls.put(&key, transcript).await.err()?;
        Some(format!(
            "Failed uploading {}.log to s3://{}/{key} err:{}",
            self.session,
            bucket.name,
            chain(&error)
        ))
    }
}
