//! A shelf of plain files, in a folder for each bucket.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use drawbridge_session::recording::{Shelf, ShelfError, bucket_name};
use drawbridge_session::{AccountId, Region};

/// Keeps objects as files that only the server's user reads; in the clear.
#[derive(Debug, Clone)]
pub struct FileShelf {
    folder: PathBuf,
}

impl FileShelf {
    /// Keeps them below this folder, which is made when it is needed.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }
}

#[async_trait]
impl Shelf for FileShelf {
    async fn put(
        &self,
        account: &AccountId,
        region: &Region,
        name: &str,
        _content_type: &str,
        bytes: Vec<u8>,
    ) -> Result<String, ShelfError> {
        let folder = self.folder.join(bucket_name(account, region));
        let file = escaped(name);
        let written = tokio::task::spawn_blocking(move || write(&folder, &file, &bytes)).await;
        let written = written.unwrap_or_else(|_| Err(io::Error::other("the server is shutting down")));
        written.map_err(|source| ShelfError {
            name: name.to_owned(),
            source: source.into(),
        })
    }
}

/// Writes beside the place and then moves there: whoever reads sees all of it or nothing.
fn write(folder: &Path, name: &str, bytes: &[u8]) -> io::Result<String> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let unfinished = folder.join(format!("{name}.part"));
    match fs::remove_file(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&unfinished)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    let place = folder.join(name);
    fs::rename(&unfinished, &place)?;
    Ok(place.display().to_string())
}

/// A file name that leads nowhere else: dots stay only where something stands before them.
fn escaped(name: &str) -> String {
    let mut file = String::with_capacity(name.len());
    for byte in name.bytes() {
        let keeps =
            byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_') || (byte == b'.' && !file.is_empty());
        match keeps {
            true => file.push(char::from(byte)),
            false => file.push_str(&format!("%{byte:02X}")),
        }
    }
    file
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_leads_out_of_the_folder() {
        assert_eq!(escaped("a@b-1.txt"), "a%40b-1.txt");
        for name in ["../x", "..", "/etc/passwd", ".", ".hidden", "a/../../b", "\0"] {
            let file = escaped(name);
            assert!(
                !file.starts_with('.') && !file.contains(['/', '\0']),
                "{name}: {file}"
            );
        }
    }

    #[tokio::test]
    async fn what_is_put_is_there_and_is_replaced() {
        let home = tempfile::tempdir().expect("a folder");
        let shelf = FileShelf::new(home.path().join("shelf"));
        let account = AccountId::parse("123456789012").expect("an account");
        let region = Region::parse("us-east-1").expect("a region");
        for content in ["first", "second"] {
            let put = shelf.put(&account, &region, "a-1.txt", "text/plain", content.into());
            let place = put.await.expect("kept");
            assert!(
                place.ends_with("/drawbridge-recordings-123456789012-us-east-1/a-1.txt"),
                "{place}"
            );
            assert_eq!(fs::read_to_string(place).expect("read"), content);
        }
    }
}
