//! Recordings: what the server keeps of a session's output, for whoever plays it later.
//!
//! A [`Header`] says what the session was, [`Event`]s say what happened in it, each with its time. In a session that its two
//! ends encrypt, the bytes are those of the frames, ciphertext, and an event carries the wrapped key.
//!
//! Who writes recordings ([`Recorder`]), who reads them ([`Recordings`]) and who keeps the readable copies of ended ones
//! ([`Shelf`]) are traits, so that the relay, the services and the recorder need not know each other.

mod event;
mod header;
mod reading;
mod shelf;
mod writing;

pub use event::{Event, EventError, Happening};
pub use header::Header;
pub use reading::{Page, ReadError, RecordingState, Recordings};
pub use shelf::{BUCKET_PREFIX, Shelf, ShelfError, bucket_name};
pub use writing::{Recorder, RecorderError, Unrecorded};
