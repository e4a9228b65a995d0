//! The writer thread: collect, seal, write once, sync once, complete all.

use std::sync::Arc;

use aws_lc_rs::aead::LessSafeKey;
use drawbridge_session::{Clock, Random};
use tokio::sync::mpsc;

use super::files::SegmentFile;
use super::index::{Holders, Place};
use super::record::{HEADER_BYTES, MAX_BODY_BYTES, RecordHeader, TAG_BYTES, seal_into};
use super::segment::{SegmentHeader, encode_footer};
use super::{Append, Completion, Entry, JournalConfig, JournalError, RecordKind, Shared};

/// A group is committed once it is this large, even when more is waiting.
const GROUP_BYTES: usize = 4 * 1024 * 1024;

pub(crate) struct Writer {
    config: JournalConfig,
    shared: Arc<Shared>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    /// The segment being written; a new one for every start of the server.
    current: Option<OpenSegment>,
    /// Kept between groups for its capacity.
    buffer: Vec<u8>,
}

struct OpenSegment {
    number: u32,
    file: Arc<dyn SegmentFile>,
    key: Arc<LessSafeKey>,
    length: u64,
    counter: u64,
}

/// Where a record of the group will stand.
struct Placed {
    append: Append,
    offset: u32,
}

impl Writer {
    pub(crate) fn new(
        config: JournalConfig,
        shared: Arc<Shared>,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Writer {
        Writer {
            config,
            shared,
            clock,
            random,
            current: None,
            buffer: Vec::new(),
        }
    }

    /// Commits groups until it is told to close, then closes the segment.
    pub(crate) fn run(mut self, mut entries: mpsc::Receiver<Entry>) {
        let mut open = true;
        while open && let Some(first) = entries.blocking_recv() {
            let mut bytes = 0;
            let mut group = Vec::new();
            let mut next = Some(first);
            while let Some(entry) = next {
                let Entry::Append(append) = entry else {
                    open = false;
                    break;
                };
                bytes += append.body.len();
                group.push(append);
                next = if bytes < GROUP_BYTES {
                    entries.try_recv().ok()
                } else {
                    None
                };
            }
            if !group.is_empty() {
                self.commit(group);
            }
        }
        self.close_segment();
        entries.close();
        while let Ok(Entry::Append(late)) = entries.try_recv() {
            complete([late], &Err(Arc::new(JournalError::Closed)));
        }
    }

    fn commit(&mut self, group: Vec<Append>) {
        let now_ms = self.clock.epoch_ms();
        let (group, oversized): (Vec<_>, Vec<_>) = group
            .into_iter()
            .partition(|append| append.body.len() <= MAX_BODY_BYTES);
        for append in oversized {
            let bytes = append.body.len();
            complete([append], &Err(Arc::new(JournalError::TooLarge { bytes })));
        }
        match self.write(&group, now_ms) {
            Ok(offsets) => {
                let placed = group
                    .into_iter()
                    .zip(offsets)
                    .map(|(append, offset)| Placed { append, offset });
                self.publish(placed.collect(), now_ms);
            }
            Err(error) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "a journal group was not written"
                );
                complete(group, &Err(Arc::new(error)));
            }
        }
    }

    /// Seals, writes and syncs the group; the records' offsets.
    fn write(&mut self, group: &[Append], now_ms: u64) -> Result<Vec<u32>, JournalError> {
        let group_bytes: usize = group
            .iter()
            .map(|append| HEADER_BYTES + append.body.len() + TAG_BYTES)
            .sum();
        let segment_full = self
            .current
            .as_ref()
            .is_some_and(|segment| segment.length >= self.config.segment_bytes);
        if segment_full {
            self.close_segment();
        }
        self.check_quota(group_bytes as u64)?;
        let mut segment = match self.current.take() {
            Some(segment) => segment,
            None => self.create_segment(now_ms)?,
        };
        self.buffer.clear();
        let mut offsets = Vec::with_capacity(group.len());
        for append in group {
            let offset = segment.length + self.buffer.len() as u64;
            offsets.push(u32::try_from(offset).map_err(|_| JournalError::TooLarge { bytes: group_bytes })?);
            let header = RecordHeader {
                sealed_bytes: (append.body.len() + TAG_BYTES) as u32,
                session: append.session,
                sequence: append.sequence,
                written_ms: now_ms,
                counter: segment.counter,
                kind: append.kind.code(),
            };
            segment.counter += 1;
            seal_into(&mut self.buffer, &segment.key, header, &append.body)?;
        }
        // On an error here `segment` is dropped and with it the right to write to this file again.
        let written = segment.file.write_all_at(&self.buffer, segment.length);
        if let Err(error) = written.and_then(|()| segment.file.sync()) {
            self.abandon(&segment);
            return Err(JournalError::Write(error));
        }
        segment.length += self.buffer.len() as u64;
        self.current = Some(segment);
        Ok(offsets)
    }

    /// Makes the group visible to readers, then tells its senders.
    fn publish(&mut self, group: Vec<Placed>, now_ms: u64) {
        let Some(current) = &self.current else { return };
        let mut index = self.shared.index();
        if let Some(segment) = index.segment_mut(current.number) {
            segment.bytes = current.length;
            for placed in &group {
                segment.holders.insert(placed.append.session, now_ms);
            }
        }
        for placed in &group {
            let place = Place::new(current.number, placed.offset);
            match placed.append.kind {
                RecordKind::Frame => index.place(placed.append.session, placed.append.sequence, place),
                RecordKind::Mark => index.place_mark(placed.append.session, place),
                RecordKind::Note(_) => {}
            }
        }
        drop(index);
        complete(group.into_iter().map(|placed| placed.append), &Ok(()));
    }

    fn check_quota(&self, more: u64) -> Result<(), JournalError> {
        let Some(quota_bytes) = self.config.quota_bytes else {
            return Ok(());
        };
        let used = self.shared.index().bytes();
        if used + more > quota_bytes {
            return Err(JournalError::QuotaUsedUp { quota_bytes });
        }
        Ok(())
    }

    fn create_segment(&mut self, now_ms: u64) -> Result<OpenSegment, JournalError> {
        let mut salt = [0; 16];
        self.random.fill(&mut salt);
        let number = self.shared.index().next_number();
        let file = self.shared.folder.create(number).map_err(JournalError::Write)?;
        let header = SegmentHeader {
            created_ms: now_ms,
            salt,
        }
        .encode();
        file.write_all_at(&header, 0).map_err(JournalError::Write)?;
        let key = Arc::new(self.shared.key.segment_key(&salt));
        self.shared
            .index()
            .add_segment(number, Arc::clone(&key), Arc::clone(&file));
        Ok(OpenSegment {
            number,
            file,
            key,
            length: header.len() as u64,
            counter: 0,
        })
    }

    /// Leaves a segment whose last write failed. Cutting off what may be half a group is a kindness to
    /// later scans, which would stop there anyway.
    fn abandon(&mut self, segment: &OpenSegment) {
        if let Err(error) = segment.file.truncate(segment.length) {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "cannot cut a failed journal write"
            );
        }
    }

    /// Writes the footer. Without it the next start reads the segment from front to end, nothing worse.
    fn close_segment(&mut self) {
        let Some(segment) = self.current.take() else {
            return;
        };
        let holders = self.holders(segment.number);
        let now_ms = self.clock.epoch_ms();
        let footer = match encode_footer(&segment.key, &holders, segment.length, now_ms) {
            Ok(footer) => footer,
            Err(_too_many_holders) => return,
        };
        let written = segment.file.write_all_at(&footer, segment.length);
        match written.and_then(|()| segment.file.sync()) {
            Ok(()) => {
                if let Some(known) = self.shared.index().segment_mut(segment.number) {
                    known.bytes = segment.length + footer.len() as u64;
                }
            }
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "cannot close a journal segment"
                );
                self.abandon(&segment);
            }
        }
    }

    fn holders(&self, number: u32) -> Holders {
        self.shared
            .index()
            .segment_mut(number)
            .map(|segment| segment.holders.clone())
            .unwrap_or_default()
    }
}

fn complete(group: impl IntoIterator<Item = Append>, result: &Result<(), Arc<JournalError>>) {
    for append in group {
        // A session that ended meanwhile no longer listens.
        let _ = append.done.send(Completion {
            ticket: append.ticket,
            result: result.clone(),
        });
    }
}
