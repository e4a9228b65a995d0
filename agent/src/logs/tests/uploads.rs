use super::*;

const ENCRYPTED: &str = "<C><Rule><D><SSEAlgorithm>aws:kms</SSEAlgorithm>\
                         <KMSMasterKeyID>alias/logs</KMSMasterKeyID></D></Rule></C>";

fn only_bucket() -> Destinations {
    destinations(Some(bucket(false)), None)
}

fn key() -> String {
    format!("dev/{SESSION}.log")
}

#[tokio::test]
async fn a_transcript_is_put_as_awss_agent_puts_it() {
    let fixture = fixture().await;
    fixture.server.state().encryption = Some(ENCRYPTED.to_owned());
    let logged = fixture.logged(only_bucket(), b"sh-5.2$ exit\r\nexit\r\n").await;
    let expected = Logged {
        bucket: BUCKET.to_owned(),
        key: key(),
        ..Logged::default()
    };
    assert_eq!(logged, expected);

    let [put] = &fixture.server.of("PutObject")[..] else {
        panic!("one object")
    };
    assert_eq!(put.path, format!("/{BUCKET}/{}", key()));
    assert_eq!(put.header("content-type"), "text/plain");
    assert_eq!(put.header("x-amz-acl"), "bucket-owner-full-control");
    assert_eq!(put.header("x-amz-server-side-encryption"), "aws:kms");
    assert_eq!(
        put.header("x-amz-server-side-encryption-aws-kms-key-id"),
        "alias/logs"
    );
    assert_eq!(put.header("content-md5").len(), 24);
    assert!(put.header("authorization").contains("/eu-west-1/s3/aws4_request"));
    let text = String::from_utf8_lossy(&put.body).into_owned();
    let (head, rest) = text.split_once('\n').expect("a first line");
    assert!(head.starts_with("Script started on 20"), "{head}");
    let (said, done) = rest.split_once("\nScript done on 20").expect("a last line");
    assert_eq!(said, "sh-5.2$ exit\r\nexit\r\n");
    assert!(done.ends_with("+00:00\n"), "{done}");
}

#[tokio::test]
async fn a_bucket_that_may_not_be_asked_decides_itself_how_it_encrypts() {
    let fixture = fixture().await;
    for operation in ["HeadBucket", "GetBucketEncryption"] {
        fixture
            .server
            .state()
            .always
            .insert(operation, (403, "AccessDenied"));
    }
    let logged = fixture.logged(only_bucket(), b"x").await;
    assert_eq!(logged.complaints, Vec::<String>::new());
    let [put] = &fixture.server.of("PutObject")[..] else {
        panic!("one object")
    };
    assert_eq!(put.header("x-amz-server-side-encryption"), "");
    assert!(put.header("authorization").contains("/us-east-1/s3/"));
}

#[tokio::test]
async fn a_refused_upload_is_told_in_the_words_that_people_look_for() {
    let fixture = fixture().await;
    fixture
        .server
        .state()
        .always
        .insert("PutObject", (403, "AccessDenied"));
    let logged = fixture.logged(only_bucket(), b"x").await;
    let key = key();
    let words =
        format!("Failed uploading {SESSION}.log to s3://{BUCKET}/{key} err:AccessDenied: Access Denied");
    assert_eq!(logged.complaints, [words]);
    assert_eq!(
        (logged.bucket.as_str(), logged.key),
        (BUCKET, key),
        "reported all the same"
    );
    assert_eq!(fixture.server.of("PutObject").len(), 1, "it would not help");
}

#[tokio::test]
async fn what_may_pass_is_tried_again_and_no_more_than_that() {
    let trouble = [(503, "SlowDown"), (500, "InternalError"), (403, "ExpiredToken")];
    let fixture_of_trouble = fixture().await;
    fixture_of_trouble.server.refuse("PutObject", &trouble);
    let logged = fixture_of_trouble.logged(only_bucket(), b"x").await;
    assert_eq!(logged.complaints, Vec::<String>::new());

    let fixture_without_end = fixture().await;
    fixture_without_end
        .server
        .state()
        .always
        .insert("PutObject", (503, "SlowDown"));
    let logged = fixture_without_end.logged(only_bucket(), b"x").await;
    assert_eq!(logged.complaints.len(), 1);
    assert_eq!(fixture_without_end.server.of("PutObject").len(), 4);
}

/// More than two parts of random-looking bytes.
fn large() -> Vec<u8> {
    (0..11 * 1024 * 1024_u32)
        .map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect()
}

#[tokio::test]
async fn a_large_transcript_goes_up_in_parts() {
    let fixture = fixture().await;
    fixture.server.refuse("UploadPart", &[(503, "SlowDown")]);
    fixture
        .server
        .refuse("CompleteMultipartUpload", &[(200, "InternalError")]);
    let large = large();
    let logged = fixture.logged(only_bucket(), &large).await;
    assert_eq!(
        logged.complaints.len(),
        1,
        "a refusal inside a success is one: {logged:?}"
    );

    let fixture = super::fixture().await;
    let logged = fixture.logged(only_bucket(), &large).await;
    assert_eq!(logged.complaints, Vec::<String>::new());
    let parts = fixture.server.of("UploadPart");
    assert_eq!(parts.len(), 3);
    assert!(parts.iter().all(|part| part.body.len() <= 5 * 1024 * 1024));
    let [begun] = &fixture.server.of("CreateMultipartUpload")[..] else {
        panic!("one upload")
    };
    assert_eq!(begun.header("x-amz-acl"), "bucket-owner-full-control");
    let [completed] = &fixture.server.of("CompleteMultipartUpload")[..] else {
        panic!("completed once")
    };
    let list = String::from_utf8_lossy(&completed.body).into_owned();
    assert!(
        list.contains("<PartNumber>3</PartNumber><ETag>&quot;tag-3&quot;</ETag>"),
        "{list}"
    );
    let object = &fixture.server.state().objects[&key()];
    assert!(object.windows(large.len()).any(|window| window == large));
}

#[tokio::test]
async fn parts_are_given_up_when_one_is_refused() {
    let fixture = fixture().await;
    fixture
        .server
        .state()
        .always
        .insert("UploadPart", (403, "AccessDenied"));
    let logged = fixture.logged(only_bucket(), &large()).await;
    assert!(
        logged.complaints[0].ends_with("err:AccessDenied: Access Denied"),
        "{logged:?}"
    );
    assert_eq!(fixture.server.of("AbortMultipartUpload").len(), 1);
    assert!(fixture.server.state().objects.is_empty());
}
