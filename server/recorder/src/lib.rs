//! Recordings, made by the server from the journal.
//!
//! | module | owns |
//! |---|---|
//! | `format` | the file of a recording: sealed, chained blocks, and saying which is not as it was written |
//! | `folder` | the files: their names, their room, and which are old enough to go |
//! | `compose` | what a record of the journal says, as events |
//! | `following` | one session: from the journal into its file, again from where it stopped after a crash |
//! | `recorder` | all of them, once a second |
//! | `finished` | what is left to do at their ends: the audit log, the copies, the name |
//! | `reading` | pages for those who play a recording |
//! | `sweep` | those that were kept long enough |
//! | `told` | what the audit log has of them |
//! | `judge` | whether a recording is the one that the audit log has |
//! | `publish` | the readable copies of ended recordings |
//!
//! The journal is the truth: a frame is acknowledged when it is there, and the journal keeps it until the recording that has
//! it is complete and on the disk. So this crate may be killed at any moment, and nothing that was acknowledged is missing.
//! It refuses to know who may read a recording; the operations decide that.

mod compose;
mod finished;
mod folder;
mod following;
mod format;
mod judge;
mod publish;
mod reading;
mod recorder;
mod sweep;
mod told;

pub use folder::{Folder, FolderConfig};
pub use format::{Flaw, RecordingKeys, Verified};
pub use judge::{Fault, Judgment};
pub use recorder::{JournalRecorder, OpenError, RecorderTask};
pub use sweep::SweepError;
pub use told::Told;
