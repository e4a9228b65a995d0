//! Writing events into a stream of a log group (`protocol.md` 10.4).

use std::sync::Arc;

use drawbridge_session::{Clock, Random};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::attempts::{Attempts, Pace};
use super::capture::Captured;
use crate::identity::{NodeError, PresentNode};
use crate::sessions::chain;

/// The most events of one call, as AWS's agent sends them.
pub(super) const MOST_EVENTS: usize = 4;

/// Calls one log group as this node.
pub(super) struct GroupCalls {
    node: Arc<PresentNode>,
    group: String,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    pace: Pace,
}

/// What a log group says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Group {
    pub(super) is_encrypted: bool,
}

/// A stream of a log group, which is made when there is something to write.
pub(super) struct GroupStream {
    calls: GroupCalls,
    stream: String,
    token: Token,
    complaint: String,
}

enum Token {
    /// The stream may not exist.
    Unmade,
    /// It does, and its token may have to be asked for.
    Unknown,
    Known(Option<String>),
}

impl GroupCalls {
    pub(super) fn new(
        node: Arc<PresentNode>,
        group: &str,
        clock: &Arc<dyn Clock>,
        random: &Arc<dyn Random>,
        pace: &Pace,
    ) -> Self {
        Self {
            node,
            group: group.to_owned(),
            clock: Arc::clone(clock),
            random: Arc::clone(random),
            pace: pace.clone(),
        }
    }

    /// Looks the log group up; `None` when there is none.
    pub(super) async fn find(&self) -> Result<Option<Group>, NodeError> {
        let mut next: Option<String> = None;
        // A server that always says that there is more is not believed for ever.
        for _ in 0..MOST_PAGES {
            let mut input = json!({"logGroupNamePrefix": self.group});
            if let Some(token) = next {
                input["nextToken"] = token.into();
            }
            let answer = self.call("DescribeLogGroups", &input).await?;
            let groups = answer["logGroups"].as_array().map_or(&[][..], Vec::as_slice);
            if let Some(found) = groups
                .iter()
                .find(|group| group["logGroupName"] == self.group.as_str())
            {
                let key = found["kmsKeyId"].as_str().unwrap_or_default();
                return Ok(Some(Group {
                    is_encrypted: !key.is_empty(),
                }));
            }
            next = answer["nextToken"].as_str().map(str::to_owned);
            if next.is_none() {
                break;
            }
        }
        Ok(None)
    }

    async fn call(&self, operation: &str, input: &Value) -> Result<Value, NodeError> {
        let mut attempts = Attempts::new(&self.pace, &self.random);
        loop {
            match self.node.get().call_logs(operation, input).await {
                Ok(answer) => return Ok(answer),
                Err(error) => attempts.after(error).await?,
            }
        }
    }
}

/// Pages of log groups with one prefix that are looked through.
const MOST_PAGES: usize = 100;

impl GroupStream {
    pub(super) fn new(calls: GroupCalls, stream: &str) -> Self {
        Self {
            calls,
            stream: stream.to_owned(),
            token: Token::Unmade,
            complaint: String::new(),
        }
    }

    pub(super) fn calls(&self) -> &GroupCalls {
        &self.calls
    }

    /// Writes events, at most [`MOST_EVENTS`]. While the session runs this is tried for as long as it takes, except when there is
    /// no such group; afterwards a bounded number of times.
    pub(super) async fn put(
        &mut self,
        messages: &[String],
        captured: &mut watch::Receiver<Captured>,
    ) -> Result<(), NodeError> {
        let at = self.calls.clock.epoch_ms();
        let events: Vec<Value> = messages
            .iter()
            .map(|message| json!({"timestamp": at, "message": message}))
            .collect();
        let mut attempts = Attempts::new(&self.calls.pace, &self.calls.random);
        loop {
            let error = match self.put_once(&events).await {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            if error.code() == Some("ResourceNotFoundException") {
                return Err(error);
            }
            self.complain(&error);
            if captured.borrow().is_over {
                attempts.after(error).await?;
            } else {
                // The end of the session is no reason to wait any longer.
                let delay = attempts.delay();
                let _ = tokio::time::timeout(delay, captured.wait_for(|captured| captured.is_over)).await;
            }
        }
    }

    async fn put_once(&mut self, events: &[Value]) -> Result<(), NodeError> {
        let mut input = json!({"logGroupName": self.calls.group, "logStreamName": self.stream,
                               "logEvents": events});
        if let Some(token) = self.token().await? {
            input["sequenceToken"] = token.into();
        }
        let node = self.calls.node.get();
        let answer = match node.call_logs("PutLogEvents", &input).await {
            Ok(answer) => answer,
            Err(error) if error.code() == Some("DataAlreadyAcceptedException") => {
                self.token = Token::Unknown;
                return Ok(());
            }
            Err(error) => {
                if error.code() == Some("InvalidSequenceTokenException") {
                    self.token = Token::Unknown;
                }
                return Err(error);
            }
        };
        if answer["rejectedLogEventsInfo"].is_object() {
            let why = &answer["rejectedLogEventsInfo"];
            tracing::warn!(%why, "events of the session's log were rejected");
        }
        self.token = Token::Known(answer["nextSequenceToken"].as_str().map(str::to_owned));
        Ok(())
    }

    /// Makes the stream, and asks once for the token that older servers want to see.
    async fn token(&mut self) -> Result<Option<String>, NodeError> {
        let node = self.calls.node.get();
        let mut input = json!({"logGroupName": self.calls.group});
        if matches!(self.token, Token::Unmade) {
            input["logStreamName"] = self.stream.as_str().into();
            match node.call_logs("CreateLogStream", &input).await {
                Err(error) if error.code() != Some("ResourceAlreadyExistsException") => return Err(error),
                _ => self.token = Token::Unknown,
            }
        }
        if matches!(self.token, Token::Unknown) {
            let input = json!({"logGroupName": self.calls.group, "logStreamNamePrefix": self.stream});
            let answer = node.call_logs("DescribeLogStreams", &input).await?;
            let streams = answer["logStreams"].as_array().map_or(&[][..], Vec::as_slice);
            let own = streams
                .iter()
                .find(|it| it["logStreamName"] == self.stream.as_str());
            let token = own.and_then(|own| own["uploadSequenceToken"].as_str());
            self.token = Token::Known(token.map(str::to_owned));
        }
        match &self.token {
            Token::Known(token) => Ok(token.clone()),
            Token::Unmade | Token::Unknown => Ok(None),
        }
    }

    /// Says once what is wrong, and again only when something else is.
    fn complain(&mut self, error: &NodeError) {
        let complaint = chain(error);
        if complaint != self.complaint {
            tracing::warn!(error = complaint, "cannot stream the session's log");
            self.complaint = complaint;
        }
    }
}
