//! What answers say beside what was asked for.

use std::time::Duration;

use drawbridge_store::Versioning;
use http::{Method, StatusCode, header};

use crate::testing::{Answer, World};

fn header_of(answer: &Answer, name: &str) -> String {
    let value = answer.headers.get(name).and_then(|value| value.to_str().ok());
    value.unwrap_or_default().to_owned()
}

#[tokio::test]
async fn a_listing_tells_when_an_object_was_stored_more_closely_than_a_header_can() {
    let world = World::new().await;
    world.house.clock.advance(Duration::from_millis(1733));
    world.bucket("box", &[]).await;
    world.ask(Method::PUT, "/box/k", &[], b"").await;
    for path in ["/box", "/box?list-type=2", "/box?versions"] {
        let answer = world.ask(Method::GET, path, &[], b"").await;
        assert!(
            answer.element("LastModified").ends_with(".733Z"),
            "{path} {}",
            answer.text()
        );
    }
}

#[tokio::test]
async fn listings_say_what_a_checksum_is_of() {
    let world = World::new().await;
    world.bucket("box", &[]).await;
    world.ask(Method::PUT, "/box/k", &[], b"").await;
    for path in ["/box", "/box?list-type=2", "/box?versions"] {
        let answer = world.ask(Method::GET, path, &[], b"").await;
        assert_eq!(
            answer.element("ChecksumType"),
            "FULL_OBJECT",
            "{path} {}",
            answer.text()
        );
    }
    let of_parts = [("x-amz-checksum-algorithm", "SHA256")];
    let begun = world.ask(Method::POST, "/box/up?uploads", &of_parts, b"").await;
    let upload = format!("/box/up?uploadId={}", begun.element("UploadId"));
    let listed = world.ask(Method::GET, &upload, &[], b"").await;
    assert_eq!(listed.element("ChecksumType"), "COMPOSITE", "{}", listed.text());
}

#[tokio::test]
async fn who_has_the_object_already_is_told_what_it_is_known_by() {
    let world = World::new().await;
    world.bucket("box", &[]).await;
    let put = world.ask(Method::PUT, "/box/k", &[], b"a").await;
    let etag = header_of(&put, "etag");
    let modified = header_of(
        &world.ask(Method::HEAD, "/box/k", &[], b"").await,
        "last-modified",
    );
    for condition in [("if-none-match", &*etag), ("if-modified-since", &*modified)] {
        for method in [Method::GET, Method::HEAD] {
            let answer = world.ask(method.clone(), "/box/k", &[condition], b"").await;
            assert_eq!(answer.status, StatusCode::NOT_MODIFIED, "{method} {condition:?}");
            assert_eq!(header_of(&answer, "etag"), etag);
            assert_eq!(header_of(&answer, "last-modified"), modified);
        }
    }
    let to_come = [("if-modified-since", "Fri, 01 Jan 2100 00:00:00 GMT")];
    let answer = world.ask(Method::GET, "/box/k", &to_come, b"").await;
    assert_eq!(answer.status, StatusCode::OK, "nobody knows what will be");
}

#[tokio::test]
async fn a_delete_marker_says_that_it_is_in_the_way() {
    let world = World::new().await;
    world.bucket("box", &[]).await;
    let missing = world.ask(Method::GET, "/box/k", &[], b"").await;
    assert_eq!(header_of(&missing, "x-amz-delete-marker"), "");
    world.versioning("box", Versioning::Enabled).await;
    world.ask(Method::PUT, "/box/k", &[], b"a").await;
    let deleted = world.ask(Method::DELETE, "/box/k", &[], b"").await;
    let marker = header_of(&deleted, "x-amz-version-id");
    let by_id = format!("/box/k?versionId={marker}");
    for (path, status, allowed) in [
        ("/box/k", StatusCode::NOT_FOUND, ""),
        (&by_id, StatusCode::METHOD_NOT_ALLOWED, "DELETE"),
    ] {
        for method in [Method::GET, Method::HEAD] {
            let answer = world.ask(method.clone(), path, &[], b"").await;
            assert_eq!(answer.status, status, "{method} {path}");
            assert_eq!(
                header_of(&answer, "x-amz-delete-marker"),
                "true",
                "{method} {path}"
            );
            assert_eq!(header_of(&answer, "x-amz-version-id"), marker, "{method} {path}");
            assert_eq!(
                header_of(&answer, header::ALLOW.as_str()),
                allowed,
                "{method} {path}"
            );
        }
    }
}

#[tokio::test]
async fn a_head_counts_tags() {
    let world = World::new().await;
    world.bucket("box", &[]).await;
    let tags = [("x-amz-tagging", "a=1&b=2")];
    world.ask(Method::PUT, "/box/k", &tags, b"").await;
    world.ask(Method::PUT, "/box/bare", &[], b"").await;
    for (path, count) in [("/box/k", "2"), ("/box/bare", "")] {
        for method in [Method::GET, Method::HEAD] {
            let answer = world.ask(method.clone(), path, &[], b"").await;
            assert_eq!(
                header_of(&answer, "x-amz-tagging-count"),
                count,
                "{method} {path}"
            );
        }
    }
}

#[tokio::test]
async fn attributes_list_parts_for_the_sake_of_their_checksums() {
    let world = World::new().await;
    world.bucket("box", &[]).await;
    for (headers, listed) in [
        (&[][..], 0),
        (&[("x-amz-checksum-algorithm", "CRC32")], 1),
        (
            &[
                ("x-amz-checksum-algorithm", "CRC32"),
                ("x-amz-checksum-type", "FULL_OBJECT"),
            ],
            0,
        ),
    ] {
        let begun = world
            .ask(Method::POST, "/box/a%20key?uploads", headers, b"")
            .await;
        let upload = format!("/box/a%20key?uploadId={}", begun.element("UploadId"));
        let part = world
            .ask(Method::PUT, &format!("{upload}&partNumber=1"), &[], b"a")
            .await;
        let parts = format!(
            "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{}</ETag></Part></CompleteMultipartUpload>",
            header_of(&part, "etag")
        );
        let completed = world.ask(Method::POST, &upload, &[], parts.as_bytes()).await;
        let location = completed.element("Location");
        assert!(
            location.ends_with("/box/a%20key"),
            "a link has no spaces: {}",
            completed.text()
        );
        let wanted = [("x-amz-object-attributes", "ObjectParts")];
        let answer = world
            .ask(Method::GET, "/box/a%20key?attributes", &wanted, b"")
            .await;
        assert_eq!(answer.element("PartsCount"), "1", "{}", answer.text());
        assert_eq!(answer.elements("PartNumber").len(), listed, "{}", answer.text());
    }
}

#[tokio::test]
async fn removal_on_a_condition_is_no_removal_without_it() {
    let world = World::new().await;
    world.bucket("box", &[]).await;
    world.versioning("box", Versioning::Enabled).await;
    let put = world.ask(Method::PUT, "/box/k", &[], b"a").await;
    let path = format!("/box/k?versionId={}", header_of(&put, "x-amz-version-id"));
    let other = [("if-match", "\"00000000000000000000000000000000\"")];
    let refused = world.ask(Method::DELETE, &path, &other, b"").await;
    assert_eq!(refused.code(), "PreconditionFailed");
    for condition in [
        "<Size>7</Size>",
        "<LastModifiedTime>Fri, 01 Jan 2100 00:00:00 GMT</LastModifiedTime>",
    ] {
        let many = format!("<Delete><Object><Key>k</Key>{condition}</Object></Delete>");
        let refused = world.ask(Method::POST, "/box?delete", &[], many.as_bytes()).await;
        assert_eq!(refused.element("Code"), "NotImplemented", "{}", refused.text());
    }
    assert_eq!(world.ask(Method::GET, "/box/k", &[], b"").await.text(), "a");
    let etag = header_of(&put, "etag");
    let removed = world
        .ask(Method::DELETE, &path, &[("if-match", &etag)], b"")
        .await;
    assert_eq!(removed.status, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn a_lifecycle_rule_without_a_name_gets_one_and_keeps_it() {
    let world = World::new().await;
    world.bucket("box", &[]).await;
    let rule = |id: &str, prefix: &str| {
        format!(
            "<Rule>{id}<Filter><Prefix>{prefix}</Prefix></Filter><Status>Enabled</Status>\
             <Expiration><Days>1</Days></Expiration></Rule>"
        )
    };
    let rules = [rule("", "a"), rule("<ID>mine</ID>", "b"), rule("", "c")].concat();
    let rules = format!("<LifecycleConfiguration>{rules}</LifecycleConfiguration>");
    let put = world
        .ask(Method::PUT, "/box?lifecycle", &[], rules.as_bytes())
        .await;
    assert_eq!(put.status, StatusCode::OK, "{}", put.text());
    let ids = world
        .ask(Method::GET, "/box?lifecycle", &[], b"")
        .await
        .elements("ID");
    assert!(
        matches!(&*ids, [a, mine, c] if mine == "mine" && a != c && a.len() > 8),
        "{ids:?}"
    );
    let again = world
        .ask(Method::GET, "/box?lifecycle", &[], b"")
        .await
        .elements("ID");
    assert_eq!(again, ids);
}

#[tokio::test]
async fn a_copy_into_a_bucket_that_kept_versions_names_the_one_without_an_id() {
    let world = World::new().await;
    world.bucket("box", &[]).await;
    world.ask(Method::PUT, "/box/k", &[], b"a").await;
    let from = [("x-amz-copy-source", "box/k")];
    for (versioning, named) in [(Versioning::Never, ""), (Versioning::Suspended, "null")] {
        world.versioning("box", versioning).await;
        let copied = world.ask(Method::PUT, "/box/copy", &from, b"").await;
        assert_eq!(header_of(&copied, "x-amz-version-id"), named, "{}", copied.text());
    }
}

#[tokio::test]
async fn a_checksum_is_asked_for_in_any_case() {
    let world = World::new().await;
    world.bucket("box", &[]).await;
    world.ask(Method::PUT, "/box/k", &[], b"a").await;
    for (mode, told) in [("ENABLED", true), ("enabled", true), ("no", false)] {
        let answer = world
            .ask(Method::GET, "/box/k", &[("x-amz-checksum-mode", mode)], b"")
            .await;
        let header = header_of(&answer, "x-amz-checksum-crc64nvme");
        assert_eq!(!header.is_empty(), told, "{mode}");
    }
}
