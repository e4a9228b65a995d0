//! Blobs as objects of a bucket.

use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use drawbridge_session::Clock;
use drawbridge_store::blobs::{BlobReader, BlobWriter, Blobs, is_drawn};
use futures_util::future::ready;
use futures_util::{StreamExt as _, TryStreamExt as _};
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::path::Path;
use object_store::{
    BackoffConfig, GetOptions, GetRange, ObjectStore as _, ObjectStoreExt as _, PutPayload, RetryConfig,
};
use tokio::sync::Semaphore;

use crate::config::{Backing, Prefix};
use crate::credentials;
use crate::error::{ConnectError, of_store, wrong};
use crate::exchange::WayOut;
use crate::reader::ChunkedReader;
use crate::writer::BucketWriter;

/// Blobs of one page of a listing.
const PAGE: usize = 1000;

/// There is one, or two for a moment.
const MAX_OWNERS: usize = 10;

/// The most bytes of the note of an upload.
const MAX_SMALL: u64 = 4096;

/// When a request is not tried again any more.
const RETRY_FOR: Duration = Duration::from_secs(20);

/// How often it is at most.
const RETRIES: usize = 6;

/// Bytes of all blobs that are being written at one time, which wait in memory until a part is full and sent.
const MEMORY: usize = 1024 * 1024 * 1024;

/// Keeps blobs in a bucket; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct BucketBlobs {
    pub(crate) s3: Arc<AmazonS3>,
    pub(crate) keys: Keys,
    /// A permit for each byte.
    pub(crate) memory: Arc<Semaphore>,
    place: Arc<str>,
}

/// Where things lie below the prefix.
#[derive(Debug, Clone)]
pub(crate) struct Keys(Prefix);

impl Keys {
    /// The key of a blob. Only names that were drawn here have one: nothing from outside becomes a key.
    pub(crate) fn blob(&self, id: &str) -> io::Result<Path> {
        match id.get(..2) {
            Some(shelf) if is_drawn(id) => Ok(self.path(&format!("blobs/{shelf}/{id}"))),
            _ => Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "no blob has that name",
            )),
        }
    }

    pub(crate) fn blobs(&self) -> Path {
        self.path("blobs")
    }

    /// The note of a blob's upload.
    pub(crate) fn note(&self, id: &str) -> Path {
        self.path(&format!("uploads/{id}"))
    }

    pub(crate) fn notes(&self) -> Path {
        self.path("uploads")
    }

    fn owner(&self, id: &str) -> Path {
        self.path(&format!("owner/{id}"))
    }

    fn owners(&self) -> Path {
        self.path("owner")
    }

    fn path(&self, rest: &str) -> Path {
        Path::from(format!("{}{rest}", self.0))
    }
}

impl BucketBlobs {
    /// Makes a client for the bucket; nothing is called yet.
    ///
    /// # Errors
    ///
    /// A file that is named is not there or says nothing, or there are no credentials where they are said to be.
    pub(crate) async fn connect(
        backing: &Backing,
        clock: &Arc<dyn Clock>,
        retries: RetryConfig,
    ) -> Result<Self, ConnectError> {
        let config = &backing.bucket;
        let builder = AmazonS3Builder::new()
            .with_bucket_name(config.bucket.to_string())
            .with_region(config.region.as_str())
            .with_endpoint(config.address())
            .with_virtual_hosted_style_request(!config.is_path_style())
            .with_allow_http(config.endpoint.as_ref().is_some_and(|it| !it.is_tls()))
            .with_retry(retries)
            .with_http_connector(WayOut::new(backing)?)
            // Not every store has it.
            .with_disable_bulk_delete(true);
        let builder = credentials::put_into(builder, backing, clock).await?;
        Ok(Self {
            s3: Arc::new(builder.build()?),
            keys: Keys(config.prefix.clone()),
            memory: Arc::new(Semaphore::new(MEMORY)),
            place: config.place().into(),
        })
    }

    /// Where the blobs lie, for people and for the next start.
    pub(crate) fn place(&self) -> &str {
        &self.place
    }

    /// Lists who says that the place is theirs. A name is found by a listing, because some stores do not tell whoever reads a
    /// key that is not there that it is not there.
    pub(crate) async fn owners(&self) -> io::Result<Vec<String>> {
        let found = self.s3.list(Some(&self.keys.owners()));
        let named = found.try_filter_map(|object| {
            let name = object.location.filename().filter(|name| is_drawn(name));
            ready(Ok(name.map(str::to_owned)))
        });
        named.take(MAX_OWNERS).try_collect().await.map_err(of_store)
    }

    pub(crate) async fn add_owner(&self, id: &str) -> io::Result<()> {
        let put = self.s3.put(&self.keys.owner(id), PutPayload::default()).await;
        put.map(drop).map_err(of_store)
    }

    pub(crate) async fn remove_owner(&self, id: &str) -> io::Result<()> {
        self.delete(&self.keys.owner(id)).await
    }

    /// Reads an object that is small.
    pub(crate) async fn small(&self, path: &Path) -> io::Result<Bytes> {
        let found = self.s3.get(path).await.map_err(of_store)?;
        if found.meta.size > MAX_SMALL {
            return Err(wrong("an object of the store is longer than it can be"));
        }
        exactly(found).await
    }

    /// Reads a range that begins inside a blob, as far as the blob goes; also returns how long the blob is.
    pub(crate) async fn range(&self, path: &Path, range: Range<u64>) -> io::Result<(Bytes, u64)> {
        let options = GetOptions {
            range: Some(GetRange::Bounded(range)),
            ..GetOptions::default()
        };
        let found = self.s3.get_opts(path, options).await.map_err(of_store)?;
        let size = found.meta.size;
        Ok((exactly(found).await?, size))
    }

    /// Removes an object; one that is not there is no error.
    pub(crate) async fn delete(&self, path: &Path) -> io::Result<()> {
        match self.s3.delete(path).await.map_err(of_store) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed,
        }
    }
}

/// Collects a body, which must be as long as it was announced: no more of it is held, and no less is taken for all.
async fn exactly(found: object_store::GetResult) -> io::Result<Bytes> {
    let length = found.range.end.saturating_sub(found.range.start);
    let mut body = found.into_stream();
    let mut all = BytesMut::new();
    while let Some(some) = body.next().await {
        all.extend_from_slice(&some.map_err(of_store)?);
        if all.len() as u64 > length {
            return Err(wrong("the store sent more than was asked for"));
        }
    }
    if (all.len() as u64) < length {
        return Err(io::Error::new(
            io::ErrorKind::UnexpectedEof,
            "the store sent less than it announced",
        ));
    }
    Ok(all.freeze())
}

/// How what fails in passing is tried again.
pub(crate) fn retries() -> RetryConfig {
    RetryConfig {
        backoff: BackoffConfig {
            init_backoff: Duration::from_millis(100),
            max_backoff: Duration::from_secs(3),
            base: 2.0,
        },
        max_retries: RETRIES,
        retry_timeout: RETRY_FOR,
    }
}

#[async_trait]
impl Blobs for BucketBlobs {
    async fn create(&self, id: &str) -> io::Result<Box<dyn BlobWriter>> {
        Ok(Box::new(BucketWriter::new(self.clone(), id)?))
    }

    async fn open(&self, id: &str, from: u64) -> io::Result<BlobReader> {
        let path = self.keys.blob(id)?;
        Ok(Box::new(ChunkedReader::open(self.clone(), path, from).await?))
    }

    async fn remove(&self, id: &str) -> io::Result<()> {
        self.delete(&self.keys.blob(id)?).await
    }

    async fn list(&self, after: Option<&str>) -> io::Result<Vec<String>> {
        let below = self.keys.blobs();
        let found = match after {
            None => self.s3.list(Some(&below)),
            Some(after) => self.s3.list_with_offset(Some(&below), &self.keys.blob(after)?),
        };
        // What we did not name is not ours to remove.
        let named = found.try_filter_map(|object| {
            let name = object.location.filename().filter(|name| is_drawn(name));
            let ours = name.filter(|name| self.keys.blob(name).is_ok_and(|key| key == object.location));
            ready(Ok(ours.map(str::to_owned)))
        });
        let page: Vec<String> = named.take(PAGE).try_collect().await.map_err(of_store)?;
        let mut before = after;
        for id in &page {
            if before.is_some_and(|before| before >= id.as_str()) {
                return Err(wrong("the store does not list in order"));
            }
            before = Some(id);
        }
        Ok(page)
    }
}
