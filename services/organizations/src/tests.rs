use std::sync::Arc;
use std::time::Duration;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_aws_dialects::model;
use drawbridge_house::{House, modelled};
use drawbridge_session::{Account, AccountId, Caller, Clock as _, OrganizationId};
use drawbridge_store::Directories as _;
use serde_json::{Value, json};

use super::*;

const ORGANIZATION: &str = "o-exampleorgid";

struct World {
    house: House,
    service: Arc<Organizations>,
    member: AccountId,
    outside: AccountId,
}

impl World {
    /// Has a management account, a younger member with a smaller id, and an account outside.
    async fn new() -> Self {
        let house = House::new().await;
        let [member, outside] =
            ["111111111111", "222222222222"].map(|id| AccountId::parse(id).expect("valid"));
        house.clock.advance(Duration::from_secs(60));
        house.found(&member, ORGANIZATION).await;
        house.found(&outside, "none").await;
        let service = Arc::new(Organizations::new(house.store.clone()));
        Self {
            house,
            service,
            member,
            outside,
        }
    }

    async fn ask(&self, caller: Caller, name: &str, input: Value) -> Result<Value, AwsError> {
        let operation = Organizations::operation(name).expect("handled");
        self.house
            .ask(&self.service, model::organizations(), operation, caller, input)
            .await
    }

    async fn add_members(&self, count: u32) {
        for n in 0..count {
            let account = Account {
                id: AccountId::parse(&format!("9{n:011}")).expect("valid"),
                name: format!("account {n}"),
                email: String::new(),
                organization: OrganizationId::parse(ORGANIZATION).ok(),
                created_at: self.house.clock.now(),
            };
            let created = self.house.store.create_account(&account).await;
            assert!(created.expect("created"));
        }
    }
}

#[test]
fn every_modelled_operation_has_a_handler_and_every_handler_a_model() {
    let handled: Vec<_> = OPERATIONS.iter().map(|it| it.name.to_owned()).collect();
    assert_eq!(handled, modelled(model::organizations()));
    for operation in OPERATIONS {
        assert_eq!(operation.action, format!("organizations:{}", operation.name));
    }
}

#[tokio::test]
async fn every_member_sees_the_organization_and_who_manages_it() {
    let world = World::new().await;
    let expected = json!({"Organization": {
        "Id": "o-exampleorgid",
        "Arn": "arn:aws:organizations::123456789012:organization/o-exampleorgid",
        "FeatureSet": "ALL",
        "MasterAccountArn": "arn:aws:organizations::123456789012:account/o-exampleorgid/123456789012",
        "MasterAccountId": "123456789012",
        "MasterAccountEmail": "test@example.com",
        "AvailablePolicyTypes": [],
    }});
    for caller in [world.house.admin(), world.house.user_of(&world.member, "admin")] {
        let answer = world.ask(caller, "DescribeOrganization", json!({})).await;
        assert_eq!(answer, Ok(expected.clone()));
    }
}

#[tokio::test]
async fn an_account_outside_has_no_organization() {
    let world = World::new().await;
    let outside = world.house.user_of(&world.outside, "admin");
    for operation in OPERATIONS {
        let input = json!({"AccountId": "123456789012"});
        let error = world
            .ask(outside.clone(), operation.name, input)
            .await
            .expect_err("refused");
        assert_eq!(error.code(), "AWSOrganizationsNotInUseException");
    }
}

#[tokio::test]
async fn only_the_management_account_looks_at_the_others() {
    let world = World::new().await;
    let member = world.house.user_of(&world.member, "admin");
    for name in [
        "DescribeAccount",
        "ListAccounts",
        "ListRoots",
        "ListAWSServiceAccessForOrganization",
    ] {
        let input = json!({"AccountId": "111111111111"});
        let error = world
            .ask(member.clone(), name, input.clone())
            .await
            .expect_err("refused");
        assert_eq!(error.code(), "AccessDeniedException", "{name}");
        assert!(
            world.ask(world.house.admin(), name, input).await.is_ok(),
            "{name}"
        );
    }
}

#[tokio::test]
async fn whoever_no_policy_allows_is_told_nothing() {
    let world = World::new().await;
    for operation in OPERATIONS {
        let bob = world.house.role("NodeRole", "bob");
        let input = json!({"AccountId": "123456789012"});
        let error = world.ask(bob, operation.name, input).await.expect_err("refused");
        assert!(error.message().contains(operation.action), "{error}");
    }
}

#[tokio::test]
async fn an_account_is_described_as_aws_does() {
    let world = World::new().await;
    let admin = world.house.admin();
    let ask = async |id: &str| {
        let input = json!({"AccountId": id});
        world.ask(admin.clone(), "DescribeAccount", input).await
    };
    let joined = world.house.clock.now().as_second();
    let expected = json!({"Account": {
        "Id": "111111111111",
        "Arn": "arn:aws:organizations::123456789012:account/o-exampleorgid/111111111111",
        "Email": "test@example.com",
        "Name": "test",
        "Status": "ACTIVE",
        "State": "ACTIVE",
        "Paths": ["o-exampleorgid/r-exam/111111111111/"],
        "JoinedMethod": "CREATED",
        "JoinedTimestamp": joined,
    }});
    assert_eq!(ask("111111111111").await, Ok(expected));
    assert_eq!(
        ask("123456789012").await.expect("there")["Account"]["JoinedMethod"],
        "INVITED"
    );
    for (id, code) in [
        ("222222222222", "AccountNotFoundException"),
        ("333333333333", "AccountNotFoundException"),
        ("1", "ValidationException"),
    ] {
        assert_eq!(ask(id).await.expect_err("refused").code(), code, "{id}");
    }
}

#[tokio::test]
async fn accounts_come_in_pages_the_oldest_first() {
    let world = World::new().await;
    world.add_members(43).await;
    let admin = world.house.admin();
    let mut seen = Vec::new();
    let mut input = json!({});
    loop {
        let answer = world
            .ask(admin.clone(), "ListAccounts", input)
            .await
            .expect("listed");
        let page = answer["Accounts"].as_array().expect("a list");
        assert!(page.len() <= 20);
        seen.extend(page.iter().map(|it| it["Id"].as_str().expect("an id").to_owned()));
        match answer["NextToken"].as_str() {
            Some(token) => input = json!({"NextToken": token}),
            None => break,
        }
    }
    assert_eq!(seen.len(), 45);
    assert_eq!(seen[..3], ["123456789012", "111111111111", "900000000000"]);
    assert!(!seen.contains(&"222222222222".to_owned()));

    let ask = async |input: Value| world.ask(admin.clone(), "ListAccounts", input).await;
    let one = ask(json!({"MaxResults": 1})).await.expect("listed");
    assert_eq!(one["Accounts"].as_array().map(Vec::len), Some(1));
    for (input, code) in [
        (json!({"MaxResults": 0}), "ValidationException"),
        (json!({"MaxResults": 21}), "ValidationException"),
        (json!({"NextToken": "222222222222"}), "InvalidInputException"),
        (json!({"NextToken": "made up"}), "InvalidInputException"),
    ] {
        assert_eq!(ask(input).await.expect_err("refused").code(), code);
    }
}

#[tokio::test]
async fn the_root_has_an_id_of_its_own() {
    let world = World::new().await;
    let answer = world.ask(world.house.admin(), "ListRoots", json!({})).await;
    let expected = json!({"Roots": [{
        "Id": "r-exam",
        "Arn": "arn:aws:organizations::123456789012:root/o-exampleorgid/r-exam",
        "Name": "Root",
        "PolicyTypes": [],
    }]});
    assert_eq!(answer, Ok(expected));
}
