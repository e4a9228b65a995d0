//! A folder in memory that fails on request and forgets, in a crash, what was not synced.
//!
//! A small real implementation of the journal's files, for tests here and above: a disk that is full, a disk
//! that lies, a machine that loses power in the middle of a write.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::files::{SegmentFile, SegmentFolder};

/// What goes wrong next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JournalFault {
    /// Writes fail with "no space left on device" once this many bytes were written in all; the write that
    /// crosses the limit is written in part.
    DiskFull {
        /// Total bytes that still fit.
        after_bytes: u64,
    },
    /// Every sync fails with an input/output error.
    SyncFails,
    /// Every write fails with an input/output error.
    WriteFails,
}

/// Segments in memory; clones share them.
#[derive(Debug, Clone, Default)]
pub struct FaultyFolder {
    disk: Arc<Mutex<Disk>>,
}

#[derive(Debug, Clone, Default)]
struct Disk {
    segments: BTreeMap<u32, Content>,
    fault: Option<JournalFault>,
    written: u64,
}

#[derive(Debug, Clone, Default)]
struct Content {
    bytes: Vec<u8>,
    synced: usize,
}

impl FaultyFolder {
    /// An empty folder on a healthy disk.
    pub fn new() -> FaultyFolder {
        FaultyFolder::default()
    }

    /// Makes the disk fail from here on; `None` heals it.
    pub fn inject(&self, fault: Option<JournalFault>) {
        self.disk().fault = fault;
    }

    /// Total bytes of all segments, synced or not.
    pub fn bytes(&self) -> usize {
        self.disk()
            .segments
            .values()
            .map(|content| content.bytes.len())
            .sum()
    }

    /// What a machine finds after losing power now, when `extra` bytes beyond the synced ones of each segment
    /// happened to reach the disk.
    pub fn after_power_cut(&self, extra: usize) -> FaultyFolder {
        let mut disk = self.disk().clone();
        disk.fault = None;
        for content in disk.segments.values_mut() {
            content.bytes.truncate(content.synced + extra);
        }
        FaultyFolder {
            disk: Arc::new(Mutex::new(disk)),
        }
    }

    /// A copy whose last segment ends after `length` bytes.
    pub fn cut_at(&self, length: usize) -> FaultyFolder {
        let mut disk = self.disk().clone();
        if let Some(content) = disk.segments.values_mut().next_back() {
            content.bytes.truncate(length);
        }
        FaultyFolder {
            disk: Arc::new(Mutex::new(disk)),
        }
    }

    /// Flips bits of one byte of the last segment.
    pub fn damage(&self, offset: usize, mask: u8) {
        if let Some(content) = self.disk().segments.values_mut().next_back()
            && let Some(byte) = content.bytes.get_mut(offset)
        {
            *byte ^= mask;
        }
    }

    fn disk(&self) -> MutexGuard<'_, Disk> {
        self.disk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SegmentFolder for FaultyFolder {
    fn list(&self) -> io::Result<Vec<u32>> {
        Ok(self.disk().segments.keys().copied().collect())
    }

    fn create(&self, number: u32) -> io::Result<Arc<dyn SegmentFile>> {
        self.disk().segments.insert(number, Content::default());
        self.open(number)
    }

    fn open(&self, number: u32) -> io::Result<Arc<dyn SegmentFile>> {
        Ok(Arc::new(FaultyFile {
            disk: Arc::clone(&self.disk),
            number,
        }))
    }

    fn remove(&self, number: u32) -> io::Result<()> {
        self.disk().segments.remove(&number);
        Ok(())
    }
}

struct FaultyFile {
    disk: Arc<Mutex<Disk>>,
    number: u32,
}

impl FaultyFile {
    fn with<T>(&self, act: impl FnOnce(&mut Disk, u32) -> io::Result<T>) -> io::Result<T> {
        let mut disk = self.disk.lock().unwrap_or_else(PoisonError::into_inner);
        act(&mut disk, self.number)
    }
}

impl Disk {
    fn content(&mut self, number: u32) -> io::Result<&mut Content> {
        self.segments
            .get_mut(&number)
            .ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
    }

    /// How much of a write of `length` bytes reaches the disk, and how it ends.
    fn admit(&mut self, length: usize) -> (usize, io::Result<()>) {
        match self.fault {
            Some(JournalFault::WriteFails) => (0, Err(io::Error::other("input/output error"))),
            Some(JournalFault::DiskFull { after_bytes }) => {
                let room = usize::try_from(after_bytes.saturating_sub(self.written)).unwrap_or(usize::MAX);
                if room < length {
                    return (room, Err(io::Error::from(io::ErrorKind::StorageFull)));
                }
                (length, Ok(()))
            }
            Some(JournalFault::SyncFails) | None => (length, Ok(())),
        }
    }
}

impl SegmentFile for FaultyFile {
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.with(|disk, number| {
            let (length, result) = disk.admit(bytes.len());
            disk.written += length as u64;
            let offset = usize::try_from(offset).map_err(io::Error::other)?;
            let content = disk.content(number)?;
            content.bytes.truncate(offset);
            content.bytes.resize(offset, 0);
            content.bytes.extend_from_slice(&bytes[..length]);
            result
        })
    }

    fn read_exact_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        self.with(|disk, number| {
            let offset = usize::try_from(offset).map_err(io::Error::other)?;
            let stored = disk.content(number)?.bytes.get(offset..offset + bytes.len());
            bytes.copy_from_slice(stored.ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))?);
            Ok(())
        })
    }

    fn sync(&self) -> io::Result<()> {
        self.with(|disk, number| {
            if disk.fault == Some(JournalFault::SyncFails) {
                return Err(io::Error::other("input/output error"));
            }
            let content = disk.content(number)?;
            content.synced = content.bytes.len();
            Ok(())
        })
    }

    fn length(&self) -> io::Result<u64> {
        self.with(|disk, number| Ok(disk.content(number)?.bytes.len() as u64))
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        self.with(|disk, number| {
            let length = usize::try_from(length).map_err(io::Error::other)?;
            disk.content(number)?.bytes.truncate(length);
            Ok(())
        })
    }
}
