//! The transcript of a session that is over.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;

use super::capture::Captured;

/// What a session said, between two lines that say when: the form that `script` gives AWS's transcripts, which people and
/// programs look for. The times are the session's own.
#[derive(Clone, Debug)]
pub(super) struct Transcript {
    head: Bytes,
    file: Arc<File>,
    captured: u64,
    tail: Bytes,
}

impl Transcript {
    pub(super) fn new(file: Arc<File>, captured: &Captured, began: Timestamp, ended: Timestamp) -> Self {
        let at = |time: Timestamp| time.strftime("%Y-%m-%d %H:%M:%S+00:00").to_string();
        let lost = captured.lost.as_ref();
        let lost = lost.map_or_else(String::new, |why| {
            format!("\n[the rest of this log is lost: {why}]")
        });
        Self {
            head: Bytes::from(format!("Script started on {}\n", at(began))),
            file,
            captured: captured.bytes,
            tail: Bytes::from(format!("{lost}\nScript done on {}\n", at(ended))),
        }
    }

    /// Returns how many bytes it has.
    pub(super) fn len(&self) -> u64 {
        self.head.len() as u64 + self.captured + self.tail.len() as u64
    }

    /// Reads up to `most` bytes from an offset; fewer at the end only.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, or is shorter than it was.
    pub(super) async fn read(&self, offset: u64, most: usize) -> io::Result<Bytes> {
        let transcript = self.clone();
        tokio::task::spawn_blocking(move || transcript.read_now(offset, most))
            .await
            .map_err(io::Error::other)?
    }

    fn read_now(&self, offset: u64, most: usize) -> io::Result<Bytes> {
        let length = usize::try_from(self.len().saturating_sub(offset)).unwrap_or(usize::MAX);
        let mut bytes = vec![0; length.min(most)];
        let mut at = offset;
        let mut filled = 0;
        while filled < bytes.len() {
            let count = self.read_some(at, &mut bytes[filled..])?;
            if count == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            filled += count;
            at += count as u64;
        }
        Ok(bytes.into())
    }

    /// Reads what lies in one of the three parts.
    fn read_some(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let of = |part: &[u8], from: u64, buffer: &mut [u8]| {
            let rest = usize::try_from(from)
                .ok()
                .and_then(|from| part.get(from..))
                .unwrap_or_default();
            let count = rest.len().min(buffer.len());
            buffer[..count].copy_from_slice(&rest[..count]);
            count
        };
        let Some(behind_head) = offset.checked_sub(self.head.len() as u64) else {
            return Ok(of(&self.head, offset, buffer));
        };
        let Some(behind_file) = behind_head.checked_sub(self.captured) else {
            let left = usize::try_from(self.captured - behind_head).unwrap_or(usize::MAX);
            let count = left.min(buffer.len());
            return self.file.read_at(&mut buffer[..count], behind_head);
        };
        Ok(of(&self.tail, behind_file, buffer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn transcript(output: &str, captured: &Captured) -> Transcript {
        let mut file = tempfile::tempfile().expect("a file");
        io::Write::write_all(&mut file, output.as_bytes()).expect("written");
        let at = |text: &str| text.parse().expect("a time");
        let (began, ended) = (at("2020-05-27T23:00:48Z"), at("2020-05-27T23:01:53.5Z"));
        Transcript::new(Arc::new(file), captured, began, ended)
    }

    fn captured(bytes: u64, lost: Option<&str>) -> Captured {
        Captured {
            bytes,
            is_over: true,
            lost: lost.map(str::to_owned),
        }
    }

    #[tokio::test]
    async fn reads_the_same_however_it_is_read() {
        let transcript = transcript("sh-4.2$ exit\r\nexit\r\n", &captured(20, None));
        let expected = "Script started on 2020-05-27 23:00:48+00:00\nsh-4.2$ exit\r\nexit\r\n\n\
                        Script done on 2020-05-27 23:01:53+00:00\n";
        assert_eq!(transcript.len(), expected.len() as u64);
        for most in [1, 7, 44, 4096] {
            let mut read = Vec::new();
            while (read.len() as u64) < transcript.len() {
                let piece = transcript.read(read.len() as u64, most).await.expect("readable");
                assert!(!piece.is_empty() && piece.len() <= most);
                read.extend_from_slice(&piece);
            }
            assert_eq!(String::from_utf8(read).expect("text"), expected);
        }
        assert!(
            transcript
                .read(transcript.len(), 9)
                .await
                .expect("the end")
                .is_empty()
        );
    }

    #[tokio::test]
    async fn says_that_something_is_missing() {
        let transcript = transcript("abc", &captured(3, Some("No space left on device")));
        let text = transcript.read(0, 4096).await.expect("readable");
        let text = String::from_utf8_lossy(&text);
        assert!(
            text.contains("abc\n[the rest of this log is lost: No space left on device]\nScript done"),
            "{text}"
        );
    }

    #[tokio::test]
    async fn a_file_that_shrank_is_an_error_and_no_zeroes() {
        let transcript = transcript("abc", &captured(10, None));
        assert!(transcript.read(0, 4096).await.is_err());
    }
}
