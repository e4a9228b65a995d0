//! Reads a page of events across batches, whose times may overlap, in bounded memory.
//!
//! Batches come in the order of their first events (or, backwards, of their last). Of the events that were seen the page
//! keeps those that come first, as many as it may hold; once a batch begins behind the last of a full page, nothing that
//! comes later can be in it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::Caller;
use drawbridge_store::{LogBatch, LogBatchesOf, LogDirection, LogGroup, WantedLogBatches};
use jiff::Timestamp;

use super::batch;
use super::pattern::Pattern;
use super::position::Position;
use super::put::context;
use crate::Logs;
use crate::error::internal;
use crate::sealing::DataKey;

/// The most bytes of messages in a page.
const MAX_PAGE: u64 = 1_048_576;

/// How many batches are in memory at once.
const BATCHES: u32 = 4;

/// How many bytes of events a search looks at before it is answered as far as it has come.
const MAX_SCANNED: u64 = 32 * 1024 * 1024;

/// Which events are read.
pub(crate) struct Wanted<'a> {
    pub(crate) of: LogBatchesOf<'a>,
    /// The earliest time.
    pub(crate) from_ms: i64,
    /// The latest time, inclusive.
    pub(crate) to_ms: i64,
    /// Where the page begins, or, backwards, what it ends before.
    pub(crate) cut: Position,
    pub(crate) direction: LogDirection,
    pub(crate) pattern: &'a Pattern,
    pub(crate) limit: usize,
}

/// An event of a page.
#[derive(Debug)]
pub(crate) struct Read {
    pub(crate) stream: String,
    pub(crate) ingested_at: Timestamp,
    pub(crate) message: String,
}

/// A page, in the order of time whatever its direction.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) events: BTreeMap<Position, Read>,
    /// Where the next page begins or, backwards, what it ends before; `None` when this was all.
    pub(crate) rest: Option<Position>,
}

/// Reads a page.
pub(crate) async fn read(
    logs: &Logs,
    caller: &Caller,
    group: &LogGroup,
    wanted: Wanted<'_>,
) -> Result<Page, AwsError> {
    let mut keys = HashMap::new();
    let mut filling = Filling::new(&wanted);
    let mut after = None;
    loop {
        let (from_ms, to_ms) = match wanted.direction {
            LogDirection::Forward => (wanted.from_ms.max(wanted.cut.time_ms), wanted.to_ms),
            LogDirection::Backward => (wanted.from_ms, wanted.to_ms.min(wanted.cut.time_ms)),
        };
        let asked = WantedLogBatches {
            of: wanted.of,
            from_ms,
            to_ms,
            direction: wanted.direction,
            after,
            limit: BATCHES,
        };
        let batches = logs.store.log_batches(asked).await.map_err(internal)?;
        if batches.is_empty() {
            return Ok(filling.page());
        }
        for batch in batches {
            let edge = filling.edge(&batch);
            after = Some((edge, batch.id));
            if filling.is_complete_before(edge, batch.id) {
                return Ok(filling.page());
            }
            if filling.is_behind(&batch) {
                continue;
            }
            let key = match keys.entry(batch.key_number) {
                std::collections::hash_map::Entry::Occupied(known) => known.into_mut(),
                std::collections::hash_map::Entry::Vacant(unknown) => {
                    unknown.insert(key(logs, caller, group, batch.key_number).await?)
                }
            };
            filling.add(group, key, batch)?;
        }
    }
}

async fn key(logs: &Logs, caller: &Caller, group: &LogGroup, number: u32) -> Result<Arc<DataKey>, AwsError> {
    if number == group.key.number {
        return logs.open_key(caller, group, &group.key).await;
    }
    let key = logs
        .store
        .log_group_key(group.id, number)
        .await
        .map_err(internal)?;
    match key {
        Some(key) => logs.open_key(caller, group, &key).await,
        // The group was deleted meanwhile.
        None => Err(crate::error::no_group()),
    }
}

/// A page that is being filled.
struct Filling<'a> {
    wanted: &'a Wanted<'a>,
    events: BTreeMap<Position, Read>,
    bytes: u64,
    /// Where the next page will take over.
    rest: Option<Position>,
    scanned: u64,
}

impl<'a> Filling<'a> {
    fn new(wanted: &'a Wanted<'a>) -> Self {
        Self {
            wanted,
            events: BTreeMap::new(),
            bytes: 0,
            rest: None,
            scanned: 0,
        }
    }

    /// Returns the time by which a batch stands in the order.
    fn edge(&self, batch: &LogBatch) -> i64 {
        match self.wanted.direction {
            LogDirection::Forward => batch.first_ms,
            LogDirection::Backward => batch.last_ms,
        }
    }

    /// Whether no batch from this one on can change the page: batches of one edge come in the order of their ids, and so do
    /// their events. A search that has looked at enough ends here, if that is a step on: what begins before the wanted time
    /// and reaches into it would be looked at again.
    fn is_complete_before(&mut self, edge: i64, batch: i64) -> bool {
        let wanted = self.wanted;
        let first = Position {
            time_ms: edge,
            batch,
            index: 0,
        };
        if let Some(rest) = self.rest {
            return match wanted.direction {
                LogDirection::Forward => first > rest,
                LogDirection::Backward => edge < rest.time_ms,
            };
        }
        let is_search = *wanted.pattern != Pattern::All && wanted.direction == LogDirection::Forward;
        let enough = is_search && self.scanned >= MAX_SCANNED;
        if !enough || edge < wanted.from_ms || first <= wanted.cut {
            return false;
        }
        self.events.split_off(&first);
        self.rest = Some(first);
        true
    }

    /// Whether all of a batch stands before the page, which a page before has seen.
    fn is_behind(&self, batch: &LogBatch) -> bool {
        let last = Position {
            time_ms: batch.last_ms,
            batch: batch.id,
            index: u32::MAX,
        };
        self.wanted.direction == LogDirection::Forward && last < self.wanted.cut
    }

    fn add(&mut self, group: &LogGroup, key: &DataKey, batch: LogBatch) -> Result<(), AwsError> {
        self.scanned += batch.bytes;
        let context = context(group, &batch.stream_name);
        let plain = key.open(&context, batch.sealed).map_err(internal)?;
        let events = batch::decode(&plain).map_err(internal)?;
        for (event, index) in events.into_iter().zip(0..) {
            let position = Position {
                time_ms: event.time_ms,
                batch: batch.id,
                index,
            };
            if self.wants(position) && self.wanted.pattern.matches(&event.message) {
                let read = Read {
                    stream: batch.stream_name.clone(),
                    ingested_at: batch.ingested_at,
                    message: event.message,
                };
                self.keep(position, read);
            }
        }
        Ok(())
    }

    fn wants(&self, position: Position) -> bool {
        let wanted = self.wanted;
        let (from, to) = match wanted.direction {
            LogDirection::Forward => (Some(wanted.cut), self.rest),
            LogDirection::Backward => (self.rest, Some(wanted.cut)),
        };
        (wanted.from_ms..=wanted.to_ms).contains(&position.time_ms)
            && from.is_none_or(|from| position >= from)
            && to.is_none_or(|to| position < to)
    }

    /// Puts an event in its place, and lets go of those that do not fit any more.
    fn keep(&mut self, position: Position, read: Read) {
        self.bytes += size(&read);
        self.events.insert(position, read);
        while self.events.len() > self.wanted.limit || (self.bytes > MAX_PAGE && self.events.len() > 1) {
            let gone = match self.wanted.direction {
                LogDirection::Forward => self.events.pop_last(),
                LogDirection::Backward => self.events.pop_first(),
            };
            let Some((position, read)) = gone else { break };
            self.bytes -= size(&read);
            self.rest = Some(match self.wanted.direction {
                LogDirection::Forward => position,
                LogDirection::Backward => position.next(),
            });
        }
    }

    fn page(self) -> Page {
        Page {
            events: self.events,
            rest: self.rest,
        }
    }
}

fn size(read: &Read) -> u64 {
    read.message.len() as u64 + batch::OVERHEAD
}
