//! Writing down what a session says, beside the session.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{Notify, watch};

/// Bytes that may wait for the disk before the session is asked to wait for it too.
const BEHIND_BYTES: usize = 1024 * 1024;
/// So much is written down at once, without collecting more.
const PLENTY_BYTES: usize = 128 * 1024;

/// Makes the file and the two ends of a capture.
///
/// # Errors
///
/// When there is such a file already, or it cannot be made.
pub(super) fn capture(path: &Path, collect: Duration) -> io::Result<(Tap, Capture)> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    let shared = Arc::new(Shared::default());
    let capture = Capture {
        shared: Arc::clone(&shared),
        file: Arc::new(file),
        collect,
        captured: watch::Sender::new(Captured::default()),
    };
    Ok((Tap { shared }, capture))
}

/// What the session pours its output into; takes no time to speak of.
pub(super) struct Tap {
    shared: Arc<Shared>,
}

/// What takes the output out and writes it down.
pub(super) struct Capture {
    shared: Arc<Shared>,
    file: Arc<File>,
    collect: Duration,
    captured: watch::Sender<Captured>,
}

/// How far a capture has come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Captured {
    /// Bytes in the file.
    pub(super) bytes: u64,
    /// Whether nothing will be added.
    pub(super) is_over: bool,
    /// Why some of the output is not in it.
    pub(super) lost: Option<String>,
}

#[derive(Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    filled: Notify,
    taken: Notify,
}

#[derive(Default)]
struct Waiting {
    pieces: Vec<Bytes>,
    bytes: usize,
    is_over: bool,
}

impl Tap {
    /// Takes a piece of output.
    pub(super) fn pour(&self, piece: Bytes) {
        self.shared.change(|waiting| {
            waiting.bytes += piece.len();
            waiting.pieces.push(piece);
        });
    }

    /// Says that there is no more.
    pub(super) fn close(&self) {
        self.shared.change(|waiting| waiting.is_over = true);
    }

    /// Says whether the disk is so slow that the session must wait for it, or output would pile up in memory.
    pub(super) fn is_behind(&self) -> bool {
        self.shared.look(|waiting| waiting.bytes >= BEHIND_BYTES)
    }

    /// Waits until something was taken out. Cancel safe.
    pub(super) async fn taken(&self) {
        self.shared.taken.notified().await;
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.close();
    }
}

impl Capture {
    /// Returns the file, which is only ever appended to, and how far it has come.
    pub(super) fn follow(&self) -> (Arc<File>, watch::Receiver<Captured>) {
        (Arc::clone(&self.file), self.captured.subscribe())
    }

    /// Writes everything down until there is no more. A disk that fails ends the log and not the session: what comes after
    /// that is dropped.
    pub(super) async fn run(self) {
        loop {
            self.collected().await;
            let (pieces, is_over) = self.shared.take();
            if self.captured.borrow().lost.is_none() {
                self.write(pieces).await;
            }
            self.shared.taken.notify_one();
            if is_over {
                self.captured.send_modify(|captured| captured.is_over = true);
                return;
            }
        }
    }

    /// Waits until there is something, and a little longer for more of it: keys are not to be written one by one.
    async fn collected(&self) {
        let has = |enough: usize| {
            self.shared
                .look(|waiting| waiting.is_over || waiting.bytes >= enough)
        };
        while !has(1) {
            self.shared.filled.notified().await;
        }
        let plenty = async {
            while !has(PLENTY_BYTES) {
                self.shared.filled.notified().await;
            }
        };
        let _ = tokio::time::timeout(self.collect, plenty).await;
    }

    async fn write(&self, pieces: Vec<Bytes>) {
        let file = Arc::clone(&self.file);
        let written = tokio::task::spawn_blocking(move || write_all(&file, &pieces)).await;
        let (bytes, failure) = match written {
            Ok(written) => written,
            Err(error) => (0, Some(io::Error::other(error))),
        };
        if let Some(error) = &failure {
            tracing::error!(%error, "cannot write the session's log down; it ends here, the session goes on");
        }
        self.captured.send_modify(|captured| {
            captured.bytes += bytes;
            captured.lost = failure.map(|error| error.to_string());
        });
    }
}

/// Returns how many bytes were written, and what stopped the rest.
fn write_all(mut file: &File, pieces: &[Bytes]) -> (u64, Option<io::Error>) {
    let mut bytes = 0;
    for piece in pieces {
        let mut rest = &piece[..];
        while !rest.is_empty() {
            match file.write(rest) {
                Ok(0) => return (bytes, Some(io::ErrorKind::WriteZero.into())),
                Ok(count) => {
                    bytes += count as u64;
                    rest = &rest[count..];
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return (bytes, Some(error)),
            }
        }
    }
    (bytes, None)
}

impl Shared {
    fn look<T>(&self, look: impl FnOnce(&Waiting) -> T) -> T {
        look(&self.waiting.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn change(&self, change: impl FnOnce(&mut Waiting)) {
        change(&mut self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        self.filled.notify_one();
    }

    fn take(&self) -> (Vec<Bytes>, bool) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.bytes = 0;
        (std::mem::take(&mut waiting.pieces), waiting.is_over)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    fn fixture() -> (tempfile::TempDir, Tap, Capture) {
        let folder = tempfile::tempdir().expect("a folder");
        let (tap, capture) = capture(&folder.path().join("output.log"), Duration::ZERO).expect("made");
        (folder, tap, capture)
    }

    #[tokio::test]
    async fn everything_is_written_down_in_order_in_a_private_file() {
        let (folder, tap, capture) = fixture();
        let path = folder.path().join("output.log");
        assert_eq!(std::fs::metadata(&path).expect("there").mode() & 0o777, 0o600);
        let (_, captured) = capture.follow();
        let pour = async {
            for number in 0..100 {
                tap.pour(Bytes::from(format!("{number}\n")));
                tokio::task::yield_now().await;
            }
            tap.close();
        };
        tokio::join!(capture.run(), pour);
        let expected: String = (0..100).map(|number| format!("{number}\n")).collect();
        assert_eq!(std::fs::read_to_string(&path).expect("readable"), expected);
        let whole = Captured {
            bytes: expected.len() as u64,
            is_over: true,
            lost: None,
        };
        assert_eq!(*captured.borrow(), whole);
    }

    #[test]
    fn never_writes_into_a_file_that_is_there() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("output.log");
        std::os::unix::fs::symlink("/etc/passwd", &path).expect("linked");
        assert!(capture(&path, Duration::ZERO).is_err());
    }

    #[tokio::test]
    async fn a_slow_disk_is_waited_for() {
        let (_folder, tap, capture) = fixture();
        tap.pour(Bytes::from(vec![b'x'; BEHIND_BYTES - 1]));
        assert!(!tap.is_behind());
        tap.pour(Bytes::from_static(b"x"));
        assert!(tap.is_behind());
        tokio::select! {
            () = capture.run() => panic!("the tap is open"),
            () = tap.taken() => assert!(!tap.is_behind()),
        }
    }

    #[tokio::test]
    async fn a_full_disk_ends_the_log_and_not_the_session() {
        let (tap, mut capture) = {
            let (_folder, tap, capture) = fixture();
            (tap, capture)
        };
        let full = OpenOptions::new()
            .write(true)
            .open("/dev/full")
            .expect("a full disk");
        capture.file = Arc::new(full);
        let (_, captured) = capture.follow();
        let pour = async {
            for _ in 0..4 {
                tap.pour(Bytes::from(vec![b'x'; BEHIND_BYTES]));
                tap.taken().await;
                assert!(!tap.is_behind());
            }
            tap.close();
        };
        tokio::join!(capture.run(), pour);
        let captured = captured.borrow();
        assert!(captured.is_over && captured.bytes == 0);
        let lost = captured.lost.as_deref().expect("lost");
        assert!(lost.contains("No space left"), "{lost}");
    }
}
