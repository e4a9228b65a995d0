//! The part of the data folder's disk that is kept for the server itself: what others upload never takes it.
//!
//! A session whose output cannot be written to the journal ends, and none starts without it. So whoever may upload
//! without end could end every session. Uploads ask here before they write; what the server itself writes does not.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use drawbridge_session::Clock;

/// What a file system has left for processes without privileges, and how much it has in all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// Bytes that are free.
    pub free_bytes: u64,
    /// Bytes in all.
    pub all_bytes: u64,
    /// Files that can still be made.
    pub free_files: u64,
    /// Files in all; 0 where the file system does not count them.
    pub all_files: u64,
}

impl Space {
    /// Asks the file system that holds a path.
    ///
    /// # Errors
    ///
    /// It does not say, or there is no such path.
    pub fn of(path: &Path) -> io::Result<Self> {
        let found = rustix::fs::statvfs(path)?;
        Ok(Self {
            free_bytes: found.f_bavail.saturating_mul(found.f_frsize),
            all_bytes: found.f_blocks.saturating_mul(found.f_frsize),
            free_files: found.f_favail,
            all_files: found.f_files,
        })
    }
}

/// Lets uploads pass while the disk has more free than is kept.
///
/// It looks at the disk once a second, or once for each eighth of what is kept that passes. So uploads take an eighth of
/// it at most. They are taken again when there is an eighth more than what is kept.
pub struct Reserve(Option<Kept>);

struct Kept {
    bytes: u64,
    probe: Box<dyn Fn() -> io::Result<Space> + Send + Sync>,
    clock: Arc<dyn Clock>,
    view: Mutex<View>,
}

/// What the last look at the disk came to.
#[derive(Debug, Clone, Copy)]
enum View {
    /// There was none.
    Unknown,
    /// Uploads pass; `left` of them without another look.
    Enough { at: Duration, left: u64 },
    /// None does.
    Short { at: Duration },
}

/// An upload that would take what is kept for the server itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "The disk of the server is nearly full. Its last {} MiB (reserve_mib) are kept for sessions and their recordings. \
     Please try again when there is more room.",
    kept_bytes.div_ceil(MIB)
)]
pub struct NoRoom {
    kept_bytes: u64,
}

const MIB: u64 = 1024 * 1024;

/// How long a look at the disk is good for.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The part of what is kept that passes without another look.
const STEP: u64 = 8;

/// What is kept unless somebody says: so much, or this part of a small disk.
const USUAL_BYTES: u64 = 1024 * MIB;
const PART: u64 = 20;

/// Empty objects use files up before bytes: one file is kept for so many bytes that are.
const BYTES_OF_A_FILE: u64 = 64 * 1024;

impl Reserve {
    /// Keeps nothing.
    pub fn none() -> Self {
        Self(None)
    }

    /// Keeps so many bytes of the disk that `probe` looks at; unless said, 1 GiB or 5 % of it, whichever is less.
    ///
    /// # Errors
    ///
    /// The disk does not say how large it is.
    pub fn open(
        probe: impl Fn() -> io::Result<Space> + Send + Sync + 'static,
        bytes: Option<u64>,
        clock: Arc<dyn Clock>,
    ) -> io::Result<Self> {
        let bytes = match bytes {
            Some(bytes) => bytes,
            None => USUAL_BYTES.min(probe()?.all_bytes / PART),
        };
        Ok(Self((bytes > 0).then(|| Kept {
            bytes,
            probe: Box::new(probe),
            clock,
            view: Mutex::new(View::Unknown),
        })))
    }

    /// Asks before `bytes` of an upload are written; 0 before anything of it is.
    ///
    /// # Errors
    ///
    /// They are not to be written.
    pub fn admit(&self, bytes: u64) -> Result<(), NoRoom> {
        self.0.as_ref().map_or(Ok(()), |kept| kept.admit(bytes))
    }
}

impl Kept {
    fn admit(&self, bytes: u64) -> Result<(), NoRoom> {
        let now = self.clock.monotonic();
        let mut view = self.view.lock().unwrap_or_else(PoisonError::into_inner);
        if !view.answers(now, bytes) {
            *view = self.look(*view, now, bytes);
        }
        match &mut *view {
            View::Enough { left, .. } => {
                *left = left.saturating_sub(bytes);
                Ok(())
            }
            View::Unknown | View::Short { .. } => Err(NoRoom {
                kept_bytes: self.bytes,
            }),
        }
    }

    fn look(&self, before: View, at: Duration, bytes: u64) -> View {
        let step = self.bytes / STEP;
        let was_short = matches!(before, View::Short { .. });
        // Without the step between, a large upload that is refused and removed would open and shut the door each time.
        let wanted = self.bytes.saturating_add(if was_short { step } else { 0 });
        let found = (self.probe)();
        let is_enough = found.as_ref().is_ok_and(|space| {
            let files = (wanted / BYTES_OF_A_FILE).min(space.all_files / PART);
            space.free_bytes >= wanted.saturating_add(bytes) && space.free_files >= files
        });
        match (was_short, is_enough) {
            (false, false) => warn(&found, self.bytes),
            (true, true) => tracing::info!("the disk has room again: uploads are taken"),
            (false, true) | (true, false) => {}
        }
        if is_enough {
            View::Enough { at, left: step }
        } else {
            View::Short { at }
        }
    }
}

impl View {
    /// Whether this is an answer for so many bytes.
    fn answers(self, now: Duration, bytes: u64) -> bool {
        let is_fresh = |at: Duration| now.saturating_sub(at) < LOOK_EVERY;
        match self {
            Self::Unknown => false,
            Self::Enough { at, left } => is_fresh(at) && bytes <= left,
            Self::Short { at } => is_fresh(at),
        }
    }
}

fn warn(found: &io::Result<Space>, kept_bytes: u64) {
    const REFUSED: &str =
        "the disk is nearly full: uploads of objects and of log events are refused, so that sessions go on";
    match found {
        Ok(Space {
            free_bytes,
            free_files,
            ..
        }) => tracing::warn!(free_bytes, free_files, kept_bytes, REFUSED),
        Err(error) => tracing::warn!(error = error as &dyn std::error::Error, kept_bytes, REFUSED),
    }
}

#[cfg(test)]
mod tests;
