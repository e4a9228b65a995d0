//! A server without its sockets: what the tests of services stand on.
//!
//! A [`House`] has a store in a temporary folder, one account with an administrator and a role for nodes, the real
//! decisions over them, a clock that stands still and a seeded source. Its [`House::ask`] does what the gateway does
//! with a request: the model, the decision, the handler; and it checks that the answer is what the model promises. A
//! [`Stage`] is a house with a service in it.

mod answer;
mod callers;
mod disk;
mod keys;
mod nodes;
mod stage;

use std::sync::Arc;

pub use disk::FakeDisk;
pub use keys::{FakeKeys, KEY, KeyUsed};
pub use stage::Stage;

use drawbridge_access::Access;
use drawbridge_aws_dialects::error::{AwsError, Family};
use drawbridge_aws_dialects::json11;
use drawbridge_aws_dialects::model::Service;
use drawbridge_session::iam::{Directory, IamError, NewRole, NewUser};
use drawbridge_session::{
    Account, AccountId, Caller, Clock as _, Declaration, FakeRelay, FixedClock, Operation, OrganizationId,
    Refusal, Region, SeededRandom, iam,
};
use drawbridge_store::{Directories as _, Foundation, RootKey, Sqlite, change_directory};
use serde_json::{Value, json};

/// The role of nodes, with AWS's policy for them.
pub const NODE_ROLE: &str = "NodeRole";

/// What the tests of a service need.
pub struct House {
    /// The store.
    pub store: Arc<Sqlite>,
    /// Its root key.
    pub root: Arc<RootKey>,
    /// The decisions.
    pub access: Access,
    /// A relay that remembers.
    pub relay: Arc<FakeRelay>,
    /// 2026-01-02T03:04:05Z until it is moved.
    pub clock: Arc<FixedClock>,
    /// The same for every test.
    pub random: Arc<SeededRandom>,
    /// `123456789012`.
    pub account: AccountId,
    /// `us-east-1`.
    pub region: Region,
    _folder: tempfile::TempDir,
}

impl House {
    /// Builds one.
    pub async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let clock = Arc::new(FixedClock::default());
        let random = Arc::new(SeededRandom::new(1));
        let root = Arc::new(RootKey::ephemeral(random.as_ref()));
        let file = folder.path().join("store.db");
        let store = Arc::new(Sqlite::open(&file, Arc::clone(&root)).await.expect("opens"));
        let house = Self {
            access: Access::new(store.clone()),
            store,
            root,
            relay: Arc::new(FakeRelay::new()),
            clock,
            random,
            account: AccountId::parse("123456789012").expect("valid"),
            region: Region::parse("us-east-1").expect("valid"),
            _folder: folder,
        };
        house.found(&house.account, "o-exampleorgid").await;
        house
    }

    /// What services stand on.
    pub fn foundation(&self) -> Foundation {
        Foundation {
            store: self.store.clone(),
            root: self.root.clone(),
            clock: self.clock.clone(),
            random: self.random.clone(),
        }
    }

    /// Makes an account with an administrator `admin` and a role for nodes.
    pub async fn found(&self, account: &AccountId, organization: &str) {
        let account = Account {
            id: account.clone(),
            name: "test".to_owned(),
            email: "test@example.com".to_owned(),
            organization: OrganizationId::parse(organization).ok(),
            created_at: self.clock.now(),
        };
        assert!(self.store.create_account(&account).await.expect("created"));
        self.change_in(&account.id, |directory| {
            let (now, random) = (self.clock.now(), self.random.as_ref());
            directory.create_user(
                NewUser {
                    name: "admin",
                    ..NewUser::default()
                },
                now,
                random,
            )?;
            directory.attach_policy(
                iam::Holder::User("admin"),
                "arn:aws:iam::aws:policy/AdministratorAccess",
            )?;
            directory.create_role(
                NewRole {
                    name: NODE_ROLE,
                    trust: r#"{"Statement":{"Effect":"Allow","Principal":{"Service":"ssm.amazonaws.com"},"Action":"sts:AssumeRole"}}"#,
                    ..NewRole::default()
                },
                &|_| true,
                now,
                random,
            )?;
            directory.attach_policy(
                iam::Holder::Role(NODE_ROLE),
                "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore",
            )
        })
        .await;
    }

    /// Changes the account's directory by a rule that must succeed.
    pub async fn change<T: Send>(
        &self,
        rule: impl FnOnce(&mut Directory) -> Result<T, IamError> + Send,
    ) -> T {
        self.change_in(&self.account, rule).await
    }

    /// Changes another account's directory by a rule that must succeed.
    pub async fn change_in<T: Send>(
        &self,
        account: &AccountId,
        rule: impl FnOnce(&mut Directory) -> Result<T, IamError> + Send,
    ) -> T {
        let changed = change_directory(self.store.as_ref(), account, rule).await;
        changed.expect("the rule succeeds")
    }

    /// Creates a user of the account with an inline policy of these statements.
    pub async fn give_user(&self, name: &str, statements: Value) -> Caller {
        self.give_user_in(&self.account, name, statements).await
    }

    /// Creates a user with an inline policy of these statements, none for `null`.
    pub async fn give_user_in(&self, account: &AccountId, name: &str, statements: Value) -> Caller {
        let policy = json!({"Version": "2012-10-17", "Statement": statements}).to_string();
        let (now, random) = (self.clock.now(), self.random.as_ref());
        self.change_in(account, |directory| {
            let user = NewUser {
                name,
                ..NewUser::default()
            };
            directory.create_user(user, now, random)?;
            if statements.is_null() {
                return Ok(());
            }
            directory.put_inline_policy(iam::Holder::User(name), "own", &policy)
        })
        .await;
        self.user_of(account, name)
    }

    /// Asks as the gateway does.
    pub async fn ask<S>(
        &self,
        service: &Arc<S>,
        model: &'static Service,
        operation: &Operation<S, AwsError>,
        caller: Caller,
        input: Value,
    ) -> Result<Value, AwsError> {
        let modelled = model.operation(operation.name).expect("a model");
        if model.family() == Family::Json {
            json11::validate(modelled, &input)?;
        }
        let answered = self
            .decided(service, model.family(), operation, caller, input)
            .await;
        match &answered {
            Ok(output) => answer::check_output(modelled, output),
            Err(error) => answer::check_error(modelled, error),
        }
        answered
    }

    /// Asks for a decision and has the operation carried out, without a model.
    pub async fn decided<S>(
        &self,
        service: &Arc<S>,
        family: Family,
        operation: &Operation<S, AwsError>,
        caller: Caller,
        input: Value,
    ) -> Result<Value, AwsError> {
        let call =
            operation
                .authorize(caller, input, &self.access)
                .await
                .map_err(|refusal| match refusal {
                    Refusal::Denied(denied) => family.access_denied(&denied.to_string()),
                    Refusal::Undecided(error) => panic!("undecided: {error}"),
                })?;
        (operation.handler)(Arc::clone(service), call).await
    }

    /// Says whether the caller gets past the decision.
    pub async fn allows<S, I, O>(
        &self,
        operation: &Operation<S, AwsError, I, O>,
        caller: Caller,
        input: Value,
    ) -> bool {
        self.declares(operation.declaration(), caller, input).await
    }

    /// Says whether the caller gets past the decision on what is declared.
    pub async fn declares(&self, declared: Declaration, caller: Caller, input: Value) -> bool {
        match declared.authorize(caller, input, &self.access).await {
            Ok(_) => true,
            Err(Refusal::Denied(_)) => false,
            Err(Refusal::Undecided(error)) => panic!("undecided: {error}"),
        }
    }
}

/// Every operation of a model, by name: for the tests that compare it with what is handled.
pub fn modelled(service: &Service) -> Vec<String> {
    service.operations().map(|it| it.name().to_owned()).collect()
}
