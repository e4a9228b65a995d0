//! Buckets: their policies, and what becomes of those who are not of their account.

use drawbridge_session::{AccountId, Authority as _, Caller, Clock as _, Need, Resource, Tag};
use drawbridge_store::buckets::{POLICY, PUBLIC_ACCESS};
use drawbridge_store::{
    Bucket, Buckets as _, Condition, Content, ObjectVersion, Objects as _, PublicAccess, Versioning,
};
use serde_json::{Value, json};

use crate::{Lab, allow_all, document};

const OTHER: &str = "210987654321";
const BUCKET: &str = "session-logs";
const KEY: &str = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab";

impl Lab {
    async fn bucket(&self) {
        let bucket = Bucket {
            name: BUCKET.to_owned(),
            account: self.house.account.clone(),
            region: self.house.region.clone(),
            created_at: self.house.clock.now(),
            versioning: Versioning::Never,
            locks: false,
            retention: None,
        };
        self.house
            .store
            .create_bucket(&bucket, &[])
            .await
            .expect("created");
    }

    async fn bucket_policy(&self, statements: &Value) {
        self.set(POLICY, &document(statements)).await;
    }

    async fn set(&self, name: &str, body: &str) {
        let set = self.house.store.set_bucket_setting(BUCKET, name, Some(body));
        set.await.expect("set");
    }

    /// The administrator of another account, which is in an organization.
    async fn stranger(&self, organization: &str) -> Caller {
        let other = AccountId::parse(OTHER).expect("valid");
        self.house.found(&other, organization).await;
        self.house.user_of(&other, "admin")
    }
}

fn on_object(action: &str) -> Need {
    Need::also(action, Resource::object(BUCKET, "123456789012/alice-0a.log"))
}

fn on_bucket(action: &str) -> Need {
    Need::also(action, Resource::bucket(BUCKET))
}

fn everything() -> Value {
    json!([
        format!("arn:aws:s3:::{BUCKET}"),
        format!("arn:aws:s3:::{BUCKET}/*")
    ])
}

fn allow(principal: &Value, condition: &Value) -> Value {
    json!([{"Effect": "Allow", "Principal": principal, "Action": "s3:*", "Resource": everything(),
            "Condition": condition}])
}

#[tokio::test]
async fn a_stranger_needs_both_sides_and_the_owner_one() {
    let lab = Lab::new().await;
    lab.bucket().await;
    let stranger = lab.stranger("o-anotherorgid").await;
    let own = lab
        .user(
            "own",
            json!([{"Effect": "Allow", "Action": "ssm:*", "Resource": "*"}]),
        )
        .await;
    assert!(!lab.allows(&stranger, on_object("s3:GetObject")).await);
    assert!(!lab.allows(&own, on_object("s3:GetObject")).await);
    assert!(lab.allows(&lab.house.admin(), on_object("s3:GetObject")).await);
    let named = json!({"AWS": [OTHER, format!("arn:aws:iam::{}:user/own", lab.house.account)]});
    lab.bucket_policy(&allow(&named, &json!({}))).await;
    assert!(lab.allows(&stranger, on_object("s3:GetObject")).await);
    assert!(lab.allows(&own, on_object("s3:GetObject")).await);
    // The bucket's side alone is not enough for another account's.
    let other = AccountId::parse(OTHER).expect("valid");
    lab.house
        .change_in(&other, |directory| {
            let admin = drawbridge_session::iam::Holder::User("admin");
            directory.detach_policy(admin, "arn:aws:iam::aws:policy/AdministratorAccess")
        })
        .await;
    assert!(!lab.allows(&stranger, on_object("s3:GetObject")).await);
}

#[tokio::test]
async fn a_bucket_is_its_owners_whoever_asks() {
    let lab = Lab::new().await;
    lab.bucket().await;
    let stranger = lab.stranger("o-anotherorgid").await;
    let account = lab.house.account.to_string();
    for (key, value) in [
        ("aws:ResourceAccount", account.as_str()),
        ("s3:ResourceAccount", &account),
        ("aws:ResourceOrgID", "o-exampleorgid"),
    ] {
        let condition = json!({"StringEquals": {key: value}, "StringNotEquals": {key: OTHER}});
        lab.bucket_policy(&allow(&json!({"AWS": OTHER}), &condition))
            .await;
        assert!(lab.allows(&stranger, on_object("s3:GetObject")).await, "{key}");
    }
    // Who makes a bucket asks for one of its own, also by a name that is taken.
    assert!(lab.allows(&stranger, on_bucket("s3:CreateBucket")).await);
}

#[tokio::test]
async fn nobody_is_let_in_by_a_policy_only() {
    let lab = Lab::new().await;
    lab.bucket().await;
    let nobody = lab.house.anonymous();
    assert!(!lab.allows(&nobody, on_object("s3:GetObject")).await);
    let open = serde_json::to_string(&PublicAccess::OPEN).expect("JSON");
    lab.set(PUBLIC_ACCESS, &open).await;
    assert!(!lab.allows(&nobody, on_object("s3:GetObject")).await);
    lab.bucket_policy(&allow(&json!("*"), &json!({}))).await;
    assert!(lab.allows(&nobody, on_object("s3:GetObject")).await);
    // The organization of the account that the server deals with strangers in is not theirs.
    for key in ["aws:PrincipalOrgID", "aws:PrincipalAccount", "aws:PrincipalArn"] {
        let condition = json!({"StringLike": {key: "*"}});
        lab.bucket_policy(&allow(&json!("*"), &condition)).await;
        assert!(!lab.allows(&nobody, on_object("s3:GetObject")).await, "{key}");
        assert!(lab.allows(&lab.house.admin(), on_object("s3:GetObject")).await);
    }
}

#[tokio::test]
async fn a_public_policy_lets_nobody_else_in_where_that_is_restricted() {
    let lab = Lab::new().await;
    lab.bucket().await;
    let stranger = lab.stranger("o-exampleorgid").await;
    lab.bucket_policy(&allow(&json!("*"), &json!({}))).await;
    let restrict = PublicAccess {
        restrict: true,
        ..PublicAccess::OPEN
    };
    let text = |access: &PublicAccess| serde_json::to_string(access).expect("JSON");
    let settings = [
        (None, false),
        (Some(text(&restrict)), false),
        (Some("no JSON".to_owned()), false),
        (Some(text(&PublicAccess::OPEN)), true),
        (Some("null".to_owned()), true),
    ];
    for (setting, open) in settings {
        let store = &lab.house.store;
        let set = store.set_bucket_setting(BUCKET, PUBLIC_ACCESS, setting.as_deref());
        set.await.expect("set");
        for outsider in [&stranger, &lab.house.anonymous()] {
            let allowed = lab.allows(outsider, on_object("s3:GetObject")).await;
            assert_eq!(allowed, open, "{setting:?}");
        }
        assert!(lab.allows(&lab.house.admin(), on_object("s3:GetObject")).await);
    }
    // One that says who is meant is not public.
    lab.set(PUBLIC_ACCESS, &text(&restrict)).await;
    let members = json!({"StringEquals": {"aws:PrincipalOrgID": "o-exampleorgid"}});
    lab.bucket_policy(&allow(&json!("*"), &members)).await;
    assert!(lab.allows(&stranger, on_object("s3:GetObject")).await);
    assert!(
        !lab.allows(&lab.house.anonymous(), on_object("s3:GetObject"))
            .await
    );
}

#[tokio::test]
async fn the_root_gets_rid_of_a_policy_that_locks_everyone_out() {
    let lab = Lab::new().await;
    lab.bucket().await;
    lab.bucket_policy(
        &json!([{"Effect": "Deny", "Principal": "*", "Action": "*", "Resource": everything()}]),
    )
    .await;
    let root = lab.house.root_user();
    for action in [
        "s3:GetBucketPolicy",
        "s3:PutBucketPolicy",
        "s3:DeleteBucketPolicy",
    ] {
        assert!(lab.allows(&root, on_bucket(action)).await, "{action}");
        assert!(
            !lab.allows(&lab.house.admin(), on_bucket(action)).await,
            "{action}"
        );
    }
    assert!(!lab.allows(&root, on_bucket("s3:ListBucket")).await);
    let other = AccountId::parse(OTHER).expect("valid");
    lab.house.found(&other, "o-anotherorgid").await;
    let strange_root = lab.house.caller(
        drawbridge_session::Principal::Root { account: other },
        drawbridge_session::SignedWith::AccessKey,
    );
    assert!(
        !lab.allows(&strange_root, on_bucket("s3:DeleteBucketPolicy"))
            .await
    );
}

#[tokio::test]
async fn the_policy_in_force_is_the_one_that_was_set_last() {
    let lab = Lab::new().await;
    lab.bucket().await;
    let admin = lab.house.admin();
    for allowed in [true, false, true] {
        let effect = if allowed { "Allow" } else { "Deny" };
        let statement =
            json!([{"Effect": effect, "Principal": "*", "Action": "s3:GetObject", "Resource": everything()}]);
        lab.bucket_policy(&statement).await;
        assert_eq!(lab.allows(&admin, on_object("s3:GetObject")).await, allowed);
    }
    // One that cannot be read decides nothing.
    lab.set(POLICY, "{").await;
    let needs = [on_object("s3:GetObject")];
    assert!(lab.house.access.decide(&admin, &needs).await.is_err());
}

#[tokio::test]
async fn the_tags_of_an_object_are_known_to_those_who_read_it() {
    let lab = Lab::new().await;
    lab.bucket().await;
    let object = ObjectVersion {
        key: "123456789012/alice-0a.log".to_owned(),
        number: 0,
        version: "v1".to_owned(),
        latest: true,
        modified_at: lab.house.clock.now(),
        content: Some(Content::default()),
        tags: vec![Tag::new("Class", "secret")],
        retention: None,
        held: None,
    };
    let stored = lab.house.store.put_object(BUCKET, object, Condition::None).await;
    stored.expect("stored");
    let secret = json!({"StringEquals": {"s3:ExistingObjectTag/Class": "secret"}});
    let statement = json!([{"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": everything(),
                            "Condition": secret}]);
    lab.bucket_policy(&statement).await;
    let admin = lab.house.admin();
    assert!(!lab.allows(&admin, on_object("s3:GetObject")).await);
    assert!(
        !lab.allows(
            &admin,
            on_object("s3:GetObjectVersion").with("s3:VersionId", "null")
        )
        .await
    );
    assert!(
        lab.allows(
            &admin,
            on_object("s3:GetObjectVersion").with("s3:VersionId", "other")
        )
        .await
    );
    assert!(lab.allows(&admin, on_object("s3:PutObject")).await);
}

/// A bucket for the logs of sessions, as an organization's security account keeps it.
fn log_policy(own: &AccountId) -> Value {
    let objects = format!("arn:aws:s3:::{BUCKET}/*");
    let deny = |sid: &str, action: Value, condition: Value| {
        json!({"Sid": sid, "Effect": "Deny", "Principal": "*", "Action": action, "Resource": everything(),
               "Condition": condition})
    };
    json!([
        {"Sid": "Write", "Effect": "Allow", "Principal": "*", "Action": ["s3:PutObject", "s3:PutObjectAcl"],
         "Resource": objects, "Condition": {"StringEquals": {"aws:PrincipalOrgID": "o-exampleorgid"}}},
        {"Sid": "Check", "Effect": "Allow", "Principal": "*", "Action": "s3:GetEncryptionConfiguration",
         "Resource": format!("arn:aws:s3:::{BUCKET}"),
         "Condition": {"StringEquals": {"aws:PrincipalOrgID": "o-exampleorgid"}}},
        deny("Transport", json!("s3:*"), json!({"Bool": {"aws:SecureTransport": "false"}})),
        deny("OldTls", json!("s3:*"), json!({"NumericLessThan": {"s3:TlsVersion": "1.2"}})),
        deny("Outside", json!("s3:*"), json!({"StringNotEquals": {"aws:PrincipalOrgID": "o-exampleorgid"}})),
        deny("Unencrypted", json!("s3:PutObject"),
             json!({"StringNotEquals": {"s3:x-amz-server-side-encryption": "aws:kms"}})),
        deny("OtherKey", json!("s3:PutObject"),
             json!({"StringNotEquals": {"s3:x-amz-server-side-encryption-aws-kms-key-id": KEY}})),
        deny("Owner", json!("s3:PutObject"),
             json!({"StringNotEquals": {"s3:x-amz-acl": "bucket-owner-full-control"}})),
        {"Sid": "LogsOnly", "Effect": "Deny", "Principal": "*", "Action": "s3:PutObject",
         "NotResource": format!("arn:aws:s3:::{BUCKET}/*.log")},
        {"Sid": "ReviewersOnly", "Effect": "Deny", "Principal": "*", "Action": "s3:GetObject", "Resource": objects,
         "Condition": {"StringNotEquals": {"aws:PrincipalArn": format!("arn:aws:iam::{own}:role/LogReviewRole")}}},
    ])
}

fn put() -> Need {
    on_object("s3:PutObject")
        .with("s3:TlsVersion", "1.3")
        .with("s3:x-amz-acl", "bucket-owner-full-control")
        .with("s3:x-amz-server-side-encryption", "aws:kms")
        .with("s3:x-amz-server-side-encryption-aws-kms-key-id", KEY)
}

#[tokio::test]
async fn a_bucket_for_logs_takes_them_only_as_it_says() {
    let lab = Lab::new().await;
    lab.bucket().await;
    lab.bucket_policy(&log_policy(&lab.house.account)).await;
    let member = lab.stranger("o-exampleorgid").await;
    assert!(lab.allows(&member, put()).await);
    assert!(
        lab.allows(&member, on_bucket("s3:GetEncryptionConfiguration"))
            .await
    );

    let tls = on_object("s3:PutObject").with("s3:TlsVersion", "1.3");
    let with_acl = |need: Need| need.with("s3:x-amz-acl", "bucket-owner-full-control");
    let with_kms = |need: Need| need.with("s3:x-amz-server-side-encryption", "aws:kms");
    let key = "s3:x-amz-server-side-encryption-aws-kms-key-id";
    let refused = [
        ("no acl", with_kms(tls.clone()).with(key, KEY)),
        (
            "another acl",
            with_kms(tls.clone())
                .with(key, KEY)
                .with("s3:x-amz-acl", "private"),
        ),
        ("no encryption", with_acl(tls.clone()).with(key, KEY)),
        (
            "other encryption",
            with_acl(tls.clone())
                .with(key, KEY)
                .with("s3:x-amz-server-side-encryption", "AES256"),
        ),
        ("no key", with_acl(with_kms(tls.clone()))),
        (
            "another key",
            with_acl(with_kms(tls.clone())).with(key, KEY.replace("1234", "4321")),
        ),
        (
            "old TLS",
            with_acl(with_kms(on_object("s3:PutObject")))
                .with(key, KEY)
                .with("s3:TlsVersion", "1.1"),
        ),
    ];
    for (what, need) in refused {
        assert!(!lab.allows(&member, need).await, "{what}");
    }
    let elsewhere = Need::also(
        "s3:PutObject",
        Resource::object(BUCKET, "123456789012/alice-0a.txt"),
    );
    let elsewhere = with_acl(with_kms(elsewhere))
        .with(key, KEY)
        .with("s3:TlsVersion", "1.3");
    assert!(!lab.allows(&member, elsewhere).await, "no log");
    assert!(
        !lab.allows(&member, on_bucket("s3:PutBucketPolicy")).await,
        "another's bucket"
    );

    let reviewer = lab.role("LogReviewRole", allow_all()).await;
    let other_role = lab.role("OtherRole", allow_all()).await;
    assert!(lab.allows(&reviewer, on_object("s3:GetObject")).await);
    assert!(!lab.allows(&other_role, on_object("s3:GetObject")).await);
    assert!(!lab.allows(&lab.house.admin(), on_object("s3:GetObject")).await);
    assert!(
        !lab.allows(&lab.house.root_user(), on_object("s3:GetObject"))
            .await
    );
}

#[tokio::test]
async fn who_is_not_of_the_organization_puts_no_logs() {
    let lab = Lab::new().await;
    lab.bucket().await;
    lab.bucket_policy(&log_policy(&lab.house.account)).await;
    let stranger = lab.stranger("o-anotherorgid").await;
    assert!(!lab.allows(&stranger, put()).await);
    assert!(!lab.allows(&lab.house.anonymous(), put()).await);
}
