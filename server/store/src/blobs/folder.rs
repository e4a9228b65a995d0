//! Blobs as files, in 256 folders by the first two digits of their names.

use std::fs::{self, DirBuilder, File};
use std::io::{self, ErrorKind, SeekFrom};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::io::{AsyncSeekExt as _, AsyncWriteExt as _, BufWriter};

use super::{BlobReader, BlobWriter, Blobs, is_drawn};

/// What is gathered before it is handed to the system.
const BUFFER: usize = 512 * 1024;

/// Keeps blobs in a folder.
#[derive(Debug, Clone)]
pub struct BlobFolder {
    path: PathBuf,
}

impl BlobFolder {
    /// The name of the folder inside the data folder.
    pub const NAME: &str = "objects";

    /// Makes the folder where it is missing, for this user only.
    ///
    /// # Errors
    ///
    /// It cannot be made.
    pub fn open(path: &Path) -> io::Result<Self> {
        let mut builder = DirBuilder::new();
        builder.recursive(true).mode(0o700).create(path)?;
        for shelf in shelves() {
            builder.create(path.join(shelf))?;
        }
        File::open(path)?.sync_all()?;
        Ok(Self {
            path: path.to_owned(),
        })
    }

    /// The file of a blob. Only names that were drawn here have one: nothing from outside becomes a path.
    fn file(&self, id: &str) -> io::Result<PathBuf> {
        match id.get(..2) {
            Some(shelf) if is_drawn(id) => Ok(self.path.join(shelf).join(id)),
            _ => Err(io::Error::new(ErrorKind::InvalidInput, "no blob has that name")),
        }
    }
}

fn shelves() -> impl Iterator<Item = String> {
    (0..=u8::MAX).map(|number| format!("{number:02x}"))
}

#[async_trait]
impl Blobs for BlobFolder {
    async fn create(&self, id: &str) -> io::Result<Box<dyn BlobWriter>> {
        let path = self.file(id)?;
        let mut options = tokio::fs::OpenOptions::new();
        let file = options
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .await?;
        Ok(Box::new(FileWriter {
            file: BufWriter::with_capacity(BUFFER, file),
            unfinished: Some(path),
        }))
    }

    async fn open(&self, id: &str, from: u64) -> io::Result<BlobReader> {
        let mut file = tokio::fs::File::open(self.file(id)?).await?;
        file.seek(SeekFrom::Start(from)).await?;
        Ok(Box::new(tokio::io::BufReader::with_capacity(BUFFER, file)))
    }

    async fn remove(&self, id: &str) -> io::Result<()> {
        match tokio::fs::remove_file(self.file(id)?).await {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            removed => removed,
        }
    }

    async fn list(&self, after: Option<&str>) -> io::Result<Vec<String>> {
        let (folder, after) = (self.path.clone(), after.map(str::to_owned));
        let listing = tokio::task::spawn_blocking(move || next_shelf(&folder, after.as_deref()));
        listing.await?
    }
}

/// The blobs of the first shelf after that of `after` that has any.
fn next_shelf(folder: &Path, after: Option<&str>) -> io::Result<Vec<String>> {
    let done = after.and_then(|id| id.get(..2));
    for shelf in shelves().filter(|shelf| done.is_none_or(|done| shelf.as_str() > done)) {
        let mut found = Vec::new();
        for entry in fs::read_dir(folder.join(&shelf))? {
            // What we did not name is not ours to remove.
            let name = entry?.file_name().into_string();
            found.extend(
                name.ok()
                    .filter(|name| name.len() == 32 && name.starts_with(&shelf)),
            );
        }
        if !found.is_empty() {
            found.sort_unstable();
            return Ok(found);
        }
    }
    Ok(Vec::new())
}

struct FileWriter {
    file: BufWriter<tokio::fs::File>,
    unfinished: Option<PathBuf>,
}

#[async_trait]
impl BlobWriter for FileWriter {
    async fn write(&mut self, bytes: Bytes) -> io::Result<()> {
        self.file.write_all(&bytes).await
    }

    async fn finish(mut self: Box<Self>) -> io::Result<()> {
        self.file.flush().await?;
        self.file.get_ref().sync_data().await?;
        if let Some(shelf) = self.unfinished.as_deref().and_then(Path::parent) {
            // The name must last, too.
            tokio::fs::File::open(shelf).await?.sync_all().await?;
        }
        self.unfinished = None;
        Ok(())
    }
}

impl Drop for FileWriter {
    fn drop(&mut self) {
        if let Some(path) = self.unfinished.take() {
            // What cannot be removed now is swept at the next start.
            let _ = fs::remove_file(path);
        }
    }
}
