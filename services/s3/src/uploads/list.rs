//! `ListMultipartUploads`.

use std::sync::Arc;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::{Audit, SignedWith};
use drawbridge_store::objects::Place;
use drawbridge_store::{KeyRange, Upload};
use s3s::S3Response;
use s3s::dto::{
    self, Initiator, ListMultipartUploadsInput, ListMultipartUploadsOutput, MultipartUpload, StorageClass,
};

use crate::error::{invalid_argument, of_store};
use crate::facts::on_bucket;
use crate::objects::{common_prefixes, rolled_up, successor, url_encoding};
use crate::wire::{encoded, time};
use crate::{Answered, Asked, Operation, S3};

pub(crate) const LIST_MULTIPART_UPLOADS: Operation<ListMultipartUploadsInput, ListMultipartUploadsOutput> =
    Operation {
        name: "ListMultipartUploads",
        action: "s3:ListBucketMultipartUploads",
        signed_with: SignedWith::AccessKeyOrNothing,
        needs: on_bucket,
        audit: Audit::OFF,
        handler: |s3, asked| Box::pin(list(s3, asked)),
    };

/// The most uploads of a page (S3's documented limit).
const MAX_UPLOADS: i32 = 1000;

/// Where a page begins.
enum From {
    Start,
    /// After a key with all its uploads, or after all keys that begin with something.
    At(Vec<u8>),
    /// After one upload of a key.
    After(Vec<u8>, String),
    End,
}

#[derive(Default)]
struct Page {
    uploads: Vec<Upload>,
    prefixes: Vec<String>,
    /// The key and id of the last entry, if there are more.
    next: Option<(String, String)>,
}

async fn list(s3: Arc<S3>, asked: Asked<ListMultipartUploadsInput>) -> Answered<ListMultipartUploadsOutput> {
    let bucket = s3.asked_bucket(&asked).await?;
    let input = asked.input;
    let url = url_encoding(input.encoding_type.as_ref())?;
    let max_uploads = input.max_uploads.unwrap_or(MAX_UPLOADS).min(MAX_UPLOADS);
    let limit = usize::try_from(max_uploads).map_err(|_| invalid_argument("max-uploads is not negative"))?;
    let page = s3.upload_page(&bucket.name, &input, limit).await?;
    let owner = dto::Owner {
        id: Some(bucket.account.to_string()),
        display_name: None,
    };
    let uploads = page.uploads.into_iter().map(|upload| MultipartUpload {
        key: Some(encoded(&upload.key, url)),
        upload_id: Some(upload.id),
        initiated: Some(time(upload.initiated_at)),
        initiator: Some(Initiator {
            id: Some(upload.initiator),
            display_name: None,
        }),
        owner: Some(owner.clone()),
        storage_class: Some(StorageClass::from_static(StorageClass::STANDARD)),
        ..MultipartUpload::default()
    });
    let encode = |text: Option<String>| text.map(|text| encoded(&text, url));
    let (next_key, next_id) = page.next.unzip();
    Ok(S3Response::new(ListMultipartUploadsOutput {
        bucket: Some(bucket.name),
        uploads: Some(uploads.collect()),
        common_prefixes: Some(common_prefixes(&page.prefixes, url)),
        is_truncated: Some(next_key.is_some()),
        key_marker: Some(encode(input.key_marker).unwrap_or_default()),
        upload_id_marker: Some(input.upload_id_marker.unwrap_or_default()),
        next_key_marker: encode(next_key),
        next_upload_id_marker: next_id.filter(|id| !id.is_empty()),
        max_uploads: Some(max_uploads),
        prefix: Some(encode(input.prefix).unwrap_or_default()),
        delimiter: encode(input.delimiter),
        encoding_type: input.encoding_type,
        ..ListMultipartUploadsOutput::default()
    }))
}

impl S3 {
    async fn upload_page(
        &self,
        bucket: &str,
        input: &ListMultipartUploadsInput,
        limit: usize,
    ) -> Result<Page, AwsError> {
        let prefix = input.prefix.as_deref().unwrap_or_default();
        let delimiter = input.delimiter.as_deref();
        let mut from = begin(input, prefix, delimiter);
        let mut page = Page::default();
        if limit == 0 {
            return Ok(page);
        }
        loop {
            let (place, after) = match &from {
                From::Start => (Place::Start, None),
                From::At(key) => (Place::At(key), None),
                From::After(key, id) => (Place::At(key), Some(id.as_str())),
                From::End => break,
            };
            let range = KeyRange {
                bucket,
                prefix,
                from: place,
            };
            let ask = limit - page.uploads.len() - page.prefixes.len() + 1;
            let ask = u32::try_from(ask).unwrap_or(u32::MAX);
            let found = self.store.uploads(range, after, ask).await.map_err(of_store)?;
            let whole = found.len() < ask as usize;
            for upload in found {
                let rolled = rolled_up(&upload.key, prefix, delimiter).map(str::to_owned);
                if rolled.is_some() && rolled.as_ref() == page.prefixes.last() {
                    continue;
                }
                if page.uploads.len() + page.prefixes.len() == limit {
                    page.next = last(&page, &from);
                    return Ok(page);
                }
                match rolled {
                    Some(prefix) => {
                        from = behind(prefix.as_bytes());
                        page.prefixes.push(prefix);
                    }
                    None => {
                        from = From::After(upload.key.clone().into_bytes(), upload.id.clone());
                        page.uploads.push(upload);
                    }
                }
            }
            if whole {
                break;
            }
        }
        Ok(page)
    }
}

fn last(page: &Page, from: &From) -> Option<(String, String)> {
    match from {
        From::After(..) => page.uploads.last().map(|it| (it.key.clone(), it.id.clone())),
        From::Start | From::At(_) | From::End => page.prefixes.last().map(|it| (it.clone(), String::new())),
    }
}

fn begin(input: &ListMultipartUploadsInput, prefix: &str, delimiter: Option<&str>) -> From {
    let key = input.key_marker.as_deref().filter(|key| !key.is_empty());
    let id = input.upload_id_marker.as_deref().filter(|id| !id.is_empty());
    match (key, id) {
        (None, _) => From::Start,
        (Some(key), Some(id)) => From::After(key.as_bytes().to_vec(), id.to_owned()),
        (Some(key), None) if rolled_up(key, prefix, delimiter) == Some(key) => behind(key.as_bytes()),
        // No key is between one and the same with a zero byte behind it.
        (Some(key), None) => From::At([key.as_bytes(), &[0]].concat()),
    }
}

fn behind(prefix: &[u8]) -> From {
    successor(prefix).map_or(From::End, From::At)
}
