//! Where things are: which segments there are and whose records they hold, and where each live session's
//! frames stand.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::num::NonZeroU32;
use std::sync::Arc;

use aws_lc_rs::aead::LessSafeKey;

use super::files::{SegmentFile, SegmentFolder};
use super::segment::{SegmentHeader, Wanted, read_footer, scan};
use super::{JournalError, JournalKey, SessionDigest, Shared};

/// How far ahead of a session's last stored frame another may be; relays let a node be far less ahead.
const MAX_GAP: usize = 1 << 20;

/// The most marks of one session that are found again: a person who drags a window makes some hundred.
const MAX_MARKS: usize = 1 << 20;

/// Where a record stands, in the order of writing: 8 bytes, also when absent (no record starts at offset 0).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    segment: u32,
    offset: NonZeroU32,
}

impl Place {
    pub(crate) fn new(segment: u32, offset: u32) -> Place {
        Place {
            segment,
            offset: NonZeroU32::new(offset).unwrap_or(NonZeroU32::MIN),
        }
    }

    pub(crate) fn segment(self) -> u32 {
        self.segment
    }

    pub(crate) fn offset(self) -> u32 {
        self.offset.get()
    }
}

/// Whose records a segment holds, each with the time of its last one (epoch milliseconds).
pub(crate) type Holders = HashMap<SessionDigest, u64>;

/// One segment as the index knows it.
pub(crate) struct Segment {
    pub(crate) holders: Holders,
    pub(crate) bytes: u64,
    pub(crate) key: Arc<LessSafeKey>,
    /// Opened when first needed.
    file: Option<Arc<dyn SegmentFile>>,
}

/// Where the records of a session stand that somebody reads.
#[derive(Default)]
struct Tracked {
    /// By sequence number, which counts from 0 without gaps once all frames are in.
    frames: Vec<Option<Place>>,
    /// In the order they were written.
    marks: Vec<Place>,
    /// Who asked for it and has not let go.
    readers: u32,
}

#[derive(Default)]
pub(crate) struct Index {
    segments: BTreeMap<u32, Segment>,
    sessions: HashMap<SessionDigest, Tracked>,
    /// Numbers of files that are not segments (a header torn before anything was acknowledged) count too.
    last_number: u32,
}

impl Index {
    /// Reads what the folder holds: footers where there are, record headers where a segment was not closed.
    pub(crate) fn of_folder(folder: &dyn SegmentFolder, key: &JournalKey) -> Result<Index, JournalError> {
        let mut index = Index::default();
        for number in folder.list().map_err(JournalError::List)? {
            index.last_number = index.last_number.max(number);
            let file = folder.open(number).map_err(JournalError::Read)?;
            let Some(header) = SegmentHeader::read(file.as_ref()) else {
                tracing::warn!(
                    journal.segment = number,
                    "skipped a journal segment with a torn header"
                );
                continue;
            };
            let key = Arc::new(key.segment_key(&header.salt));
            let bytes = file.length().map_err(JournalError::Read)?;
            let holders = match read_footer(file.as_ref(), &key)? {
                Some(holders) => holders,
                None => holders_by_scan(file.as_ref(), &key)?,
            };
            index.segments.insert(
                number,
                Segment {
                    holders,
                    bytes,
                    key,
                    file: None,
                },
            );
        }
        Ok(index)
    }

    pub(crate) fn next_number(&mut self) -> u32 {
        self.last_number += 1;
        self.last_number
    }

    pub(crate) fn add_segment(&mut self, number: u32, key: Arc<LessSafeKey>, file: Arc<dyn SegmentFile>) {
        self.segments.insert(
            number,
            Segment {
                holders: Holders::new(),
                bytes: 0,
                key,
                file: Some(file),
            },
        );
    }

    pub(crate) fn segment_mut(&mut self, number: u32) -> Option<&mut Segment> {
        self.segments.get_mut(&number)
    }

    pub(crate) fn remove_segment(&mut self, number: u32) {
        self.segments.remove(&number);
    }

    pub(crate) fn segments(&self) -> impl Iterator<Item = (u32, &Segment)> {
        self.segments.iter().map(|(number, segment)| (*number, segment))
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.segments.values().map(|segment| segment.bytes).sum()
    }

    /// Makes room for a session's places, for nobody yet.
    pub(crate) fn prepare(&mut self, session: SessionDigest) {
        self.sessions.entry(session).or_default();
    }

    pub(crate) fn track(&mut self, session: SessionDigest) {
        self.sessions.entry(session).or_default().readers += 1;
    }

    pub(crate) fn forget(&mut self, session: SessionDigest) {
        if let Some(tracked) = self.sessions.get_mut(&session) {
            tracked.readers = tracked.readers.saturating_sub(1);
            if tracked.readers == 0 {
                self.sessions.remove(&session);
            }
        }
    }

    pub(crate) fn is_tracked(&self, session: &SessionDigest) -> bool {
        self.sessions.contains_key(session)
    }

    /// The segments that hold anything of any of these sessions, oldest first.
    pub(crate) fn segments_of(&self, sessions: &HashSet<SessionDigest>) -> Vec<u32> {
        let holds_any = |segment: &Segment| {
            sessions
                .iter()
                .any(|session| segment.holders.contains_key(session))
        };
        let holding = self.segments.iter().filter(|(_, segment)| holds_any(segment));
        holding.map(|(number, _)| *number).collect()
    }

    /// Notes where a tracked session's frame stands. The first place of a sequence number stays.
    pub(crate) fn place(&mut self, session: SessionDigest, sequence: i64, place: Place) {
        let Some(Tracked { frames, .. }) = self.sessions.get_mut(&session) else {
            return;
        };
        let Ok(slot) = usize::try_from(sequence) else {
            return;
        };
        if slot > frames.len() + MAX_GAP {
            return;
        }
        if slot >= frames.len() {
            frames.resize(slot + 1, None);
        }
        frames[slot].get_or_insert(place);
    }

    /// Notes where a tracked session's next mark stands.
    pub(crate) fn place_mark(&mut self, session: SessionDigest, place: Place) {
        if let Some(Tracked { marks, .. }) = self.sessions.get_mut(&session)
            && marks.len() < MAX_MARKS
            && marks.last().is_none_or(|last| *last < place)
        {
            marks.push(place);
        }
    }

    pub(crate) fn find(&self, session: &SessionDigest, sequence: i64) -> Option<Place> {
        let slot = usize::try_from(sequence).ok()?;
        *self.sessions.get(session)?.frames.get(slot)?
    }

    /// Finds a mark by how many of the session's stand before it.
    pub(crate) fn find_mark(&self, session: &SessionDigest, number: usize) -> Option<Place> {
        self.sessions.get(session)?.marks.get(number).copied()
    }

    /// Finds the first frame from a sequence number on that is there.
    pub(crate) fn first_from(&self, session: &SessionDigest, sequence: i64) -> Option<i64> {
        let frames = &self.sessions.get(session)?.frames;
        let first = usize::try_from(sequence).ok()?;
        let ahead = frames.get(first..)?.iter().position(Option::is_some)?;
        i64::try_from(first + ahead).ok()
    }
}

/// A segment's file and key.
pub(crate) type OpenedSegment = (Arc<dyn SegmentFile>, Arc<LessSafeKey>);

impl Shared {
    /// A segment's file and key; `None` when retention has removed it.
    pub(crate) fn segment(&self, number: u32) -> Result<Option<OpenedSegment>, JournalError> {
        let mut index = self.index();
        let Some(segment) = index.segment_mut(number) else {
            return Ok(None);
        };
        let file = match &segment.file {
            Some(file) => Arc::clone(file),
            None => {
                let opened = self.folder.open(number).map_err(JournalError::Read)?;
                Arc::clone(segment.file.insert(opened))
            }
        };
        Ok(Some((file, Arc::clone(&segment.key))))
    }
}

fn holders_by_scan(file: &dyn SegmentFile, key: &LessSafeKey) -> Result<Holders, JournalError> {
    let mut holders = Holders::new();
    scan(file, key, &Wanted::HeadersOnly, |header, _, _| {
        let last = holders.entry(header.session).or_default();
        *last = header.written_ms.max(*last);
    })?;
    Ok(holders)
}
