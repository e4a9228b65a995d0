//! A disk that has as much room as a test says.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use drawbridge_store::{Reserve, Space};

use crate::House;

/// Tells a reserve how much is free.
#[derive(Debug, Clone)]
pub struct FakeDisk(Arc<AtomicU64>);

impl FakeDisk {
    /// What uploads leave of it.
    pub const KEPT_BYTES: u64 = 1024 * 1024;

    /// Has much room.
    pub fn new() -> Self {
        Self(Arc::new(AtomicU64::new(u64::MAX)))
    }

    /// Has so much from now on, and the clock of a house moves so far that this is seen.
    pub fn set_free(&self, bytes: u64, house: &House) {
        self.0.store(bytes, Ordering::Relaxed);
        house.clock.advance(std::time::Duration::from_secs(1));
    }

    /// Loses some of it, which is not seen yet.
    pub fn fill(&self, bytes: u64) {
        let less = |free: u64| Some(free.saturating_sub(bytes));
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
    }

    /// Keeps [`FakeDisk::KEPT_BYTES`] of it, by the clock of a house.
    pub fn reserve(&self, house: &House) -> Reserve {
        let free = Arc::clone(&self.0);
        let probe = move || {
            Ok(Space {
                free_bytes: free.load(Ordering::Relaxed),
                all_bytes: u64::MAX,
                free_files: 0,
                all_files: 0,
            })
        };
        Reserve::open(probe, Some(Self::KEPT_BYTES), house.clock.clone()).expect("its size is known")
    }
}

impl Default for FakeDisk {
    fn default() -> Self {
        Self::new()
    }
}
