//! Writes standard output and standard error on a thread of its own, in large writes.
//!
//! A terminal that is stopped, or a pipe into a pager, may take no bytes for minutes. The session has to go on
//! meanwhile (pings, keys, the network), so nothing but this thread ever waits for it. The queue itself has no
//! limit: its owner looks at [`OutputWriter::backlog`] and stops taking from the network.
//!
//! A few bytes with nothing ahead of them, above all the echo of a key, are spared the way through the thread when
//! the system would take them at once.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, mpsc};

use bytes::Bytes;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, write};
use tokio::sync::Notify;

/// Where bytes are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {
    /// What the session printed, and the texts that scripts read.
    Output,
    /// Everything the client itself has to say.
    Notice,
}

/// A queue in front of standard output and standard error, in one order.
#[derive(Debug)]
pub(crate) struct OutputWriter {
    queue: mpsc::Sender<(Channel, Bytes)>,
    progress: Arc<Progress>,
    output: OwnedFd,
}

#[derive(Debug, Default)]
struct Progress {
    backlog: AtomicUsize,
    failure: OnceLock<Errno>,
    changed: Notify,
}

impl OutputWriter {
    /// Starts the thread that writes to `output` and `notices`.
    pub(crate) fn spawn(output: OwnedFd, notices: OwnedFd) -> io::Result<Self> {
        let (queue, chunks) = mpsc::channel();
        let progress = Arc::new(Progress::default());
        let shared = Arc::clone(&progress);
        let directly = output.try_clone()?;
        std::thread::Builder::new()
            .name("standard-output".into())
            .spawn(move || drain(&chunks, &output, &notices, &shared))?;
        Ok(Self {
            queue,
            progress,
            output: directly,
        })
    }

    /// Queues bytes behind all that was queued before. Never waits.
    pub(crate) fn write(&self, channel: Channel, bytes: Bytes) {
        if bytes.is_empty() || self.failure().is_some() {
            return;
        }
        let mut bytes = bytes;
        if channel == Channel::Output && self.backlog() == 0 {
            let _written = bytes.split_to(write_at_once(&self.output, &bytes));
            if bytes.is_empty() {
                return;
            }
        }
        let length = bytes.len();
        self.progress.backlog.fetch_add(length, Ordering::AcqRel);
        if self.queue.send((channel, bytes)).is_err() {
            self.progress.backlog.fetch_sub(length, Ordering::AcqRel);
        }
    }

    /// Bytes queued and not yet taken by the system.
    pub(crate) fn backlog(&self) -> usize {
        self.progress.backlog.load(Ordering::Acquire)
    }

    /// Why standard output takes no more bytes, once it does not.
    pub(crate) fn failure(&self) -> Option<io::Error> {
        self.progress.failure.get().map(|&errno| errno.into())
    }

    /// Waits until some bytes were written, or cannot be. Cancel-safe; may return early.
    pub(crate) async fn progress(&self) {
        self.progress.changed.notified().await;
    }

    /// Waits until everything queued was written, or cannot be.
    pub(crate) async fn drained(&self) {
        while self.backlog() > 0 && self.failure().is_none() {
            self.progress().await;
        }
    }
}

fn drain(
    chunks: &mpsc::Receiver<(Channel, Bytes)>,
    output: &OwnedFd,
    notices: &OwnedFd,
    progress: &Progress,
) {
    let mut held = None;
    while let Some((channel, first)) = held.take().or_else(|| chunks.recv().ok()) {
        let batch = gather(first, channel, chunks, &mut held);
        let written = match channel {
            Channel::Output => write_all(output, &batch),
            // A closed standard error must not end a session.
            Channel::Notice => write_all(notices, &batch).or(Ok(())),
        };
        progress.backlog.fetch_sub(batch.len(), Ordering::AcqRel);
        if let Err(errno) = written {
            // Only this thread sets it, and it ends here.
            let _ = progress.failure.set(errno);
        }
        progress.changed.notify_one();
        if written.is_err() {
            return;
        }
    }
}

/// Joins what is queued for the same channel, so that a thousand small frames cost one write.
fn gather(
    first: Bytes,
    channel: Channel,
    chunks: &mpsc::Receiver<(Channel, Bytes)>,
    held: &mut Option<(Channel, Bytes)>,
) -> Bytes {
    let mut batch = Vec::new();
    while batch.len() + first.len() < BATCH_BYTES {
        match chunks.try_recv() {
            Ok((other, bytes)) if other == channel => {
                if batch.is_empty() {
                    batch.reserve(BATCH_BYTES);
                    batch.extend_from_slice(&first);
                }
                batch.extend_from_slice(&bytes);
            }
            Ok(next) => {
                *held = Some(next);
                break;
            }
            Err(_) => break,
        }
    }
    if batch.is_empty() { first } else { batch.into() }
}

/// Writes a few bytes if that needs no waiting, and returns how many were written. What fails here fails again, and
/// is reported, in the thread.
fn write_at_once(to: &OwnedFd, bytes: &[u8]) -> usize {
    if bytes.len() > AT_ONCE_BYTES {
        return 0;
    }
    let mut fds = [PollFd::from_borrowed_fd(to.as_fd(), PollFlags::OUT)];
    let is_writable =
        poll(&mut fds, Some(&Timespec::default())).is_ok() && fds[0].revents() == PollFlags::OUT;
    if is_writable {
        write(to, bytes).unwrap_or(0)
    } else {
        0
    }
}

fn write_all(to: &OwnedFd, mut bytes: &[u8]) -> Result<(), Errno> {
    while !bytes.is_empty() {
        match write(to, bytes) {
            Ok(written) => bytes = &bytes[written.min(bytes.len())..],
            Err(Errno::INTR) => {}
            // Somebody else who holds the same open file made it non-blocking.
            Err(Errno::AGAIN) => wait_writable(to)?,
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

fn wait_writable(to: &OwnedFd) -> Result<(), Errno> {
    match poll(&mut [PollFd::from_borrowed_fd(to.as_fd(), PollFlags::OUT)], None) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(errno) => Err(errno),
    }
}

/// A pipe that is writable takes a page without blocking. A terminal has room for less only when its 64 KiB are almost
/// full, which a key's echo does not meet.
const AT_ONCE_BYTES: usize = 256;

/// Large enough that the system calls do not show in a profile, small enough to stay in the cache.
const BATCH_BYTES: usize = 128 * 1024;

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[tokio::test]
    async fn writes_in_order_and_reports_the_end() {
        let (mut reader, sink) = io::pipe().unwrap();
        let writer = OutputWriter::spawn(sink.try_clone().unwrap().into(), sink.into()).unwrap();
        for number in 0..1000 {
            writer.write(Channel::Output, format!("{number} ").into());
            if number % 7 == 0 {
                writer.write(Channel::Notice, "! ".into());
            }
        }
        writer.drained().await;
        assert_eq!(writer.backlog(), 0);
        drop(writer);
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        let expected: String = (0..1000)
            .map(|number| {
                if number % 7 == 0 {
                    format!("{number} ! ")
                } else {
                    format!("{number} ")
                }
            })
            .collect();
        assert_eq!(text, expected);
    }

    #[tokio::test]
    async fn a_stopped_reader_holds_up_nobody_else() {
        let (mut reader, sink) = io::pipe().unwrap();
        let (_unread, notices) = io::pipe().unwrap();
        let writer = OutputWriter::spawn(sink.into(), notices.into()).unwrap();
        let text = Bytes::from(vec![b'x'; 1 << 20]);
        writer.write(Channel::Output, text.clone());
        assert!(writer.backlog() > 0);
        let reading = std::thread::spawn(move || {
            let mut read = Vec::new();
            reader.read_to_end(&mut read).unwrap();
            read
        });
        writer.drained().await;
        drop(writer);
        assert_eq!(reading.join().unwrap(), text);
    }

    #[tokio::test]
    async fn a_closed_reader_is_a_failure() {
        let (reader, sink) = io::pipe().unwrap();
        let (_unread, notices) = io::pipe().unwrap();
        let writer = OutputWriter::spawn(sink.into(), notices.into()).unwrap();
        drop(reader);
        writer.write(Channel::Output, "text".into());
        writer.drained().await;
        assert_eq!(writer.failure().unwrap().kind(), io::ErrorKind::BrokenPipe);
        writer.write(Channel::Output, "more".into());
    }
}
