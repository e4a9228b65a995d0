//! Objects under keys of the service of keys: in the name of who writes, and then of who reads.

use std::sync::Arc;

use drawbridge_house::{FakeKeys, KEY};
use drawbridge_session::{KeyError, KeyUse};
use http::{Method, StatusCode};

use crate::testing::World;

/// How a use of a key is refused, given why.
type Refusal = fn(String) -> KeyError;

const KMS: (&str, &str) = ("x-amz-server-side-encryption", "aws:kms");
const KEY_ID: &str = "x-amz-server-side-encryption-aws-kms-key-id";

async fn world() -> (World, Arc<FakeKeys>) {
    let keys = Arc::new(FakeKeys::default());
    let world = World::with_keys(keys.clone()).await;
    world.bucket("logs", &[]).await;
    (world, keys)
}

/// What was used, in the name of whom, and for which object or bucket.
fn used(keys: &FakeKeys) -> Vec<(KeyUse, String, String, String)> {
    let used = keys.used().into_iter().map(|used| {
        assert_eq!(used.via, Some("s3"));
        let arn = used.context["aws:s3:arn"].clone();
        (used.usage, used.key, used.caller.principal.arn(), arn)
    });
    used.collect()
}

fn use_of(usage: KeyUse, key: &str, who: &str, arn: &str) -> (KeyUse, String, String, String) {
    (usage, key.to_owned(), who.to_owned(), arn.to_owned())
}

fn header<'a>(answer: &'a crate::testing::Answer, name: &str) -> &'a str {
    answer
        .headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
}

#[tokio::test]
async fn an_object_is_sealed_in_the_writers_name_and_opened_in_the_readers() {
    let (world, keys) = world().await;
    let put = world
        .ask(Method::PUT, "/logs/a", &[KMS, (KEY_ID, "alias/logs")], b"secret")
        .await;
    assert_eq!(put.status, StatusCode::OK, "{}", put.text());
    let admin = world.house.admin().principal.arn();
    let drawn = use_of(
        KeyUse::GenerateDataKey,
        "alias/logs",
        &admin,
        "arn:aws:s3:::logs/a",
    );
    assert_eq!(used(&keys), [drawn]);
    assert_eq!(header(&put, KMS.0), "aws:kms");
    assert_eq!(header(&put, KEY_ID), KEY);
    let all = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*"}}"#;
    let reader = world.user("reader", all).await;
    let got = world
        .ask_as(reader.clone(), Method::GET, "/logs/a", &[], b"")
        .await;
    assert_eq!(got.body.as_ref(), b"secret");
    assert_eq!(header(&got, KEY_ID), KEY);
    let opened = use_of(
        KeyUse::Decrypt,
        KEY,
        &reader.principal.arn(),
        "arn:aws:s3:::logs/a",
    );
    assert_eq!(used(&keys), [opened]);
    // What is said of an object without its bytes needs no key.
    keys.obey(|_| Err(KeyError::Denied("no key for you".to_owned())));
    let head = world.ask(Method::HEAD, "/logs/a", &[], b"").await;
    assert_eq!((head.status, header(&head, KEY_ID)), (StatusCode::OK, KEY));
    assert_eq!(keys.used(), []);
}

#[tokio::test]
async fn a_key_that_is_refused_leaves_nothing_and_shows_nothing() {
    let (world, keys) = world().await;
    world.ask(Method::PUT, "/logs/a", &[KMS], b"secret").await;
    let refusals: [(Refusal, StatusCode, &str); 4] = [
        (KeyError::Denied, StatusCode::FORBIDDEN, "AccessDenied"),
        (
            KeyError::Disabled,
            StatusCode::BAD_REQUEST,
            "KMS.DisabledException",
        ),
        (
            KeyError::NotFound,
            StatusCode::BAD_REQUEST,
            "KMS.NotFoundException",
        ),
        (
            KeyError::InvalidState,
            StatusCode::BAD_REQUEST,
            "KMS.KMSInvalidStateException",
        ),
    ];
    for (refusal, status, code) in refusals {
        keys.obey(move |_| Err(refusal("no key for you".to_owned())));
        for (method, path, body) in [
            (Method::GET, "/logs/a", &b""[..]),
            (Method::PUT, "/logs/b", b"secret"),
        ] {
            let answer = world.ask(method, path, &[KMS], body).await;
            assert_eq!((answer.status, answer.code().as_str()), (status, code), "{path}");
            assert!(!answer.text().contains("secret"));
            assert_eq!(answer.element("Message"), "no key for you");
        }
    }
    keys.obey(|_| Ok(()));
    assert_eq!(
        world.ask(Method::GET, "/logs/b", &[], b"").await.code(),
        "NoSuchKey"
    );
    assert_eq!(
        world.ask(Method::GET, "/logs/a", &[], b"").await.body.as_ref(),
        b"secret"
    );
}

#[tokio::test]
async fn a_bucket_may_say_what_its_objects_are_sealed_under() {
    let (world, keys) = world().await;
    let rule = "<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>aws:kms</SSEAlgorithm>\
        <KMSMasterKeyID>alias/default</KMSMasterKeyID></ApplyServerSideEncryptionByDefault><BucketKeyEnabled>true\
        </BucketKeyEnabled></Rule></ServerSideEncryptionConfiguration>";
    world
        .ask(Method::PUT, "/logs?encryption", &[], rule.as_bytes())
        .await;
    let put = world.ask(Method::PUT, "/logs/a", &[], b"secret").await;
    let admin = world.house.admin().principal.arn();
    // The data key is the bucket's to share.
    let drawn = use_of(
        KeyUse::GenerateDataKey,
        "alias/default",
        &admin,
        "arn:aws:s3:::logs",
    );
    assert_eq!(used(&keys), [drawn]);
    assert_eq!(
        header(&put, "x-amz-server-side-encryption-bucket-key-enabled"),
        "true"
    );
    // The request is heard before the bucket.
    let plain = world
        .ask(Method::PUT, "/logs/b", &[(KMS.0, "AES256")], b"secret")
        .await;
    assert_eq!(header(&plain, KMS.0), "AES256");
    assert_eq!(keys.used(), []);
    // A copy is sealed anew.
    let copied = world
        .ask(Method::PUT, "/logs/c", &[("x-amz-copy-source", "/logs/b")], b"")
        .await;
    assert_eq!(header(&copied, KMS.0), "aws:kms", "{}", copied.text());
    assert_eq!(
        world.ask(Method::GET, "/logs/c", &[], b"").await.body.as_ref(),
        b"secret"
    );
}

#[tokio::test]
async fn an_upload_has_one_data_key_that_is_asked_for_once_a_part_and_once_a_read() {
    let (world, keys) = world().await;
    let begun = world.ask(Method::POST, "/logs/big?uploads", &[KMS], b"").await;
    let id = begun.element("UploadId");
    assert_eq!(header(&begun, KEY_ID), KEY, "{}", begun.text());
    let mut named = String::new();
    let part = vec![7; 5 * 1024 * 1024];
    for number in 1..=2 {
        let path = format!("/logs/big?partNumber={number}&uploadId={id}");
        let sent = world.ask(Method::PUT, &path, &[], &part).await;
        assert_eq!(header(&sent, KMS.0), "aws:kms", "{}", sent.text());
        let etag = header(&sent, "etag");
        named += &format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>");
    }
    let body = format!("<CompleteMultipartUpload>{named}</CompleteMultipartUpload>");
    let done = world
        .ask(
            Method::POST,
            &format!("/logs/big?uploadId={id}"),
            &[],
            body.as_bytes(),
        )
        .await;
    assert_eq!(header(&done, KMS.0), "aws:kms", "{}", done.text());
    let uses: Vec<KeyUse> = keys.used().iter().map(|used| used.usage).collect();
    assert_eq!(uses, [KeyUse::GenerateDataKey, KeyUse::Decrypt, KeyUse::Decrypt]);
    let got = world
        .ask(
            Method::GET,
            "/logs/big",
            &[("range", "bytes=5242878-5242882")],
            b"",
        )
        .await;
    assert_eq!(got.body.as_ref(), [7; 5]);
    assert_eq!(keys.used().len(), 1);
    let whole = world.ask(Method::GET, "/logs/big", &[], b"").await;
    assert_eq!(whole.body.len(), 2 * part.len());
}

#[tokio::test]
async fn a_copy_to_itself_takes_an_object_out_from_under_its_key() {
    let (world, _keys) = world().await;
    world.ask(Method::PUT, "/logs/a", &[KMS], b"secret").await;
    let from = [("x-amz-copy-source", "logs/a")];
    let copied = world.ask(Method::PUT, "/logs/a", &from, b"").await;
    assert_eq!(copied.status, StatusCode::OK, "{}", copied.text());
    assert_eq!(header(&copied, KMS.0), "AES256");
    let again = world.ask(Method::PUT, "/logs/a", &from, b"").await;
    assert_eq!(again.code(), "InvalidRequest", "nothing changes by that");
}
