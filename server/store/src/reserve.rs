//! The part of the data folder's disk that is kept for the server itself: what others upload never takes it.
//!
//! A session whose output cannot be written to the journal ends, and none starts without it. So whoever may upload
//! without end could end every session. Uploads ask here before they write; what the server itself writes does not.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
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

/// One upload, from before its first byte until it is durable or given up.
pub struct Uploading<'a> {
    kept: Option<&'a Kept>,
    /// What may be on its way to the disk still.
    unseen: u64,
}

struct Kept {
    bytes: u64,
    probe: Box<dyn Fn() -> io::Result<Space> + Send + Sync>,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

struct State {
    view: View,
    /// What all uploads may have on their way to the disk, where a look does not see it.
    unseen: u64,
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

/// More than the buffers hold that are between an upload and the disk.
const MOST_UNSEEN: u64 = 2 * MIB;

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
            state: Mutex::new(State {
                view: View::Unknown,
                unseen: 0,
            }),
        })))
    }

    /// Begins an upload.
    pub fn upload(&self) -> Uploading<'_> {
        Uploading {
            kept: self.0.as_ref(),
            unseen: 0,
        }
    }

    /// Asks before anything of an upload is done.
    ///
    /// # Errors
    ///
    /// Uploads are refused.
    pub fn check(&self) -> Result<(), NoRoom> {
        self.upload().admit(0)
    }
}

impl Uploading<'_> {
    /// Asks before so many bytes more are written.
    ///
    /// # Errors
    ///
    /// They are not to be written.
    pub fn admit(&mut self, bytes: u64) -> Result<(), NoRoom> {
        let Some(kept) = self.kept else {
            return Ok(());
        };
        let mut state = kept.state();
        kept.admit(&mut state, bytes)?;
        let unseen = self.unseen.saturating_add(bytes).min(MOST_UNSEEN);
        state.unseen += unseen - self.unseen;
        self.unseen = unseen;
        Ok(())
    }
}

impl Drop for Uploading<'_> {
    fn drop(&mut self) {
        if let Some(kept) = self.kept {
            kept.state().unseen -= self.unseen;
        }
    }
}

impl Kept {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn admit(&self, state: &mut State, bytes: u64) -> Result<(), NoRoom> {
        let now = self.clock.monotonic();
        if !state.view.answers(now, bytes) {
            let coming = state.unseen.saturating_add(bytes);
            state.view = self.look(state.view, now, coming);
        }
        match &mut state.view {
            View::Enough { left, .. } => {
                *left = left.saturating_sub(bytes);
                Ok(())
            }
            View::Unknown | View::Short { .. } => Err(NoRoom {
                kept_bytes: self.bytes,
            }),
        }
    }

    /// Looks whether there is room for what is coming.
    fn look(&self, before: View, at: Duration, coming: u64) -> View {
        let step = self.bytes / STEP;
        let was_short = matches!(before, View::Short { .. });
        // Without the step between, a large upload that is refused and removed would open and shut the door each time.
        let wanted = self.bytes.saturating_add(if was_short { step } else { 0 });
        let found = (self.probe)();
        let is_enough = found.as_ref().is_ok_and(|space| {
            let files = (wanted / BYTES_OF_A_FILE).min(space.all_files / PART);
            space.free_bytes >= wanted.saturating_add(coming) && space.free_files >= files
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
    const TEXT: &str =
        "the disk is nearly full: uploads of objects and log events are refused, so that sessions go on";
    match found {
        Ok(Space {
            free_bytes,
            free_files,
            ..
        }) => tracing::warn!(free_bytes, free_files, kept_bytes, "{TEXT}"),
        Err(error) => tracing::warn!(error = error as &dyn std::error::Error, kept_bytes, "{TEXT}"),
    }
}

#[cfg(test)]
mod tests;
