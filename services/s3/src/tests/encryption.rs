//! Objects under keys of the service of keys: in the name of who writes, and then of who reads.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use drawbridge_session::{DataKey, EncryptionContext, KeyError, KeyUse, KeyUser, Keys};
use http::{Method, StatusCode};
use zeroize::Zeroizing;

use crate::testing::World;

const KEY: &str = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab";

/// How a use of a key is refused, given why.
type Refusal = fn(String) -> KeyError;

/// Keys that wrap by remembering, and note who used them for what.
#[derive(Default)]
struct FakeKeys {
    drawn: Mutex<BTreeMap<Vec<u8>, EncryptionContext>>,
    used: Mutex<Vec<String>>,
    refusal: Mutex<Option<Refusal>>,
}

impl FakeKeys {
    fn note(
        &self,
        user: KeyUser<'_>,
        what: &str,
        key: &str,
        context: &EncryptionContext,
    ) -> Result<(), KeyError> {
        let arn = context.get("aws:s3:arn").cloned().unwrap_or_default();
        let (who, via) = (user.caller.principal.arn(), user.via.unwrap_or_default());
        let used = format!("{what} {key} {who} {via} {arn}");
        self.used.lock().expect("held").push(used);
        match *self.refusal.lock().expect("held") {
            Some(refusal) => Err(refusal("no key for you".to_owned())),
            None => Ok(()),
        }
    }

    fn refuse(&self, refusal: Option<fn(String) -> KeyError>) {
        *self.refusal.lock().expect("held") = refusal;
    }

    fn used(&self) -> Vec<String> {
        std::mem::take(&mut self.used.lock().expect("held"))
    }
}

#[async_trait]
impl Keys for FakeKeys {
    async fn check(
        &self,
        _: KeyUser<'_>,
        key: &str,
        _: KeyUse,
        _: &EncryptionContext,
    ) -> Result<String, KeyError> {
        Ok(key.to_owned())
    }

    async fn generate_data_key(
        &self,
        user: KeyUser<'_>,
        key: &str,
        length: usize,
        context: &EncryptionContext,
    ) -> Result<DataKey, KeyError> {
        self.note(user, "draw", key, context)?;
        let mut drawn = self.drawn.lock().expect("held");
        let wrapped = vec![u8::try_from(drawn.len()).expect("few"); length];
        drawn.insert(wrapped.clone(), context.clone());
        Ok(DataKey {
            key_arn: KEY.to_owned(),
            plain: Zeroizing::new(wrapped.iter().map(|byte| byte ^ 0x5a).collect()),
            wrapped,
        })
    }

    async fn decrypt(
        &self,
        user: KeyUser<'_>,
        wrapped: &[u8],
        context: &EncryptionContext,
    ) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        self.note(user, "open", "", context)?;
        match self.drawn.lock().expect("held").get(wrapped) {
            Some(bound) if bound == context => {
                Ok(Zeroizing::new(wrapped.iter().map(|byte| byte ^ 0x5a).collect()))
            }
            _ => Err(KeyError::InvalidCiphertext("changed".to_owned())),
        }
    }
}

const KMS: (&str, &str) = ("x-amz-server-side-encryption", "aws:kms");
const KEY_ID: &str = "x-amz-server-side-encryption-aws-kms-key-id";

async fn world() -> (World, Arc<FakeKeys>) {
    let keys = Arc::new(FakeKeys::default());
    let world = World::with_keys(keys.clone()).await;
    world.bucket("logs", &[]).await;
    (world, keys)
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
    assert_eq!(
        keys.used(),
        [format!("draw alias/logs {admin} s3 arn:aws:s3:::logs/a")]
    );
    assert_eq!(header(&put, KMS.0), "aws:kms");
    assert_eq!(header(&put, KEY_ID), KEY);
    let all = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*"}}"#;
    let reader = world.user("reader", all).await;
    let got = world
        .ask_as(reader.clone(), Method::GET, "/logs/a", &[], b"")
        .await;
    assert_eq!(got.body.as_ref(), b"secret");
    assert_eq!(header(&got, KEY_ID), KEY);
    assert_eq!(
        keys.used(),
        [format!("open  {} s3 arn:aws:s3:::logs/a", reader.principal.arn())]
    );
    // What is said of an object without its bytes needs no key.
    keys.refuse(Some(KeyError::Denied));
    let head = world.ask(Method::HEAD, "/logs/a", &[], b"").await;
    assert_eq!((head.status, header(&head, KEY_ID)), (StatusCode::OK, KEY));
    assert_eq!(keys.used(), Vec::<String>::new());
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
        keys.refuse(Some(refusal));
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
    keys.refuse(None);
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
    assert_eq!(
        keys.used(),
        [format!("draw alias/default {admin} s3 arn:aws:s3:::logs")]
    );
    assert_eq!(
        header(&put, "x-amz-server-side-encryption-bucket-key-enabled"),
        "true"
    );
    // The request is heard before the bucket.
    let plain = world
        .ask(Method::PUT, "/logs/b", &[(KMS.0, "AES256")], b"secret")
        .await;
    assert_eq!(header(&plain, KMS.0), "AES256");
    assert_eq!(keys.used(), Vec::<String>::new());
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
    let uses: Vec<String> = keys.used().iter().map(|used| used[..4].to_owned()).collect();
    assert_eq!(uses, ["draw", "open", "open"]);
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
