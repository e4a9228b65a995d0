//! Reads standard input on a thread of its own.
//!
//! A thread and not the runtime's readiness: standard input may be a regular file, which epoll refuses, and
//! making it non-blocking would do the same to every other program that holds the same open file (the shell
//! that started us, among them).

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use bytes::{Bytes, BytesMut};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::{Errno, read};
use rustix::pipe::{PipeFlags, pipe_with};
use tokio::sync::mpsc;

/// The bytes of a file descriptor, chunk by chunk, read only as fast as they are taken.
#[derive(Debug)]
pub(crate) struct InputReader {
    chunks: mpsc::Receiver<Bytes>,
    /// Closing it wakes the thread out of its wait, so that it ends with its owner and takes no more bytes.
    _stop: OwnedFd,
}

impl InputReader {
    /// Starts to read `source`; a few chunks are read ahead of [`InputReader::next`], no more.
    pub(crate) fn spawn(source: OwnedFd) -> io::Result<Self> {
        let (stopped, stop) = pipe_with(PipeFlags::CLOEXEC)?;
        let (sender, chunks) = mpsc::channel(READ_AHEAD_CHUNKS);
        std::thread::Builder::new()
            .name("standard-input".into())
            .spawn(move || copy(&source, &stopped, &sender))?;
        Ok(Self { chunks, _stop: stop })
    }

    /// The next chunk; `None` at the end of the input or when it cannot be read. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Option<Bytes> {
        self.chunks.recv().await
    }
}

fn copy(source: &OwnedFd, stopped: &OwnedFd, chunks: &mpsc::Sender<Bytes>) {
    let mut buffer = BytesMut::new();
    loop {
        if !wait_readable(source, stopped) {
            return;
        }
        buffer.resize(CHUNK_BYTES, 0);
        match read(source, &mut buffer[..]) {
            Ok(0) => return,
            Ok(length) => {
                buffer.truncate(length);
                // The copy gives the channel exactly what was read, and this buffer to the next read.
                let chunk = Bytes::copy_from_slice(&buffer);
                if chunks.blocking_send(chunk).is_err() {
                    return;
                }
            }
            Err(Errno::INTR | Errno::AGAIN) => {}
            // A terminal that hung up reads as EIO; there is nothing more to come either way.
            Err(_) => return,
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
        let mut input = InputReader::spawn(source.into()).unwrap();
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
        let mut input = InputReader::spawn(file.into()).unwrap();
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
        let input = InputReader::spawn(source.into()).unwrap();
        drop(input);
        // The thread closes its end of the pipe when it ends: with `other` closed too, a write must fail.
        sink.write_all(b"not for us").unwrap();
        let mut buffer = [0; 32];
        assert_eq!(read(&other, &mut buffer).unwrap(), 10);
    }
}
