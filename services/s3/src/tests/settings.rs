//! What is set of a bucket: as it is when new, as it was put, and when it was taken away.

use drawbridge_session::{AccountId, Caller};
use http::{Method, StatusCode};

use crate::testing::World;

const ALL: &str = "arn:aws:s3:::logs/*";

async fn world() -> World {
    let world = World::new().await;
    world.bucket("logs", &[]).await;
    world
}

impl World {
    async fn get(&self, sub_resource: &str) -> (StatusCode, String) {
        let answer = self
            .ask(Method::GET, &format!("/logs?{sub_resource}"), &[], b"")
            .await;
        let code = answer.code();
        let told = if code.is_empty() {
            answer.text()
        } else {
            format!("{code}: {}", answer.element("Message"))
        };
        (answer.status, told)
    }

    async fn put(&self, sub_resource: &str, body: &str) -> (StatusCode, String) {
        let answer = self
            .ask(
                Method::PUT,
                &format!("/logs?{sub_resource}"),
                &[],
                body.as_bytes(),
            )
            .await;
        (answer.status, answer.code())
    }

    async fn delete(&self, sub_resource: &str) -> StatusCode {
        let path = format!("/logs?{sub_resource}");
        self.ask(Method::DELETE, &path, &[], b"").await.status
    }

    async fn put_policy(&self, caller: Caller, statement: &str) -> (StatusCode, String) {
        let policy = format!(r#"{{"Version":"2012-10-17","Statement":[{statement}]}}"#);
        let answer = self
            .ask_as(caller, Method::PUT, "/logs?policy", &[], policy.as_bytes())
            .await;
        (answer.status, answer.code())
    }
}

#[tokio::test]
async fn a_new_bucket_says_in_the_words_of_s3_what_is_not_set() {
    let world = world().await;
    for (sub_resource, words) in [
        ("policy", "NoSuchBucketPolicy: The bucket policy does not exist"),
        (
            "policyStatus",
            "NoSuchBucketPolicy: The bucket policy does not exist",
        ),
        (
            "cors",
            "NoSuchCORSConfiguration: The CORS configuration does not exist",
        ),
        (
            "website",
            "NoSuchWebsiteConfiguration: The specified bucket does not have a website configuration",
        ),
        (
            "lifecycle",
            "NoSuchLifecycleConfiguration: The lifecycle configuration does not exist",
        ),
        (
            "replication",
            "ReplicationConfigurationNotFoundError: The replication configuration was not found",
        ),
        (
            "object-lock",
            "ObjectLockConfigurationNotFoundError: Object Lock configuration does not exist for this bucket",
        ),
        ("tagging", "NoSuchTagSet: The TagSet does not exist"),
    ] {
        let (status, told) = world.get(sub_resource).await;
        assert_eq!(
            (status, told.as_str()),
            (StatusCode::NOT_FOUND, words),
            "{sub_resource}"
        );
    }
    for (sub_resource, part) in [
        ("acl", "<Permission>FULL_CONTROL</Permission>"),
        ("acl", "<ID>123456789012</ID>"),
        ("versioning", "<VersioningConfiguration"),
        ("accelerate", "<AccelerateConfiguration"),
        ("requestPayment", "<Payer>BucketOwner</Payer>"),
        ("logging", "<BucketLoggingStatus"),
        ("notification", "<NotificationConfiguration"),
        ("encryption", "<SSEAlgorithm>AES256</SSEAlgorithm>"),
        ("encryption", "<BucketKeyEnabled>false</BucketKeyEnabled>"),
        ("publicAccessBlock", "<BlockPublicPolicy>true</BlockPublicPolicy>"),
        (
            "publicAccessBlock",
            "<RestrictPublicBuckets>true</RestrictPublicBuckets>",
        ),
        (
            "ownershipControls",
            "<ObjectOwnership>BucketOwnerEnforced</ObjectOwnership>",
        ),
    ] {
        let (status, told) = world.get(sub_resource).await;
        assert_eq!(status, StatusCode::OK, "{sub_resource}");
        assert!(told.contains(part), "{sub_resource}: {told}");
    }
}

#[tokio::test]
async fn what_was_taken_away_is_not_there_and_is_not_as_when_new() {
    let world = world().await;
    for (sub_resource, code) in [
        ("publicAccessBlock", "NoSuchPublicAccessBlockConfiguration"),
        ("ownershipControls", "OwnershipControlsNotFoundError"),
    ] {
        assert_eq!(world.delete(sub_resource).await, StatusCode::NO_CONTENT);
        let (status, told) = world.get(sub_resource).await;
        assert_eq!(status, StatusCode::NOT_FOUND);
        assert!(told.starts_with(code), "{told}");
    }
    for sub_resource in [
        "policy",
        "tagging",
        "lifecycle",
        "encryption",
        "cors",
        "website",
        "replication",
    ] {
        assert_eq!(
            world.delete(sub_resource).await,
            StatusCode::NO_CONTENT,
            "{sub_resource}"
        );
    }
}

#[tokio::test]
async fn what_was_put_is_given_back() {
    let world = world().await;
    for (sub_resource, body, part) in [
        (
            "tagging",
            "<Tagging><TagSet><Tag><Key>team</Key><Value>blue</Value></Tag></TagSet></Tagging>",
            "<Tag><Key>team</Key><Value>blue</Value></Tag>",
        ),
        (
            "versioning",
            "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>",
            "<Status>Enabled</Status>",
        ),
        (
            "publicAccessBlock",
            "<PublicAccessBlockConfiguration><BlockPublicPolicy>true</BlockPublicPolicy></PublicAccessBlockConfiguration>",
            "<RestrictPublicBuckets>false</RestrictPublicBuckets>",
        ),
        (
            "ownershipControls",
            "<OwnershipControls><Rule><ObjectOwnership>BucketOwnerPreferred</ObjectOwnership></Rule></OwnershipControls>",
            "<ObjectOwnership>BucketOwnerPreferred</ObjectOwnership>",
        ),
        (
            "encryption",
            "<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>aws:kms</SSEAlgorithm>\
             <KMSMasterKeyID>alias/logs</KMSMasterKeyID></ApplyServerSideEncryptionByDefault><BucketKeyEnabled>true\
             </BucketKeyEnabled></Rule></ServerSideEncryptionConfiguration>",
            "<KMSMasterKeyID>alias/logs</KMSMasterKeyID>",
        ),
        (
            "lifecycle",
            "<LifecycleConfiguration><Rule><ID>old</ID><Filter><And><Prefix>a/</Prefix><Tag><Key>k</Key><Value>v</Value></Tag>\
             </And></Filter><Status>Enabled</Status><Expiration><Days>30</Days></Expiration></Rule></LifecycleConfiguration>",
            "<And><Prefix>a/</Prefix><Tag><Key>k</Key><Value>v</Value></Tag></And>",
        ),
        (
            "object-lock",
            "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule><DefaultRetention>\
             <Mode>GOVERNANCE</Mode><Years>2</Years></DefaultRetention></Rule></ObjectLockConfiguration>",
            "<Years>2</Years>",
        ),
    ] {
        assert_eq!(
            world.put(sub_resource, body).await,
            (StatusCode::OK, String::new()),
            "{sub_resource}"
        );
        let (_, told) = world.get(sub_resource).await;
        assert!(told.contains(part), "{sub_resource}: {told}");
    }
    // A bucket that locks keeps its versions for good.
    let suspended = "<VersioningConfiguration><Status>Suspended</Status></VersioningConfiguration>";
    let (status, code) = world.put("versioning", suspended).await;
    assert_eq!(
        (status, code.as_str()),
        (StatusCode::CONFLICT, "InvalidBucketState")
    );
}

#[tokio::test]
async fn what_this_server_does_not_do_is_refused() {
    let world = world().await;
    for (sub_resource, body) in [
        (
            "cors",
            "<CORSConfiguration><CORSRule><AllowedMethod>GET</AllowedMethod><AllowedOrigin>*</AllowedOrigin></CORSRule>\
             </CORSConfiguration>",
        ),
        (
            "website",
            "<WebsiteConfiguration><IndexDocument><Suffix>index.html</Suffix></IndexDocument></WebsiteConfiguration>",
        ),
        (
            "accelerate",
            "<AccelerateConfiguration><Status>Enabled</Status></AccelerateConfiguration>",
        ),
        (
            "requestPayment",
            "<RequestPaymentConfiguration><Payer>Requester</Payer></RequestPaymentConfiguration>",
        ),
        (
            "logging",
            "<BucketLoggingStatus><LoggingEnabled><TargetBucket>logs</TargetBucket><TargetPrefix>a/</TargetPrefix>\
             </LoggingEnabled></BucketLoggingStatus>",
        ),
        (
            "ownershipControls",
            "<OwnershipControls><Rule><ObjectOwnership>ObjectWriter</ObjectOwnership></Rule></OwnershipControls>",
        ),
    ] {
        let (status, code) = world.put(sub_resource, body).await;
        assert_eq!(
            (status, code.as_str()),
            (StatusCode::NOT_IMPLEMENTED, "NotImplemented"),
            "{sub_resource}"
        );
    }
    for (sub_resource, body) in [
        (
            "accelerate",
            "<AccelerateConfiguration><Status>Suspended</Status></AccelerateConfiguration>",
        ),
        (
            "requestPayment",
            "<RequestPaymentConfiguration><Payer>BucketOwner</Payer></RequestPaymentConfiguration>",
        ),
        ("logging", "<BucketLoggingStatus/>"),
        ("notification", "<NotificationConfiguration/>"),
    ] {
        assert_eq!(
            world.put(sub_resource, body).await,
            (StatusCode::OK, String::new()),
            "{sub_resource}"
        );
    }
}

#[tokio::test]
async fn a_list_that_is_there_already_is_taken_and_no_other() {
    let world = world().await;
    for (acl, code) in [
        ("private", ""),
        ("public-read", "AccessControlListNotSupported"),
        ("bucket-owner-full-control", "AccessControlListNotSupported"),
        ("log-delivery-write", "AccessControlListNotSupported"),
    ] {
        let answer = world
            .ask(Method::PUT, "/logs?acl", &[("x-amz-acl", acl)], b"")
            .await;
        assert_eq!(answer.code(), code, "{acl}: {}", answer.text());
    }
}

#[tokio::test]
async fn a_policy_is_of_this_bucket_and_for_those_who_are_there() {
    let world = world().await;
    let admin = || world.house.admin();
    let statement = |principal: &str, action: &str, resource: &str| {
        format!(r#"{{"Effect":"Allow","Principal":{principal},"Action":"{action}","Resource":"{resource}"}}"#)
    };
    let account = r#"{"AWS":"123456789012"}"#;
    for (statement, code) in [
        (
            statement(account, "s3:GetObject", "arn:aws:s3:::other/*"),
            "MalformedPolicy",
        ),
        (statement(account, "kms:Decrypt", ALL), "MalformedPolicy"),
        (statement(account, "s3:ListBucket", ALL), "MalformedPolicy"),
        (
            statement(
                r#"{"AWS":"arn:aws:iam::123456789012:role/nobody"}"#,
                "s3:GetObject",
                ALL,
            ),
            "MalformedPolicy",
        ),
        (statement(r#""*""#, "s3:GetObject", ALL), "AccessDenied"),
        ("{".to_owned(), "MalformedPolicy"),
    ] {
        let (_, refused) = world.put_policy(admin(), &statement).await;
        assert_eq!(refused, code, "{statement}");
    }
    let good = statement(account, "s3:GetObject", ALL);
    assert_eq!(
        world.put_policy(admin(), &good).await,
        (StatusCode::NO_CONTENT, String::new())
    );
    let (status, told) = world.get("policy").await;
    assert_eq!(
        (status, told),
        (
            StatusCode::OK,
            format!(r#"{{"Version":"2012-10-17","Statement":[{good}]}}"#)
        )
    );
    assert!(
        world
            .get("policyStatus")
            .await
            .1
            .contains("<IsPublic>false</IsPublic>")
    );
    // Where it is not blocked, a bucket may be opened to everyone.
    assert_eq!(world.delete("publicAccessBlock").await, StatusCode::NO_CONTENT);
    let open = statement(r#""*""#, "s3:GetObject", ALL);
    assert_eq!(world.put_policy(admin(), &open).await.0, StatusCode::NO_CONTENT);
    assert!(
        world
            .get("policyStatus")
            .await
            .1
            .contains("<IsPublic>true</IsPublic>")
    );
}

#[tokio::test]
async fn only_the_account_of_a_bucket_sets_its_policy() {
    let world = world().await;
    let other = AccountId::parse("210987654321").expect("valid");
    world.house.found(&other, "o-exampleorgid").await;
    let stranger = || world.house.user_of(&other, "admin");
    let all = r#"{"Effect":"Allow","Principal":{"AWS":"210987654321"},"Action":"s3:*","Resource":["arn:aws:s3:::logs","arn:aws:s3:::logs/*"]}"#;
    assert_eq!(world.put_policy(stranger(), all).await.1, "AccessDenied");
    assert_eq!(world.put_policy(world.house.admin(), all).await.1, "");
    // Not even where the policy allows everything.
    let (status, code) = world.put_policy(stranger(), all).await;
    assert_eq!(
        (status, code.as_str()),
        (StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed")
    );
    let answer = world
        .ask_as(stranger(), Method::GET, "/logs?versioning", &[], b"")
        .await;
    assert_eq!(answer.status, StatusCode::OK);
}
