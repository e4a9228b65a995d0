//! What is set of a bucket: kept as JSON beside it, one setting a row.

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::{Audit, SignedWith};
use drawbridge_store::Bucket;
use s3s::S3Response;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{internal, of_store};
use crate::facts::on_bucket;
use crate::{Answer, Operation, S3};

/// Something that is set of a bucket, or not.
pub(crate) trait Setting: Serialize + DeserializeOwned + Send + Sync {
    /// What it is called in the store.
    const NAME: &'static str;
}

/// Declares an operation that reads something of a bucket.
pub(crate) const fn reading<I, O>(
    name: &'static str,
    action: &'static str,
    handler: Handler<I, O>,
) -> Operation<I, O> {
    Operation {
        name,
        action,
        signed_with: SignedWith::AccessKey,
        needs: on_bucket,
        audit: Audit::READ,
        handler,
    }
}

/// Declares an operation that changes something of a bucket.
pub(crate) const fn changing<I, O>(
    name: &'static str,
    action: &'static str,
    handler: Handler<I, O>,
) -> Operation<I, O> {
    Operation {
        audit: Audit::WRITE,
        ..reading(name, action, handler)
    }
}

type Handler<I, O> = fn(std::sync::Arc<S3>, crate::Asked<I>) -> Answer<S3Response<O>>;

impl S3 {
    /// Reads a setting; one that cannot be read is an error, never the same as none.
    pub(crate) async fn setting<T: Setting>(&self, bucket: &Bucket) -> Result<Option<T>, AwsError> {
        let body = self.store.bucket_setting(&bucket.name, T::NAME).await;
        let body = body.map_err(of_store)?;
        let read = body.map(|body| serde_json::from_str(&body)).transpose();
        read.map_err(internal)
    }

    /// Puts a setting in the place of what was there.
    pub(crate) async fn set<T: Setting>(&self, bucket: &Bucket, setting: &T) -> Result<(), AwsError> {
        let body = serde_json::to_string(setting).map_err(internal)?;
        self.put_setting(bucket, T::NAME, Some(&body)).await
    }

    /// Removes a setting.
    pub(crate) async fn unset<T: Setting>(&self, bucket: &Bucket) -> Result<(), AwsError> {
        self.put_setting(bucket, T::NAME, None).await
    }

    pub(crate) async fn put_setting(
        &self,
        bucket: &Bucket,
        name: &str,
        body: Option<&str>,
    ) -> Result<(), AwsError> {
        let put = self.store.set_bucket_setting(&bucket.name, name, body).await;
        put.map_err(of_store)
    }
}
