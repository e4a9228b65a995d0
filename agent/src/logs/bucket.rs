//! Putting a transcript into its bucket (`protocol.md` 10.3).

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use drawbridge_aws_client::{Auth, Bucket, CallError, Encryption, PartNumber, Upload};
use drawbridge_session::Random;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::attempts::{Attempts, Pace};
use super::transcript::Transcript;
use crate::identity::{Node, NodeError, PresentNode};

/// Why a transcript is not in its bucket.
#[derive(Debug, thiserror::Error)]
pub(super) enum UploadError {
    #[error(transparent)]
    Call(CallError),
    #[error(transparent)]
    Node(NodeError),
    #[error("cannot read the transcript")]
    Read(#[from] io::Error),
    #[error("the transcript is too long for one object")]
    TooLong,
}

impl From<NodeError> for UploadError {
    /// Leaves out what needs no saying, so that the service's own words come first.
    fn from(error: NodeError) -> Self {
        match error {
            NodeError::Call(error) => Self::Call(error),
            error => Self::Node(error),
        }
    }
}

/// Calls one bucket as this node.
pub(super) struct BucketCalls {
    node: Arc<PresentNode>,
    name: String,
    /// Where the bucket said that it is.
    region: Option<String>,
    pace: Pace,
    random: Arc<dyn Random>,
}

/// Larger transcripts go up in parts, as AWS's do.
const LARGE_BYTES: u64 = Bucket::SMALLEST_PART as u64;

impl BucketCalls {
    pub(super) fn new(node: Arc<PresentNode>, name: &str, pace: &Pace, random: &Arc<dyn Random>) -> Self {
        Self {
            node,
            name: name.to_owned(),
            region: None,
            pace: pace.clone(),
            random: Arc::clone(random),
        }
    }

    /// Asks how the bucket encrypts.
    pub(super) async fn encryption(&mut self) -> Result<Option<Encryption>, NodeError> {
        self.find().await;
        self.call(async |bucket, auth| bucket.encryption(auth).await)
            .await
    }

    /// Puts the transcript there under a key, encrypted in the way of the bucket and readable for its owner.
    pub(super) async fn put(&mut self, key: &str, transcript: &Transcript) -> Result<(), UploadError> {
        let headers = headers(self.encryption().await.ok().flatten().as_ref());
        if transcript.len() > LARGE_BYTES {
            return self.put_in_parts(key, headers, transcript).await;
        }
        let body = transcript.read(0, Bucket::SMALLEST_PART).await?;
        self.call(async |bucket, auth| bucket.put(key, headers.clone(), body.clone(), auth).await)
            .await?;
        Ok(())
    }

    async fn put_in_parts(
        &self,
        key: &str,
        headers: HeaderMap,
        transcript: &Transcript,
    ) -> Result<(), UploadError> {
        let upload = self
            .call(async |bucket, auth| bucket.begin(key, headers.clone(), auth).await)
            .await?;
        let finished = async {
            let tags = self.put_parts(&upload, transcript).await?;
            self.call(async |bucket, auth| bucket.complete(&upload, &tags, auth).await)
                .await?;
            Ok(())
        };
        let outcome = finished.await;
        if outcome.is_err() {
            // Parts cost space until somebody gives them up; a bucket that cannot be reached has rules for that.
            let _ = self
                .call(async |bucket, auth| bucket.abandon(&upload, auth).await)
                .await;
        }
        outcome
    }

    async fn put_parts(&self, upload: &Upload, transcript: &Transcript) -> Result<Vec<String>, UploadError> {
        let parts = transcript.len().div_ceil(LARGE_BYTES);
        let parts = PartNumber::try_from(parts).map_err(|_| UploadError::TooLong)?;
        if parts > Bucket::MOST_PARTS {
            return Err(UploadError::TooLong);
        }
        let mut tags = Vec::with_capacity(parts.into());
        for number in 1..=parts {
            let offset = u64::from(number - 1) * LARGE_BYTES;
            let body: Bytes = transcript.read(offset, Bucket::SMALLEST_PART).await?;
            let put = async |bucket: &Bucket, auth: Auth<'_>| {
                bucket.put_part(upload, number, body.clone(), auth).await
            };
            tags.push(self.call(put).await?);
        }
        Ok(tags)
    }

    /// Learns in which region the bucket lies. One that does not say is called in the node's.
    async fn find(&mut self) {
        if self.region.is_none() {
            self.region = self
                .call(async |bucket, auth| bucket.region(auth).await)
                .await
                .ok()
                .flatten();
        }
    }

    /// Calls the bucket until it answers, with credentials that are good at the time.
    async fn call<T>(
        &self,
        call: impl AsyncFn(&Bucket, Auth<'_>) -> Result<T, CallError>,
    ) -> Result<T, NodeError> {
        let mut attempts = Attempts::new(&self.pace, &self.random);
        loop {
            let node = self.node.get();
            let called = self.call_once(&node, &call).await;
            match called {
                Ok(value) => return Ok(value),
                Err(error) => attempts.after(error).await?,
            }
        }
    }

    async fn call_once<T>(
        &self,
        node: &Node,
        call: &impl AsyncFn(&Bucket, Auth<'_>) -> Result<T, CallError>,
    ) -> Result<T, NodeError> {
        let credentials = node.credentials().await?;
        let bucket = node.bucket(&self.name, self.region.as_deref())?;
        node.observe(call(&bucket, Auth::Credentials(&credentials)).await)
    }
}

fn headers(encryption: Option<&Encryption>) -> HeaderMap {
    const ACL: HeaderName = HeaderName::from_static("x-amz-acl");
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    headers.insert(ACL, HeaderValue::from_static("bucket-owner-full-control"));
    if let Some(encryption) = encryption {
        encryption.put_into(&mut headers);
    }
    headers
}
