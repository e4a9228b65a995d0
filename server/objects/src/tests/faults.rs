//! A store that fails: what is passing is tried again, what stays is told as what it is, and nothing wrong is taken for right.

use std::io::{self, ErrorKind};
use std::sync::Arc;

use bytes::Bytes;
use drawbridge_session::SeededRandom;
use drawbridge_store::RootKey;
use drawbridge_store::blobs::{Blobs, DataKey, create_sealed, is_away, unsealed};
use drawbridge_store::objects::Sealing;
use http::Method;
use tokio::io::AsyncReadExt as _;
use tokio::sync::Semaphore;

use super::fake::{CREDENTIALS, Fake, Fault};
use super::{
    Backing, BucketBlobs, LONG, Value, backing, bucket, clock, id, impatient, put, read, some_bytes,
};

#[tokio::test]
async fn what_passes_is_tried_again() {
    let fake = Fake::start().await;
    let blobs = bucket(&fake).await;
    for (method, part, fault) in [
        (Method::PUT, "/blobs/bridge/blobs/", Fault::Status(503)),
        (Method::PUT, "partNumber=2", Fault::Status(500)),
        (Method::POST, "uploads", Fault::Status(503)),
        (Method::POST, "uploadId", Fault::ErrorInBody),
        (Method::GET, "/blobs/bridge/blobs/", Fault::Status(429)),
        (Method::GET, "/blobs/bridge/blobs/", Fault::Cut),
        (Method::GET, "prefix", Fault::Status(503)),
    ] {
        fake.plan(method, part, 1, fault);
    }
    for (number, length) in [(1, 100), (2, LONG)] {
        let bytes = some_bytes(length);
        put(&blobs, &id(number), &bytes).await;
        assert!(read(&blobs, &id(number), 0).await.expect("read") == bytes);
    }
    assert_eq!(blobs.list(None).await.expect("listed"), [id(1), id(2)]);
}

#[tokio::test]
async fn what_stays_away_is_told_as_away_and_what_is_refused_is_not() {
    let fake = Fake::start().await;
    let blobs = bucket(&fake).await;
    put(&blobs, &id(1), &some_bytes(10)).await;
    for (status, away) in [(503, true), (500, true), (429, true), (403, false)] {
        for method in [Method::GET, Method::PUT, Method::DELETE] {
            fake.plan(method, "", 100, Fault::Status(status));
        }
        let errors = [
            read(&blobs, &id(1), 0).await.err(),
            blobs.remove(&id(1)).await.err(),
            write(&blobs, 2, 10).await.err(),
        ];
        for error in errors {
            let error = error.expect("refused");
            assert_eq!(is_away(&error), away, "{status}: {error}");
            assert!(away || error.kind() == ErrorKind::PermissionDenied, "{error}");
        }
        fake.forgive();
    }
    fake.stop();
    let error = read(&blobs, &id(1), 0).await.expect_err("nobody listens");
    assert!(is_away(&error), "{error}");
    fake.start_again().await;
    assert_eq!(read(&blobs, &id(1), 0).await.expect("back"), some_bytes(10));
}

#[tokio::test]
async fn what_is_cut_short_or_longer_is_an_error_and_no_end() {
    let fake = Fake::start().await;
    let blobs = bucket(&fake).await;
    put(&blobs, &id(1), &some_bytes(600_000)).await;
    for fault in [Fault::Short, Fault::Long, Fault::Cut, Fault::LostAnswer] {
        fake.plan(Method::GET, "bytes=0-", 100, fault);
        assert!(blobs.open(&id(1), 0).await.is_err(), "{fault:?}");
        fake.forgive();
        // In the second range the reader has had bytes before.
        fake.plan(Method::GET, "bytes=262144-", 100, fault);
        let mut reader = blobs.open(&id(1), 0).await.expect("opened");
        let mut got = Vec::new();
        assert!(reader.read_to_end(&mut got).await.is_err(), "{fault:?}");
        assert_eq!(got.len(), 262_144, "{fault:?}");
        fake.forgive();
    }
}

#[tokio::test]
async fn what_was_altered_is_not_handed_out() {
    let fake = Fake::start().await;
    let blobs: Arc<dyn Blobs> = Arc::new(bucket(&fake).await);
    let random = SeededRandom::new(1);
    let root = RootKey::ephemeral(&random);
    let created = create_sealed(blobs.as_ref(), &root, &random).await;
    let (mut writer, sealing) = created.expect("begins");
    writer.write(&some_bytes(100_000)).await.expect("written");
    let piece = writer.finish(sealing).await.expect("finished");
    let Sealing::Root(sealed) = &piece.sealing else {
        panic!("sealed under the root key");
    };
    let key = DataKey::open(&root, &piece.blob, sealed).expect("its key");
    let read = async || {
        let pieces = vec![(piece.clone(), key.clone())];
        let mut chunks = unsealed(Arc::clone(&blobs), pieces, 0, 100_000);
        let mut length = 0;
        while let Some(chunk) = chunks.recv().await {
            length += chunk?.len();
        }
        Ok::<_, io::Error>(length)
    };
    assert_eq!(read().await.expect("read"), 100_000);
    fake.plan(Method::GET, "bytes=0-", 1, Fault::Altered);
    assert_eq!(read().await.expect_err("noticed").kind(), ErrorKind::InvalidData);
}

#[tokio::test]
async fn an_upload_that_fails_leaves_nothing() {
    let fake = Fake::start().await;
    let blobs = bucket(&fake).await;
    for (method, part) in [
        (Method::PUT, "partNumber=1"),
        (Method::PUT, "partNumber=3"),
        (Method::POST, "uploadId"),
        (Method::PUT, "/blobs/bridge/uploads/"),
    ] {
        fake.plan(method.clone(), part, 100, Fault::Status(503));
        let error = write(&blobs, 1, LONG).await.expect_err("refused");
        assert!(is_away(&error), "{method} {part}: {error}");
        fake.until(|fake| fake.uploads() == 0 && fake.keys().is_empty())
            .await;
        fake.forgive();
    }
}

#[tokio::test]
async fn the_role_of_a_machine_is_asked_for_its_credentials() {
    let fake = Fake::start().await;
    let folder = tempfile::tempdir().expect("a folder");
    let token = folder.path().join("token");
    std::fs::write(&token, "token").expect("written");
    let uri = format!("{}{CREDENTIALS}", fake.endpoint());
    let environment = [
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", uri.as_str()),
        (
            "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
            token.to_str().expect("a text"),
        ),
        // Nothing near goes through a proxy, and nothing says where the store is but the configuration.
        ("HTTP_PROXY", "http://proxy.invalid:1"),
        ("AWS_ENDPOINT_URL", "http://store.invalid:1"),
    ];
    let backing = Backing {
        environment: environment.into_iter().collect(),
        ..backing(&fake, &Value::Null)
    };
    let blobs = BucketBlobs::connect(&backing, &clock(), impatient())
        .await
        .expect("a client");
    let credential = blobs.s3.credentials().get_credential().await.expect("given");
    assert_eq!(credential.key_id, "ASIAROLE");
    put(&blobs, &id(1), &some_bytes(10)).await;
    assert_eq!(read(&blobs, &id(1), 0).await.expect("read"), some_bytes(10));
}

#[tokio::test]
async fn all_that_is_being_written_has_a_bound() {
    let fake = Fake::start().await;
    let mut blobs = bucket(&fake).await;
    blobs.memory = Arc::new(Semaphore::new(100));
    let mut first = blobs.create(&id(1)).await.expect("begun");
    first.write(some_bytes(60)).await.expect("room");
    let error = write(&blobs, 2, 41).await.expect_err("no room");
    assert!(is_away(&error), "it may be tried again: {error}");
    write(&blobs, 2, 40).await.expect("room for that");
    first.finish().await.expect("finished");
    write(&blobs, 3, 100).await.expect("all of it is free");
}

#[tokio::test]
async fn a_blob_whose_writer_was_told_nothing_is_removed() {
    let fake = Fake::start().await;
    let blobs = bucket(&fake).await;
    fake.plan(Method::PUT, "/blobs/bridge/blobs/", 100, Fault::LostAnswer);
    write(&blobs, 1, 10).await.expect_err("no answer");
    fake.until(|fake| fake.keys().is_empty()).await;
}

#[tokio::test]
async fn a_listing_tells_only_of_what_is_ours_and_in_order() {
    let fake = Fake::start().await;
    let blobs = bucket(&fake).await;
    fake.put("bridge/blobs/00/notes.txt", b"not ours");
    fake.put(&format!("bridge/blobs/00/{}", id(9)), b"on the wrong shelf");
    fake.put(&format!("other/blobs/09/{}", id(9)), b"of another prefix");
    for number in [1, 2] {
        put(&blobs, &id(number), &some_bytes(1)).await;
    }
    assert_eq!(blobs.list(None).await.expect("listed"), [id(1), id(2)]);
    fake.plan(Method::GET, "prefix", 100, Fault::Reversed);
    let error = blobs.list(None).await.expect_err("a sweep would not end");
    assert_eq!(error.kind(), ErrorKind::InvalidData);
}

async fn write(blobs: &BucketBlobs, number: u32, length: usize) -> io::Result<()> {
    let mut writer = blobs.create(&id(number)).await?;
    writer.write(Bytes::from(vec![7; length])).await?;
    writer.finish().await
}
