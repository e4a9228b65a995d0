//! Key policies: which are taken, and that they come back as they were given.

use serde_json::json;

use crate::testing::{House, policy};

const ROOT: &str = "arn:aws:iam::123456789012:root";

#[tokio::test]
async fn a_policy_comes_back_byte_for_byte() {
    let house = House::new().await;
    let odd = format!(
        "{{ \"Statement\" :[{{\"Sid\":\"a b\",\"Effect\":\"Allow\",\n\"Principal\":{{\"AWS\":\"{ROOT}\"}},\
         \"Action\":\"kms:*\",\"Resource\":\"*\"}}], \"Version\":\"2012-10-17\"}}\t"
    );
    let key = house.key_with(json!({"Policy": odd})).await;
    let get = json!({"KeyId": key});
    let got = house.done("GetKeyPolicy", get.clone()).await;
    assert_eq!(got, json!({"Policy": odd, "PolicyName": "default"}));
    let other = policy(json!([]));
    let put = json!({"KeyId": key, "Policy": other, "PolicyName": "default"});
    house.done("PutKeyPolicy", put).await;
    let got = house.done("GetKeyPolicy", get).await;
    assert_eq!(got["Policy"], json!(other));
}

#[tokio::test]
async fn a_policy_must_be_one_name_who_is_there_and_lock_nobody_out() {
    let house = House::new().await;
    let key = house.key().await;
    let statement = |principal: &str, action: &str| {
        let text = json!({"Version": "2012-10-17", "Statement": {
            "Effect": "Allow", "Principal": {"AWS": principal}, "Action": action, "Resource": "*",
        }});
        text.to_string()
    };
    let malformed = "MalformedPolicyDocumentException";
    let admin = "arn:aws:iam::123456789012:user/admin";
    for (text, code) in [
        ("{}".to_owned(), malformed),
        ("no json".to_owned(), malformed),
        (
            statement("arn:aws:iam::123456789012:user/none", "kms:*"),
            malformed,
        ),
        (statement(ROOT, "kms:Decrypt"), malformed),
        (statement(&" ".repeat(40_000), "kms:*"), "LimitExceededException"),
    ] {
        let create = json!({"Policy": text});
        house.refuses("CreateKey", &[(create, code)]).await;
        let put = json!({"KeyId": key, "Policy": text});
        house.refuses("PutKeyPolicy", &[(put, code)]).await;
    }
    for text in [statement(ROOT, "kms:*"), statement(admin, "kms:PutKeyPolicy")] {
        house.key_with(json!({"Policy": text})).await;
    }
    // Who wants to be locked out can be.
    let locked = statement(ROOT, "kms:Decrypt");
    let create = json!({"Policy": locked, "BypassPolicyLockoutSafetyCheck": true});
    let key = house.key_with(create).await;
    house
        .refuses(
            "GetKeyPolicy",
            &[(json!({"KeyId": key}), "AccessDeniedException")],
        )
        .await;
    let wrong = json!({"Policy": "{}", "BypassPolicyLockoutSafetyCheck": true});
    house.refuses("CreateKey", &[(wrong, malformed)]).await;
}

#[tokio::test]
async fn keys_of_other_kinds_are_refused() {
    let house = House::new().await;
    for input in [
        json!({"KeySpec": "RSA_2048", "KeyUsage": "SIGN_VERIFY"}),
        json!({"CustomerMasterKeySpec": "HMAC_256"}),
        json!({"Origin": "EXTERNAL"}),
        json!({"CustomKeyStoreId": "cks-1"}),
        json!({"MultiRegion": true}),
    ] {
        house
            .refuses("CreateKey", &[(input, "UnsupportedOperationException")])
            .await;
    }
    let same = json!({"KeySpec": "SYMMETRIC_DEFAULT", "CustomerMasterKeySpec": "SYMMETRIC_DEFAULT"});
    house.key_with(same).await;
}

#[tokio::test]
async fn tags_of_keys_are_conditions() {
    let house = House::new().await;
    let key = house
        .key_with(json!({"Tags": [{"TagKey": "team", "TagValue": "a"}]}))
        .await;
    let allowed = json!({
        "Effect": "Allow", "Action": "kms:DescribeKey", "Resource": "*",
        "Condition": {"StringEquals": {"aws:ResourceTag/team": "a"}},
    });
    let alice = house.give_user_in(&house.account, "alice", allowed).await;
    let describe = json!({"KeyId": key});
    house
        .done_as(alice.clone(), "DescribeKey", describe.clone())
        .await;
    let tag = |value: &str| json!({"KeyId": key, "Tags": [{"TagKey": "team", "TagValue": value}]});
    house.done("TagResource", tag("b")).await;
    house
        .refuses_as(&alice, "DescribeKey", &[(describe, "AccessDeniedException")])
        .await;
    let listed = house.done("ListResourceTags", json!({"KeyId": key})).await;
    assert_eq!(listed["Tags"], json!([{"TagKey": "team", "TagValue": "b"}]));
    let untag = json!({"KeyId": key, "TagKeys": ["team"]});
    house.done("UntagResource", untag).await;
    let listed = house.done("ListResourceTags", json!({"KeyId": key})).await;
    assert_eq!(listed["Tags"], json!([]));
    let reserved = json!({"KeyId": key, "Tags": [{"TagKey": "aws:x", "TagValue": ""}]});
    house.refuses("TagResource", &[(reserved, "TagException")]).await;
}
