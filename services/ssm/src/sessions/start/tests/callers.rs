//! Who may start sessions, and how they are named.

use super::*;

#[tokio::test]
async fn no_more_sessions_than_the_account_allows() {
    let house = House::new().await;
    let (first, second) = (house.online_node().await.id, house.online_node().await.id);
    let limit = async |of: &str, value: &str| {
        let id = format!("/drawbridge/sessions/{of}");
        let input = json!({"SettingId": id, "SettingValue": value});
        house.done("UpdateServiceSetting", input).await;
    };
    let start = async |caller: Caller, node: &NodeId| {
        let answer = house
            .ask_as(caller, "StartSession", json!({"Target": node}))
            .await;
        answer.map(|it| SessionId::parse(it["SessionId"].as_str().expect("an id")).expect("valid"))
    };
    let may = json!([{"Effect": "Allow", "Action": "ssm:StartSession", "Resource": "*"}]);
    let alice = house.give_user("alice", may).await;

    limit("per-user", "1").await;
    let session = start(house.admin(), &first).await.expect("the first");
    let error = start(house.admin(), &second).await.expect_err("one too many");
    assert_eq!(error.code(), "ServiceQuotaExceededException");
    assert_eq!(
        error.message(),
        "arn:aws:iam::123456789012:user/admin has 1 live sessions already, which is the limit of the service \
         setting /drawbridge/sessions/per-user."
    );
    start(alice.clone(), &first).await.expect("another's first");

    limit("per-user", "unlimited").await;
    limit("per-node", "2").await;
    let error = start(house.admin(), &first).await.expect_err("one too many");
    assert!(error.message().starts_with(first.as_str()), "{error}");
    start(house.admin(), &second).await.expect("on another node");
    house.end(&session).await;
    start(alice, &first).await.expect("there is room again");
}

#[tokio::test]
async fn nodes_and_roles_without_policies_may_not() {
    let house = House::new().await;
    let node = house.online_node().await;
    for caller in [house.node_role(&node), house.as_role("bob")] {
        let arn = caller.principal.arn();
        let error = house
            .ask_as(caller, "StartSession", json!({"Target": node.id}))
            .await
            .expect_err("denied");
        assert_eq!(error.code(), "AccessDeniedException");
        assert_eq!(
            error.message(),
            format!(
                "User: {arn} is not authorized to perform: ssm:StartSession on resource: \
                 arn:aws:ssm:us-east-1:123456789012:managed-instance/{} because no identity-based policy allows \
                 the ssm:StartSession action",
                node.id
            )
        );
    }
    assert!(house.relay.started().is_empty());
}

#[tokio::test]
async fn the_root_of_the_account_has_sessions_named_root() {
    let house = House::new().await;
    let node = house.online_node().await;
    let mut caller = house.admin();
    caller.principal = Principal::Root {
        account: caller.account.clone(),
    };
    let answer = house
        .done_as(caller, "StartSession", json!({"Target": node.id}))
        .await;
    assert!(answer["SessionId"].as_str().expect("an id").starts_with("root-0"));
}
