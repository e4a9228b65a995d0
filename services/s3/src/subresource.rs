//! Sub-resources that are not there: a request for one must not become an operation on the bucket or the object itself.
//!
//! The dialect takes a request by the names in its query that it knows, and passes over all others. So what stores a setting
//! that it does not know would overwrite the object, and what removes one would remove the bucket.

use drawbridge_aws_dialects::error::AwsError;

use crate::error::not_implemented;

/// Operations on buckets and objects themselves, which have no sub-resource.
const PLAIN: &[&str] = &[
    "CopyObject",
    "CreateBucket",
    "DeleteBucket",
    "DeleteObject",
    "GetObject",
    "HeadBucket",
    "HeadObject",
    "ListBuckets",
    "ListObjects",
    "ListObjectsV2",
    "PutObject",
];

/// The names of sub-resources, wherever S3 has them, and of what belongs to an upload.
const NAMES: &[&str] = &[
    "abac",
    "accelerate",
    "acl",
    "analytics",
    "annotation",
    "attributes",
    "cors",
    "delete",
    "encryption",
    "intelligent-tiering",
    "inventory",
    "legal-hold",
    "lifecycle",
    "location",
    "logging",
    "metadataConfiguration",
    "metadataInventoryTable",
    "metadataJournalTable",
    "metadataTable",
    "metrics",
    "notification",
    "object-lock",
    "ownershipControls",
    "policy",
    "policyStatus",
    "publicAccessBlock",
    "renameObject",
    "replication",
    "requestPayment",
    "restore",
    "retention",
    "select",
    "session",
    "tagging",
    "torrent",
    "uploadId",
    "uploads",
    "versioning",
    "versions",
    "website",
];

/// Of the plain operations, those that change something.
const CHANGING: &[&str] = &[
    "CopyObject",
    "CreateBucket",
    "DeleteBucket",
    "DeleteObject",
    "PutObject",
];

/// Refuses an operation on a bucket or an object whose request names a sub-resource, or may name one: before a change that
/// is any name without a value.
pub(crate) fn check(operation: &str, query: Option<&str>) -> Result<(), AwsError> {
    if !PLAIN.contains(&operation) {
        return Ok(());
    }
    let changes = CHANGING.contains(&operation);
    for piece in query.unwrap_or_default().split('&') {
        let (name, value) = piece.split_once('=').unwrap_or((piece, ""));
        if NAMES.contains(&name) || (changes && value.is_empty() && !name.is_empty()) {
            return Err(not_implemented(&format!(
                "The query parameter {name} of this request"
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use http::{Method, StatusCode};

    use super::*;
    use crate::testing::World;

    #[tokio::test]
    async fn what_is_not_there_is_refused_and_changes_nothing() {
        let world = World::new().await;
        world.bucket("box", &[]).await;
        world.ask(Method::PUT, "/box/k", &[], b"kept").await;
        world.bucket("empty", &[]).await;
        for (method, path) in [
            (Method::PUT, "/box/k?renameObject"),
            (Method::PUT, "/box/k?encryption"),
            (Method::PUT, "/box/k?encryption="),
            (Method::PUT, "/box/k?uploadId=x"),
            (Method::PUT, "/box/k?versionId="),
            (Method::PUT, "/box/k?something-of-tomorrow"),
            (Method::DELETE, "/box/k?acl"),
            (
                Method::DELETE,
                "/box/k?something-of-tomorrow&x-id=DeleteSomething",
            ),
            (Method::DELETE, "/empty?metadataConfiguration"),
            (Method::DELETE, "/empty?versioning"),
            (Method::GET, "/new?abac"),
            (Method::GET, "/box?abac"),
            (Method::GET, "/box/k?policy"),
        ] {
            let answer = world.ask(method.clone(), path, &[], b"<Setting/>").await;
            let got = (answer.status, answer.code());
            let refused = (StatusCode::NOT_IMPLEMENTED, "NotImplemented".to_owned());
            assert_eq!(got, refused, "{method} {path} {}", answer.text());
        }
        world.ask(Method::PUT, "/new?abac", &[], b"").await;
        assert_eq!(world.ask(Method::GET, "/box/k", &[], b"").await.text(), "kept");
        assert_eq!(
            world.ask(Method::HEAD, "/empty", &[], b"").await.status,
            StatusCode::OK
        );
        assert_eq!(
            world.ask(Method::HEAD, "/new", &[], b"").await.status,
            StatusCode::NOT_FOUND
        );
    }

    #[test]
    fn parameters_of_the_operations_themselves_are_no_sub_resources() {
        for (operation, query) in [
            ("PutObject", "x-id=PutObject"),
            ("GetObject", "versionId=1&partNumber=2&response-content-type=a"),
            ("ListObjects", "prefix=&delimiter=&marker="),
            ("ListObjectsV2", "list-type=2&prefix=&fetch-owner="),
            ("GetBucketAcl", "acl"),
            (
                "DeleteObject",
                "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=00",
            ),
        ] {
            check(operation, Some(query)).expect(operation);
        }
        check("PutObject", None).expect("no query");
    }
}
