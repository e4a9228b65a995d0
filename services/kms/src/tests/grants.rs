//! Grants: what they allow, to whom, and how they end.

use drawbridge_session::policy::Context;
use drawbridge_session::{Authority as _, Caller, Decision, Explainer as _, Need, Resource};
use serde_json::{Value, json};

use super::PLAIN;
use crate::testing::{House, OTHER, other, text};

const BOB: &str = "arn:aws:iam::123456789012:user/bob";
const CAROL: &str = "arn:aws:iam::123456789012:user/carol";

struct Scene {
    house: House,
    key: String,
    bob: Caller,
    carol: Caller,
}

impl Scene {
    async fn new() -> Self {
        let house = House::new().await;
        let bob = house.give_user_in(&house.account, "bob", json!(null)).await;
        let carol = house.give_user_in(&house.account, "carol", json!(null)).await;
        let key = house.key().await;
        Self {
            house,
            key,
            bob,
            carol,
        }
    }

    fn encrypt(&self, context: &Value) -> Value {
        json!({"KeyId": self.key, "Plaintext": PLAIN, "EncryptionContext": context})
    }

    async fn grant(&self, more: Value) -> Value {
        let mut input = json!({"KeyId": self.key, "GranteePrincipal": BOB, "Operations": ["Encrypt"]});
        for (name, value) in more.as_object().expect("members") {
            input[name] = value.clone();
        }
        self.house.done("CreateGrant", input).await
    }

    async fn bob_may(&self, context: Value) -> bool {
        let asked = self
            .house
            .ask_as(self.bob.clone(), "Encrypt", self.encrypt(&context))
            .await;
        match asked {
            Ok(_) => true,
            Err(error) => {
                assert_eq!(error.code(), "AccessDeniedException", "{error}");
                false
            }
        }
    }
}

#[tokio::test]
async fn a_grant_allows_its_operations_until_it_is_revoked() {
    let scene = Scene::new().await;
    let house = &scene.house;
    assert!(!scene.bob_may(json!({})).await);
    let grant = scene.grant(json!({"Name": "for-bob"})).await;
    assert!(scene.bob_may(json!({})).await);
    let sealed = house
        .ask_as(scene.bob.clone(), "Encrypt", scene.encrypt(&json!({})))
        .await;
    let decrypt = json!({"CiphertextBlob": sealed.expect("allowed")["CiphertextBlob"]});
    house
        .refuses_as(&scene.bob, "Decrypt", &[(decrypt, "AccessDeniedException")])
        .await;
    house
        .refuses_as(
            &scene.carol,
            "Encrypt",
            &[(scene.encrypt(&json!({})), "AccessDeniedException")],
        )
        .await;
    // Whoever asks why is told which grant it was.
    let need = Need::also("kms:Encrypt", Resource::at(&scene.key));
    let decision = house
        .access
        .decide(&scene.bob, std::slice::from_ref(&need))
        .await
        .expect("decided");
    let Decision::Allow(allowed) = decision else {
        panic!("denied")
    };
    let statement = allowed.statement().expect("a statement").to_string();
    assert_eq!(statement, format!("grant {}/for-bob", text(&grant["GrantId"])));

    let explained = house.access.explain(&scene.bob, &need, &Context::new()).await;
    let explained = explained.expect("explained").to_string();
    assert!(
        explained.starts_with(&format!("allowed by {statement}\n")),
        "{explained}"
    );

    // The same once more is the same grant.
    let again = scene.grant(json!({"Name": "for-bob"})).await;
    assert_eq!(again["GrantId"], grant["GrantId"]);
    let listed = house.done("ListGrants", json!({"KeyId": scene.key})).await;
    assert_eq!(listed["Grants"].as_array().map(Vec::len), Some(1));
    assert_eq!(listed["Grants"][0]["GranteePrincipal"], BOB);

    let revoke = json!({"KeyId": scene.key, "GrantId": grant["GrantId"]});
    house.done("RevokeGrant", revoke.clone()).await;
    assert!(!scene.bob_may(json!({})).await);
    house
        .refuses("RevokeGrant", &[(revoke, "NotFoundException")])
        .await;
}

#[tokio::test]
async fn a_constraint_is_about_the_whole_context_or_a_part_of_it() {
    let pairs = json!({"Tenant": "a"});
    for (constraint, with_more) in [
        ("EncryptionContextEquals", false),
        ("EncryptionContextSubset", true),
    ] {
        let scene = Scene::new().await;
        scene.grant(json!({"Constraints": {constraint: pairs}})).await;
        assert!(scene.bob_may(json!({"Tenant": "a"})).await, "{constraint}");
        assert_eq!(
            scene.bob_may(json!({"Tenant": "a", "More": "x"})).await,
            with_more,
            "{constraint}"
        );
        for wrong in [
            json!({}),
            json!({"Tenant": "b"}),
            json!({"tenant": "a"}),
            json!({"More": "a"}),
            json!({"Tenant": "A"}),
        ] {
            assert!(!scene.bob_may(wrong.clone()).await, "{constraint} {wrong}");
        }
    }
    let scene = Scene::new().await;
    scene
        .grant(json!({"Constraints": {"EncryptionContextEquals": {}}}))
        .await;
    assert!(scene.bob_may(json!({})).await);
    assert!(!scene.bob_may(json!({"a": "b"})).await);
}

#[tokio::test]
async fn of_two_constraints_one_that_holds_nothing_is_none() {
    let pairs = json!({"Tenant": "a"});
    for (constraint, empty, with_more) in [
        ("EncryptionContextEquals", "EncryptionContextSubset", false),
        ("EncryptionContextSubset", "EncryptionContextEquals", true),
    ] {
        let scene = Scene::new().await;
        scene
            .grant(json!({"Constraints": {constraint: pairs, empty: {}}}))
            .await;
        assert!(scene.bob_may(pairs.clone()).await, "{constraint}");
        assert!(!scene.bob_may(json!({})).await, "{constraint}");
        assert_eq!(
            scene.bob_may(json!({"Tenant": "a", "More": "x"})).await,
            with_more,
            "{constraint}"
        );
    }
}

#[tokio::test]
async fn an_explanation_asks_for_the_context_of_a_constraint() {
    let scene = Scene::new().await;
    scene
        .grant(json!({"Constraints": {"EncryptionContextEquals": {"a": "b"}}}))
        .await;
    let need = Need::also("kms:encrypt", Resource::at(&scene.key));
    let facts = Context::new()
        .with("kms:EncryptionContextKeys", "a")
        .with("kms:EncryptionContext:a", "b");
    for (facts, allowed) in [(facts, true), (Context::new(), false)] {
        let explained = scene.house.access.explain(&scene.bob, &need, &facts).await;
        let explained = explained.expect("explained");
        assert_eq!(explained.verdict.is_allowed(), allowed, "{explained}");
    }
}

#[tokio::test]
async fn nothing_in_a_constraint_is_a_pattern() {
    let scene = Scene::new().await;
    let pairs = json!({"a": "*", "b": "${aws:username}"});
    scene
        .grant(json!({"Constraints": {"EncryptionContextEquals": pairs}}))
        .await;
    assert!(scene.bob_may(pairs).await);
    assert!(!scene.bob_may(json!({"a": "x", "b": "bob"})).await);
}

#[tokio::test]
async fn a_grant_made_by_the_right_of_another_allows_no_more() {
    let scene = Scene::new().await;
    let house = &scene.house;
    let constraints = json!({"EncryptionContextEquals": {"a": "b"}});
    scene
        .grant(json!({"Operations": ["CreateGrant", "Encrypt"], "Constraints": constraints}))
        .await;
    let child = |operations: Value, constraints: Value| {
        json!({
            "KeyId": scene.key, "GranteePrincipal": CAROL, "Operations": operations, "Constraints": constraints,
        })
    };
    let denied = "AccessDeniedException";
    house
        .refuses_as(
            &scene.bob,
            "CreateGrant",
            &[
                (child(json!(["Decrypt"]), constraints.clone()), denied),
                (child(json!(["Encrypt", "Decrypt"]), constraints.clone()), denied),
                (child(json!(["Encrypt"]), json!({})), denied),
                (
                    child(json!(["Encrypt"]), json!({"EncryptionContextSubset": {"a": "b"}})),
                    denied,
                ),
            ],
        )
        .await;
    house
        .done_as(
            scene.bob.clone(),
            "CreateGrant",
            child(json!(["Encrypt"]), constraints),
        )
        .await;
    let encrypt = scene.encrypt(&json!({"a": "b"}));
    house.done_as(scene.carol.clone(), "Encrypt", encrypt).await;
}

#[tokio::test]
async fn whom_a_grant_names_retires_it_and_no_other() {
    let scene = Scene::new().await;
    let house = &scene.house;
    let own = scene.grant(json!({"RetiringPrincipal": CAROL})).await;
    let another = scene.grant(json!({"Name": "another"})).await;
    let by_token = |grant: &Value| json!({"GrantToken": grant["GrantToken"]});
    let denied = "AccessDeniedException";
    house
        .refuses_as(&scene.carol, "RetireGrant", &[(by_token(&another), denied)])
        .await;
    house
        .refuses_as(&scene.bob, "RetireGrant", &[(by_token(&own), denied)])
        .await;
    house
        .refuses_as(
            &scene.carol,
            "RetireGrant",
            &[
                (json!({}), "ValidationException"),
                (json!({"GrantToken": "made-up"}), "InvalidGrantTokenException"),
                (
                    json!({"GrantToken": own["GrantToken"], "DryRun": true}),
                    "DryRunOperationException",
                ),
            ],
        )
        .await;
    let retirable = json!({"RetiringPrincipal": CAROL});
    let listed = house.done("ListRetirableGrants", retirable).await;
    assert_eq!(listed["Grants"][0]["GrantId"], own["GrantId"]);
    house
        .done_as(scene.carol.clone(), "RetireGrant", by_token(&own))
        .await;
    let left = house.done("ListGrants", json!({"KeyId": scene.key})).await;
    assert_eq!(left["Grants"].as_array().map(Vec::len), Some(1));
    assert_eq!(left["Grants"][0]["GrantId"], another["GrantId"]);
}

#[tokio::test]
async fn a_grant_with_a_name_is_retired_by_both_whom_it_names() {
    let scene = Scene::new().await;
    for whom in [&scene.bob, &scene.carol] {
        let grant = scene
            .grant(json!({"Name": "both", "Operations": ["RetireGrant"], "RetiringPrincipal": CAROL}))
            .await;
        scene
            .house
            .ask_as(
                whom.clone(),
                "RetireGrant",
                json!({"GrantToken": grant["GrantToken"]}),
            )
            .await
            .expect("retired");
    }
}

#[tokio::test]
async fn a_grant_for_another_account_needs_that_accounts_word_too() {
    let scene = Scene::new().await;
    let house = &scene.house;
    let nobody = house.give_user_in(&other(), "nobody", json!(null)).await;
    let admin = house.other_admin();
    for name in ["nobody", "admin"] {
        let grantee = format!("arn:aws:iam::{OTHER}:user/{name}");
        scene.grant(json!({"GranteePrincipal": grantee})).await;
    }
    let encrypt = scene.encrypt(&json!({}));
    house.done_as(admin, "Encrypt", encrypt.clone()).await;
    house
        .refuses_as(&nobody, "Encrypt", &[(encrypt, "AccessDeniedException")])
        .await;
}

#[tokio::test]
async fn grants_are_for_principals_that_are_there() {
    let scene = Scene::new().await;
    let grant = |grantee: &str, operation: &str| json!({"KeyId": scene.key, "GranteePrincipal": grantee, "Operations": [operation]});
    let mut both = grant(BOB, "Encrypt");
    both["Constraints"] =
        json!({"EncryptionContextEquals": {"a": "b"}, "EncryptionContextSubset": {"a": "b"}});
    let mut token = grant(BOB, "Encrypt");
    token["GrantTokens"] = json!(["made-up"]);
    let mut dry = grant(BOB, "Encrypt");
    dry["DryRun"] = json!(true);
    scene
        .house
        .refuses(
            "CreateGrant",
            &[
                (
                    grant("arn:aws:iam::123456789012:user/none", "Encrypt"),
                    "InvalidArnException",
                ),
                (grant("bob", "Encrypt"), "InvalidArnException"),
                (grant("123456789012", "Encrypt"), "InvalidArnException"),
                (grant(BOB, "Sign"), "ValidationException"),
                (both, "ValidationException"),
                (token, "InvalidGrantTokenException"),
                (dry, "DryRunOperationException"),
            ],
        )
        .await;
    let listed = scene.house.ask("ListGrants", json!({"KeyId": scene.key})).await;
    assert_eq!(listed.expect("listed")["Grants"], json!([]));
}

/// Every decision on a key reads all its grants, so what one may say is bounded, as on AWS.
#[tokio::test]
async fn a_constraint_has_eight_pairs_of_384_characters_at_most() {
    let scene = Scene::new().await;
    let pairs = |count: usize, length: usize| {
        let pairs = (0..count).map(|at| (format!("key{at}"), json!("é".repeat(length))));
        Value::Object(pairs.collect())
    };
    let input = |kind: &str, pairs: Value| json!({"KeyId": scene.key, "GranteePrincipal": BOB, "Operations": ["Encrypt"], "Constraints": {kind: pairs}});
    for kind in ["EncryptionContextSubset", "EncryptionContextEquals"] {
        let largest = input(kind, pairs(8, 384));
        scene.house.ask("CreateGrant", largest).await.expect("created");
        for (count, length) in [(9, 1), (1, 385)] {
            let larger = input(kind, pairs(count, length));
            scene
                .house
                .refuses("CreateGrant", &[(larger, "ValidationException")])
                .await;
        }
    }
}
