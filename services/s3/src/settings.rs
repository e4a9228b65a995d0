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
        parsed(body.map_err(of_store)?.as_deref())
    }

    /// Makes of a setting what `change` says, from what is there by then, whoever changes it meanwhile.
    pub(crate) async fn change<T: Setting>(
        &self,
        bucket: &Bucket,
        change: impl Fn(Option<T>) -> Result<Option<T>, AwsError>,
    ) -> Result<(), AwsError> {
        loop {
            let from = self.store.bucket_setting(&bucket.name, T::NAME).await;
            let from = from.map_err(of_store)?;
            let to = change(parsed(from.as_deref())?)?;
            let to = to.as_ref().map(written).transpose()?;
            let swap = self
                .store
                .swap_bucket_setting(&bucket.name, T::NAME, from.as_deref(), to.as_deref());
            if swap.await.map_err(of_store)? {
                return Ok(());
            }
        }
    }

    /// Puts a setting in the place of what was there.
    pub(crate) async fn set<T: Setting>(&self, bucket: &Bucket, setting: &T) -> Result<(), AwsError> {
        self.put_setting(bucket, T::NAME, Some(&written(setting)?)).await
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

fn parsed<T: Setting>(body: Option<&str>) -> Result<Option<T>, AwsError> {
    body.map(serde_json::from_str).transpose().map_err(internal)
}

/// Writes a setting as it is kept.
pub(crate) fn written<T: Setting>(setting: &T) -> Result<String, AwsError> {
    serde_json::to_string(setting).map_err(internal)
}
