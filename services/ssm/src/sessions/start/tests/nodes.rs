//! Which nodes take sessions, and when.

use super::*;

#[tokio::test]
async fn a_registered_node_takes_sessions_in_the_advanced_tier_only() {
    let house = House::new().await;
    let node = house.online_node().await;
    let (running, _) = house.started_on(&node).await;
    let set = json!({"SettingId": "/ssm/managed-instance/activation-tier", "SettingValue": "standard"});
    house.done("UpdateServiceSetting", set.clone()).await;
    let error = house.ask("StartSession", json!({"Target": node.id})).await;
    let error = error.expect_err("refused");
    assert_eq!(error.code(), "BadRequest");
    assert_eq!(
        error.message(),
        "Enable advanced-instances tier to use Session Manager with your on-premises instances"
    );
    let none = json!({"Target": "mi-0fffffffffffffff0"});
    let error = house.ask("StartSession", none).await.expect_err("not there");
    assert_eq!(error.code(), "TargetNotConnected");
    // What runs goes on.
    let resumed = house.ask("ResumeSession", json!({"SessionId": running})).await;
    assert!(resumed.expect("resumed")["TokenValue"].is_string());
    house
        .done("ResetServiceSetting", json!({"SettingId": set["SettingId"]}))
        .await;
    house.started_on(&node).await;
}

#[tokio::test]
async fn waits_a_little_for_a_node_that_was_there() {
    let house = House::new().await;
    let node = house.node().await;
    assert!(
        house
            .ask("StartSession", json!({"Target": node.id}))
            .await
            .is_err()
    );
    assert_eq!(
        house.relay.longest_patience(),
        Some(house.service.settings.node_patience)
    );
    assert!(house.service.settings.node_patience < PingStatus::PATIENCE);
}

#[tokio::test]
async fn a_node_of_another_region_is_not_there() {
    let house = House::new().await;
    let node = house.online_node().await;
    let mut caller = house.admin();
    caller.region = "eu-west-1".parse().expect("valid");
    let error = house
        .ask_as(caller, "StartSession", json!({"Target": node.id}))
        .await
        .expect_err("elsewhere");
    assert_eq!(error.code(), "TargetNotConnected");
}

#[tokio::test]
async fn a_node_lost_between_the_look_and_the_start_fails_the_session() {
    let house = House::new().await;
    let node = house.online_node().await;
    house.relay.refuse_starts();
    let error = house
        .ask("StartSession", json!({"Target": node.id}))
        .await
        .expect_err("lost");
    assert_eq!(error.code(), "TargetNotConnected");
    let history = house.done("DescribeSessions", json!({"State": "History"})).await;
    assert_eq!(history["Sessions"][0]["Status"], "Failed");
}

#[tokio::test]
async fn what_is_no_longer_allowed_when_the_node_is_there_does_not_start() {
    let house = House::new().await;
    let node = house.online_node().await;
    // The decision is about policies; that the key is gone shows only when it is looked at again.
    let caller = Caller {
        access_key_id: "AKIAAAAAAAAAAAAAAAAA".parse().ok(),
        ..house.admin()
    };
    let error = house
        .ask_as(caller, "StartSession", json!({"Target": node.id}))
        .await
        .expect_err("too late");
    assert_eq!(error.code(), "AccessDeniedException");
    assert!(error.message().contains("not active any more"), "{error}");
    assert!(house.relay.started().is_empty());
    let history = house.done("DescribeSessions", json!({"State": "History"})).await;
    assert_eq!(history["Sessions"][0]["Status"], "Failed");
}
