//! `GetLogEvents`: reads the events of one stream, forwards or backwards from a place.
//!
//! A token is a direction and a cut between two events, so that it stays good whatever comes or goes. At the end a page is
//! empty and its token is the one that was given: clients stop on that.

use std::sync::Arc;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::{Audit, Call, SignedWith};
use drawbridge_store::{LogBatchesOf, LogDirection};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::pattern::Pattern;
use super::position::Position;
use super::reader::{self, Page, Wanted};
use super::retention::oldest_kept;
use crate::error::invalid_token;
use crate::name::{on_stream, one_of};
use crate::{Logs, Operation, input};

pub(crate) const OPERATION: Operation = Operation {
    name: "GetLogEvents",
    action: "logs:GetLogEvents",
    signed_with: SignedWith::AccessKey,
    needs: on_stream,
    // A data event.
    audit: Audit::OFF,
    handler: |logs, call| Box::pin(get(logs, call)),
};

/// The most events of a page, which is also the default.
pub(super) const MAX_EVENTS: usize = 10_000;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Input {
    log_group_name: Option<String>,
    log_group_identifier: Option<String>,
    log_stream_name: String,
    start_time: Option<i64>,
    end_time: Option<i64>,
    next_token: Option<String>,
    limit: Option<usize>,
    #[serde(default)]
    start_from_head: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Output {
    events: Vec<Shown>,
    next_forward_token: String,
    next_backward_token: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    timestamp: i64,
    message: String,
    ingestion_time: i64,
}

/// Where a page begins (or, backwards, what it ends before).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Token {
    direction: LogDirection,
    cut: Position,
}

impl Token {
    fn parse(text: &str) -> Option<Self> {
        let (direction, cut) = text.split_once('/')?;
        let direction = match direction {
            "f" => LogDirection::Forward,
            "b" => LogDirection::Backward,
            _ => return None,
        };
        let cut = Position::parse(cut)?;
        Some(Self { direction, cut })
    }
}

async fn get(logs: Arc<Logs>, call: Call) -> Result<Value, AwsError> {
    let (caller, _, input) = call.into_parts();
    let input: Input = input::read(input)?;
    let identifier = one_of(
        input.log_group_name.as_deref(),
        input.log_group_identifier.as_deref(),
    )?;
    let token = match input.next_token.as_deref() {
        Some(token) => Some(Token::parse(token).ok_or_else(invalid_token)?),
        None => None,
    };
    let group = logs.group(&caller, identifier).await?;
    let stream = logs.stream(&group, &input.log_stream_name).await?;
    let start = if input.start_from_head {
        (LogDirection::Forward, Position::FIRST)
    } else {
        (LogDirection::Backward, Position::at(i64::MAX))
    };
    let (direction, cut) = token.map_or(start, |token| (token.direction, token.cut));
    let oldest = oldest_kept(&group, logs.clock.now());
    let wanted = Wanted {
        of: LogBatchesOf::Stream(stream.id),
        from_ms: input.start_time.unwrap_or(0).max(oldest),
        // What happens at the end is not included.
        to_ms: input.end_time.map_or(i64::MAX, |end| end.saturating_sub(1)),
        cut,
        direction,
        pattern: &Pattern::All,
        limit: input.limit.unwrap_or(MAX_EVENTS),
    };
    let page = reader::read(&logs, &caller, &group, wanted).await?;
    // Behind an empty first page comes whatever will be written.
    let empty = token.map_or(Position::FIRST, |token| token.cut);
    input::write(&shown(page, empty))
}

fn shown(page: Page, empty: Position) -> Output {
    let first = page.events.first_key_value().map_or(empty, |(first, _)| *first);
    let last = page
        .events
        .last_key_value()
        .map_or(empty, |(last, _)| last.next());
    Output {
        next_forward_token: format!("f/{last}"),
        next_backward_token: format!("b/{first}"),
        events: page
            .events
            .into_iter()
            .map(|(position, read)| Shown {
                timestamp: position.time_ms,
                message: read.message,
                ingestion_time: read.ingested_at.as_millisecond(),
            })
            .collect(),
    }
}

#[cfg(test)]
mod tests;
