//! Watching a descriptor with the runtime.

use std::io;
use std::os::fd::OwnedFd;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Registers a descriptor with the runtime's reactor, which owns it from then on.
///
/// # Errors
///
/// When the descriptor cannot be watched. Must be called within a tokio runtime.
pub(crate) fn watch(descriptor: OwnedFd, interest: Interest) -> io::Result<AsyncFd<OwnedFd>> {
    #[expect(
        unsafe_code,
        reason = "the safe constructors trust every `AsRawFd`; only this one is not deprecated"
    )]
    // SAFETY: an `OwnedFd` keeps its descriptor open and answers with the same number until it is dropped.
    let watched = unsafe { AsyncFd::register_with_interest(descriptor, interest) };
    watched.map_err(|refused| refused.into_parts().1)
}
