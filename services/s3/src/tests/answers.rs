//! What answers say beside what was asked for.

use std::time::Duration;

use http::Method;

use crate::testing::World;

#[tokio::test]
async fn documents_tell_times_as_headers_do() {
    let world = World::new().await;
    world.house.clock.advance(Duration::from_millis(1733));
    world.bucket("box", &[]).await;
    world.ask(Method::PUT, "/box/k", &[], b"").await;
    let begun = world.ask(Method::POST, "/box/up?uploads", &[], b"").await;
    let upload = format!("/box/up?uploadId={}", begun.element("UploadId"));
    world
        .ask(Method::PUT, &format!("{upload}&partNumber=1"), &[], b"a")
        .await;
    for (path, element) in [
        ("/", "CreationDate"),
        ("/box", "LastModified"),
        ("/box?list-type=2", "LastModified"),
        ("/box?versions", "LastModified"),
        ("/box?uploads", "Initiated"),
        (&upload, "LastModified"),
    ] {
        let answer = world.ask(Method::GET, path, &[], b"").await;
        let told = answer.element(element);
        assert!(told.ends_with(".000Z"), "{path} {}", answer.text());
    }
    let from = [("x-amz-copy-source", "box/k")];
    let copied = world.ask(Method::PUT, "/box/copy", &from, b"").await;
    assert!(
        copied.element("LastModified").ends_with(".000Z"),
        "{}",
        copied.text()
    );
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
