//! The object that a copy reads.

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::Caller;
use drawbridge_store::blobs::unsealed;
use drawbridge_store::{Content, ObjectAt, ObjectVersion};
use futures_util::stream::poll_fn;
use http::HeaderMap;
use s3s::dto::{CopySource, StreamingBlob};

use std::sync::Arc;

use crate::S3;
use crate::error::{invalid_argument, invalid_request, not_implemented};
use crate::facts::Source;
use crate::receive::MAX_BYTES;
use crate::stored::check_key;

/// A source that was found.
pub(crate) struct Copied {
    pub(crate) version: ObjectVersion,
    pub(crate) content: Content,
}

/// Names a source, where it is an object of a bucket.
pub(crate) fn named(source: &CopySource) -> Option<Source<'_>> {
    match source {
        CopySource::Bucket {
            bucket,
            key,
            version_id,
        } => Some(Source {
            bucket,
            key,
            version: version_id.as_deref(),
        }),
        CopySource::AccessPoint { .. } | CopySource::Outpost { .. } => None,
    }
}

/// Reads a source's header as S3 does: as in a form, a plus sign is a space there.
pub(crate) fn reread(source: &mut CopySource, headers: &HeaderMap) {
    let text = headers
        .get("x-amz-copy-source")
        .and_then(|value| value.to_str().ok());
    if let Some(text) = text.filter(|text| text.contains('+'))
        && let Ok(read) = CopySource::parse(&text.replace('+', "%20"))
    {
        *source = read;
    }
}

/// Refuses to copy more at once than can be put at once.
pub(crate) fn check_size(size: u64) -> Result<(), AwsError> {
    if size > MAX_BYTES {
        return Err(invalid_request(
            "The specified copy source is larger than the maximum allowable size for a copy source: 5368709120",
        ));
    }
    Ok(())
}

impl Copied {
    /// Finds a source.
    pub(crate) async fn find(
        s3: &S3,
        caller: &Caller,
        source: &CopySource,
        owner: Option<&str>,
    ) -> Result<Self, AwsError> {
        let source = named(source).ok_or_else(|| not_implemented("A copy from an access point"))?;
        check_key(source.key)?;
        let bucket = s3.bucket(caller, source.bucket).await?;
        S3::check_owner(&bucket, owner)?;
        let at = ObjectAt {
            bucket: source.bucket,
            key: source.key,
        };
        let (version, content) = s3.object(at, source.version).await?;
        Ok(Self { version, content })
    }

    /// Reads some of its bytes.
    pub(crate) async fn bytes(
        &self,
        s3: &S3,
        caller: &Caller,
        from: u64,
        length: u64,
    ) -> Result<StreamingBlob, AwsError> {
        let pieces = s3.opened(caller, self.content.pieces.clone()).await?;
        let mut chunks = unsealed(Arc::clone(&s3.blobs), pieces, from, length);
        Ok(StreamingBlob::wrap(poll_fn(move |context| {
            chunks.poll_recv(context)
        })))
    }

    /// Reads `bytes=first-last`, the only form that a copy's range has.
    pub(crate) fn range(&self, range: Option<&str>) -> Result<(u64, u64), AwsError> {
        let size = self.content.size;
        let Some(range) = range else {
            return Ok((0, size));
        };
        let invalid = || {
            invalid_argument(
                "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the \
                 zero-based offsets of the first and last bytes to copy",
            )
        };
        let (first, last) = range
            .strip_prefix("bytes=")
            .and_then(|range| range.split_once('-'))
            .ok_or_else(invalid)?;
        let first: u64 = first.parse().map_err(|_| invalid())?;
        let last: u64 = last.parse().map_err(|_| invalid())?;
        if first > last || last >= size {
            return Err(invalid_argument(format!(
                "Range specified is not valid for source object of size: {size}"
            )));
        }
        Ok((first, last - first + 1))
    }
}
