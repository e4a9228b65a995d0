//! The terminal in front of the person: raw mode, keys, window size, signals, and standard output.
//!
//! This module owns everything that touches the local terminal and knows nothing of sessions. [`Terminal`] is what the
//! client loop sees of it; [`SystemTerminal`] is the real one, and tests bring their own.

mod escapes;
mod input;
mod output;
mod raw;
mod signals;
mod size;
mod system;

use std::future::Future;
use std::io;

use bytes::Bytes;
use drawbridge_protocol::payload::Size;

pub use escapes::{Escape, EscapeFilter, Typed};
pub use output::Channel;
pub use raw::RawMode;
pub use signals::Signal;
pub use system::SystemTerminal;

/// What the client loop needs of the terminal it runs in.
///
/// Nothing here waits but [`Terminal::next`] and [`Terminal::drained`].
pub trait Terminal {
    /// Whether a person types: standard input is a terminal.
    fn is_interactive(&self) -> bool;

    /// Switches to raw mode, if a person types; again after [`Signal::Continued`]. Errors: the terminal is gone.
    fn enter_raw(&mut self) -> io::Result<()>;

    /// Puts the terminal's settings back.
    fn leave_raw(&mut self);

    /// Stops this process and its job, as Ctrl-Z does to a local program; false if nobody could continue it.
    ///
    /// Call it with raw mode left; [`Signal::Continued`] follows once somebody brings the job back.
    fn stop(&mut self) -> bool;

    /// The size to report to the far end.
    fn size(&self) -> Size;

    /// Queues bytes; the caller stops when there is no [`Terminal::room`].
    fn write(&mut self, channel: Channel, bytes: Bytes);

    /// Tells the person a sentence on standard error, on a line of its own.
    fn notice(&mut self, sentence: &str);

    /// Bytes queued and not written.
    fn backlog(&self) -> usize;

    /// How many more bytes of output should be queued.
    fn room(&self) -> usize;

    /// Waits for something to happen; takes bytes from standard input only if `want_input`. Cancel-safe.
    fn next(&mut self, want_input: bool) -> impl Future<Output = Occurrence>;

    /// Waits until everything queued was written, or cannot be. Cancel-safe.
    fn drained(&mut self) -> impl Future<Output = ()>;
}

/// Something that happened at the terminal.
#[derive(Debug)]
pub enum Occurrence {
    /// Bytes from standard input, not empty.
    Input(Bytes),
    /// Standard input has ended; said once.
    EndOfInput,
    /// A signal came.
    Signal(Signal),
    /// Some queued bytes were written.
    Written,
    /// Standard output takes no more bytes; said once.
    OutputFailed(io::Error),
}
