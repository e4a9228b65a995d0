//! `FilterLogEvents`: searches the streams of a group, in the order of time.
//!
//! A page may have few events, or none, and still a token: it has looked at enough, and the next goes on from there.

use std::sync::Arc;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::{Audit, Call, SignedWith};
use drawbridge_store::{LogBatchesOf, LogDirection, LogGroupId};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::get::MAX_EVENTS;
use super::pattern::Pattern;
use super::position::Position;
use super::reader::{self, Page, Wanted};
use super::retention::oldest_kept;
use crate::error::{invalid_parameter, invalid_token};
use crate::name::{on_group, one_of};
use crate::{Logs, Operation, input, page};

pub(crate) const OPERATION: Operation = Operation {
    name: NAME,
    action: "logs:FilterLogEvents",
    signed_with: SignedWith::AccessKey,
    needs: on_group,
    // A data event.
    audit: Audit::OFF,
    handler: |logs, call| Box::pin(filter(logs, call)),
};

const NAME: &str = "FilterLogEvents";

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Input {
    log_group_name: Option<String>,
    log_group_identifier: Option<String>,
    log_stream_names: Option<Vec<String>>,
    log_stream_name_prefix: Option<String>,
    start_time: Option<i64>,
    end_time: Option<i64>,
    filter_pattern: Option<String>,
    next_token: Option<String>,
    limit: Option<usize>,
}

impl Input {
    fn batches(&self, group: LogGroupId) -> Result<LogBatchesOf<'_>, AwsError> {
        match (&self.log_stream_names, &self.log_stream_name_prefix) {
            (Some(_), Some(_)) => Err(invalid_parameter(
                "logStreamNames and logStreamNamePrefix cannot be specified together.",
            )),
            (Some(names), None) => Ok(LogBatchesOf::Named(group, names)),
            (None, prefix) => Ok(LogBatchesOf::Prefixed(
                group,
                prefix.as_deref().unwrap_or_default(),
            )),
        }
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Output {
    events: Vec<Shown>,
    /// Always empty, as on AWS today.
    searched_log_streams: [(); 0],
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    log_stream_name: String,
    timestamp: i64,
    message: String,
    ingestion_time: i64,
    event_id: String,
}

async fn filter(logs: Arc<Logs>, call: Call) -> Result<Value, AwsError> {
    let (caller, _, input) = call.into_parts();
    let input: Input = input::read(input)?;
    let identifier = one_of(
        input.log_group_name.as_deref(),
        input.log_group_identifier.as_deref(),
    )?;
    let pattern = Pattern::parse(input.filter_pattern.as_deref().unwrap_or_default())?;
    let last: Option<String> = page::last(NAME, input.next_token.as_deref())?;
    let cut = match last {
        Some(text) => Position::parse(&text).ok_or_else(invalid_token)?,
        None => Position::FIRST,
    };
    let group = logs.group(&caller, identifier).await?;
    let wanted = Wanted {
        of: input.batches(group.id)?,
        from_ms: input
            .start_time
            .unwrap_or(0)
            .max(oldest_kept(&group, logs.clock.now())),
        to_ms: input.end_time.unwrap_or(i64::MAX),
        cut,
        direction: LogDirection::Forward,
        pattern: &pattern,
        limit: input.limit.unwrap_or(MAX_EVENTS),
    };
    let page = reader::read(&logs, &caller, &group, wanted).await?;
    input::write(&shown(page)?)
}

fn shown(page: Page) -> Result<Output, AwsError> {
    let rest = page.rest.map(|rest| page::token(NAME, &rest.to_string()));
    Ok(Output {
        next_token: rest.transpose()?,
        searched_log_streams: [],
        events: page
            .events
            .into_iter()
            .map(|(position, read)| Shown {
                log_stream_name: read.stream,
                timestamp: position.time_ms,
                message: read.message,
                ingestion_time: read.ingested_at.as_millisecond(),
                event_id: position.to_string(),
            })
            .collect(),
    })
}
