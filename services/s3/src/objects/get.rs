//! `GetObject`.

use std::sync::Arc;
use std::task::Poll;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::{Audit, SignedWith};
use drawbridge_store::blobs::unsealed;
use drawbridge_store::{Bucket, Content, ObjectVersion};
use futures_util::stream::poll_fn;
use http::StatusCode;
use s3s::S3Response;
use s3s::dto::{
    GetObjectInput, GetObjectOutput, ObjectLockMode, Range, StorageClass, StreamingBlob, Timestamp,
    TimestampFormat,
};

use crate::checksum::with_checksum;
use crate::encryption::with_encryption;
use crate::error::{invalid_argument, of_blobs};
use crate::facts::on_version;
use crate::objects::conditions::Conditions;
use crate::objects::read_version;
use crate::stored::{check_key, hold_status};
use crate::wire::{etag, time};
use crate::{Answered, Asked, Operation, S3};

pub(crate) const GET_OBJECT: Operation<GetObjectInput, GetObjectOutput> = Operation {
    name: "GetObject",
    action: "s3:GetObject",
    signed_with: SignedWith::AccessKeyOrNothing,
    needs: |_, summary| on_version("s3:GetObjectVersion", summary),
    audit: Audit::OFF,
    handler: |s3, asked| Box::pin(get(s3, asked)),
};

async fn get(s3: Arc<S3>, asked: Asked<GetObjectInput>) -> Answered<GetObjectOutput> {
    let caller = asked.caller().clone();
    let bucket = s3.asked_bucket(&asked).await?;
    let input = asked.input;
    let (mut output, found) = s3.describe(&bucket, &input).await?;
    let pieces = s3.opened(&caller, found.content.pieces).await?;
    let (from, length) = (found.range.start, found.range.end - found.range.start);
    let mut chunks = unsealed(Arc::clone(&s3.blobs), pieces, from, length);
    // What cannot be read is said before the answer begins: an object that was replaced since it was found is asked for
    // again.
    let mut first = chunks.recv().await.transpose().map_err(of_blobs)?;
    output.body = Some(StreamingBlob::wrap(poll_fn(move |context| match first.take() {
        Some(chunk) => Poll::Ready(Some(Ok(chunk))),
        None => chunks.poll_recv(context),
    })));
    let mut answer = S3Response::new(output);
    answer.status = found.partial.then_some(StatusCode::PARTIAL_CONTENT);
    Ok(answer)
}

/// The object that a request is about, and the bytes of it that it wants.
pub(crate) struct Found {
    pub(crate) content: Content,
    pub(crate) range: std::ops::Range<u64>,
    /// Whether these are not all, or were asked for one by one.
    pub(crate) partial: bool,
}

impl S3 {
    /// Finds an object and says everything about it but its bytes, after the conditions of the request.
    pub(crate) async fn describe(
        &self,
        bucket: &Bucket,
        input: &GetObjectInput,
    ) -> Result<(GetObjectOutput, Found), AwsError> {
        check_key(&input.key)?;
        let at = bucket.at(&input.key);
        let (version, content) = self.object(at, input.version_id.as_deref()).await?;
        let conditions = Conditions {
            matches: input.if_match.as_ref(),
            none_matches: input.if_none_match.as_ref(),
            modified_since: input.if_modified_since.as_ref(),
            unmodified_since: input.if_unmodified_since.as_ref(),
        };
        conditions.check(&version, &content, self.clock.now())?;
        let range = range_of(&content, input)?;
        let partial = input.range.is_some() || input.part_number.is_some();
        let whole = range == (0..content.size);
        let mut output = described(&version, &content);
        output.version_id = read_version(&version, bucket);
        with_encryption!(output, &content);
        output.content_length = i64::try_from(range.end - range.start).ok();
        if partial && content.size > 0 {
            let (first, last) = (range.start, range.end.saturating_sub(1));
            output.content_range = Some(format!("bytes {first}-{last}/{}", content.size));
        }
        if input.part_number.is_some() {
            output.parts_count = i32::try_from(content.parts.len()).ok().filter(|count| *count > 0);
        }
        let wants_checksum = input
            .checksum_mode
            .as_ref()
            .is_some_and(|mode| mode.as_str().eq_ignore_ascii_case("ENABLED"));
        // A checksum is of the whole: it must not be compared with a range.
        if wants_checksum && whole {
            output.checksum_type = with_checksum!(output, content.checksum.as_ref());
        }
        override_headers(&mut output, input);
        let found = Found {
            content,
            range,
            partial,
        };
        Ok((output, found))
    }
}

fn described(version: &ObjectVersion, content: &Content) -> GetObjectOutput {
    let header = |name: &str| content.headers.get(name).cloned();
    let metadata = content.metadata.iter();
    GetObjectOutput {
        accept_ranges: Some("bytes".to_owned()),
        cache_control: header("cache-control"),
        content_disposition: header("content-disposition"),
        content_encoding: header("content-encoding"),
        content_language: header("content-language"),
        content_type: header("content-type").or_else(|| Some("binary/octet-stream".to_owned())),
        e_tag: Some(etag(&content.etag)),
        expires: header("expires").and_then(|text| Timestamp::parse(TimestampFormat::HttpDate, &text).ok()),
        last_modified: Some(time(version.modified_at)),
        metadata: Some(
            metadata
                .map(|(key, value)| (key.clone(), value.clone()))
                .collect(),
        ),
        object_lock_legal_hold_status: version.held.map(hold_status),
        object_lock_mode: version
            .retention
            .map(|it| ObjectLockMode::from(it.mode.as_str().to_owned())),
        object_lock_retain_until_date: version.retention.map(|it| time(it.until)),
        storage_class: content.storage_class.clone().map(StorageClass::from),
        tag_count: i32::try_from(version.tags.len()).ok().filter(|count| *count > 0),
        website_redirect_location: header("x-amz-website-redirect-location"),
        ..GetObjectOutput::default()
    }
}

/// A link may say what the browser is told of the object.
fn override_headers(output: &mut GetObjectOutput, input: &GetObjectInput) {
    let over = |present: &mut Option<String>, wanted: &Option<String>| {
        if let Some(wanted) = wanted {
            *present = Some(wanted.clone());
        }
    };
    over(&mut output.cache_control, &input.response_cache_control);
    over(
        &mut output.content_disposition,
        &input.response_content_disposition,
    );
    over(&mut output.content_encoding, &input.response_content_encoding);
    over(&mut output.content_language, &input.response_content_language);
    over(&mut output.content_type, &input.response_content_type);
}

/// The bytes that are wanted, by a range or by the number of a part.
fn range_of(content: &Content, input: &GetObjectInput) -> Result<std::ops::Range<u64>, AwsError> {
    match (&input.range, input.part_number) {
        (None, None) => Ok(0..content.size),
        (Some(range), None) => bytes_of(range, content.size),
        (None, Some(number)) => part_of(content, number),
        (Some(_), Some(_)) => Err(crate::error::invalid_request(
            "Cannot specify both Range header and partNumber query parameter",
        )),
    }
}

fn bytes_of(range: &Range, size: u64) -> Result<std::ops::Range<u64>, AwsError> {
    range.check(size).map_err(|_| {
        AwsError::new("InvalidRange", "The requested range is not satisfiable")
            .with_status(StatusCode::RANGE_NOT_SATISFIABLE)
    })
}

fn part_of(content: &Content, number: i32) -> Result<std::ops::Range<u64>, AwsError> {
    let at = usize::try_from(number)
        .ok()
        .filter(|number| (1..=10_000).contains(number))
        .ok_or_else(|| invalid_argument("Part number must be an integer between 1 and 10000, inclusive"))?;
    let missing = || {
        AwsError::new("InvalidPartNumber", "The requested partnumber is not satisfiable")
            .with_status(StatusCode::RANGE_NOT_SATISFIABLE)
    };
    if content.parts.is_empty() {
        return if at == 1 {
            Ok(0..content.size)
        } else {
            Err(missing())
        };
    }
    let length = content.parts.get(at - 1).ok_or_else(missing)?;
    let start: u64 = content.parts.iter().take(at - 1).sum();
    Ok(start..start + length)
}
