//! A body on its way into a blob: counted, checked and sealed as it comes, never held whole.

use std::io;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use drawbridge_aws_dialects::error::AwsError;
use drawbridge_store::Piece;
use drawbridge_store::blobs::is_away;
use drawbridge_store::objects::{Checksum, Content};
use futures_util::StreamExt as _;
use http::{HeaderMap, HeaderValue, StatusCode};
use s3s::crypto::{Checksum as _, Md5};
use s3s::dto::StreamingBlob;
use s3s::{StdError, TrailingHeaders};

use crate::S3;
use crate::checksum::{Algorithm, Announced, Hasher, well_formed};
use crate::encryption::Protection;
use crate::error::{invalid_request, of_blobs, of_reserve};

/// The most bytes of one request (S3's documented limit).
pub(crate) const MAX_BYTES: u64 = 5 * 1024 * 1024 * 1024;

/// How much is read of a body after it was refused: more than the parts that clients usually send.
pub(crate) const HEARD_BYTES: usize = 16 * 1024 * 1024;

/// What a request says of its body.
#[derive(Debug, Default)]
pub(crate) struct Expected<'a> {
    /// How long it is, without what chunks add to it.
    pub(crate) length: Option<i64>,
    /// Base64.
    pub(crate) md5: Option<&'a str>,
    pub(crate) checksum: Option<Announced>,
    /// The algorithm of the checksum that is kept, if it is another.
    pub(crate) keeps: Option<Algorithm>,
    pub(crate) trailers: Option<&'a TrailingHeaders>,
}

impl<'a> Expected<'a> {
    /// Reads what the headers say of the body. Chunks that the dialect did not take apart, because no signature in a header
    /// says that they come, are refused: they would be kept as they are.
    pub(crate) fn of(
        headers: &HeaderMap,
        trailers: Option<&'a TrailingHeaders>,
        length: Option<i64>,
        md5: Option<&'a str>,
    ) -> Result<Self, AwsError> {
        if is_chunked(headers) && trailers.is_none() {
            return Err(invalid_request(
                "A body in chunks needs a signature in the Authorization header, and an x-amz-content-sha256 that says so",
            ));
        }
        Ok(Self {
            length,
            md5,
            checksum: Announced::of(headers)?,
            keeps: None,
            trailers,
        })
    }
}

/// A body that is a durable blob now.
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) piece: Piece,
    /// Hex.
    pub(crate) md5: String,
    pub(crate) checksum: Checksum,
}

impl Received {
    /// Adds what is known of the bytes of an object, all of which it is, to what was said of it.
    pub(crate) fn complete(self, content: Content) -> Content {
        Content {
            size: self.piece.size,
            etag: self.md5,
            checksum: Some(self.checksum),
            pieces: vec![self.piece],
            ..content
        }
    }
}

impl S3 {
    /// Receives a body. What does not match what was announced of it leaves nothing.
    pub(crate) async fn receive(
        &self,
        body: Option<StreamingBlob>,
        expected: Expected<'_>,
        protection: &Protection,
    ) -> Result<Received, AwsError> {
        let announced = expected.length.map(|length| u64::try_from(length).unwrap_or(0));
        if announced.is_some_and(|length| length > MAX_BYTES) {
            return Err(too_large());
        }
        let wanted_md5 = expected.md5.map(read_md5).transpose()?;
        let algorithm = expected
            .checksum
            .as_ref()
            .map_or(Algorithm::Crc64Nvme, |it| it.algorithm);
        let mut upload = self.reserve.upload();
        let (mut writer, sealing) = self.sealed_writer(protection).await?;
        let kept = expected.keeps.unwrap_or(algorithm);
        let mut other = (kept != algorithm).then(|| kept.hasher());
        let (mut md5, mut hasher, mut size) = (Md5::new(), algorithm.hasher(), 0_u64);
        let mut body = body;
        while let Some(body) = &mut body {
            let Some(bytes) = body.next().await else {
                break;
            };
            let bytes = bytes.map_err(broken)?;
            size += bytes.len() as u64;
            if size > announced.unwrap_or(MAX_BYTES) {
                return Err(if announced.is_some() {
                    incomplete()
                } else {
                    too_large()
                });
            }
            if let Err(error) = upload.admit(bytes.len() as u64) {
                // What came of it gives its room back first.
                drop(writer);
                hear_out(body).await;
                return Err(of_reserve(error));
            }
            md5.update(&bytes);
            hasher.update(&bytes);
            if let Some(other) = &mut other {
                other.update(&bytes);
            }
            writer.write(&bytes).await.map_err(of_blobs)?;
        }
        if announced.is_some_and(|length| length != size) {
            return Err(incomplete());
        }
        let md5 = md5.finalize();
        if wanted_md5.is_some_and(|wanted| wanted != md5.as_ref()) {
            return Err(bad_digest("Content-MD5"));
        }
        let value = hasher.finish();
        let wanted = wanted_checksum(expected.checksum, expected.trailers)?;
        if wanted.is_some_and(|wanted| wanted != value) {
            return Err(bad_digest(algorithm.as_str()));
        }
        let piece = writer.finish(sealing).await.map_err(of_blobs)?;
        Ok(Received {
            piece,
            md5: hex::encode(md5.as_ref()),
            checksum: Checksum {
                algorithm: kept.as_str().to_owned(),
                value: other.map_or(value, Hasher::finish),
                composite: false,
            },
        })
    }

    /// Removes blobs that nobody refers to any more. One that cannot be removed is swept at the next start.
    pub(crate) async fn discard(&self, blobs: &[String]) {
        for blob in blobs {
            if let Err(error) = self.blobs.remove(blob).await {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "cannot remove a blob that nobody needs"
                );
            }
        }
    }
}

/// Reads some more of a body that is refused: most clients hear no answer before they have sent it.
async fn hear_out(body: &mut StreamingBlob) {
    let mut left = HEARD_BYTES;
    while left > 0
        && let Some(Ok(bytes)) = body.next().await
    {
        left = left.saturating_sub(bytes.len());
    }
}

fn is_chunked(headers: &HeaderMap) -> bool {
    let texts = |name: &str| headers.get_all(name).iter().map(HeaderValue::as_bytes);
    let mut encodings = texts("content-encoding").flat_map(|value| value.split(|byte| *byte == b','));
    encodings.any(|encoding| encoding.trim_ascii().eq_ignore_ascii_case(b"aws-chunked"))
        || texts("x-amz-content-sha256").any(|value| value.starts_with(b"STREAMING-"))
}

fn wanted_checksum(
    announced: Option<Announced>,
    trailers: Option<&TrailingHeaders>,
) -> Result<Option<String>, AwsError> {
    let Some(announced) = announced else {
        return Ok(None);
    };
    if !announced.trails {
        return Ok(announced.value);
    }
    let name = announced.algorithm.header();
    let trailed = trailers.and_then(|trailers| {
        trailers.read(|headers| {
            let value = headers.get(name)?;
            Some(value.to_str().ok()?.trim().to_owned())
        })?
    });
    let trailed = trailed.ok_or_else(|| {
        AwsError::new(
            "MalformedTrailerError",
            "The request contained trailing data that was not well-formed or did not conform to our published schema.",
        )
    })?;
    well_formed(announced.algorithm, &trailed).map(Some)
}

fn read_md5(text: &str) -> Result<Vec<u8>, AwsError> {
    let digest = BASE64_STANDARD.decode(text).ok().filter(|it| it.len() == 16);
    digest.ok_or_else(|| AwsError::new("InvalidDigest", "The Content-MD5 you specified was invalid."))
}

/// What is wrong with the chunks or the digest of a body. The dialect's errors have no type to tell them by.
fn broken(error: StdError) -> AwsError {
    // The bytes of a copy come from our own blobs.
    let error = match error.downcast::<io::Error>() {
        Ok(error) if is_away(&error) => return of_blobs(*error),
        Ok(error) => error as StdError,
        Err(error) => error,
    };
    let text = error.to_string();
    let has = |word: &str| text.contains(word);
    if has("SignatureMismatch") {
        let text = "The request signature we calculated does not match the signature you provided. Check your key and signing method.";
        return AwsError::new("SignatureDoesNotMatch", text).with_status(StatusCode::FORBIDDEN);
    }
    if has("Sha256Mismatch") {
        let text = "The provided 'x-amz-content-sha256' header does not match what was computed.";
        return AwsError::new("XAmzContentSHA256Mismatch", text);
    }
    if has("too slowly") {
        return too_slow();
    }
    if has("FormatError") || has("TooLarge") || has("TooMany") {
        return invalid_request("The chunks of the body are not well-formed");
    }
    incomplete()
}

fn incomplete() -> AwsError {
    AwsError::new(
        "IncompleteBody",
        "You did not provide the number of bytes specified by the Content-Length HTTP header",
    )
}

fn bad_digest(what: &str) -> AwsError {
    AwsError::new(
        "BadDigest",
        format!("The {what} you specified did not match the calculated checksum."),
    )
}

fn too_large() -> AwsError {
    AwsError::new(
        "EntityTooLarge",
        "Your proposed upload exceeds the maximum allowed size",
    )
}

fn too_slow() -> AwsError {
    AwsError::new(
        "RequestTimeout",
        "Your socket connection to the server was not read from or written to within the timeout period.",
    )
}
