//! What uploads leave of the disk.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use drawbridge_house::{FakeDisk, FakeKeys, House};
use drawbridge_session::recording::{Shelf as _, bucket_name};
use futures_util::{StreamExt as _, stream};
use http::{Method, Request, StatusCode};
use s3s::Body;
use s3s::dto::StreamingBlob;

use crate::RecordingsShelf;
use crate::receive::HEARD_BYTES;
use crate::testing::{Answer, World};

const KMS: (&str, &str) = ("x-amz-server-side-encryption", "aws:kms");
const SOURCE: (&str, &str) = ("x-amz-copy-source", "/logs/there");

async fn world() -> (World, FakeDisk, Arc<FakeKeys>) {
    let (house, disk, keys) = (House::new().await, FakeDisk::new(), Arc::<FakeKeys>::default());
    let reserve = disk.reserve(&house);
    let world = World::with(house, Arc::clone(&keys), reserve);
    world.bucket("logs", &[]).await;
    (world, disk, keys)
}

#[tokio::test]
async fn uploads_of_every_kind_are_refused_and_all_else_is_done() {
    let (world, disk, keys) = world().await;
    let put = world.ask(Method::PUT, "/logs/there", &[], b"text").await;
    assert_eq!(put.status, StatusCode::OK, "{}", put.text());
    let begun = world.ask(Method::POST, "/logs/big?uploads", &[KMS], b"").await;
    let id = begun.element("UploadId");
    let part = format!("/logs/big?partNumber=1&uploadId={id}");
    let sent = world.ask(Method::PUT, &part, &[], b"part").await;
    let etag = sent.headers["etag"].to_str().expect("a text").to_owned();
    keys.used();

    disk.set_free(FakeDisk::KEPT_BYTES - 1, &world.house);
    for (method, path, headers, body) in [
        (Method::PUT, "/logs/a", &[][..], &b"text"[..]),
        (Method::PUT, "/logs/empty", &[], b""),
        (Method::PUT, "/logs/a", &[KMS], b"text"),
        (Method::PUT, "/logs/copy", &[SOURCE], b""),
        (Method::POST, "/logs/other?uploads", &[KMS], b""),
        (Method::PUT, &part, &[], b"again"),
        (Method::PUT, &part, &[SOURCE], b""),
    ] {
        let refused = world.ask(method, path, headers, body).await;
        assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE, "{path}");
        assert_eq!(refused.code(), "ServiceUnavailable");
        let message = refused.element("Message");
        assert!(
            message.contains("Its last 1 MiB (reserve_mib) are kept"),
            "{message}"
        );
    }
    assert_eq!(keys.used(), [], "a refused upload leaves no event of its key");

    let got = world.ask(Method::GET, "/logs/there", &[], b"").await;
    assert_eq!(got.body.as_ref(), b"text");
    // The bytes of its parts are there already.
    let list = format!(
        "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{etag}</ETag></Part></CompleteMultipartUpload>"
    );
    let path = format!("/logs/big?uploadId={id}");
    let done = world.ask(Method::POST, &path, &[], list.as_bytes()).await;
    assert_eq!(done.status, StatusCode::OK, "{}", done.text());
    let removed = world.ask(Method::DELETE, "/logs/there", &[], b"").await;
    assert_eq!(removed.status, StatusCode::NO_CONTENT);

    disk.set_free(2 * FakeDisk::KEPT_BYTES, &world.house);
    let put = world.ask(Method::PUT, "/logs/a", &[], b"text").await;
    assert_eq!(put.status, StatusCode::OK, "{}", put.text());
}

const PIECE: u64 = 64 * 1024;

/// Sends a body that the disk has room for when it begins, so many pieces of it; answers how many were read.
async fn send(world: &World, disk: &FakeDisk, pieces: u64, fits: u64) -> (Answer, u64) {
    disk.set_free(FakeDisk::KEPT_BYTES + fits * PIECE, &world.house);
    let (filled, read) = (disk.clone(), Arc::new(AtomicU64::new(0)));
    let counted = Arc::clone(&read);
    let body = stream::iter(0..pieces).map(move |_| {
        counted.fetch_add(1, Ordering::Relaxed);
        filled.fill(PIECE);
        Ok::<_, std::io::Error>(Bytes::from_static(&[0; PIECE as usize]))
    });
    let request = Request::builder()
        .method(Method::PUT)
        .uri("/logs/long")
        .header("host", "127.0.0.1")
        .header("content-length", pieces * PIECE)
        .body(Body::from(StreamingBlob::wrap(body)))
        .expect("a request");
    let answer = world.send(world.house.admin(), request).await;
    (answer, read.load(Ordering::Relaxed))
}

#[tokio::test]
async fn a_long_body_stops_before_it_takes_what_is_kept() {
    let (world, disk, _) = world().await;
    let (refused, read) = send(&world, &disk, 1000, 100).await;
    assert_eq!(refused.code(), "ServiceUnavailable");
    // An eighth of what is kept passes without another look, and what is read after that is kept nowhere.
    let most = 100 + (FakeDisk::KEPT_BYTES / 8 + HEARD_BYTES as u64) / PIECE + 1;
    assert!((100..=most).contains(&read), "{read} pieces were read");
    let listed = world.s3.blobs.list(None).await.expect("listed");
    assert_eq!(listed, Vec::<String>::new(), "nothing of it is left");
}

#[tokio::test]
async fn a_short_body_is_heard_out_before_it_is_refused() {
    let (world, disk, _) = world().await;
    let (refused, read) = send(&world, &disk, 120, 60).await;
    assert_eq!((refused.code().as_str(), read), ("ServiceUnavailable", 120));
    let listed = world.s3.blobs.list(None).await.expect("listed");
    assert_eq!(listed, Vec::<String>::new(), "nothing of it is left");
}

/// What is kept of the disk is kept for these.
#[tokio::test]
async fn copies_of_recordings_are_put_all_the_same() {
    let (world, disk, _) = world().await;
    disk.set_free(0, &world.house);
    let shelf = RecordingsShelf::new(&world.s3);
    let (account, region) = (&world.house.account, &world.house.region);
    let put = shelf
        .put(account, region, "session.txt", "text/plain", b"said".to_vec())
        .await;
    put.expect("put");
    let path = format!("/{}/session.txt", bucket_name(account, region));
    let got = world.ask(Method::GET, &path, &[], b"").await;
    assert_eq!(got.body.as_ref(), b"said");
}
