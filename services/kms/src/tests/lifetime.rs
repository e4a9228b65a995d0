//! What happens to keys over time: rotation and deletion.

use std::time::Duration;

use drawbridge_session::KeyId;
use drawbridge_store::{Key, KeyManager, KeyState, Keyring as _, MaterialId};
use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::PLAIN;
use crate::testing::{House, text};

fn days(count: u64) -> Duration {
    Duration::from_secs(count * 24 * 3600)
}

async fn sealed(house: &House, key: &str) -> Value {
    let encrypt = json!({"KeyId": key, "Plaintext": PLAIN});
    let sealed = house.done("Encrypt", encrypt).await;
    json!({"CiphertextBlob": sealed["CiphertextBlob"]})
}

async fn opened(house: &House, sealed: &Value) -> (String, String) {
    let opened = house.done("Decrypt", sealed.clone()).await;
    (text(&opened["Plaintext"]), text(&opened["KeyMaterialId"]))
}

#[tokio::test]
async fn an_old_ciphertext_stays_readable_when_its_key_is_rotated() {
    let house = House::new().await;
    let key = house.key().await;
    let of_key = json!({"KeyId": key});
    let old = sealed(&house, &key).await;
    let (_, first) = opened(&house, &old).await;
    let rotated = house.done("RotateKeyOnDemand", of_key.clone()).await;
    assert_eq!(rotated, json!({ "KeyId": key }));
    let new = sealed(&house, &key).await;
    let (plain, second) = opened(&house, &new).await;
    assert_eq!(
        (plain.as_str(), opened(&house, &old).await),
        (PLAIN, (PLAIN.to_owned(), first.clone()))
    );
    assert_ne!(first, second);
    let listed = house.done("ListKeyRotations", of_key.clone()).await;
    assert_eq!(listed["Rotations"].as_array().map(Vec::len), Some(1));
    assert_eq!(listed["Rotations"][0]["KeyMaterialId"], json!(second));
    assert_eq!(listed["Rotations"][0]["RotationType"], "ON_DEMAND");
    let all = json!({"KeyId": key, "IncludeKeyMaterial": "ALL_KEY_MATERIAL", "Limit": 1});
    let listed = house.done("ListKeyRotations", all.clone()).await;
    assert_eq!(listed["Rotations"][0]["KeyMaterialId"], json!(first));
    let mut next = all;
    next["Marker"] = listed["NextMarker"].clone();
    let listed = house.done("ListKeyRotations", next).await;
    assert_eq!(listed["Rotations"][0]["KeyMaterialId"], json!(second));
    assert_eq!(listed["Truncated"], false);
}

#[tokio::test]
async fn a_key_is_rotated_when_it_is_time() {
    let house = House::new().await;
    let key = house.key().await;
    let of_key = json!({"KeyId": key});
    let status = async || house.done("GetKeyRotationStatus", of_key.clone()).await;
    assert_eq!(status().await["KeyRotationEnabled"], false);
    let enable = json!({"KeyId": key, "RotationPeriodInDays": 90});
    house.done("EnableKeyRotation", enable).await;
    assert_eq!(status().await["RotationPeriodInDays"], 90);
    let old = sealed(&house, &key).await;

    house.clock.advance(days(89));
    house.service.keep_up().await.expect("kept up");
    let listed = house.done("ListKeyRotations", of_key.clone()).await;
    assert_eq!(listed["Rotations"], json!([]));
    house.clock.advance(days(1));
    for _ in 0..2 {
        house.service.keep_up().await.expect("kept up");
    }
    let listed = house.done("ListKeyRotations", of_key.clone()).await;
    assert_eq!(listed["Rotations"].as_array().map(Vec::len), Some(1));
    assert_eq!(listed["Rotations"][0]["RotationType"], "AUTOMATIC");
    assert_eq!(opened(&house, &old).await.0, PLAIN);

    house.done("DisableKeyRotation", of_key.clone()).await;
    house.clock.advance(days(400));
    house.service.keep_up().await.expect("kept up");
    let listed = house.done("ListKeyRotations", of_key).await;
    assert_eq!(listed["Rotations"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn nothing_is_left_of_a_key_whose_date_is_past() {
    let house = House::new().await;
    let key = house
        .key_with(json!({"Tags": [{"TagKey": "a", "TagValue": "b"}]}))
        .await;
    let id = KeyId::parse(key.rsplit('/').next().expect("an id")).expect("valid");
    let alias = json!({"AliasName": "alias/app", "TargetKeyId": key});
    house.done("CreateAlias", alias).await;
    let grantee = "arn:aws:iam::123456789012:user/admin";
    let grant = json!({"KeyId": key, "GranteePrincipal": grantee, "Operations": ["Decrypt"]});
    house.done("CreateGrant", grant).await;
    let sealed = sealed(&house, &key).await;
    let plan = json!({"KeyId": key, "PendingWindowInDays": 7});
    house.done("ScheduleKeyDeletion", plan).await;
    house.clock.advance(days(7) - Duration::from_secs(1));
    house.service.keep_up().await.expect("kept up");
    assert_eq!(house.store.key_materials(&id).await.expect("read").len(), 1);

    house.clock.advance(Duration::from_secs(1));
    house.service.keep_up().await.expect("kept up");
    assert!(house.store.key_materials(&id).await.expect("read").is_empty());
    assert!(house.store.grants(&id).await.expect("read").is_empty());
    house
        .refuses(
            "DescribeKey",
            &[
                (json!({"KeyId": key}), "NotFoundException"),
                (json!({"KeyId": "alias/app"}), "NotFoundException"),
            ],
        )
        .await;
    house.refuses("Decrypt", &[(sealed, "NotFoundException")]).await;
    let listed = house.done("ListAliases", json!({})).await;
    let aliases = listed["Aliases"].as_array().expect("a list");
    assert!(aliases.iter().all(|alias| alias.get("TargetKeyId").is_none()));
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Enable,
    Disable,
    Schedule,
    Cancel,
    Use,
}

/// What a key can do, by its state's first letter: whether the step is allowed, and the state after it.
fn modelled(state: char, step: Step) -> (bool, char) {
    match (state, step) {
        ('P', Step::Cancel) => (true, 'D'),
        ('P', _) | (_, Step::Cancel) => (false, state),
        (_, Step::Enable) => (true, 'E'),
        (_, Step::Disable) => (true, 'D'),
        (_, Step::Schedule) => (true, 'P'),
        (_, Step::Use) => (state == 'E', state),
    }
}

fn key() -> Key {
    Key {
        id: KeyId::parse("1234abcd-12ab-34cd-56ef-1234567890ab").expect("valid"),
        account: "123456789012".parse().expect("valid"),
        region: "us-east-1".parse().expect("valid"),
        manager: KeyManager::Customer,
        state: KeyState::Enabled,
        description: String::new(),
        policy: String::new(),
        created_at: Timestamp::UNIX_EPOCH,
        rotation: None,
        material: MaterialId::from_bytes([0; 32]),
        revision: 0,
    }
}

proptest! {
    #[test]
    fn a_key_goes_from_state_to_state_as_the_model_says(
        steps in proptest::collection::vec(
            prop_oneof![
                Just(Step::Enable), Just(Step::Disable), Just(Step::Schedule), Just(Step::Cancel), Just(Step::Use),
            ],
            0..30,
        ),
    ) {
        let (mut key, mut state) = (key(), 'E');
        for step in steps {
            let before = key.state;
            let done = match step {
                Step::Enable => key.enable().is_ok(),
                Step::Disable => key.disable().is_ok(),
                Step::Schedule => key.schedule_deletion(Timestamp::UNIX_EPOCH, 7).is_ok(),
                Step::Cancel => key.cancel_deletion().is_ok(),
                Step::Use => key.usable().is_ok(),
            };
            let (allowed, after) = modelled(state, step);
            prop_assert_eq!(done, allowed);
            prop_assert_eq!(key.state.as_str().chars().next(), Some(after));
            prop_assert!(done || key.state == before);
            state = after;
        }
    }
}

#[tokio::test]
async fn two_changes_of_one_key_do_not_undo_one_another() {
    let house = House::new().await;
    let arn = house.key().await;
    let id = KeyId::parse(arn.rsplit('/').next().expect("an id")).expect("valid");
    let read = house.store.key(&id).await.expect("read").expect("there");
    let (mut one, mut other) = (read.clone(), read);
    one.description = "one".to_owned();
    other.description = "other".to_owned();
    house.store.change_key(&one, None).await.expect("changed");
    house
        .store
        .change_key(&other, None)
        .await
        .expect_err("changed meanwhile");
    let described = house.done("DescribeKey", json!({"KeyId": arn})).await;
    assert_eq!(described["KeyMetadata"]["Description"], "one");
}
