use drawbridge_store::{
    Condition, Content, ObjectAt, ObjectVersion, Objects as _, PutObjectError, Uploads as _,
};
use http::{Method, StatusCode};
use jiff::Timestamp;

use crate::testing::World;

/// An upload is read and completed in two steps; between them a part may be sent again.
#[tokio::test]
async fn a_part_that_was_replaced_meanwhile_is_in_no_object() {
    let world = World::new().await;
    world.bucket("logs", &[]).await;
    let begun = world.ask(Method::POST, "/logs/big?uploads", &[], b"").await;
    let id = begun.element("UploadId");
    let part = format!("/logs/big?partNumber=1&uploadId={id}");
    world.ask(Method::PUT, &part, &[], b"first").await;
    let store = &world.house.store;
    let [first] = store
        .parts(&id, 0, 10)
        .await
        .expect("read")
        .try_into()
        .expect("one");
    world.ask(Method::PUT, &part, &[], b"second").await;
    let content = Content {
        size: first.piece.size,
        etag: first.etag,
        pieces: vec![first.piece],
        ..Content::default()
    };
    let object = ObjectVersion {
        key: "big".to_owned(),
        number: 0,
        version: "v".to_owned(),
        latest: true,
        modified_at: Timestamp::UNIX_EPOCH,
        content: Some(content),
        tags: Vec::new(),
        retention: None,
        held: None,
    };
    let completed = store.complete_upload("logs", &id, object, Condition::None).await;
    assert!(matches!(completed, Err(PutObjectError::Part)), "{completed:?}");
    let at = ObjectAt {
        bucket: "logs",
        key: "big",
    };
    assert!(store.upload(at, &id).await.expect("read").is_some());
    let [second] = store
        .parts(&id, 0, 10)
        .await
        .expect("read")
        .try_into()
        .expect("one");
    let body = format!(
        "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{}</ETag></Part></CompleteMultipartUpload>",
        second.etag
    );
    let path = format!("/logs/big?uploadId={id}");
    let done = world.ask(Method::POST, &path, &[], body.as_bytes()).await;
    assert!(done.status.is_success(), "{}", done.text());
    let got = world.ask(Method::GET, "/logs/big", &[], b"").await;
    assert_eq!(got.body.as_ref(), b"second");
}

/// Earlier builds wrote of every upload whether it holds its object, where nobody had said so.
#[tokio::test]
async fn what_is_under_no_hold_needs_no_locks() {
    let world = World::new().await;
    world.bucket("logs", &[]).await;
    for (held, stored) in [(None, true), (Some(false), true), (Some(true), false)] {
        let object = ObjectVersion {
            key: "big".to_owned(),
            number: 0,
            version: "v".to_owned(),
            latest: true,
            modified_at: Timestamp::UNIX_EPOCH,
            content: Some(Content::default()),
            tags: Vec::new(),
            retention: None,
            held,
        };
        let put = world
            .house
            .store
            .put_object("logs", object, Condition::None)
            .await;
        assert_eq!(put.is_ok(), stored, "{held:?}");
    }
}

/// The answer to a completion may be lost, and then clients ask again.
#[tokio::test]
async fn an_upload_that_was_completed_may_be_completed_again() {
    let world = World::new().await;
    world.bucket("logs", &[]).await;
    let begun = world.ask(Method::POST, "/logs/big?uploads", &[], b"").await;
    let path = format!("/logs/big?uploadId={}", begun.element("UploadId"));
    let part = world
        .ask(Method::PUT, &format!("{path}&partNumber=1"), &[], b"part")
        .await;
    let etag = part.headers["etag"].to_str().expect("text").to_owned();
    let of = |etag: &str| {
        format!(
            "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{etag}</ETag></Part></CompleteMultipartUpload>"
        )
    };
    let complete =
        async |path: &str, etag: &str| world.ask(Method::POST, path, &[], of(etag).as_bytes()).await;
    let first = complete(&path, &etag).await;
    let second = complete(&path, &etag).await;
    assert_eq!(first.status, StatusCode::OK, "{}", first.text());
    assert_eq!(second.status, StatusCode::OK, "{}", second.text());
    assert_eq!(first.text(), second.text());
    for (path, etag) in [
        (&*path, "00000000000000000000000000000000"),
        (&*path, "no digest"),
        ("/logs/other?uploadId=other", &*etag),
        ("/logs/big?uploadId=other", &*etag),
    ] {
        assert_eq!(complete(path, etag).await.code(), "NoSuchUpload", "{path} {etag}");
    }
    world.ask(Method::PUT, "/logs/big", &[], b"something else").await;
    assert_eq!(
        complete(&path, &etag).await.code(),
        "NoSuchUpload",
        "it is not there any more"
    );
}
