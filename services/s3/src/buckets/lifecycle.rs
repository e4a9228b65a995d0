//! `GetBucketLifecycleConfiguration`, `PutBucketLifecycleConfiguration` and `DeleteBucketLifecycle`, and carrying it out.
//!
//! The configuration is kept as it was put. Transitions to other storage classes are given back and do nothing: there is one
//! class here.

use std::sync::Arc;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_store::blobs::draw_id;
use drawbridge_store::{
    Bucket, Condition, KeyRange, LockError, ObjectVersion, Place, PutObjectError, StoreError,
};
use jiff::Timestamp;
use s3s::S3Response;
use s3s::dto::{
    BucketLifecycleConfiguration, DeleteBucketLifecycleInput, DeleteBucketLifecycleOutput,
    GetBucketLifecycleConfigurationInput, GetBucketLifecycleConfigurationOutput,
    PutBucketLifecycleConfigurationInput, PutBucketLifecycleConfigurationOutput,
    TransitionDefaultMinimumObjectSize,
};
use s3s::xml::{self, Deserializer, Serializer};
use serde::{Deserialize, Serialize};

use crate::error::{internal, invalid_argument, malformed_xml, not_found};
use crate::lifecycle::{Removal, Rule, Walk};
use crate::settings::{Setting, changing, reading};
use crate::{Answered, Asked, Operation, S3};

pub(crate) const GET_BUCKET_LIFECYCLE: Operation<
    GetBucketLifecycleConfigurationInput,
    GetBucketLifecycleConfigurationOutput,
> = reading(
    "GetBucketLifecycle",
    "s3:GetLifecycleConfiguration",
    |s3, asked| Box::pin(get(s3, asked)),
);

pub(crate) const PUT_BUCKET_LIFECYCLE: Operation<
    PutBucketLifecycleConfigurationInput,
    PutBucketLifecycleConfigurationOutput,
> = changing(
    "PutBucketLifecycle",
    "s3:PutLifecycleConfiguration",
    |s3, asked| Box::pin(put(s3, asked)),
);

pub(crate) const DELETE_BUCKET_LIFECYCLE: Operation<DeleteBucketLifecycleInput, DeleteBucketLifecycleOutput> =
    changing(
        "DeleteBucketLifecycle",
        "s3:PutLifecycleConfiguration",
        |s3, asked| Box::pin(delete(s3, asked)),
    );

/// Versions and uploads that are looked at together.
const PAGE: u32 = 1000;

/// What a bucket loses by and by.
#[derive(Debug, Serialize, Deserialize)]
struct Lifecycle {
    /// As the dialect writes it.
    xml: String,
    /// The header that goes with it, about transitions.
    smallest_transition: String,
}

impl Setting for Lifecycle {
    const NAME: &'static str = "lifecycle";
}

impl Lifecycle {
    fn of(configuration: &BucketLifecycleConfiguration, smallest_transition: &str) -> Result<Self, AwsError> {
        let mut text = Vec::new();
        let written = xml::Serialize::serialize(configuration, &mut Serializer::new(&mut text));
        written.map_err(internal)?;
        Ok(Self {
            xml: String::from_utf8(text).map_err(internal)?,
            smallest_transition: smallest_transition.to_owned(),
        })
    }

    fn configuration(&self) -> Result<BucketLifecycleConfiguration, AwsError> {
        let mut text = Deserializer::new(self.xml.as_bytes());
        xml::Deserialize::deserialize(&mut text).map_err(internal)
    }
}

async fn get(
    s3: Arc<S3>,
    asked: Asked<GetBucketLifecycleConfigurationInput>,
) -> Answered<GetBucketLifecycleConfigurationOutput> {
    let bucket = s3.asked_bucket(&asked).await?;
    let set = s3.setting::<Lifecycle>(&bucket).await?.ok_or_else(|| {
        not_found(
            "NoSuchLifecycleConfiguration",
            "The lifecycle configuration does not exist",
        )
    })?;
    Ok(S3Response::new(GetBucketLifecycleConfigurationOutput {
        rules: Some(set.configuration()?.rules),
        transition_default_minimum_object_size: Some(TransitionDefaultMinimumObjectSize::from(
            set.smallest_transition,
        )),
    }))
}

async fn put(
    s3: Arc<S3>,
    asked: Asked<PutBucketLifecycleConfigurationInput>,
) -> Answered<PutBucketLifecycleConfigurationOutput> {
    let bucket = s3.asked_bucket(&asked).await?;
    let input = &asked.input;
    let wanted = input.lifecycle_configuration.as_ref().ok_or_else(malformed_xml)?;
    Rule::all(wanted)?;
    let smallest = input.transition_default_minimum_object_size.as_ref();
    let smallest = smallest.map_or(
        TransitionDefaultMinimumObjectSize::ALL_STORAGE_CLASSES_128K,
        TransitionDefaultMinimumObjectSize::as_str,
    );
    let known = [
        TransitionDefaultMinimumObjectSize::ALL_STORAGE_CLASSES_128K,
        TransitionDefaultMinimumObjectSize::VARIES_BY_STORAGE_CLASS,
    ];
    if !known.contains(&smallest) {
        return Err(invalid_argument(
            "The x-amz-transition-default-minimum-object-size header is not valid",
        ));
    }
    let mut named = wanted.clone();
    for rule in &mut named.rules {
        rule.id.get_or_insert_with(|| draw_id(s3.random.as_ref()));
    }
    s3.set(&bucket, &Lifecycle::of(&named, smallest)?).await?;
    Ok(S3Response::new(PutBucketLifecycleConfigurationOutput {
        transition_default_minimum_object_size: Some(TransitionDefaultMinimumObjectSize::from(
            smallest.to_owned(),
        )),
    }))
}

async fn delete(
    s3: Arc<S3>,
    asked: Asked<DeleteBucketLifecycleInput>,
) -> Answered<DeleteBucketLifecycleOutput> {
    let bucket = s3.asked_bucket(&asked).await?;
    s3.unset::<Lifecycle>(&bucket).await?;
    Ok(S3Response::new(DeleteBucketLifecycleOutput {}))
}

impl S3 {
    /// Removes what has had its time in every bucket, and returns how much that was. A bucket where that fails is logged,
    /// and has its turn again the next time.
    ///
    /// # Errors
    ///
    /// The buckets cannot be listed; what was removed until then is removed.
    pub async fn expire(&self) -> Result<u64, AwsError> {
        let mut removed = 0;
        for account in self.store.accounts() {
            for bucket in self.store.buckets(&account.id).await.map_err(internal)? {
                removed += self.expire_in(&bucket).await.unwrap_or_default();
            }
        }
        Ok(removed)
    }

    async fn expire_in(&self, bucket: &Bucket) -> Result<u64, AwsError> {
        let Some(set) = self.setting::<Lifecycle>(bucket).await? else {
            return Ok(0);
        };
        let (rules, now) = (Rule::all(&set.configuration()?)?, self.clock.now());
        let versions = self.expire_versions(bucket, &rules, now).await;
        let uploads = self.expire_uploads(bucket, &rules, now).await;
        Ok(versions.map_err(internal)? + uploads.map_err(internal)?)
    }

    async fn expire_versions(
        &self,
        bucket: &Bucket,
        rules: &[Rule],
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        let mut walk = Walk::new(rules, now);
        let mut removed = 0;
        let mut last: Option<(String, i64)> = None;
        loop {
            let from = match &last {
                None => Place::Start,
                Some((key, number)) => Place::AfterVersion(key.as_bytes(), *number),
            };
            let range = KeyRange {
                bucket: &bucket.name,
                prefix: "",
                from,
            };
            let page = self.store.object_versions(range, PAGE).await?;
            let Some(end) = page.last() else { break };
            last = Some((end.key.clone(), end.number));
            for version in page {
                for (version, how) in walk.next(version) {
                    removed += u64::from(self.lose(bucket, &version, how, now).await?);
                }
            }
        }
        if let Some((version, how)) = walk.finish() {
            removed += u64::from(self.lose(bucket, &version, how, now).await?);
        }
        Ok(removed)
    }

    /// Removes a version, unless it is locked or another has taken its place; returns whether it is gone.
    async fn lose(
        &self,
        bucket: &Bucket,
        version: &ObjectVersion,
        how: Removal,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let at = bucket.at(&version.key);
        let deleted = match how {
            Removal::Expire => {
                let etag = version.content.as_ref().map(|content| content.etag.clone());
                let marker = self.draw_version();
                let condition = Condition::Matches(etag);
                match self.store.delete_object(at, &marker, condition, now).await {
                    Ok(deleted) => deleted,
                    Err(PutObjectError::Store(error)) => return Err(error),
                    Err(
                        PutObjectError::NoBucket
                        | PutObjectError::NoUpload
                        | PutObjectError::Part
                        | PutObjectError::Condition
                        | PutObjectError::Missing
                        | PutObjectError::Locked
                        | PutObjectError::NoLocks,
                    ) => return Ok(false),
                }
            }
            Removal::Version => match self.store.delete_version(at, &version.version, false, now).await {
                Ok(deleted) => deleted,
                Err(LockError::Store(error)) => return Err(error),
                Err(LockError::Locked | LockError::Missing) => return Ok(false),
            },
        };
        self.discard(&deleted.blobs).await;
        Ok(true)
    }

    async fn expire_uploads(
        &self,
        bucket: &Bucket,
        rules: &[Rule],
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        let mut removed = 0;
        let mut last: Option<(String, String)> = None;
        loop {
            let range = KeyRange {
                bucket: &bucket.name,
                prefix: "",
                from: last
                    .as_ref()
                    .map_or(Place::Start, |(key, _)| Place::At(key.as_bytes())),
            };
            let after = last.as_ref().map(|(_, id)| id.as_str());
            let page = self.store.uploads(range, after, PAGE).await?;
            let Some(end) = page.last() else { break };
            let end = (end.key.clone(), end.id.clone());
            for upload in page
                .iter()
                .filter(|it| rules.iter().any(|rule| rule.aborts(it, now)))
            {
                let at = bucket.at(&upload.key);
                if let Some(blobs) = self.store.abort_upload(at, &upload.id).await? {
                    self.discard(&blobs).await;
                    removed += 1;
                }
            }
            last = Some(end);
        }
        Ok(removed)
    }
}
