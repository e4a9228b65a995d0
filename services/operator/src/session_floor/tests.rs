use drawbridge_house::House;
use drawbridge_session::iam::{Holder, NewUser};
use drawbridge_session::{Account, OrganizationId};
use drawbridge_store::{Directories as _, Settings as _};

use super::*;
use crate::testing::Lab;

struct World {
    lab: Lab,
    /// The administrator of an account of the same organization, which does not manage it.
    member: Caller,
}

impl World {
    async fn new() -> Self {
        let lab = Lab::new().await;
        let member = account(&lab.house, "210987654321", Some("o-exampleorgid")).await;
        Self { lab, member }
    }

    async fn ask(&self, operation: &Operation, caller: &Caller, input: Value) -> Result<Value, String> {
        let answer = self.lab.ask(operation, caller.clone(), input).await;
        answer.map_err(|error| error.to_string())
    }

    fn admin(&self) -> Caller {
        self.lab.house.admin()
    }

    async fn shown(&self, caller: &Caller) -> Value {
        self.ask(&GET, caller, json!({})).await.expect("shown")
    }
}

/// Makes an account that is younger than those before; answers its administrator.
async fn account(house: &House, id: &str, organization: Option<&str>) -> Caller {
    let id = AccountId::parse(id).expect("valid");
    let account = Account {
        id: id.clone(),
        name: "member".to_owned(),
        email: String::new(),
        organization: organization.map(|id| OrganizationId::parse(id).expect("valid")),
        created_at: drawbridge_session::Clock::now(house.clock.as_ref())
            + jiff::SignedDuration::from_hours(1),
    };
    assert!(house.store.create_account(&account).await.expect("created"));
    let (now, random) = (account.created_at, house.random.clone());
    house
        .change_in(&id, |directory| {
            let admin = NewUser {
                name: "admin",
                ..NewUser::default()
            };
            directory.create_user(admin, now, random.as_ref())?;
            directory.attach_policy(
                Holder::User("admin"),
                "arn:aws:iam::aws:policy/AdministratorAccess",
            )
        })
        .await;
    house.user_of(&id, "admin")
}

fn put(requirements: &Value) -> Value {
    json!({ "Requirements": requirements })
}

const DENIED: &str = "AccessDeniedException: The floor of an organization, and of its accounts, is set from the account \
                      that manages it.";

#[tokio::test]
async fn an_account_sets_shows_and_removes_its_own() {
    let world = World::new().await;
    let none = json!({"AccountId": "210987654321", "Effective": {"Requirements": []}, "SessionFloors": []});
    assert_eq!(world.shown(&world.member).await, none);
    let input = json!({
        "Requirements": ["reason", "kms", "kms"], "MaxSessionMinutes": 480, "IdleMinutes": 20,
    });
    let rules =
        json!({"Requirements": ["kms", "reason", "no-port"], "MaxSessionMinutes": 480, "IdleMinutes": 20});
    let mut own = json!({"Scope": "account"});
    own.as_object_mut()
        .expect("an object")
        .extend(rules.as_object().expect("an object").clone());
    assert_eq!(
        world.ask(&PUT, &world.member, input).await,
        Ok(json!({"SessionFloor": own}))
    );
    assert_eq!(
        world.shown(&world.member).await,
        json!({"AccountId": "210987654321", "Effective": rules, "SessionFloors": [own]})
    );
    assert_eq!(
        world.shown(&world.admin()).await["SessionFloors"],
        json!([]),
        "nobody else's"
    );
    let allowing = json!({"Requirements": ["kms"], "AllowPort": true});
    world.ask(&PUT, &world.member, allowing).await.expect("replaced");
    assert_eq!(
        world.shown(&world.member).await["Effective"],
        json!({"Requirements": ["kms"]})
    );
    assert_eq!(world.ask(&DELETE, &world.member, json!({})).await, Ok(json!({})));
    assert_eq!(world.shown(&world.member).await, none);
    assert_eq!(
        world.ask(&DELETE, &world.member, json!({})).await,
        Err("DoesNotExistException: There is no session floor of this account.".to_owned())
    );
}

#[tokio::test]
async fn an_account_gets_below_no_floor_that_is_set_over_it() {
    let world = World::new().await;
    let admin = world.admin();
    let organization = json!({"Organization": true, "Requirements": ["recording"], "MaxSessionMinutes": 60});
    world.ask(&PUT, &admin, organization).await.expect("set");
    let member = json!({"AccountId": "210987654321", "Requirements": ["reason"]});
    world.ask(&PUT, &admin, member).await.expect("set");

    let weaker = json!({"Requirements": ["reason"], "MaxSessionMinutes": 1440, "AllowPort": true});
    world.ask(&PUT, &world.member, weaker).await.expect("stored");
    let effective = json!({"Requirements": ["recording", "reason", "no-port"], "MaxSessionMinutes": 60});
    let shown = world.shown(&world.member).await;
    assert_eq!(shown["Effective"], effective);
    let scopes: Vec<_> = shown["SessionFloors"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|floor| floor["Scope"].clone())
        .collect();
    assert_eq!(json!(scopes), json!(["organization", "member", "account"]));
    assert_eq!(
        world
            .ask(&GET, &admin, json!({"AccountId": "210987654321"}))
            .await,
        Ok(shown),
        "whoever manages it sees the same"
    );

    for input in [
        json!({"Organization": true}),
        json!({"AccountId": "123456789012"}),
    ] {
        for operation in [&PUT, &DELETE] {
            let mut input = input.clone();
            if operation.name == PUT.name {
                input["Requirements"] = json!(["reason"]);
            }
            assert_eq!(
                world.ask(operation, &world.member, input).await,
                Err(DENIED.to_owned())
            );
        }
    }
    assert_eq!(
        world
            .ask(&GET, &world.member, json!({"AccountId": "123456789012"}))
            .await,
        Err(DENIED.to_owned())
    );
    // Its own id means its own floor, never the one that is set over it.
    let own = json!({"AccountId": "210987654321"});
    world
        .ask(&DELETE, &world.member, own.clone())
        .await
        .expect("its own");
    assert!(world.ask(&DELETE, &world.member, own).await.is_err());
    assert_eq!(world.shown(&world.member).await["Effective"], effective);
}

#[tokio::test]
async fn a_floor_that_contradicts_itself_is_refused() {
    let world = World::new().await;
    let both = json!({"Requirements": ["no-port", "reason"], "AllowPort": true});
    let refused = world.ask(&PUT, &world.member, both).await;
    let sentence = "A floor cannot require no-port and allow tunnels: leave one of them out.";
    assert_eq!(refused, Err(format!("ValidationException: {sentence}")));
}

#[tokio::test]
async fn an_organization_ends_at_its_accounts() {
    let world = World::new().await;
    let outside = account(&world.lab.house, "310987654321", None).await;
    let other = account(&world.lab.house, "410987654321", Some("o-anotherorgid")).await;
    let rule = json!({"Organization": true, "Requirements": ["reason"]});
    world.ask(&PUT, &world.admin(), rule.clone()).await.expect("set");
    for caller in [&outside, &other] {
        assert_eq!(world.shown(caller).await["SessionFloors"], json!([]));
        let id = caller.account.to_string();
        let over = json!({"AccountId": id, "Requirements": ["reason"]});
        assert_eq!(
            world.ask(&PUT, &world.admin(), over).await,
            Err(format!(
                "AccessDeniedException: Account {id} is none of your organization."
            ))
        );
    }
    let nobodys = json!({"AccountId": "999999999999", "Requirements": ["reason"]});
    assert_eq!(
        world.ask(&PUT, &world.admin(), nobodys).await,
        Err("AccessDeniedException: Account 999999999999 is none of your organization.".to_owned()),
        "what is not there looks like what is somebody else's"
    );
    assert_eq!(
        world.ask(&PUT, &outside, rule.clone()).await,
        Err(DENIED.to_owned())
    );
    world.ask(&PUT, &other, rule).await.expect("it manages its own");
}

#[tokio::test]
async fn policies_decide_who_may() {
    let world = World::new().await;
    let alice = world.lab.house.user("alice");
    for (operation, input) in [
        (&PUT, put(&json!(["reason"]))),
        (&GET, json!({})),
        (&DELETE, json!({})),
    ] {
        let error = world.ask(operation, &alice, input).await.expect_err("denied");
        let expected = format!(
            "because no identity-based policy allows the {} action",
            operation.action
        );
        assert!(error.ends_with(&expected), "{error}");
    }
}

#[tokio::test]
async fn refuses_what_is_no_floor() {
    let world = World::new().await;
    for (input, found) in [
        (json!({}), "A floor without a rule is none"),
        (put(&json!([])), "A floor without a rule is none"),
        (put(&json!(["KMS"])), "enum value set"),
        (json!({"MaxSessionMinutes": 0}), "greater than or equal to 1"),
        (json!({"MaxSessionMinutes": 1441}), "less than or equal to 1440"),
        (json!({"IdleMinutes": 61}), "less than or equal to 60"),
        (
            json!({"AccountId": "12", "IdleMinutes": 6}),
            "regular expression pattern",
        ),
        (
            json!({"AccountId": "123456789012", "Organization": true, "IdleMinutes": 6}),
            "not for both",
        ),
    ] {
        let error = world
            .ask(&PUT, &world.admin(), input.clone())
            .await
            .expect_err("refused");
        assert!(error.starts_with("ValidationException"), "{input}: {error}");
        assert!(error.contains(found), "{input}: {error}");
    }
}

#[tokio::test]
async fn a_floor_that_cannot_be_read_is_not_shown_as_none_and_can_be_replaced() {
    let world = World::new().await;
    let name = "floor/account/210987654321";
    world
        .lab
        .house
        .store
        .set_setting(name, "{")
        .await
        .expect("stored");
    let error = world
        .ask(&GET, &world.member, json!({}))
        .await
        .expect_err("unreadable");
    assert!(error.starts_with("InternalServerError"), "{error}");
    world
        .ask(&PUT, &world.member, put(&json!(["reason"])))
        .await
        .expect("replaced");
    assert_eq!(
        world.shown(&world.member).await["Effective"],
        json!({"Requirements": ["reason"]})
    );
}
