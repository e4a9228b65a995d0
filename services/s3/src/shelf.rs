//! The bucket of an account's recordings: the server alone puts objects there, nobody through the API.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::recording::{BUCKET_PREFIX, Shelf, ShelfError, bucket_name};
use drawbridge_session::{AccountId, Region};
use drawbridge_store::{Bucket, Condition, Content, CreateBucketError, ObjectVersion, Reserve, Versioning};
use futures_util::stream;
use http::StatusCode;
use s3s::dto::StreamingBlob;

use crate::S3;
use crate::encryption::Protection;
use crate::error::of_store;
use crate::receive::Expected;
use crate::stored::default_lock;

/// Why a copy is not in its bucket.
#[derive(Debug, thiserror::Error)]
enum ShelfTrouble {
    #[error("another account has the bucket")]
    NotOurs,
    #[error("the account has as many buckets as it may")]
    TooMany,
    #[error("{}: {}", .0.code(), .0.message())]
    Refused(AwsError),
}

impl From<AwsError> for ShelfTrouble {
    fn from(error: AwsError) -> Self {
        Self::Refused(error)
    }
}

/// Puts readable copies of recordings into buckets.
///
/// A bucket is made when it is first needed, with versions and locks: its account may say how long copies are locked.
#[derive(Clone)]
pub struct RecordingsShelf(Arc<S3>);

impl RecordingsShelf {
    /// Puts them into the buckets of this service, also into the room that is kept of the disk: it is kept for them.
    pub fn new(s3: &S3) -> Self {
        Self(Arc::new(S3 {
            reserve: Arc::new(Reserve::none()),
            ..s3.clone()
        }))
    }

    async fn store(
        &self,
        bucket: Bucket,
        name: &str,
        content_type: &str,
        bytes: Vec<u8>,
    ) -> Result<String, ShelfTrouble> {
        let s3 = &self.0;
        let bucket = self.ensure(bucket).await?;
        let body = StreamingBlob::wrap(stream::iter([Ok::<_, std::io::Error>(Bytes::from(bytes))]));
        let received = s3
            .receive(Some(body), Expected::default(), &Protection::Root)
            .await?;
        let content = Content {
            headers: [("content-type".to_owned(), content_type.to_owned())].into(),
            ..Content::default()
        };
        let object = ObjectVersion {
            retention: default_lock(&bucket, s3.clock.now()),
            ..s3.new_version(name.to_owned(), received.complete(content))
        };
        let place = format!("s3://{}/{name}", bucket.name);
        s3.commit(bucket.name, object, Condition::None).await?;
        Ok(place)
    }

    /// Finds the bucket as its account has set it up, or makes it.
    async fn ensure(&self, bucket: Bucket) -> Result<Bucket, ShelfTrouble> {
        match self.0.store.create_bucket(&bucket, &[]).await {
            Ok(()) => Ok(bucket),
            Err(CreateBucketError::Exists(there)) if there.account == bucket.account => Ok(*there),
            Err(CreateBucketError::Exists(_)) => Err(ShelfTrouble::NotOurs),
            Err(CreateBucketError::TooMany) => Err(ShelfTrouble::TooMany),
            Err(CreateBucketError::Store(error)) => Err(of_store(error).into()),
        }
    }
}

#[async_trait]
impl Shelf for RecordingsShelf {
    async fn put(
        &self,
        account: &AccountId,
        region: &Region,
        name: &str,
        content_type: &str,
        bytes: Vec<u8>,
    ) -> Result<String, ShelfError> {
        let bucket = Bucket {
            name: bucket_name(account, region),
            account: account.clone(),
            region: region.clone(),
            created_at: self.0.clock.now(),
            versioning: Versioning::Enabled,
            locks: true,
            retention: None,
        };
        let stored = self.store(bucket, name, content_type, bytes).await;
        stored.map_err(|trouble| ShelfError {
            name: name.to_owned(),
            source: trouble.into(),
        })
    }
}

/// Refuses to write into, or to make, a bucket whose objects tell what sessions did.
pub(crate) fn keep_out(bucket: &str) -> Result<(), AwsError> {
    if bucket.starts_with(BUCKET_PREFIX) {
        let text = "The buckets of recordings are made and written by the server alone";
        return Err(AwsError::new("AccessDenied", text).with_status(StatusCode::FORBIDDEN));
    }
    Ok(())
}
