//! Copying files and trees between two programs that are joined by a pair of pipes.
//!
//! ```text
//!   send ── Hello, Entry, Start, Data, Sum, End ──▶ receive
//!        ◀── Hello, Go, Done, Refused, Finished ──
//! ```
//!
//! Neither end trusts the other: what arrives is bounded and checked, and what is received stays below the folder it was meant
//! for ([`receive()`]). What is said, and when, is in [`frame`].

mod digest;
mod exchange;
pub mod frame;
mod path;
pub mod receive;
mod send;
mod words;

pub use digest::{Hasher, Sum};
pub use exchange::CopyError;
pub use path::{EntryPath, PathError};
pub use receive::{Asked, Destination, receive};
pub use send::{Sources, send};
pub use words::shown;

/// Hears how a copy goes on.
pub trait Watcher {
    /// A file of `size` bytes is copied now, the first `from` of which were there already.
    fn begins(&mut self, path: &[u8], size: u64, from: u64);
    /// So many more of its bytes have gone their way.
    fn moves(&mut self, bytes: u64);
    /// A file is whole, of which `from` bytes were there already.
    fn copied(&mut self, path: &[u8], size: u64, from: u64);
    /// One entry is not copied; the others are.
    fn fails(&mut self, path: &[u8], why: &str);
}

/// A watcher at the end that nobody looks at.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unwatched;

impl Watcher for Unwatched {
    fn begins(&mut self, _: &[u8], _: u64, _: u64) {}
    fn moves(&mut self, _: u64) {}
    fn copied(&mut self, _: &[u8], _: u64, _: u64) {}
    fn fails(&mut self, _: &[u8], _: &str) {}
}

#[cfg(test)]
mod tests;
