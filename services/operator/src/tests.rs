use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use drawbridge_aws_dialects::model;
use drawbridge_house::{House, modelled};
use drawbridge_session::iam::{Holder, NODE_ROLE, NewUser};
use drawbridge_session::{AccountId, Principal};
use drawbridge_store::Foundation;
use drawbridge_store::credentials::credential;
use drawbridge_store::{Credential, Directories as _};
use serde_json::{Value, json};

use super::*;

struct World {
    house: House,
    operator: Arc<Operator>,
}

impl World {
    async fn new() -> Self {
        let house = House::new().await;
        let operator = Operator::new(house.foundation(), Arc::new(house.access.clone()));
        Self {
            house,
            operator: Arc::new(operator),
        }
    }

    async fn ask(&self, caller: Caller, name: &str, input: Value) -> Result<Value, AwsError> {
        let operation = Operator::operation(name).expect("handled");
        self.house
            .ask(&self.operator, model::drawbridge(), operation, caller, input)
            .await
    }

    async fn create(&self, input: Value) -> Value {
        let answer = self.ask(self.house.admin(), "CreateAccount", input).await;
        answer.expect("created")
    }

    async fn list(&self) -> Vec<Value> {
        let answer = self.ask(self.house.admin(), "ListAccounts", json!({})).await;
        answer.expect("listed")["Accounts"]
            .as_array()
            .expect("a list")
            .clone()
    }
}

fn id_of(answer: &Value) -> AccountId {
    AccountId::parse(answer["AccountId"].as_str().expect("a text")).expect("an id")
}

#[test]
fn every_operation_has_a_model_and_its_actions_are_drawbridges() {
    let modelled = BTreeSet::from_iter(modelled(model::drawbridge()));
    for operation in OPERATIONS {
        assert!(modelled.contains(operation.name));
        assert_eq!(operation.action, format!("drawbridge:{}", operation.name));
    }
}

#[tokio::test]
async fn a_new_account_has_an_administrator_and_a_role_for_nodes() {
    let world = World::new().await;
    let answer = world
        .create(json!({"Name": "lab", "Email": "lab@example.com"}))
        .await;
    assert_eq!(answer["UserName"], "admin");

    let id = answer["AccessKeyId"].as_str().expect("a text");
    let house = &world.house;
    let now = house.clock.now();
    let found = credential(house.store.as_ref(), &house.root, id, None, &house.region, now).await;
    let Ok(Credential::Secret {
        secret, principal, ..
    }) = found
    else {
        panic!("no credential: {found:?}");
    };
    assert!(secret.equals(answer["SecretAccessKey"].as_str().expect("a text")));
    let account = id_of(&answer);
    assert_eq!(principal.arn(), format!("arn:aws:iam::{account}:user/admin"));
    assert!(matches!(principal, Principal::User { .. }));

    let directory = house.store.directory(&account).expect("there");
    let policies = |found: Option<drawbridge_session::iam::PrincipalPolicies>| {
        let found = found.expect("there").identity;
        found.iter().map(|it| it.name().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(
        policies(directory.user_policies("admin")),
        ["arn:aws:iam::aws:policy/AdministratorAccess"]
    );
    assert_eq!(
        policies(directory.role_policies(NODE_ROLE)),
        ["role/DrawbridgeNodeRole/AmazonSSMManagedInstanceCore"]
    );
}

#[tokio::test]
async fn an_account_joins_the_organization_unless_it_is_to_stay_outside() {
    let world = World::new().await;
    let joined = world.create(json!({"Name": "in"})).await;
    let outside = world
        .create(json!({"Name": "out", "JoinOrganization": false}))
        .await;
    let organization = |answer| world.house.store.organization_of(&id_of(answer));
    assert_eq!(
        organization(&joined).map(|id| id.to_string()).as_deref(),
        Some("o-exampleorgid")
    );
    assert_eq!(organization(&outside), None);
}

#[tokio::test]
async fn accounts_are_listed_the_oldest_first() {
    let world = World::new().await;
    world.house.clock.advance(Duration::from_secs(60));
    let second = world
        .create(json!({"Name": "second", "Email": "b@example.com"}))
        .await;
    world.house.clock.advance(Duration::from_secs(60));
    let third = world
        .create(json!({"Name": "third", "JoinOrganization": false}))
        .await;
    let now = world.house.clock.now().as_second();
    let expected = [
        json!({"AccountId": "123456789012", "Name": "test", "Email": "test@example.com",
            "OrganizationId": "o-exampleorgid", "IsManagement": true, "CreatedAt": now - 120}),
        json!({"AccountId": second["AccountId"], "Name": "second", "Email": "b@example.com",
            "OrganizationId": "o-exampleorgid", "IsManagement": false, "CreatedAt": now - 60}),
        json!({"AccountId": third["AccountId"], "Name": "third", "IsManagement": false, "CreatedAt": now}),
    ];
    assert_eq!(world.list().await, expected);
}

#[tokio::test]
async fn administrators_of_other_accounts_may_do_nothing_here() {
    let world = World::new().await;
    let made = world.create(json!({"Name": "lab"})).await;
    let theirs = world.house.user_of(&id_of(&made), "admin");
    let root = Caller {
        principal: Principal::Root {
            account: id_of(&made),
        },
        ..theirs.clone()
    };
    for caller in [theirs, root] {
        for (name, input) in [
            ("CreateAccount", json!({"Name": "more"})),
            ("ListAccounts", json!({})),
        ] {
            let error = world.ask(caller.clone(), name, input).await.expect_err("refused");
            assert_eq!(error.code(), "AccessDeniedException");
            assert!(
                error
                    .message()
                    .contains("the account that the server started with"),
                "{error}"
            );
        }
    }
    assert_eq!(world.list().await.len(), 2);
}

#[tokio::test]
async fn policies_decide_within_the_first_account() {
    let world = World::new().await;
    let (now, random) = (world.house.clock.now(), world.house.random.as_ref());
    let bob = NewUser {
        name: "bob",
        ..NewUser::default()
    };
    world
        .house
        .change(|directory| directory.create_user(bob, now, random))
        .await;
    let ask = async || {
        world
            .ask(world.house.user("bob"), "CreateAccount", json!({"Name": "x"}))
            .await
    };
    let error = ask().await.expect_err("refused");
    assert!(
        error
            .message()
            .ends_with("because no identity-based policy allows the drawbridge:CreateAccount action"),
        "{error}"
    );
    let may = r#"{"Statement": {"Effect": "Allow", "Action": "drawbridge:CreateAccount", "Resource": "*"}}"#;
    world
        .house
        .change(|directory| directory.put_inline_policy(Holder::User("bob"), "may", may))
        .await;
    assert!(ask().await.is_ok());
    for caller in [world.house.anonymous(), world.house.role("NodeRole", "bob")] {
        let asked = world.ask(caller, "CreateAccount", json!({"Name": "x"})).await;
        assert_eq!(asked.expect_err("refused").code(), "AccessDeniedException");
    }
}

#[tokio::test]
async fn names_and_addresses_have_their_rules() {
    let world = World::new().await;
    for input in [
        json!({}),
        json!({"Name": ""}),
        json!({"Name": "n".repeat(51)}),
        json!({"Name": "bell\u{7}"}),
        json!({"Name": "né"}),
        json!({"Name": "x", "Email": "nobody"}),
        json!({"Name": "x", "Email": format!("{}@example.com", "n".repeat(64))}),
    ] {
        let error = world
            .ask(world.house.admin(), "CreateAccount", input.clone())
            .await
            .expect_err("refused");
        assert_eq!(error.code(), "ValidationException", "{input}");
    }
    assert_eq!(world.list().await.len(), 1);
}

#[tokio::test]
async fn a_clock_that_goes_back_makes_no_older_account() {
    let world = World::new().await;
    let past = world.house.clock.now() - jiff::SignedDuration::from_hours(24);
    let clock = Arc::new(drawbridge_session::FixedClock::new(past));
    let house = &world.house;
    let foundation = Foundation {
        clock,
        ..house.foundation()
    };
    let operator = Operator::new(foundation, Arc::new(house.access.clone()));
    let world = World {
        operator: Arc::new(operator),
        ..world
    };
    for name in ["a", "b", "c", "d"] {
        world.create(json!({"Name": name})).await;
    }
    assert_eq!(world.list().await[0]["AccountId"], "123456789012");
}

#[tokio::test]
async fn a_thousand_accounts_are_the_most() {
    let world = World::new().await;
    for n in 1..1000 {
        let account = Account {
            id: AccountId::parse(&format!("9{n:011}")).expect("valid"),
            name: "x".to_owned(),
            email: String::new(),
            organization: None,
            created_at: world.house.clock.now(),
        };
        world.house.store.create_account(&account).await.expect("created");
    }
    let asked = world
        .ask(world.house.admin(), "CreateAccount", json!({"Name": "x"}))
        .await;
    assert_eq!(
        asked.expect_err("refused").to_string(),
        "LimitExceededException: Cannot exceed quota for Accounts: 1000"
    );
}
