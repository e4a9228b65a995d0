//! Who may use keys, over several operations.

mod grants;
mod lifetime;
mod policies;

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use drawbridge_aws_dialects::model;
use drawbridge_session::{Caller, EncryptionContext, KeyError, KeyUse, Keys as _, Principal};
use drawbridge_store::{AuditLog as _, EventPage};
use serde_json::json;

use crate::OPERATIONS;
use crate::testing::{House, OTHER, other, text, user};

const PLAIN: &str = "cGxhaW4=";

#[test]
fn every_modelled_operation_has_a_handler_and_every_handler_a_model() {
    let handled: BTreeSet<_> = OPERATIONS.iter().map(|it| it.name.to_owned()).collect();
    let modelled: BTreeSet<_> = drawbridge_house::modelled(model::kms()).into_iter().collect();
    assert_eq!(handled, modelled);
    assert!(
        OPERATIONS
            .iter()
            .all(|it| it.action == format!("kms:{}", it.name))
    );
}

#[tokio::test]
async fn what_is_encrypted_is_decrypted_in_its_context_by_its_key_only() {
    let house = House::new().await;
    let key = house.key().await;
    let another = house.key().await;
    let context = json!({"purpose": "test"});
    let encrypt = json!({"KeyId": key, "Plaintext": PLAIN, "EncryptionContext": context});
    let sealed = house.done("Encrypt", encrypt).await;
    assert_eq!(sealed["KeyId"], json!(key));
    let blob = &sealed["CiphertextBlob"];

    for input in [
        json!({"CiphertextBlob": blob, "EncryptionContext": context}),
        json!({"CiphertextBlob": blob, "EncryptionContext": context, "KeyId": key}),
    ] {
        let opened = house.done("Decrypt", input).await;
        assert_eq!(opened["Plaintext"], PLAIN);
        assert_eq!(opened["KeyId"], json!(key));
    }
    let twice = json!({"purpose": "test", "Purpose": "x"});
    let damaged = {
        let mut bytes = BASE64_STANDARD.decode(text(blob)).expect("base64");
        *bytes.last_mut().expect("not empty") ^= 1;
        BASE64_STANDARD.encode(bytes)
    };
    house
        .refuses(
            "Decrypt",
            &[
                (json!({"CiphertextBlob": blob}), "InvalidCiphertextException"),
                (
                    json!({"CiphertextBlob": damaged, "EncryptionContext": context}),
                    "InvalidCiphertextException",
                ),
                (
                    json!({"CiphertextBlob": PLAIN, "EncryptionContext": context}),
                    "InvalidCiphertextException",
                ),
                (
                    json!({"CiphertextBlob": blob, "EncryptionContext": context, "KeyId": another}),
                    "IncorrectKeyException",
                ),
                (
                    json!({"CiphertextBlob": blob, "EncryptionContext": twice}),
                    "ValidationException",
                ),
                (
                    json!({"CiphertextBlob": blob, "EncryptionContext": context, "DryRun": true}),
                    "DryRunOperationException",
                ),
            ],
        )
        .await;
}

#[tokio::test]
async fn a_data_key_comes_in_the_clear_and_wrapped() {
    let house = House::new().await;
    let key = house.key().await;
    let context = json!({"aws:ssm:SessionId": "alice-1", "aws:ssm:TargetId": "i-0123456789abcdef0"});
    let input = json!({"KeyId": key, "NumberOfBytes": 64, "EncryptionContext": context});
    let drawn = house.done("GenerateDataKey", input).await;
    let input = json!({"CiphertextBlob": drawn["CiphertextBlob"], "EncryptionContext": context});
    let opened = house.done("Decrypt", input).await;
    assert_eq!(opened["Plaintext"], drawn["Plaintext"]);
    let bytes = BASE64_STANDARD.decode(text(&drawn["Plaintext"])).expect("base64");
    assert_eq!(bytes.len(), 64);
    let input = json!({"KeyId": key, "KeySpec": "AES_128"});
    let wrapped = house.ask("GenerateDataKeyWithoutPlaintext", input).await;
    assert!(wrapped.expect("drawn").get("Plaintext").is_none());
    for input in [
        json!({"KeyId": key}),
        json!({"KeyId": key, "KeySpec": "AES_256", "NumberOfBytes": 1}),
    ] {
        house
            .refuses("GenerateDataKey", &[(input, "ValidationException")])
            .await;
    }
}

#[tokio::test]
async fn a_key_is_used_in_its_states_only() {
    let house = House::new().await;
    let key = house.key().await;
    let of_key = json!({"KeyId": key});
    let encrypt = json!({"KeyId": key, "Plaintext": PLAIN});
    house.done("DisableKey", of_key.clone()).await;
    house
        .refuses("Encrypt", &[(encrypt.clone(), "DisabledException")])
        .await;
    house.done("EnableKey", of_key.clone()).await;
    house.done("Encrypt", encrypt.clone()).await;

    for (days, code) in [(6, "ValidationException"), (31, "ValidationException")] {
        let input = json!({"KeyId": key, "PendingWindowInDays": days});
        house.refuses("ScheduleKeyDeletion", &[(input, code)]).await;
    }
    let planned = house.done("ScheduleKeyDeletion", of_key.clone()).await;
    assert_eq!(planned["KeyState"], "PendingDeletion");
    assert_eq!(planned["PendingWindowInDays"], 30);
    let described = house.done("DescribeKey", of_key.clone()).await;
    assert_eq!(described["KeyMetadata"]["DeletionDate"], planned["DeletionDate"]);
    house
        .refuses("Encrypt", &[(encrypt.clone(), "KMSInvalidStateException")])
        .await;
    for operation in ["EnableKey", "DisableKey", "ScheduleKeyDeletion"] {
        house
            .refuses(operation, &[(of_key.clone(), "KMSInvalidStateException")])
            .await;
    }
    house.done("CancelKeyDeletion", of_key.clone()).await;
    house.refuses("Encrypt", &[(encrypt, "DisabledException")]).await;
    house
        .refuses("CancelKeyDeletion", &[(of_key, "KMSInvalidStateException")])
        .await;
}

#[tokio::test]
async fn an_alias_names_a_key_where_keys_are_used() {
    let house = House::new().await;
    let (one, two) = (house.key().await, house.key().await);
    let point = |key: &str| json!({"AliasName": "alias/app", "TargetKeyId": key});
    house.done("CreateAlias", point(&one)).await;
    house
        .refuses(
            "CreateAlias",
            &[
                (point(&one), "AlreadyExistsException"),
                (
                    json!({"AliasName": "app", "TargetKeyId": one}),
                    "ValidationException",
                ),
                (
                    json!({"AliasName": "alias/", "TargetKeyId": one}),
                    "ValidationException",
                ),
                (
                    json!({"AliasName": "alias/a:b", "TargetKeyId": one}),
                    "ValidationException",
                ),
                (
                    json!({"AliasName": "alias/aws/x", "TargetKeyId": one}),
                    "InvalidAliasNameException",
                ),
                (
                    json!({"AliasName": "alias/x", "TargetKeyId": "alias/app"}),
                    "ValidationException",
                ),
                (
                    json!({"AliasName": "alias/x", "TargetKeyId": "x"}),
                    "NotFoundException",
                ),
            ],
        )
        .await;
    for (name, code) in [
        ("app", "ValidationException"),
        ("alias/none", "NotFoundException"),
    ] {
        let refused = [(json!({ "AliasName": name }), code)];
        house.refuses("DeleteAlias", &refused).await;
    }
    let by_alias = json!({"KeyId": "alias/app", "Plaintext": PLAIN});
    let sealed = house.done("Encrypt", by_alias.clone()).await;
    assert_eq!(sealed["KeyId"], json!(one));
    house.done("UpdateAlias", point(&two)).await;
    let sealed = house.done("Encrypt", by_alias.clone()).await;
    assert_eq!(sealed["KeyId"], json!(two));
    // Aliases name keys for use, not for changes.
    house
        .refuses(
            "DisableKey",
            &[(json!({"KeyId": "alias/app"}), "NotFoundException")],
        )
        .await;
    let listed = house.done("ListAliases", json!({"KeyId": two})).await;
    assert_eq!(listed["Aliases"][0]["AliasName"], "alias/app");
    let delete = json!({"AliasName": "alias/app"});
    house.done("DeleteAlias", delete.clone()).await;
    house
        .refuses("DeleteAlias", &[(delete, "NotFoundException")])
        .await;
    house.refuses("Encrypt", &[(by_alias, "NotFoundException")]).await;
}

/// Terraform's `data "aws_kms_alias"` looks for the name in the list before it asks for the key.
#[tokio::test]
async fn the_servers_own_aliases_are_listed_before_their_keys_are_made() {
    let house = House::new().await;
    let key = house.key().await;
    for name in ["alias/a", "alias/b", "alias/z"] {
        let input = json!({"AliasName": name, "TargetKeyId": key});
        house.done("CreateAlias", input).await;
    }
    house.done("DescribeKey", json!({"KeyId": "alias/aws/s3"})).await;
    let expected = [
        ("alias/a", true),
        ("alias/aws/ebs", false),
        ("alias/aws/logs", false),
        ("alias/aws/s3", true),
        ("alias/aws/ssm", false),
        ("alias/b", true),
        ("alias/z", true),
    ];
    for limit in 1..9 {
        let mut input = json!({"Limit": limit});
        let mut listed = Vec::new();
        loop {
            let page = house.done("ListAliases", input.clone()).await;
            for alias in page["Aliases"].as_array().expect("a list") {
                let name = text(&alias["AliasName"]);
                assert!(text(&alias["AliasArn"]).ends_with(&name));
                listed.push((name, alias["TargetKeyId"].is_string()));
            }
            match page.get("NextMarker") {
                Some(marker) => input["Marker"] = marker.clone(),
                None => break,
            }
        }
        let listed: Vec<_> = listed.iter().map(|(name, has)| (name.as_str(), *has)).collect();
        assert_eq!(listed, expected, "by {limit}");
    }
    let of_key = house.done("ListAliases", json!({"KeyId": key})).await;
    assert_eq!(of_key["Aliases"].as_array().map(Vec::len), Some(3));
}

#[tokio::test]
async fn the_key_policy_decides_and_may_leave_it_to_the_account() {
    let house = House::new().await;
    let allowed = json!({"Effect": "Allow", "Action": "kms:Encrypt", "Resource": "*"});
    let alice = house.give_user_in(&house.account, "alice", allowed).await;
    let bob = house.give_user_in(&house.account, "bob", json!(null)).await;
    let encrypt = |key: &str| json!({"KeyId": key, "Plaintext": PLAIN});

    // The policy that a key gets by itself passes the question on.
    let open = house.key().await;
    house.done_as(alice.clone(), "Encrypt", encrypt(&open)).await;
    house
        .refuses_as(&bob, "Encrypt", &[(encrypt(&open), "AccessDeniedException")])
        .await;
    // One that names bob needs nothing of the account's, and leaves alice out.
    let bobs = house
        .key_for(json!({
            "Effect": "Allow", "Action": "kms:Encrypt", "Resource": "*",
            "Principal": {"AWS": "arn:aws:iam::123456789012:user/bob"},
        }))
        .await;
    house.done_as(bob.clone(), "Encrypt", encrypt(&bobs)).await;
    for caller in [&alice, &house.root_user()] {
        house
            .refuses_as(caller, "Encrypt", &[(encrypt(&bobs), "AccessDeniedException")])
            .await;
    }
    // Who names no key is decided on by the one in the ciphertext.
    let sealed = house.done_as(bob.clone(), "Encrypt", encrypt(&bobs)).await;
    let decrypt = json!({"CiphertextBlob": sealed["CiphertextBlob"]});
    house
        .refuses_as(&bob, "Decrypt", &[(decrypt, "AccessDeniedException")])
        .await;
}

#[tokio::test]
async fn another_account_needs_both_sides_and_learns_nothing_otherwise() {
    let house = House::new().await;
    let shared = house
        .key_for(json!({
            "Effect": "Allow", "Resource": "*", "Action": ["kms:GenerateDataKey", "kms:Decrypt", "kms:DisableKey"],
            "Principal": {"AWS": format!("arn:aws:iam::{OTHER}:root")},
        }))
        .await;
    let closed = house.key().await;
    let draw = |key: &str| json!({"KeyId": key, "KeySpec": "AES_256"});
    let admin = house.other_admin();
    let drawn = house
        .done_as(admin.clone(), "GenerateDataKey", draw(&shared))
        .await;
    let opened = json!({"CiphertextBlob": drawn["CiphertextBlob"]});
    house.done_as(admin.clone(), "Decrypt", opened).await;

    let nobody = house.give_user_in(&other(), "nobody", json!(null)).await;
    house
        .refuses_as(
            &nobody,
            "GenerateDataKey",
            &[(draw(&shared), "AccessDeniedException")],
        )
        .await;
    // A key that is there and one that is not are refused in the same words.
    let absent = closed.replace(&closed[closed.len() - 4..], "0000");
    let refusal = |key: String| {
        let (house, admin) = (&house, admin.clone());
        async move {
            let refused = house.ask_as(admin, "GenerateDataKey", draw(&key)).await;
            refused.expect_err("denied").message().replace(&key, "KEY")
        }
    };
    assert_eq!(refusal(closed).await, refusal(absent).await);
    // Changing a key is for its own account, whatever its policy says.
    house
        .refuses_as(
            &admin,
            "DisableKey",
            &[(json!({"KeyId": shared}), "NotFoundException")],
        )
        .await;
}

/// The policy of the published pattern: no statement for the account's root, an organization instead of accounts.
fn session_key_policy() -> serde_json::Value {
    json!({"Version": "2012-10-17", "Statement": [
        {
            "Sid": "Allow sessions", "Effect": "Allow", "Principal": {"AWS": "*"}, "Resource": "*",
            "Action": ["kms:Decrypt", "kms:GenerateDataKey*"],
            "Condition": {
                "StringEquals": {"aws:PrincipalOrgID": "o-exampleorgid"},
                "StringLike": {
                    "kms:EncryptionContext:aws:ssm:SessionId": "*",
                    "kms:EncryptionContext:aws:ssm:TargetId": "i-*",
                },
            },
        },
        {
            "Sid": "Allow administration", "Effect": "Allow", "Principal": {"AWS": "*"}, "Resource": "*",
            "Action": ["kms:Create*", "kms:Describe*", "kms:Put*", "kms:Get*", "kms:List*"],
            "Condition": {
                "StringEquals": {"kms:CallerAccount": "123456789012"},
                "ArnLike": {"aws:PrincipalArn": "arn:aws:iam::123456789012:user/admin"},
            },
        },
    ]})
}

#[tokio::test]
async fn a_policy_by_organization_and_context_lets_sessions_in_and_hybrid_nodes_not() {
    let house = House::new().await;
    let key = house
        .key_with(json!({"Policy": session_key_policy().to_string()}))
        .await;
    let draw = |target: &str| {
        let context = json!({"aws:ssm:SessionId": "alice-1", "aws:ssm:TargetId": target});
        json!({"KeyId": key, "NumberOfBytes": 64, "EncryptionContext": context})
    };
    let admin = house.other_admin();
    house
        .done_as(admin.clone(), "GenerateDataKey", draw("i-0123456789abcdef0"))
        .await;
    let denied = "AccessDeniedException";
    house
        .refuses_as(
            &admin,
            "GenerateDataKey",
            &[
                (draw("mi-0123456789abcdef0"), denied),
                (json!({"KeyId": key, "NumberOfBytes": 64}), denied),
            ],
        )
        .await;
    // Nobody but the administrator could change it, and the account's root is not among those.
    house
        .refuses_as(
            &house.root_user(),
            "GetKeyPolicy",
            &[(json!({"KeyId": key}), denied)],
        )
        .await;
    let refused = house
        .ask_as(
            house.root_user(),
            "CreateKey",
            json!({"Policy": session_key_policy().to_string()}),
        )
        .await;
    assert_eq!(
        refused.expect_err("locked out").code(),
        "MalformedPolicyDocumentException"
    );
}

#[tokio::test]
async fn a_registered_node_uses_no_key_of_another_account() {
    let house = House::new().await;
    let input = json!({"Policy": json!({"Version": "2012-10-17", "Statement": {
        "Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "kms:*", "Resource": "*",
    }}).to_string()});
    let created = house.done_as(house.other_admin(), "CreateKey", input).await;
    let elsewhere = text(&created["KeyMetadata"]["Arn"]);
    house
        .change(|directory| {
            directory.attach_policy(
                drawbridge_session::iam::Holder::Role(drawbridge_house::NODE_ROLE),
                "arn:aws:iam::aws:policy/AdministratorAccess",
            )
        })
        .await;
    let registered = house.node_role(&house.node().await);
    let enrolled = house.node_role(&house.enrolled_node(&[]).await);
    let draw = |key: &str| json!({"KeyId": key, "KeySpec": "AES_256"});
    house.done_as(enrolled, "GenerateDataKey", draw(&elsewhere)).await;
    let own = house.key().await;
    house
        .done_as(registered.clone(), "GenerateDataKey", draw(&own))
        .await;
    let refused = house
        .ask_as(registered, "GenerateDataKey", draw(&elsewhere))
        .await;
    let refused = refused.expect_err("denied");
    assert_eq!(refused.code(), "AccessDeniedException");
    assert!(
        refused
            .message()
            .contains("a hybrid node (mi-) cannot use a key of another account"),
        "{refused}"
    );
}

/// A request without a signature is dealt with in some account, and is nobody's there: "everyone" is everyone who signs.
#[tokio::test]
async fn no_key_is_used_for_nobody_whatever_its_policy_says() {
    let house = House::new().await;
    let everyone = json!({"Effect": "Allow", "Principal": "*", "Action": "kms:*", "Resource": "*"});
    let open = house.key_for(everyone).await;
    let (admin, nobody) = (house.admin(), house.anonymous());
    let kms = &house.service;
    let none = EncryptionContext::new();
    for key in [open.as_str(), "alias/aws/s3"] {
        let drawn = kms
            .generate_data_key(user(&admin, Some("s3")), key, 32, &none)
            .await;
        let drawn = drawn.expect("drawn");
        let stranger = user(&nobody, Some("s3"));
        let opened = kms.decrypt(stranger, &drawn.wrapped, &none).await;
        assert!(matches!(opened, Err(KeyError::Denied(_))), "{key}: {opened:?}");
        let drawn = kms.generate_data_key(stranger, key, 32, &none).await;
        assert!(matches!(drawn, Err(KeyError::Denied(_))), "{key}: {drawn:?}");
        let checked = kms.check(stranger, key, KeyUse::Decrypt, &none).await;
        assert!(matches!(checked, Err(KeyError::Denied(_))), "{key}: {checked:?}");
    }
}

/// Policies that keep strangers out leave services their exception.
#[tokio::test]
async fn a_service_that_asks_for_itself_is_told_apart_from_strangers() {
    let house = House::new().await;
    let name = "logs.us-east-1.amazonaws.com";
    let key = house
        .key_for(json!([
            {"Effect": "Allow", "Principal": {"Service": name}, "Action": "kms:GenerateDataKey*", "Resource": "*"},
            {"Effect": "Deny", "Principal": "*", "Action": "kms:GenerateDataKey*", "Resource": "*",
             "Condition": {"StringNotEqualsIfExists": {"aws:PrincipalOrgID": "o-exampleorgid"},
                           "Bool": {"aws:PrincipalIsAWSService": "false"}}},
        ]))
        .await;
    let service = Caller {
        principal: Principal::Service {
            account: house.account.clone(),
            name: name.to_owned(),
        },
        ..house.admin()
    };
    let context = EncryptionContext::new();
    let drawn = house
        .service
        .generate_data_key(user(&service, None), &key, 32, &context);
    assert!(drawn.await.is_ok());
}

#[tokio::test]
async fn the_servers_own_keys_are_there_at_first_use_and_are_used_through_their_service() {
    let house = House::new().await;
    let described = house.done("DescribeKey", json!({"KeyId": "alias/aws/s3"})).await;
    let metadata = &described["KeyMetadata"];
    assert_eq!(metadata["KeyManager"], "AWS");
    let again = house.done("DescribeKey", json!({"KeyId": "alias/aws/s3"})).await;
    assert_eq!(again["KeyMetadata"]["Arn"], metadata["Arn"]);
    house
        .refuses(
            "DescribeKey",
            &[(json!({"KeyId": "alias/aws/none"}), "NotFoundException")],
        )
        .await;

    let admin = house.admin();
    let context = EncryptionContext::from([("aws:s3:arn".to_owned(), "arn:aws:s3:::b/k".to_owned())]);
    let via = |service| user(&admin, Some(service));
    let drawn = house
        .service
        .generate_data_key(via("s3"), "alias/aws/s3", 32, &context)
        .await;
    let drawn = drawn.expect("through its service");
    assert_eq!(drawn.key_arn, text(&metadata["Arn"]));
    let opened = house
        .service
        .decrypt(via("s3"), &drawn.wrapped, &context)
        .await
        .expect("opens");
    assert_eq!(*opened, *drawn.plain);
    let refused = house.service.decrypt(via("logs"), &drawn.wrapped, &context).await;
    assert!(matches!(refused, Err(KeyError::Denied(_))));

    let arn = text(&metadata["Arn"]);
    for (operation, input) in [
        ("Encrypt", json!({"KeyId": arn, "Plaintext": PLAIN})),
        ("DisableKey", json!({"KeyId": arn})),
        ("ScheduleKeyDeletion", json!({"KeyId": arn})),
        (
            "PutKeyPolicy",
            json!({"KeyId": arn, "Policy": crate::testing::policy(json!([]))}),
        ),
        (
            "CreateAlias",
            json!({"AliasName": "alias/mine", "TargetKeyId": arn}),
        ),
        ("DeleteAlias", json!({"AliasName": "alias/aws/s3"})),
    ] {
        house
            .refuses(operation, &[(input, "AccessDeniedException")])
            .await;
    }
}

#[tokio::test]
async fn others_use_keys_in_the_name_of_callers() {
    let house = House::new().await;
    let key = house.key().await;
    let none = EncryptionContext::new();
    let (admin, bob) = (
        house.admin(),
        house.give_user_in(&house.account, "bob", json!(null)).await,
    );
    let kms = &house.service;
    for usage in [KeyUse::Describe, KeyUse::GenerateDataKey, KeyUse::Decrypt] {
        let checked = kms.check(user(&admin, None), &key, usage, &none).await;
        assert_eq!(checked.expect("allowed"), key);
        let refused = kms.check(user(&bob, None), &key, usage, &none).await;
        assert!(matches!(refused, Err(KeyError::Denied(_))));
    }
    house.done("DisableKey", json!({"KeyId": key})).await;
    let refused = kms.check(user(&admin, None), &key, KeyUse::Decrypt, &none).await;
    assert!(matches!(refused, Err(KeyError::Disabled(_))));
    let refused = kms.generate_data_key(user(&admin, None), &key, 64, &none).await;
    assert!(matches!(refused, Err(KeyError::Disabled(_))));
    let refused = kms.decrypt(user(&admin, None), b"none of ours", &none).await;
    assert!(matches!(refused, Err(KeyError::InvalidCiphertext(_))));
}

/// The events of an account, the newest first, as JSON.
async fn events(house: &House, account: &drawbridge_session::AccountId) -> Vec<serde_json::Value> {
    let page = EventPage {
        account,
        region: &house.region,
        attribute: None,
        since: jiff::Timestamp::UNIX_EPOCH,
        until: jiff::Timestamp::MAX,
        before: None,
        limit: 50,
    };
    let events = house.store.events(page).await.expect("listed");
    let read = |event: &drawbridge_store::StoredEvent| serde_json::from_str(&event.text).expect("JSON");
    events.iter().map(read).collect()
}

#[tokio::test]
async fn each_use_in_a_callers_name_leaves_its_event_with_both_accounts() {
    let house = House::new().await;
    let key = house
        .key_for(json!({
            "Effect": "Allow", "Resource": "*", "Action": ["kms:GenerateDataKey", "kms:Decrypt"],
            "Principal": {"AWS": format!("arn:aws:iam::{OTHER}:root")},
        }))
        .await;
    let (kms, caller) = (&house.service, house.other_admin());
    let context = EncryptionContext::from([("aws:s3:arn".to_owned(), "arn:aws:s3:::b/k".to_owned())]);
    let via = user(&caller, Some("s3"));
    let drawn = kms
        .generate_data_key(via, &key, 32, &context)
        .await
        .expect("drawn");
    kms.decrypt(via, &drawn.wrapped, &EncryptionContext::new())
        .await
        .expect_err("another context");
    kms.check(via, &key, KeyUse::Decrypt, &context)
        .await
        .expect("allowed");

    for account in [&house.account, &other()] {
        let events = events(&house, account).await;
        let [failed, done] = events.as_slice() else {
            panic!("{events:?}")
        };
        assert_eq!(failed["eventName"], "Decrypt");
        assert_eq!(failed["errorCode"], "InvalidCiphertextException");
        assert_eq!(done["eventName"], "GenerateDataKey");
        assert_eq!(done["requestParameters"]["encryptionContext"], json!(context));
        assert_eq!(done["userIdentity"]["invokedBy"], "s3.amazonaws.com");
        assert_eq!(done["userIdentity"]["accountId"], OTHER);
        assert_eq!(done["resources"][0]["ARN"], json!(key));
        assert!(!events.iter().any(|event| event.to_string().contains("Plaintext")));
    }
    // Who is denied is found in the own account's log only.
    let nobody = house.give_user_in(&other(), "nobody", json!(null)).await;
    kms.generate_data_key(user(&nobody, None), &key, 32, &context)
        .await
        .expect_err("denied");
    assert_eq!(events(&house, &other()).await[0]["errorCode"], "AccessDenied");
    assert_eq!(events(&house, &house.account).await.len(), 2);
}
