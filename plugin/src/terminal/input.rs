//! Reads standard input without making it non-blocking.
//!
//! That would do the same to every other program that holds the same open file (the shell that started us, among
//! them). So a terminal or a pipe is read when the runtime says that something is there, which costs a key no thread
//! switch, and whatever epoll refuses, a regular file above all, on a thread of its own.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use bytes::Bytes;
use rustix::buffer::spare_capacity;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, read};
use rustix::pipe::{PipeFlags, pipe_with};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::mpsc;

/// The bytes of a file descriptor, chunk by chunk, read only as fast as they are taken.
#[derive(Debug)]
pub(crate) struct InputReader {
    source: Source,
}

#[derive(Debug)]
enum Source {
    Watched {
        source: AsyncFd<OwnedFd>,
        buffer: Vec<u8>,
    },
    Thread {
        chunks: mpsc::Receiver<Bytes>,
        /// Closing it wakes the thread out of its wait, so that it ends with its owner and takes no more bytes.
        _stop: OwnedFd,
    },
}

impl InputReader {
    /// Starts to read `source`; at most a few chunks are read ahead of [`InputReader::next`].
    pub(crate) fn open(source: OwnedFd) -> io::Result<Self> {
        #[expect(
            unsafe_code,
            reason = "the safe constructors trust every `AsRawFd`; only this one is not deprecated"
        )]
        // SAFETY: an `OwnedFd` keeps its descriptor open and answers with the same number until it is dropped.
        let watched = unsafe { AsyncFd::register_with_interest(source, Interest::READABLE) };
        let refused = match watched {
            Ok(source) => {
                let buffer = Vec::new();
                return Ok(Self {
                    source: Source::Watched { source, buffer },
                });
            }
            Err(refused) => refused,
        };
        let (source, _cannot_be_watched) = refused.into_parts();
        let (stopped, stop) = pipe_with(PipeFlags::CLOEXEC)?;
        let (sender, chunks) = mpsc::channel(READ_AHEAD_CHUNKS);
        std::thread::Builder::new()
            .name("standard-input".into())
            .spawn(move || copy(&source, &stopped, &sender))?;
        Ok(Self {
            source: Source::Thread { chunks, _stop: stop },
        })
    }

    /// The next chunk; `None` at the end of the input or when it cannot be read. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Option<Bytes> {
        match &mut self.source {
            Source::Watched { source, buffer } => next_of_watched(source, buffer).await,
            Source::Thread { chunks, .. } => chunks.recv().await,
        }
    }
}

async fn next_of_watched(source: &AsyncFd<OwnedFd>, buffer: &mut Vec<u8>) -> Option<Bytes> {
    loop {
        let mut ready = source.readable().await.ok()?;
        // The runtime remembers that something was there; whether it still is decides if a read would block.
        let mut fds = [PollFd::from_borrowed_fd(source.get_ref().as_fd(), PollFlags::IN)];
        match poll(&mut fds, Some(&Timespec::default())) {
            Ok(0) => {
                ready.clear_ready();
                continue;
            }
            Ok(_) => {}
            Err(Errno::INTR) => continue,
            Err(_) => return None,
        }
        match read_chunk(source.get_ref(), buffer) {
            Ok(chunk) => return chunk,
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => ready.clear_ready(),
            // A terminal that hung up reads as EIO; there is nothing more to come either way.
            Err(_) => return None,
        }
    }
}

/// Reads what is there; `None` at the end. The copy is as long as what was read, and `buffer` serves the next read.
fn read_chunk(source: &OwnedFd, buffer: &mut Vec<u8>) -> Result<Option<Bytes>, Errno> {
    buffer.clear();
    buffer.reserve_exact(CHUNK_BYTES);
    let length = read(source, spare_capacity(buffer))?;
    Ok((length > 0).then(|| Bytes::copy_from_slice(buffer)))
}

fn copy(source: &OwnedFd, stopped: &OwnedFd, chunks: &mpsc::Sender<Bytes>) {
    let mut buffer = Vec::new();
    while wait_readable(source, stopped) {
        match read_chunk(source, &mut buffer) {
            Ok(Some(chunk)) => {
                if chunks.blocking_send(chunk).is_err() {
                    return;
                }
            }
            Err(Errno::INTR | Errno::AGAIN) => {}
            Ok(None) | Err(_) => return,
        }
    }
}

/// Waits for bytes or the end of `source`; false once the owner is gone.
fn wait_readable(source: &OwnedFd, stopped: &OwnedFd) -> bool {
    loop {
        let mut fds = [
            PollFd::from_borrowed_fd(source.as_fd(), PollFlags::IN),
            PollFd::from_borrowed_fd(stopped.as_fd(), PollFlags::IN),
        ];
        match poll(&mut fds, None) {
            Ok(_) if !fds[1].revents().is_empty() => return false,
            Ok(_) if !fds[0].revents().is_empty() => return true,
            Ok(_) | Err(Errno::INTR) => {}
            Err(_) => return false,
        }
    }
}

/// A pipe's capacity on Linux: one read empties it.
const CHUNK_BYTES: usize = 64 * 1024;

/// Enough that the thread reads while the previous chunk is being sent.
const READ_AHEAD_CHUNKS: usize = 2;

#[cfg(test)]
mod tests {
    use std::io::{Seek, Write};

    use super::*;

    #[tokio::test]
    async fn reads_a_pipe_to_its_end() {
        let (source, mut sink) = io::pipe().unwrap();
        let mut input = InputReader::open(source.into()).unwrap();
        sink.write_all(b"one").unwrap();
        assert_eq!(input.next().await.unwrap(), "one");
        drop(sink);
        assert_eq!(input.next().await, None);
    }

    #[tokio::test]
    async fn reads_a_regular_file() {
        let mut file = tempfile::tempfile().unwrap();
        let text = vec![b'x'; 3 * CHUNK_BYTES + 5];
        file.write_all(&text).unwrap();
        file.rewind().unwrap();
        let mut input = InputReader::open(file.into()).unwrap();
        let mut read = Vec::new();
        while let Some(chunk) = input.next().await {
            read.extend_from_slice(&chunk);
        }
        assert_eq!(read, text);
    }

    #[tokio::test]
    async fn takes_no_bytes_after_its_owner_is_gone() {
        let (source, mut sink) = io::pipe().unwrap();
        let other = source.try_clone().unwrap();
        let input = InputReader::open(source.into()).unwrap();
        drop(input);
        // The thread closes its end of the pipe when it ends: with `other` closed too, a write must fail.
        sink.write_all(b"not for us").unwrap();
        let mut buffer = [0; 32];
        assert_eq!(read(&other, &mut buffer).unwrap(), 10);
    }
}
