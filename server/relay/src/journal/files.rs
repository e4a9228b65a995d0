//! The few file operations the journal needs, behind a trait so that tests can make them fail.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// One open segment file.
pub trait SegmentFile: Send + Sync {
    /// Writes all of `bytes` at `offset`.
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;
    /// Reads exactly `bytes.len()` bytes at `offset`.
    fn read_exact_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()>;
    /// Makes everything written so far survive a power cut.
    fn sync(&self) -> io::Result<()>;
    /// The file's length in bytes.
    fn length(&self) -> io::Result<u64>;
    /// Cuts the file after `length` bytes.
    fn truncate(&self, length: u64) -> io::Result<()>;
}

/// The folder the segment files stand in, named by their numbers.
pub trait SegmentFolder: Send + Sync {
    /// The numbers of the segments present, ascending.
    fn list(&self) -> io::Result<Vec<u32>>;
    /// Creates a segment that must not exist; readable by its owner only.
    fn create(&self, number: u32) -> io::Result<Arc<dyn SegmentFile>>;
    /// Opens a segment for reading.
    fn open(&self, number: u32) -> io::Result<Arc<dyn SegmentFile>>;
    /// Removes a segment.
    fn remove(&self, number: u32) -> io::Result<()>;
}

/// Segments in a folder of the file system.
#[derive(Debug)]
pub struct DiskFolder {
    path: PathBuf,
}

impl DiskFolder {
    /// Opens the folder, creating it (mode 0700) when it is missing.
    ///
    /// # Errors
    ///
    /// When it cannot be created.
    pub fn open(path: &Path) -> io::Result<DiskFolder> {
        if !path.is_dir() {
            std::fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(path)?;
        }
        Ok(DiskFolder {
            path: path.to_owned(),
        })
    }

    fn segment_path(&self, number: u32) -> PathBuf {
        self.path.join(format!("{number:010}.journal"))
    }
}

impl SegmentFolder for DiskFolder {
    fn list(&self) -> io::Result<Vec<u32>> {
        let mut numbers = Vec::new();
        for entry in std::fs::read_dir(&self.path)? {
            let name = entry?.file_name();
            let number = name
                .to_str()
                .and_then(|name| name.strip_suffix(".journal"))
                .map(str::parse::<u32>);
            if let Some(Ok(number)) = number {
                numbers.push(number);
            }
        }
        numbers.sort_unstable();
        Ok(numbers)
    }

    fn create(&self, number: u32) -> io::Result<Arc<dyn SegmentFile>> {
        let path = self.segment_path(number);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)?;
        // The name must survive a power cut as surely as what is written under it.
        File::open(&self.path)?.sync_all()?;
        Ok(Arc::new(DiskFile(file)))
    }

    fn open(&self, number: u32) -> io::Result<Arc<dyn SegmentFile>> {
        Ok(Arc::new(DiskFile(File::open(self.segment_path(number))?)))
    }

    fn remove(&self, number: u32) -> io::Result<()> {
        std::fs::remove_file(self.segment_path(number))
    }
}

struct DiskFile(File);

impl SegmentFile for DiskFile {
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        FileExt::write_all_at(&self.0, bytes, offset)
    }

    fn read_exact_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        FileExt::read_exact_at(&self.0, bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        self.0.set_len(length)
    }
}
