//! Turns recordings into what people and programs read: a screen, a transcript, an asciicast.
//!
//! A recording is whatever a session wrote, and who wrote it may want to harm whoever reads it. So everything goes through a
//! [`Sieve`], which lets pass what draws and drops what makes a terminal answer, or change anything outside of its
//! screen. Time is linear in the recording and memory is bounded, whatever it holds.
//!
//! This crate refuses to know files, networks and terminals.

mod asciicast;
mod beside;
mod lettering;
pub mod painting;
mod playback;
mod reflow;
mod screen;
mod sieve;
mod transcript;

pub use asciicast::Asciicast;
pub use beside::{Beside, Telling, Told};
pub use painting::Painter;
pub use playback::{Playback, TooLong};
pub use screen::{Screen, Scrolled, screen_size};
pub use sieve::Sieve;
pub use transcript::Transcript;
