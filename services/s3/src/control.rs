//! S3 Control, of which the tags of buckets are there: Terraform's provider reads and changes them so since its version 6.23.
//!
//! Its paths begin with the version of its interface, and its requests are signed as those of S3 are. What tells them from
//! an object of a bucket of that name is the header that every one of them has, and no request to S3.

use async_trait::async_trait;
use drawbridge_aws_dialects::error::AwsError;
use http::{Extensions, HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use percent_encoding::percent_decode_str;
use s3s::dto;
use s3s::route::S3Route;
use s3s::xml::{DeResult, Deserializer, SerResult, Serializer};
use s3s::{Body, S3Request, S3Response, S3Result};

use crate::buckets::{
    LIST_TAGS_FOR_RESOURCE, ListTagsForResource, TAG_RESOURCE, TagResource, Tagged, UNTAG_RESOURCE,
    UntagResource, no_such_resource,
};
use crate::error::{internal, invalid_request, malformed_xml, not_implemented, told};
use crate::facts::pairs;
use crate::wire::{bucket_tags, tag_set};
use crate::{Front, Gate};

const PREFIX: &str = "/v20180820/";
const TAGS: &str = "/v20180820/tags/";
const ACCOUNT: &str = "x-amz-account-id";
const NAMESPACE: &str = "http://awss3control.amazonaws.com/doc/2018-08-20/";

/// The most bytes of a document: fifty tags with room to spare.
const DOCUMENT_BYTES: usize = 64 * 1024;

/// Whether a request is for S3 Control.
pub fn is_control(uri: &Uri, headers: &HeaderMap) -> bool {
    uri.path().starts_with(PREFIX) && headers.contains_key(ACCOUNT)
}

/// The way from its requests to operations.
#[derive(Debug)]
pub(crate) struct Control<G>(pub(crate) Front<G>);

#[async_trait]
impl<G: Gate> S3Route for Control<G> {
    fn is_match(&self, _: &Method, uri: &Uri, headers: &HeaderMap, _: &mut Extensions) -> bool {
        is_control(uri, headers)
    }

    /// Leaves the decision to the gate, which no operation gets around.
    async fn check_access(&self, _: &mut S3Request<Body>) -> S3Result<()> {
        Ok(())
    }

    async fn call(&self, mut request: S3Request<Body>) -> S3Result<S3Response<Body>> {
        let on = tagged(&request).map_err(|error| told(&error))?;
        match request.method {
            Method::GET => {
                let request = request.map_input(|_| ListTagsForResource { on });
                let answer = self.0.perform(&LIST_TAGS_FOR_RESOURCE, request).await?;
                answer_with(answer, |tags| {
                    document(&tag_set(&tags)).map_err(|error| told(&internal(error)))
                })
            }
            Method::POST => {
                let read = request.input.store_all_limited(DOCUMENT_BYTES).await;
                let document = read.map_err(|_too_long| told(&malformed_xml()))?;
                let tags = asked_tags(&document).map_err(|error| told(&error))?;
                let request = request.map_input(|_| TagResource { on, tags });
                done(self.0.perform(&TAG_RESOURCE, request).await?)
            }
            Method::DELETE => {
                let keys = asked_keys(&request.uri);
                let request = request.map_input(|_| UntagResource { on, keys });
                done(self.0.perform(&UNTAG_RESOURCE, request).await?)
            }
            _ => Err(told(&not_implemented("This operation of S3 Control"))),
        }
    }
}

/// Reads whose tags a request is about.
fn tagged(request: &S3Request<Body>) -> Result<Tagged, AwsError> {
    let Some(arn) = request.uri.path().strip_prefix(TAGS) else {
        return Err(not_implemented("This operation of S3 Control"));
    };
    let arn = percent_decode_str(arn).decode_utf8_lossy();
    let account = request.headers.get(ACCOUNT).and_then(|value| value.to_str().ok());
    let Some(account) = account else {
        return Err(invalid_request("The header x-amz-account-id is no account"));
    };
    // Access points, grants and the like have tags there, too; here nobody has any of them.
    let bucket = arn.strip_prefix("arn:aws:s3:::").filter(|it| !it.contains('/'));
    Ok(Tagged {
        bucket: bucket.ok_or_else(no_such_resource)?.to_owned(),
        account: account.to_owned(),
    })
}

fn asked_tags(document: &[u8]) -> Result<Vec<drawbridge_session::Tag>, AwsError> {
    let mut reader = Deserializer::new(document);
    let read = reader.named_element("TagResourceRequest", |reader| {
        reader.named_element("Tags", tags_of)
    });
    bucket_tags(read.map_err(|_error| malformed_xml())?)
}

/// Reads the tags within an element.
pub(crate) fn tags_of(reader: &mut Deserializer<'_>) -> DeResult<dto::TagSet> {
    reader.list_content("Tag")
}

fn asked_keys(uri: &Uri) -> Vec<String> {
    let named = pairs(uri.query().unwrap_or_default()).filter(|(name, _)| name == "tagKeys");
    named.map(|(_, key)| key).collect()
}

fn document(tags: &[dto::Tag]) -> SerResult<Vec<u8>> {
    let mut document = Vec::new();
    let mut writer = Serializer::new(&mut document);
    writer.decl()?;
    writer.element_with_ns("ListTagsForResourceResult", NAMESPACE, |writer| {
        writer.list("Tags", "Tag", tags)
    })?;
    Ok(document)
}

fn done(answer: S3Response<()>) -> S3Result<S3Response<Body>> {
    let mut answer = answer_with(answer, |()| Ok(Vec::new()))?;
    answer.status = Some(StatusCode::NO_CONTENT);
    Ok(answer)
}

/// Makes the answer of an operation one of bytes.
fn answer_with<O>(
    answer: S3Response<O>,
    write: impl FnOnce(O) -> S3Result<Vec<u8>>,
) -> S3Result<S3Response<Body>> {
    let document = write(answer.output)?;
    let mut headers = answer.headers;
    if !document.is_empty() {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    }
    Ok(S3Response::with_headers(Body::from(document), headers))
}
