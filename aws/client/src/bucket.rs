//! One bucket of S3, as a program that writes objects into it needs it.

use std::fmt::Write as _;
use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, ETAG};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request};
use md5::{Digest as _, Md5};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::auth::Auth;
use crate::call::{CallError, Service};
use crate::client::{Answer, Client, Now};
use crate::connect::Connector;
use crate::endpoint::Endpoint;

/// A bucket and how it is called.
#[derive(Debug)]
pub struct Bucket {
    name: String,
    client: Client,
    /// What stands before the key in a path: the bucket, unless the host's name has it.
    root: String,
}

/// How a bucket says that it encrypts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encryption {
    /// `AES256`, or one of the kinds with a key of the key service.
    pub algorithm: String,
    /// That key, as the bucket has it; none for the account's own.
    pub key_id: Option<String>,
}

/// The number of a part of an upload, from 1.
pub type PartNumber = u16;

/// An object that is being written in parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    key: String,
    id: String,
}

impl Bucket {
    /// The smallest part of an upload but the last, in bytes; S3's rule.
    pub const SMALLEST_PART: usize = 5 * 1024 * 1024;
    /// The most parts of one upload; S3's rule.
    pub const MOST_PARTS: PartNumber = 10_000;

    /// Names a bucket at `endpoint`, or at AWS where there is none. Nothing is called yet.
    ///
    /// AWS is called by a host named after the bucket, as it wants it, where a certificate can have such a name. Any other
    /// server is called by one host, with the bucket in the path.
    pub fn new(name: &str, endpoint: Option<Endpoint>, region: &str, connector: Connector, now: Now) -> Self {
        let (endpoint, root) = match endpoint {
            Some(endpoint) => (endpoint, format!("/{}", encode(name))),
            None if is_host_label(name) => (Endpoint::aws(&format!("{name}.s3"), region), String::new()),
            None => (Endpoint::aws("s3", region), format!("/{}", encode(name))),
        };
        Self {
            name: name.to_owned(),
            client: Client::new(endpoint, region, connector, now),
            root,
        }
    }

    /// The bucket's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Asks in which region the bucket lies; `None` when the server does not say.
    ///
    /// # Errors
    /// Only when there is no answer: the region is said to those who may not enter, too.
    pub async fn region(&self, auth: Auth<'_>) -> Result<Option<String>, CallError> {
        let answer = self
            .send(Method::HEAD, "/", &[], HeaderMap::new(), Bytes::new(), auth)
            .await?;
        let region = answer.headers.get("x-amz-bucket-region");
        Ok(region
            .and_then(|region| region.to_str().ok())
            .filter(|region| is_host_label(region))
            .map(str::to_owned))
    }

    /// Asks how the bucket encrypts; `None` when it does not.
    ///
    /// # Errors
    /// When the server says no, or nothing.
    pub async fn encryption(&self, auth: Auth<'_>) -> Result<Option<Encryption>, CallError> {
        let query = [("encryption", "")];
        let answer = self
            .send(Method::GET, "/", &query, HeaderMap::new(), Bytes::new(), auth)
            .await?;
        match succeeded(answer) {
            Ok(answer) => Ok(answer.xml_text("SSEAlgorithm").map(|algorithm| Encryption {
                algorithm,
                key_id: answer.xml_text("KMSMasterKeyID").filter(|id| !id.is_empty()),
            })),
            Err(error) if error.code() == Some("ServerSideEncryptionConfigurationNotFoundError") => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Writes an object in one request. `headers` are those that the object is to have.
    ///
    /// # Errors
    /// When the server says no, or nothing.
    pub async fn put(
        &self,
        key: &str,
        headers: HeaderMap,
        body: Bytes,
        auth: Auth<'_>,
    ) -> Result<(), CallError> {
        let headers = with_digest(headers, &body);
        let answer = self
            .send(Method::PUT, &path_of(key), &[], headers, body, auth)
            .await?;
        succeeded(answer).map(drop)
    }

    /// Begins an object that is written in parts. `headers` are those that the object is to have.
    ///
    /// # Errors
    /// When the server says no, or nothing.
    pub async fn begin(&self, key: &str, headers: HeaderMap, auth: Auth<'_>) -> Result<Upload, CallError> {
        let query = [("uploads", "")];
        let answer = self
            .send(Method::POST, &path_of(key), &query, headers, Bytes::new(), auth)
            .await?;
        let id = succeeded(answer)?
            .xml_text("UploadId")
            .ok_or_else(|| unreadable("it names no upload"))?;
        Ok(Upload {
            key: key.to_owned(),
            id,
        })
    }

    /// Writes a part of an object and returns its tag, which [`Bucket::complete`] wants.
    ///
    /// # Errors
    /// When the server says no, or nothing.
    pub async fn put_part(
        &self,
        upload: &Upload,
        number: PartNumber,
        body: Bytes,
        auth: Auth<'_>,
    ) -> Result<String, CallError> {
        let number = number.to_string();
        let query = [("partNumber", number.as_str()), ("uploadId", &upload.id)];
        let headers = with_digest(HeaderMap::new(), &body);
        let answer = self
            .send(Method::PUT, &path_of(&upload.key), &query, headers, body, auth)
            .await?;
        let tag = succeeded(answer)?.headers.get(ETAG).cloned();
        tag.and_then(|tag| tag.to_str().map(str::to_owned).ok())
            .ok_or_else(|| unreadable("the part has no tag"))
    }

    /// Makes an object of its parts, whose tags are in the order of their numbers.
    ///
    /// # Errors
    /// When the server says no, or nothing; some say no in the body of a success.
    pub async fn complete(&self, upload: &Upload, tags: &[String], auth: Auth<'_>) -> Result<(), CallError> {
        let mut list = drawbridge_aws_dialects::xml::Writer::new();
        list.open_in(
            "CompleteMultipartUpload",
            "http://s3.amazonaws.com/doc/2006-03-01/",
        );
        for (number, tag) in (1..=Self::MOST_PARTS).zip(tags) {
            list.open("Part")
                .element("PartNumber", &number.to_string())
                .element("ETag", tag)
                .close();
        }
        let body = Bytes::from(list.finish());
        let headers = with_digest(HeaderMap::new(), &body);
        let query = [("uploadId", upload.id.as_str())];
        let answer = self
            .send(Method::POST, &path_of(&upload.key), &query, headers, body, auth)
            .await?;
        let answer = succeeded(answer)?;
        match answer.xml_text("Code") {
            Some(_) => Err(answer.into_error()),
            None => Ok(()),
        }
    }

    /// Gives an object up whose parts were not all written.
    ///
    /// # Errors
    /// When the server says no, or nothing.
    pub async fn abandon(&self, upload: &Upload, auth: Auth<'_>) -> Result<(), CallError> {
        let query = [("uploadId", upload.id.as_str())];
        let path = path_of(&upload.key);
        let answer = self
            .send(
                Method::DELETE,
                &path,
                &query,
                HeaderMap::new(),
                Bytes::new(),
                auth,
            )
            .await?;
        succeeded(answer).map(drop)
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
        headers: HeaderMap,
        body: Bytes,
        auth: Auth<'_>,
    ) -> Result<Answer, CallError> {
        let mut target = format!("{}{path}", self.root);
        for (position, (name, value)) in query.iter().enumerate() {
            let separator = if position == 0 { '?' } else { '&' };
            let _ = write!(target, "{separator}{name}={}", encode(value));
        }
        let mut request = Request::new(body);
        *request.method_mut() = method;
        *request.headers_mut() = headers;
        *request.uri_mut() = target.parse().map_err(|_| CallError::Url {
            url: target.clone(),
            reason: "it is not a path",
        })?;
        self.client.send(Service::S3, request, auth).await
    }
}

impl Encryption {
    /// Has an object encrypted in this way, and says so. What cannot be in a header is left to the bucket.
    pub fn put_into(&self, headers: &mut HeaderMap) {
        const ALGORITHM: HeaderName = HeaderName::from_static("x-amz-server-side-encryption");
        const KEY: HeaderName = HeaderName::from_static("x-amz-server-side-encryption-aws-kms-key-id");
        let Ok(algorithm) = HeaderValue::from_str(&self.algorithm) else {
            return;
        };
        headers.insert(ALGORITHM, algorithm);
        let key = self.key_id.as_deref().map(HeaderValue::from_str);
        if let Some(Ok(key)) = key
            && self.algorithm != "AES256"
        {
            headers.insert(KEY, key);
        }
    }
}

fn succeeded(answer: Answer) -> Result<Answer, CallError> {
    if answer.status.is_success() {
        Ok(answer)
    } else {
        Err(answer.into_error())
    }
}

fn unreadable(reason: &str) -> CallError {
    CallError::Body {
        reason: reason.to_owned(),
    }
}

/// Adds what the server checks a body by, which buckets that lock their objects insist on.
fn with_digest(mut headers: HeaderMap, body: &[u8]) -> HeaderMap {
    let digest = STANDARD.encode(Md5::digest(body));
    if let Ok(digest) = HeaderValue::try_from(digest) {
        headers.insert("content-md5", digest);
    }
    headers
        .entry(CONTENT_TYPE)
        .or_insert(HeaderValue::from_static("application/octet-stream"));
    headers
}

/// A name that a wildcard certificate covers, and that is no address.
fn is_host_label(name: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (3..=63).contains(&name.len())
        && name.chars().all(is_plain)
        && !name.starts_with('-')
        && !name.ends_with('-')
        && name.parse::<IpAddr>().is_err()
}

/// Everything but the characters that S3's signatures leave alone.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');
const ENCODED_IN_PATHS: &AsciiSet = &ENCODED.remove(b'/');

fn encode(text: &str) -> String {
    utf8_percent_encode(text, ENCODED).to_string()
}

fn path_of(key: &str) -> String {
    format!("/{}", utf8_percent_encode(key, ENCODED_IN_PATHS))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use jiff::Timestamp;

    use super::*;
    use crate::proxy::Proxies;
    use crate::tls::Tls;

    fn address(name: &str, endpoint: Option<&str>) -> String {
        let endpoint = endpoint.map(|url| url.parse().expect("an endpoint"));
        let tls = Tls::of_environment(&crate::Environment::of_process()).expect("roots");
        let connector = Connector::new(tls, Proxies::none());
        let bucket = Bucket::new(
            name,
            endpoint,
            "eu-west-1",
            connector,
            Arc::new(|| Timestamp::UNIX_EPOCH),
        );
        format!("{}{}", bucket.client.endpoint(), bucket.root)
    }

    #[test]
    fn is_called_by_its_own_name_at_aws_only() {
        for (name, at_aws) in [
            ("logs-dev", "https://logs-dev.s3.eu-west-1.amazonaws.com"),
            ("logs.dev", "https://s3.eu-west-1.amazonaws.com/logs.dev"),
            ("Logs_Dev", "https://s3.eu-west-1.amazonaws.com/Logs_Dev"),
            ("a/../b?c", "https://s3.eu-west-1.amazonaws.com/a%2F..%2Fb%3Fc"),
            (
                "x@evil.example",
                "https://s3.eu-west-1.amazonaws.com/x%40evil.example",
            ),
        ] {
            assert_eq!(address(name, None), at_aws);
        }
        let own = "https://bridge.example:8443";
        assert_eq!(
            address("logs-dev", Some(own)),
            "https://bridge.example:8443/logs-dev"
        );
    }

    #[test]
    fn keys_are_paths_that_nothing_changes() {
        assert_eq!(
            path_of("dev/a b+c?d%2F#é.log"),
            "/dev/a%20b%2Bc%3Fd%252F%23%C3%A9.log"
        );
        assert_eq!(path_of("a//b/../c"), "/a//b/../c");
    }

    #[test]
    fn encryption_is_said_as_the_bucket_said_it() {
        let of = |algorithm: &str, key_id: Option<&str>| {
            let mut headers = HeaderMap::new();
            Encryption {
                algorithm: algorithm.to_owned(),
                key_id: key_id.map(str::to_owned),
            }
            .put_into(&mut headers);
            let text = |name: &str| {
                headers
                    .get(name)
                    .map(|value| value.to_str().expect("text").to_owned())
            };
            (
                text("x-amz-server-side-encryption"),
                text("x-amz-server-side-encryption-aws-kms-key-id"),
            )
        };
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(of("AES256", Some("ignored")), (some("AES256"), None));
        assert_eq!(of("aws:kms", Some("alias/x")), (some("aws:kms"), some("alias/x")));
        assert_eq!(of("aws:kms", None), (some("aws:kms"), None));
        assert_eq!(of("evil\r\nx: y", None), (None, None));
        assert_eq!(of("aws:kms", Some("a\nb")), (some("aws:kms"), None));
    }
}
