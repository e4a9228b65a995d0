//! `GetBucketPolicy`, `PutBucketPolicy`, `DeleteBucketPolicy` and `GetBucketPolicyStatus`.
//!
//! Only the account that owns a bucket sets its policy, whatever the policy says, and its root can do so even where the
//! policy denies it (`server/access/src/bucket.rs`).

use std::sync::Arc;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::Caller;
use drawbridge_session::policy::{Policy, PolicyKind};
use drawbridge_store::buckets::POLICY;
use drawbridge_store::{Bucket, principal_exists};
use http::StatusCode;
use s3s::S3Response;
use s3s::dto::{
    DeleteBucketPolicyInput, DeleteBucketPolicyOutput, GetBucketPolicyInput, GetBucketPolicyOutput,
    GetBucketPolicyStatusInput, GetBucketPolicyStatusOutput, PolicyStatus, PutBucketPolicyInput,
    PutBucketPolicyOutput,
};

use crate::error::{internal, method_not_allowed, not_found, of_store};
use crate::facts::Named;
use crate::settings::{changing, reading};
use crate::{Answered, Asked, Operation, S3};

pub(crate) const GET_BUCKET_POLICY: Operation<GetBucketPolicyInput, GetBucketPolicyOutput> =
    reading("GetBucketPolicy", "s3:GetBucketPolicy", |s3, asked| {
        Box::pin(get(s3, asked))
    });

pub(crate) const PUT_BUCKET_POLICY: Operation<PutBucketPolicyInput, PutBucketPolicyOutput> =
    changing("PutBucketPolicy", "s3:PutBucketPolicy", |s3, asked| {
        Box::pin(put(s3, asked))
    });

pub(crate) const DELETE_BUCKET_POLICY: Operation<DeleteBucketPolicyInput, DeleteBucketPolicyOutput> =
    changing("DeleteBucketPolicy", "s3:DeleteBucketPolicy", |s3, asked| {
        Box::pin(delete(s3, asked))
    });

pub(crate) const GET_BUCKET_POLICY_STATUS: Operation<
    GetBucketPolicyStatusInput,
    GetBucketPolicyStatusOutput,
> = reading(
    "GetBucketPolicyStatus",
    "s3:GetBucketPolicyStatus",
    |s3, asked| Box::pin(status(s3, asked)),
);

/// The longest policy, in bytes (S3's documented limit).
const MOST_BYTES: usize = 20 * 1024;

async fn get(s3: Arc<S3>, asked: Asked<GetBucketPolicyInput>) -> Answered<GetBucketPolicyOutput> {
    let bucket = s3.policy_bucket(&asked).await?;
    let text = s3.policy_text(&bucket).await?;
    Ok(S3Response::new(GetBucketPolicyOutput { policy: Some(text) }))
}

async fn put(s3: Arc<S3>, asked: Asked<PutBucketPolicyInput>) -> Answered<PutBucketPolicyOutput> {
    let input = &asked.input;
    let bucket = s3.policy_bucket(&asked).await?;
    let policy = s3.checked_policy(&bucket, &input.policy)?;
    let blocks = s3
        .public_access(&bucket)
        .await?
        .is_some_and(|set| set.block_policy);
    if blocks && policy.is_public() {
        return Err(public_policy(asked.caller(), &bucket));
    }
    s3.put_setting(&bucket, POLICY, Some(&input.policy)).await?;
    Ok(S3Response::new(PutBucketPolicyOutput {}))
}

async fn delete(s3: Arc<S3>, asked: Asked<DeleteBucketPolicyInput>) -> Answered<DeleteBucketPolicyOutput> {
    let bucket = s3.policy_bucket(&asked).await?;
    s3.put_setting(&bucket, POLICY, None).await?;
    Ok(S3Response::new(DeleteBucketPolicyOutput {}))
}

async fn status(
    s3: Arc<S3>,
    asked: Asked<GetBucketPolicyStatusInput>,
) -> Answered<GetBucketPolicyStatusOutput> {
    let bucket = s3.policy_bucket(&asked).await?;
    let text = s3.policy_text(&bucket).await?;
    let policy = Policy::parse(&text, PolicyKind::Resource).map_err(internal)?;
    Ok(S3Response::new(GetBucketPolicyStatusOutput {
        policy_status: Some(PolicyStatus {
            is_public: Some(policy.is_public()),
        }),
    }))
}

impl S3 {
    /// Finds the bucket whose policy is asked for, which must be of the caller's account.
    async fn policy_bucket(&self, asked: &Asked<impl Named>) -> Result<Bucket, AwsError> {
        let bucket = self.asked_bucket(asked).await?;
        if bucket.account == *asked.caller().principal.account() {
            Ok(bucket)
        } else {
            Err(method_not_allowed())
        }
    }

    async fn policy_text(&self, bucket: &Bucket) -> Result<String, AwsError> {
        let text = self.store.bucket_setting(&bucket.name, POLICY).await;
        let missing = || not_found("NoSuchBucketPolicy", "The bucket policy does not exist");
        text.map_err(of_store)?.ok_or_else(missing)
    }

    /// Reads a policy as one for a bucket, whose principals are there.
    fn checked_policy(&self, bucket: &Bucket, text: &str) -> Result<Policy, AwsError> {
        if text.len() > MOST_BYTES {
            return Err(malformed(format!(
                "The policy has {} bytes, more than {MOST_BYTES}.",
                text.len()
            )));
        }
        if !text.starts_with('{') {
            return Err(malformed(
                "Policies must be valid JSON and the first byte must be '{'",
            ));
        }
        let policy =
            Policy::parse(text, PolicyKind::Resource).map_err(|error| malformed(error.to_string()))?;
        policy
            .check_for_bucket(&bucket.name)
            .map_err(|error| malformed(error.to_string()))?;
        let missing = |name: &&str| !principal_exists(self.store.as_ref(), name);
        if let Some(stranger) = policy.named_principals().find(missing) {
            return Err(malformed(format!("Invalid principal in policy: {stranger}")));
        }
        Ok(policy)
    }
}

fn malformed(text: impl Into<String>) -> AwsError {
    AwsError::new("MalformedPolicy", text)
}

fn public_policy(caller: &Caller, bucket: &Bucket) -> AwsError {
    let (arn, bucket) = (caller.principal.arn(), &bucket.name);
    AwsError::new(
        "AccessDenied",
        format!(
            "User: {arn} is not authorized to perform: s3:PutBucketPolicy on resource: \"arn:aws:s3:::{bucket}\" because \
             public policies are prevented by the BlockPublicPolicy setting in S3 Block Public Access."
        ),
    )
    .with_status(StatusCode::FORBIDDEN)
}
