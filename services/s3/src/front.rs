//! Where the dialect ends: each of its methods is one declared operation behind the gate, and nothing else is.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::{Declaration, Need, Resource};
use futures_util::StreamExt as _;
use http::{HeaderMap, HeaderValue};
use s3s::dto;
use s3s::service::S3ServiceBuilder;
use s3s::{S3Request, S3Response, S3Result};
use serde_json::{Map, Value};

use crate::asked::Took;
use crate::buckets::NewBucket;
use crate::control::Control;
use crate::error::{NO_SUCH_KEY, malformed_xml, told};
use crate::facts::{
    ACL, COPIED, Headers, Named, RequestFacts, STORED, Source, Telling, add_listing, summary,
};
use crate::{Operation, buckets, objects, subresource, uploads};

/// Lets requests through to operations: decides, keeps the event, and calls the handler.
#[async_trait]
pub trait Gate: Send + Sync + 'static {
    /// Asks for an operation, with what decisions and the audit log read of the request.
    async fn pass<I, O>(
        &self,
        operation: &'static Operation<I, O>,
        summary: Value,
        took: Took<I>,
    ) -> Result<S3Response<O>, AwsError>
    where
        I: Send + Sync + 'static,
        O: Send + 'static;

    /// Returns why the caller may not list a bucket, if it may not.
    async fn refuses_list(&self, need: Need) -> Option<AwsError>;

    /// Returns the region of a bucket, which every answer about it names.
    async fn region_of(&self, bucket: &str) -> Option<String>;
}

/// The body of a request as it came, for what the dialect passes over in it.
#[derive(Debug, Clone)]
pub struct Document(pub Bytes);

/// Returns the dialect for one request.
pub fn dialect<G: Gate>(gate: Arc<G>, facts: RequestFacts) -> S3ServiceBuilder {
    let front = Front { gate, facts };
    let mut builder = S3ServiceBuilder::new(front.clone());
    builder.set_route(Control(front));
    builder
}

/// One request on its way to its operation.
#[derive(Debug)]
pub struct Front<G> {
    gate: Arc<G>,
    facts: RequestFacts,
}

impl<G> Clone for Front<G> {
    fn clone(&self) -> Self {
        Self {
            gate: Arc::clone(&self.gate),
            facts: self.facts.clone(),
        }
    }
}

impl<G: Gate> Front<G> {
    pub(crate) async fn perform<I, O>(
        &self,
        operation: &'static Operation<I, O>,
        mut request: S3Request<I>,
    ) -> S3Result<S3Response<O>>
    where
        I: Named + Send + Sync + 'static,
        O: Send + 'static,
    {
        subresource::check(operation.name, request.uri.query()).map_err(|error| told(&error))?;
        request.input.reread(&request.headers);
        let summary = summary(&request.input, &request.headers, &self.facts);
        let bucket = request.input.bucket().map(str::to_owned);
        let listed = request.input.source().map(|source| source.bucket.to_owned());
        let listed = listed.or_else(|| bucket.clone());
        let took = Took {
            input: request.input,
            headers: request.headers,
            trailers: request.trailing_headers,
        };
        let mut answer = self.gate.pass(operation, summary, took).await;
        let is_missing = answer.as_ref().is_err_and(|error| error.code() == NO_SUCH_KEY);
        if let Some(listed) = listed.filter(|_| is_missing) {
            // Who may not list the bucket does not learn which keys it has.
            let need = Need::also("s3:ListBucket", Resource::bucket(&listed));
            if let Some(refusal) = self.gate.refuses_list(need).await {
                answer = Err(refusal);
            }
        }
        let mut headers = HeaderMap::new();
        if let Some(bucket) = bucket {
            let region = self.gate.region_of(&bucket).await;
            let region = region.and_then(|region| HeaderValue::from_str(&region).ok());
            headers.extend(region.map(|region| (BUCKET_REGION, region)));
        }
        match answer {
            Ok(mut answer) => {
                answer.headers.extend(headers);
                Ok(answer)
            }
            Err(error) => {
                headers.extend(error.headers().iter().cloned());
                let mut error = told(&error);
                // These take the place of the dialect's own.
                let xml = HeaderValue::from_static("application/xml");
                headers.insert(http::header::CONTENT_TYPE, xml);
                error.set_request_id(&self.facts.request_id);
                error.set_headers(headers);
                Err(error)
            }
        }
    }

    /// Makes a bucket, with the tags of the document that the dialect passes over.
    async fn make_bucket(
        &self,
        request: S3Request<dto::CreateBucketInput>,
    ) -> S3Result<S3Response<dto::CreateBucketOutput>> {
        let document = request.extensions.get::<Document>();
        let tags = document.map_or(Ok(Vec::new()), |Document(document)| {
            buckets::tags_of_new_bucket(document)
        });
        let tags = tags.map_err(|error| told(&error))?;
        let request = request.map_input(|input| NewBucket { input, tags });
        self.perform(&buckets::CREATE_BUCKET, request).await
    }

    /// Removes many objects, each as if it was asked for alone: with its own decision, and its own error.
    async fn remove_many(
        &self,
        request: S3Request<dto::DeleteObjectsInput>,
    ) -> S3Result<S3Response<dto::DeleteObjectsOutput>> {
        let (input, headers) = (request.input, request.headers);
        if input.delete.objects.is_empty() || input.delete.objects.len() > MAX_REMOVED {
            return Err(told(&malformed_xml()));
        }
        let quiet = input.delete.quiet.unwrap_or(false);
        let one = |object: dto::ObjectIdentifier| {
            let request = S3Request {
                input: dto::DeleteObjectInput {
                    bucket: input.bucket.clone(),
                    key: object.key.clone(),
                    version_id: object.version_id.clone(),
                    bypass_governance_retention: input.bypass_governance_retention,
                    if_match: object.e_tag.clone().map(dto::ETagCondition::ETag),
                    if_match_last_modified_time: object.last_modified_time.clone(),
                    if_match_size: object.size,
                    ..dto::DeleteObjectInput::default()
                },
                method: http::Method::DELETE,
                uri: http::Uri::default(),
                headers: headers.clone(),
                extensions: http::Extensions::new(),
                credentials: None,
                region: None,
                service: None,
                trailing_headers: None,
            };
            async move { (object, self.perform(&objects::DELETE_OBJECT, request).await) }
        };
        let mut answers = futures_util::stream::iter(input.delete.objects.iter().cloned().map(one))
            .buffered(REMOVED_AT_ONCE);
        let (mut deleted, mut errors, mut answer_headers) = (Vec::new(), Vec::new(), HeaderMap::new());
        while let Some((object, answer)) = answers.next().await {
            match answer {
                Ok(answer) => {
                    answer_headers = answer.headers;
                    deleted.push(removed(object, answer.output));
                }
                Err(error) if error.code().as_str() == "NoSuchBucket" => return Err(error),
                Err(error) => errors.push(dto::Error {
                    code: Some(error.code().as_str().to_owned()),
                    message: error.message().map(str::to_owned),
                    key: Some(object.key),
                    version_id: object.version_id,
                }),
            }
        }
        let mut answer = S3Response::new(dto::DeleteObjectsOutput {
            deleted: (!quiet).then_some(deleted),
            errors: (!errors.is_empty()).then_some(errors),
            ..dto::DeleteObjectsOutput::default()
        });
        answer_headers.remove("x-amz-version-id");
        answer.headers = answer_headers;
        Ok(answer)
    }
}

fn removed(object: dto::ObjectIdentifier, output: dto::DeleteObjectOutput) -> dto::DeletedObject {
    let marker = output.delete_marker.unwrap_or(false);
    dto::DeletedObject {
        delete_marker: marker.then_some(true),
        delete_marker_version_id: output.version_id.filter(|_| marker),
        key: Some(object.key),
        version_id: object.version_id,
    }
}

/// The most objects of one `DeleteObjects` (S3's documented limit).
const MAX_REMOVED: usize = 1000;

/// Removals that wait for the disk together.
const REMOVED_AT_ONCE: usize = 16;

const BUCKET_REGION: http::HeaderName = http::HeaderName::from_static("x-amz-bucket-region");

/// Says what inputs act on, and makes each method of the dialect its declared operation.
macro_rules! operations {
    ($($method:ident($input:ident: $($named:ident)*) -> $output:ident = $operation:path;)*) => {
        /// Every operation, by its declaration.
        pub const DECLARATIONS: &[Declaration] = &[
            buckets::CREATE_BUCKET.declaration(),
            buckets::LIST_TAGS_FOR_RESOURCE.declaration(),
            buckets::TAG_RESOURCE.declaration(),
            buckets::UNTAG_RESOURCE.declaration(),
            $($operation.declaration(),)*
        ];

        #[async_trait]
        impl<G: Gate> s3s::S3 for Front<G> {
            $(async fn $method(
                &self,
                request: S3Request<dto::$input>,
            ) -> S3Result<S3Response<dto::$output>> {
                self.perform(&$operation, request).await
            })*

            async fn create_bucket(
                &self,
                request: S3Request<dto::CreateBucketInput>,
            ) -> S3Result<S3Response<dto::CreateBucketOutput>> {
                self.make_bucket(request).await
            }

            async fn delete_objects(
                &self,
                request: S3Request<dto::DeleteObjectsInput>,
            ) -> S3Result<S3Response<dto::DeleteObjectsOutput>> {
                self.remove_many(request).await
            }
        }

        $(impl Named for dto::$input {
            $(named!($named);)*
        })*
    };
}

/// What an input has of what a request may name.
macro_rules! named {
    (bucket) => {
        fn bucket(&self) -> Option<&str> {
            Some(&self.bucket)
        }
    };
    (owner) => {
        fn expected_owner(&self) -> Option<&str> {
            self.expected_bucket_owner.as_deref()
        }
    };
    (key) => {
        fn key(&self) -> Option<&str> {
            Some(&self.key)
        }
    };
    (version) => {
        fn version(&self) -> Option<&str> {
            self.version_id.as_deref()
        }
    };
    (upload) => {
        fn upload(&self) -> Option<&str> {
            Some(&self.upload_id)
        }
    };
    (source) => {
        fn source(&self) -> Option<Source<'_>> {
            objects::named_source(&self.copy_source)
        }

        fn reread(&mut self, headers: &HeaderMap) {
            objects::reread_source(&mut self.copy_source, headers);
        }
    };
    (acl) => {
        const HEADERS: &'static [Headers] = &[ACL];
    };
    (stored) => {
        const HEADERS: &'static [Headers] = &[ACL, STORED];
    };
    (copied) => {
        const HEADERS: &'static [Headers] = &[ACL, STORED, COPIED];
    };
    (listing) => {
        fn conditions(&self, conditions: &mut Map<String, Value>) {
            add_listing(
                conditions,
                self.prefix.as_ref(),
                self.delimiter.as_ref(),
                self.max_keys,
            );
        }
    };
    (uploads) => {
        fn conditions(&self, conditions: &mut Map<String, Value>) {
            add_listing(
                conditions,
                self.prefix.as_ref(),
                self.delimiter.as_ref(),
                None,
            );
        }
    };
    // What its document says of the bucket or the object stands beside its operation.
    (document) => {
        fn conditions(&self, conditions: &mut Map<String, Value>) {
            Telling::conditions(self, conditions);
        }
    };
}

operations! {
    abort_multipart_upload(AbortMultipartUploadInput: bucket owner key upload)
        -> AbortMultipartUploadOutput = uploads::ABORT_MULTIPART_UPLOAD;
    complete_multipart_upload(CompleteMultipartUploadInput: bucket owner key upload)
        -> CompleteMultipartUploadOutput = uploads::COMPLETE_MULTIPART_UPLOAD;
    copy_object(CopyObjectInput: bucket owner key source copied) -> CopyObjectOutput = objects::COPY_OBJECT;
    create_multipart_upload(CreateMultipartUploadInput: bucket owner key stored)
        -> CreateMultipartUploadOutput = uploads::CREATE_MULTIPART_UPLOAD;
    delete_bucket(DeleteBucketInput: bucket owner) -> DeleteBucketOutput = buckets::DELETE_BUCKET;
    delete_bucket_cors(DeleteBucketCorsInput: bucket owner) -> DeleteBucketCorsOutput = buckets::DELETE_BUCKET_CORS;
    delete_bucket_encryption(DeleteBucketEncryptionInput: bucket owner)
        -> DeleteBucketEncryptionOutput = buckets::DELETE_BUCKET_ENCRYPTION;
    delete_bucket_lifecycle(DeleteBucketLifecycleInput: bucket owner)
        -> DeleteBucketLifecycleOutput = buckets::DELETE_BUCKET_LIFECYCLE;
    delete_bucket_ownership_controls(DeleteBucketOwnershipControlsInput: bucket owner)
        -> DeleteBucketOwnershipControlsOutput = buckets::DELETE_BUCKET_OWNERSHIP_CONTROLS;
    delete_bucket_policy(DeleteBucketPolicyInput: bucket owner)
        -> DeleteBucketPolicyOutput = buckets::DELETE_BUCKET_POLICY;
    delete_bucket_replication(DeleteBucketReplicationInput: bucket owner)
        -> DeleteBucketReplicationOutput = buckets::DELETE_BUCKET_REPLICATION;
    delete_bucket_tagging(DeleteBucketTaggingInput: bucket owner)
        -> DeleteBucketTaggingOutput = buckets::DELETE_BUCKET_TAGGING;
    delete_bucket_website(DeleteBucketWebsiteInput: bucket owner)
        -> DeleteBucketWebsiteOutput = buckets::DELETE_BUCKET_WEBSITE;
    delete_object(DeleteObjectInput: bucket owner key version) -> DeleteObjectOutput = objects::DELETE_OBJECT;
    delete_object_tagging(DeleteObjectTaggingInput: bucket owner key version)
        -> DeleteObjectTaggingOutput = objects::DELETE_OBJECT_TAGGING;
    delete_public_access_block(DeletePublicAccessBlockInput: bucket owner)
        -> DeletePublicAccessBlockOutput = buckets::DELETE_PUBLIC_ACCESS_BLOCK;
    get_bucket_accelerate_configuration(GetBucketAccelerateConfigurationInput: bucket owner)
        -> GetBucketAccelerateConfigurationOutput = buckets::GET_BUCKET_ACCELERATE;
    get_bucket_acl(GetBucketAclInput: bucket owner) -> GetBucketAclOutput = buckets::GET_BUCKET_ACL;
    get_bucket_cors(GetBucketCorsInput: bucket owner) -> GetBucketCorsOutput = buckets::GET_BUCKET_CORS;
    get_bucket_encryption(GetBucketEncryptionInput: bucket owner)
        -> GetBucketEncryptionOutput = buckets::GET_BUCKET_ENCRYPTION;
    get_bucket_lifecycle_configuration(GetBucketLifecycleConfigurationInput: bucket owner)
        -> GetBucketLifecycleConfigurationOutput = buckets::GET_BUCKET_LIFECYCLE;
    get_bucket_location(GetBucketLocationInput: bucket owner)
        -> GetBucketLocationOutput = buckets::GET_BUCKET_LOCATION;
    get_bucket_logging(GetBucketLoggingInput: bucket owner) -> GetBucketLoggingOutput = buckets::GET_BUCKET_LOGGING;
    get_bucket_notification_configuration(GetBucketNotificationConfigurationInput: bucket owner)
        -> GetBucketNotificationConfigurationOutput = buckets::GET_BUCKET_NOTIFICATION;
    get_bucket_ownership_controls(GetBucketOwnershipControlsInput: bucket owner)
        -> GetBucketOwnershipControlsOutput = buckets::GET_BUCKET_OWNERSHIP_CONTROLS;
    get_bucket_policy(GetBucketPolicyInput: bucket owner) -> GetBucketPolicyOutput = buckets::GET_BUCKET_POLICY;
    get_bucket_policy_status(GetBucketPolicyStatusInput: bucket owner)
        -> GetBucketPolicyStatusOutput = buckets::GET_BUCKET_POLICY_STATUS;
    get_bucket_replication(GetBucketReplicationInput: bucket owner)
        -> GetBucketReplicationOutput = buckets::GET_BUCKET_REPLICATION;
    get_bucket_request_payment(GetBucketRequestPaymentInput: bucket owner)
        -> GetBucketRequestPaymentOutput = buckets::GET_BUCKET_REQUEST_PAYMENT;
    get_bucket_tagging(GetBucketTaggingInput: bucket owner) -> GetBucketTaggingOutput = buckets::GET_BUCKET_TAGGING;
    get_bucket_versioning(GetBucketVersioningInput: bucket owner)
        -> GetBucketVersioningOutput = buckets::GET_BUCKET_VERSIONING;
    get_bucket_website(GetBucketWebsiteInput: bucket owner) -> GetBucketWebsiteOutput = buckets::GET_BUCKET_WEBSITE;
    get_object(GetObjectInput: bucket owner key version) -> GetObjectOutput = objects::GET_OBJECT;
    get_object_acl(GetObjectAclInput: bucket owner key version) -> GetObjectAclOutput = objects::GET_OBJECT_ACL;
    get_object_attributes(GetObjectAttributesInput: bucket owner key version)
        -> GetObjectAttributesOutput = objects::GET_OBJECT_ATTRIBUTES;
    get_object_legal_hold(GetObjectLegalHoldInput: bucket owner key version)
        -> GetObjectLegalHoldOutput = objects::GET_OBJECT_LEGAL_HOLD;
    get_object_lock_configuration(GetObjectLockConfigurationInput: bucket owner)
        -> GetObjectLockConfigurationOutput = buckets::GET_OBJECT_LOCK_CONFIGURATION;
    get_object_retention(GetObjectRetentionInput: bucket owner key version)
        -> GetObjectRetentionOutput = objects::GET_OBJECT_RETENTION;
    get_object_tagging(GetObjectTaggingInput: bucket owner key version)
        -> GetObjectTaggingOutput = objects::GET_OBJECT_TAGGING;
    get_public_access_block(GetPublicAccessBlockInput: bucket owner)
        -> GetPublicAccessBlockOutput = buckets::GET_PUBLIC_ACCESS_BLOCK;
    head_bucket(HeadBucketInput: bucket owner) -> HeadBucketOutput = buckets::HEAD_BUCKET;
    head_object(HeadObjectInput: bucket owner key version) -> HeadObjectOutput = objects::HEAD_OBJECT;
    list_buckets(ListBucketsInput:) -> ListBucketsOutput = buckets::LIST_BUCKETS;
    list_multipart_uploads(ListMultipartUploadsInput: bucket owner uploads)
        -> ListMultipartUploadsOutput = uploads::LIST_MULTIPART_UPLOADS;
    list_object_versions(ListObjectVersionsInput: bucket owner listing)
        -> ListObjectVersionsOutput = objects::LIST_OBJECT_VERSIONS;
    list_objects(ListObjectsInput: bucket owner listing) -> ListObjectsOutput = objects::LIST_OBJECTS;
    list_objects_v2(ListObjectsV2Input: bucket owner listing) -> ListObjectsV2Output = objects::LIST_OBJECTS_V2;
    list_parts(ListPartsInput: bucket owner key upload) -> ListPartsOutput = uploads::LIST_PARTS;
    put_bucket_accelerate_configuration(PutBucketAccelerateConfigurationInput: bucket owner)
        -> PutBucketAccelerateConfigurationOutput = buckets::PUT_BUCKET_ACCELERATE;
    put_bucket_acl(PutBucketAclInput: bucket owner acl) -> PutBucketAclOutput = buckets::PUT_BUCKET_ACL;
    put_bucket_cors(PutBucketCorsInput: bucket owner) -> PutBucketCorsOutput = buckets::PUT_BUCKET_CORS;
    put_bucket_encryption(PutBucketEncryptionInput: bucket owner)
        -> PutBucketEncryptionOutput = buckets::PUT_BUCKET_ENCRYPTION;
    put_bucket_lifecycle_configuration(PutBucketLifecycleConfigurationInput: bucket owner)
        -> PutBucketLifecycleConfigurationOutput = buckets::PUT_BUCKET_LIFECYCLE;
    put_bucket_logging(PutBucketLoggingInput: bucket owner) -> PutBucketLoggingOutput = buckets::PUT_BUCKET_LOGGING;
    put_bucket_notification_configuration(PutBucketNotificationConfigurationInput: bucket owner)
        -> PutBucketNotificationConfigurationOutput = buckets::PUT_BUCKET_NOTIFICATION;
    put_bucket_ownership_controls(PutBucketOwnershipControlsInput: bucket owner)
        -> PutBucketOwnershipControlsOutput = buckets::PUT_BUCKET_OWNERSHIP_CONTROLS;
    put_bucket_policy(PutBucketPolicyInput: bucket owner) -> PutBucketPolicyOutput = buckets::PUT_BUCKET_POLICY;
    put_bucket_replication(PutBucketReplicationInput: bucket owner)
        -> PutBucketReplicationOutput = buckets::PUT_BUCKET_REPLICATION;
    put_bucket_request_payment(PutBucketRequestPaymentInput: bucket owner)
        -> PutBucketRequestPaymentOutput = buckets::PUT_BUCKET_REQUEST_PAYMENT;
    put_bucket_tagging(PutBucketTaggingInput: bucket owner) -> PutBucketTaggingOutput = buckets::PUT_BUCKET_TAGGING;
    put_bucket_versioning(PutBucketVersioningInput: bucket owner)
        -> PutBucketVersioningOutput = buckets::PUT_BUCKET_VERSIONING;
    put_bucket_website(PutBucketWebsiteInput: bucket owner) -> PutBucketWebsiteOutput = buckets::PUT_BUCKET_WEBSITE;
    put_object(PutObjectInput: bucket owner key stored) -> PutObjectOutput = objects::PUT_OBJECT;
    put_object_acl(PutObjectAclInput: bucket owner key version acl) -> PutObjectAclOutput = objects::PUT_OBJECT_ACL;
    put_object_legal_hold(PutObjectLegalHoldInput: bucket owner key version document)
        -> PutObjectLegalHoldOutput = objects::PUT_OBJECT_LEGAL_HOLD;
    put_object_lock_configuration(PutObjectLockConfigurationInput: bucket owner)
        -> PutObjectLockConfigurationOutput = buckets::PUT_OBJECT_LOCK_CONFIGURATION;
    put_object_retention(PutObjectRetentionInput: bucket owner key version document)
        -> PutObjectRetentionOutput = objects::PUT_OBJECT_RETENTION;
    put_object_tagging(PutObjectTaggingInput: bucket owner key version document) -> PutObjectTaggingOutput = objects::PUT_OBJECT_TAGGING;
    put_public_access_block(PutPublicAccessBlockInput: bucket owner)
        -> PutPublicAccessBlockOutput = buckets::PUT_PUBLIC_ACCESS_BLOCK;
    upload_part(UploadPartInput: bucket owner key upload) -> UploadPartOutput = uploads::UPLOAD_PART;
    upload_part_copy(UploadPartCopyInput: bucket owner key upload source)
        -> UploadPartCopyOutput = uploads::UPLOAD_PART_COPY;
}
