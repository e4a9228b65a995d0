//! `ListBuckets`: those of the caller's account.

use std::sync::Arc;

use drawbridge_session::{Audit, SignedWith};
use s3s::S3Response;
use s3s::dto::{self, ListBucketsInput, ListBucketsOutput};

use crate::error::{invalid_argument, of_store};
use crate::facts::on_everything;
use crate::wire::{place, time, token};
use crate::{Answered, Asked, Operation, S3};

pub(crate) const LIST_BUCKETS: Operation<ListBucketsInput, ListBucketsOutput> = Operation {
    name: "ListBuckets",
    action: "s3:ListAllMyBuckets",
    signed_with: SignedWith::AccessKey,
    needs: on_everything,
    audit: Audit::READ,
    handler: |s3, asked| Box::pin(list(s3, asked)),
};

async fn list(s3: Arc<S3>, asked: Asked<ListBucketsInput>) -> Answered<ListBucketsOutput> {
    let account = asked.caller().account.clone();
    let input = asked.input;
    let limit = match input.max_buckets {
        None => usize::MAX,
        Some(limit) => usize::try_from(limit)
            .ok()
            .filter(|limit| (1..=10_000).contains(limit))
            .ok_or_else(|| invalid_argument("max-buckets must be between 1 and 10000"))?,
    };
    let after = input.continuation_token.as_deref().map(place).transpose()?;
    let buckets = s3.store.buckets(&account).await.map_err(of_store)?;
    let wanted = buckets.into_iter().filter(|bucket| {
        let after = after.as_deref();
        let region = input.bucket_region.as_ref();
        after.is_none_or(|after| bucket.name.as_bytes() > after)
            && region.is_none_or(|region| region.as_str() == bucket.region.as_str())
            && bucket
                .name
                .starts_with(input.prefix.as_deref().unwrap_or_default())
    });
    let mut buckets: Vec<_> = wanted.take(limit.saturating_add(1)).collect();
    let more = buckets.len() > limit;
    buckets.truncate(limit);
    let last = buckets.last().filter(|_| more);
    let continuation_token = last.map(|last| token(last.name.as_bytes()));
    let buckets = buckets.into_iter().map(|bucket| dto::Bucket {
        name: Some(bucket.name),
        creation_date: Some(time(bucket.created_at)),
        bucket_region: Some(bucket.region.to_string()),
    });
    Ok(S3Response::new(ListBucketsOutput {
        buckets: Some(buckets.collect()),
        continuation_token,
        owner: Some(dto::Owner {
            id: Some(account.to_string()),
            display_name: None,
        }),
        prefix: input.prefix,
    }))
}
