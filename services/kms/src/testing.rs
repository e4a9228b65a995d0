//! The house of the tests, with this service in it.

use std::ops::Deref;
use std::sync::Arc;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_aws_dialects::model;
use drawbridge_session::iam::{Holder, NewUser};
use drawbridge_session::{AccountId, Caller, Clock as _, KeyUser};
use serde_json::{Value, json};

use crate::Kms;

/// Another account of the same organization.
pub(crate) const OTHER: &str = "210987654321";

pub(crate) struct House {
    pub(crate) kms: Arc<Kms>,
    house: drawbridge_house::House,
}

impl Deref for House {
    type Target = drawbridge_house::House;

    fn deref(&self) -> &Self::Target {
        &self.house
    }
}

impl House {
    pub(crate) async fn new() -> Self {
        let house = drawbridge_house::House::new().await;
        let kms = Kms::new(
            house.store.clone(),
            house.root.clone(),
            Arc::new(house.access.clone()),
            house.clock.clone(),
            house.random.clone(),
        );
        house.found(&other(), "o-exampleorgid").await;
        Self {
            kms: Arc::new(kms),
            house,
        }
    }

    /// Asks as the administrator.
    pub(crate) async fn ask(&self, operation: &str, input: Value) -> Result<Value, AwsError> {
        self.ask_as(self.admin(), operation, input).await
    }

    /// Asks as the gateway does: validated by the model, decided on, then called.
    pub(crate) async fn ask_as(&self, caller: Caller, name: &str, input: Value) -> Result<Value, AwsError> {
        let operation = Kms::operation(name).expect("an operation");
        self.house
            .ask(&self.kms, model::kms(), operation, caller, input)
            .await
    }

    /// Asks each input as the administrator and expects its error.
    pub(crate) async fn refuses(&self, operation: &str, table: &[(Value, &str)]) {
        self.refuses_as(&self.admin(), operation, table).await;
    }

    pub(crate) async fn refuses_as(&self, caller: &Caller, operation: &str, table: &[(Value, &str)]) {
        for (input, code) in table {
            match self.ask_as(caller.clone(), operation, input.clone()).await {
                Ok(answer) => panic!("{operation} {input}: answered {answer}, expected {code}"),
                Err(error) => assert_eq!(error.code(), *code, "{operation} {input}: {error}"),
            }
        }
    }

    /// Makes a key as the administrator; returns its ARN.
    pub(crate) async fn key(&self) -> String {
        self.key_with(json!({})).await
    }

    pub(crate) async fn key_with(&self, input: Value) -> String {
        let created = self.ask("CreateKey", input).await.expect("created");
        text(&created["KeyMetadata"]["Arn"])
    }

    /// Makes a key with a policy of these statements, and one that leaves administration to the account.
    pub(crate) async fn key_for(&self, statements: Value) -> String {
        self.key_with(json!({"Policy": policy(statements)})).await
    }

    /// Creates a user with an inline policy of these statements, none for `null`.
    pub(crate) async fn give_user(&self, account: &AccountId, name: &str, statements: Value) -> Caller {
        let policy = json!({"Version": "2012-10-17", "Statement": statements}).to_string();
        let (now, random) = (self.clock.now(), self.random.as_ref());
        let user = NewUser {
            name,
            ..NewUser::default()
        };
        self.change_in(account, |directory| {
            directory.create_user(user, now, random)?;
            if statements.is_null() {
                return Ok(());
            }
            directory.put_inline_policy(Holder::User(name), "own", &policy)
        })
        .await;
        self.user_of(account, name)
    }

    /// The administrator of the other account.
    pub(crate) fn other_admin(&self) -> Caller {
        self.user_of(&other(), "admin")
    }
}

pub(crate) fn other() -> AccountId {
    AccountId::parse(OTHER).expect("valid")
}

/// Uses keys as whoever calls.
pub(crate) fn user<'a>(caller: &'a Caller, via: Option<&'static str>) -> KeyUser<'a> {
    KeyUser { caller, via }
}

/// A policy of these statements, and one that leaves administration to the account.
pub(crate) fn policy(statements: Value) -> String {
    let mut all = vec![json!({
        "Sid": "Administration", "Effect": "Allow", "Resource": "*",
        "Principal": {"AWS": "arn:aws:iam::123456789012:root"},
        "Action": [
            "kms:Create*", "kms:Describe*", "kms:Enable*", "kms:List*", "kms:Put*", "kms:Update*", "kms:Revoke*",
            "kms:Disable*", "kms:Get*", "kms:Delete*", "kms:TagResource", "kms:UntagResource",
            "kms:ScheduleKeyDeletion", "kms:CancelKeyDeletion", "kms:RotateKeyOnDemand", "kms:RetireGrant",
        ],
    })];
    match statements {
        Value::Array(more) => all.extend(more),
        one => all.push(one),
    }
    json!({"Version": "2012-10-17", "Statement": all}).to_string()
}

pub(crate) fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}
