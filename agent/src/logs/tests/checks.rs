use super::*;

const OPEN: &str = "<C/>";
const ENCRYPTED: &str = "<C><Rule><D><SSEAlgorithm>AES256</SSEAlgorithm></D></Rule></C>";

async fn checked(fixture: &Fixture, destinations: &Destinations) -> Result<(), String> {
    check(destinations, &fixture.node, &clock(), &random(), &PACE)
        .await
        .map_err(|error| crate::sessions::chain(&error))
}

fn demanding_bucket() -> Destinations {
    destinations(Some(bucket(true)), None)
}

fn demanding_group() -> Destinations {
    let demanding = GroupPlan {
        must_encrypt: true,
        ..group(true)
    };
    destinations(None, Some(demanding))
}

#[tokio::test]
async fn nobody_is_asked_when_nothing_is_demanded() {
    let fixture = fixture().await;
    assert_eq!(checked(&fixture, &everywhere()).await, Ok(()));
    assert!(fixture.server.state().requests.is_empty());
}

#[tokio::test]
async fn a_bucket_must_encrypt_where_that_is_demanded() {
    let fixture = fixture().await;
    fixture.server.state().encryption = Some(ENCRYPTED.to_owned());
    assert_eq!(checked(&fixture, &demanding_bucket()).await, Ok(()));

    for encryption in [None, Some(OPEN.to_owned())] {
        fixture.server.state().encryption = encryption;
        let refused = checked(&fixture, &demanding_bucket()).await.expect_err("refused");
        assert!(
            refused.starts_with("encryption is not set up on the selected Amazon S3 bucket `logs`"),
            "{refused}"
        );
    }
    fixture
        .server
        .state()
        .always
        .insert("GetBucketEncryption", (403, "AccessDenied"));
    let refused = checked(&fixture, &demanding_bucket()).await.expect_err("refused");
    assert!(refused.ends_with("AccessDenied: Access Denied"), "{refused}");
}

#[tokio::test]
async fn a_log_group_must_have_a_key_where_that_is_demanded() {
    let fixture = fixture().await;
    fixture.server.state().group = Some(Some("arn:aws:kms:x".to_owned()));
    assert_eq!(checked(&fixture, &demanding_group()).await, Ok(()));
    for (group, text) in [(Some(None), "encryption is not set up"), (None, "does not exist")] {
        fixture.server.state().group = group;
        let refused = checked(&fixture, &demanding_group()).await.expect_err("refused");
        assert!(refused.contains(text), "{refused}");
    }
    fixture
        .server
        .state()
        .always
        .insert("DescribeLogGroups", (400, "AccessDeniedException"));
    let refused = checked(&fixture, &demanding_group()).await.expect_err("refused");
    assert!(refused.contains("AccessDeniedException"), "{refused}");
}

#[tokio::test]
async fn an_answer_is_not_waited_for_without_end() {
    let fixture = fixture().await;
    fixture
        .server
        .state()
        .always
        .insert("GetBucketEncryption", (503, "SlowDown"));
    let refused = check(&demanding_bucket(), &fixture.node, &clock(), &random(), &STUBBORN).await;
    assert!(matches!(refused, Err(CheckError::BucketUnknown { .. })));
    assert_eq!(fixture.server.of("GetBucketEncryption").len(), 3);

    let pace = Pace {
        check: Duration::ZERO,
        ..PACE
    };
    let refused = check(&demanding_bucket(), &fixture.node, &clock(), &random(), &pace).await;
    assert!(matches!(refused, Err(CheckError::Silent(_))));
}
