//! A journal in memory that loses what was not synced.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use drawbridge_protocol::data_channel::relay::{AppendId, JournalFrame, JournalRecord, Recovered};

use crate::chance::Chance;

/// Keeps the records of one session, and says after a while that they are durable.
#[derive(Debug)]
pub(crate) struct MemoryJournal {
    chance: Chance,
    sync_ms: u64,
    /// Everything durable, of all lives of the relay.
    durable: Vec<JournalRecord>,
    index: BTreeMap<i64, JournalFrame>,
    unsynced: VecDeque<(AppendId, JournalRecord)>,
    /// When the group that is being written is done, and its last record.
    group: Option<(Duration, AppendId)>,
}

impl MemoryJournal {
    pub(crate) fn new(sync_ms: u64, chance: Chance) -> MemoryJournal {
        MemoryJournal {
            chance,
            sync_ms,
            durable: Vec::new(),
            index: BTreeMap::new(),
            unsynced: VecDeque::new(),
            group: None,
        }
    }

    pub(crate) fn append(&mut self, id: AppendId, record: &JournalRecord, now: Duration) {
        // Through its encoding, as on a disk.
        let record = JournalRecord::decode(record.encode()).expect("what was encoded can be decoded");
        self.unsynced.push_back((id, record));
        self.begin_group(now);
    }

    pub(crate) fn next_at(&self) -> Option<Duration> {
        self.group.map(|(at, _)| at)
    }

    /// Returns what has become durable.
    pub(crate) fn sync(&mut self, now: Duration) -> Option<AppendId> {
        let (_, through) = self.group.take_if(|(at, _)| *at <= now)?;
        while let Some((_, record)) = self.unsynced.pop_front_if(|(id, _)| *id <= through) {
            self.keep(record);
        }
        self.begin_group(now);
        Some(through)
    }

    /// Loses an unsynced end of the journal: how much of what was under way reached the disk is chance.
    pub(crate) fn crash(&mut self) {
        let survivors = self.chance.within(0..self.unsynced.len() as u64 + 1);
        for _ in 0..survivors {
            if let Some((_, record)) = self.unsynced.pop_front() {
                self.keep(record);
            }
        }
        self.unsynced.clear();
        self.group = None;
    }

    pub(crate) fn recover(&self) -> Recovered {
        let mut recovered = Recovered::default();
        self.durable.iter().for_each(|record| recovered.absorb(record));
        recovered
    }

    /// Says whether a crash would not forget that the session has ended.
    pub(crate) fn knows_the_end(&self) -> bool {
        self.durable
            .iter()
            .any(|record| matches!(record, JournalRecord::Ending(_)))
    }

    pub(crate) fn read(&self, from: i64, max_bytes: usize) -> Vec<JournalFrame> {
        let mut frames = Vec::new();
        let (mut next, mut bytes) = (from, 0);
        for frame in self.index.range(from..).map(|(_, frame)| frame) {
            if frame.sequence != next || (bytes > 0 && bytes + frame.bytes.len() > max_bytes) {
                break;
            }
            bytes += frame.bytes.len();
            next += 1;
            frames.push(frame.clone());
        }
        frames
    }

    fn keep(&mut self, record: JournalRecord) {
        if let JournalRecord::Output { sequence, frame } = &record {
            let frame = JournalFrame {
                sequence: *sequence,
                bytes: frame.clone(),
            };
            let before = self.index.insert(*sequence, frame);
            assert!(before.is_none(), "output frame {sequence} was recorded twice");
        }
        self.durable.push(record);
    }

    fn begin_group(&mut self, now: Duration) {
        if self.group.is_none()
            && let Some((last, _)) = self.unsynced.back()
        {
            self.group = Some((now + self.chance.millis(0..self.sync_ms + 1), *last));
        }
    }
}
