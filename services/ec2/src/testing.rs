//! The house of the tests, with this service in it.

use std::ops::Deref;
use std::sync::Arc;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_aws_dialects::model;
use drawbridge_session::iam::{Holder, NewUser};
use drawbridge_session::{Caller, Clock as _};
use serde_json::{Value, json};

use crate::Ec2;

pub(crate) struct House {
    ec2: Arc<Ec2>,
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
        Self {
            ec2: Arc::new(Ec2::new(house.store.clone())),
            house,
        }
    }

    /// Asks as the administrator.
    pub(crate) async fn ask(&self, operation: &str, input: Value) -> Result<Value, AwsError> {
        self.ask_as(self.admin(), operation, input).await
    }

    pub(crate) async fn ask_as(&self, caller: Caller, name: &str, input: Value) -> Result<Value, AwsError> {
        let operation = Ec2::operation(name).expect("an operation");
        self.house
            .ask(&self.ec2, model::ec2(), operation, caller, input)
            .await
    }

    /// Asks each input as the administrator and expects its error.
    pub(crate) async fn refuses(&self, operation: &str, table: &[(Value, &str)]) {
        for (input, code) in table {
            match self.ask(operation, input.clone()).await {
                Ok(answer) => panic!("{operation} {input}: answered {answer}, expected {code}"),
                Err(error) => assert_eq!(error.code(), *code, "{operation} {input}: {error}"),
            }
        }
    }

    /// Creates a user with an inline policy of these statements.
    pub(crate) async fn give_user(&self, name: &str, statements: Value) -> Caller {
        let policy = json!({"Version": "2012-10-17", "Statement": statements}).to_string();
        let (now, random) = (self.clock.now(), self.random.as_ref());
        let user = NewUser {
            name,
            ..NewUser::default()
        };
        self.change(|directory| {
            directory.create_user(user, now, random)?;
            directory.put_inline_policy(Holder::User(name), "own", &policy)
        })
        .await;
        self.user(name)
    }
}
