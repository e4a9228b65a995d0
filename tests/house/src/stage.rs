//! A service in its house.

use std::ops::Deref;
use std::sync::Arc;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_aws_dialects::model::Service;
use drawbridge_session::{Caller, Operation};
use serde_json::Value;

use crate::House;

/// How a service finds an operation, and the model that it is of.
type Find<S> = fn(&str) -> Option<(&'static Operation<S, AwsError>, &'static Service)>;

/// A house with one service in it, which answers by the names of its operations.
pub struct Stage<S: 'static> {
    /// The service.
    pub service: Arc<S>,
    find: Find<S>,
    house: House,
}

impl<S> Deref for Stage<S> {
    type Target = House;

    fn deref(&self) -> &House {
        &self.house
    }
}

impl<S> Stage<S> {
    /// Puts a service into the house that it was made in.
    pub fn new(house: House, service: S, find: Find<S>) -> Self {
        Self {
            service: Arc::new(service),
            find,
            house,
        }
    }

    /// Asks as the administrator.
    pub async fn ask(&self, name: &str, input: Value) -> Result<Value, AwsError> {
        self.ask_as(self.admin(), name, input).await
    }

    /// Asks as the gateway does: validated by the model, decided on, then called.
    pub async fn ask_as(&self, caller: Caller, name: &str, input: Value) -> Result<Value, AwsError> {
        let (operation, model) = (self.find)(name).expect("an operation");
        self.house
            .ask(&self.service, model, operation, caller, input)
            .await
    }

    /// Asks as the administrator for what must succeed.
    pub async fn done(&self, name: &str, input: Value) -> Value {
        self.done_as(self.admin(), name, input).await
    }

    /// Asks for what must succeed.
    pub async fn done_as(&self, caller: Caller, name: &str, input: Value) -> Value {
        let answer = self.ask_as(caller, name, input).await;
        answer.unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// Asks each input as the administrator and expects its error.
    pub async fn refuses(&self, name: &str, table: &[(Value, &str)]) {
        self.refuses_as(&self.admin(), name, table).await;
    }

    /// Asks each input and expects its error.
    pub async fn refuses_as(&self, caller: &Caller, name: &str, table: &[(Value, &str)]) {
        for (input, code) in table {
            match self.ask_as(caller.clone(), name, input.clone()).await {
                Ok(answer) => panic!("{name} {input}: answered {answer}, expected {code}"),
                Err(error) => assert_eq!(error.code(), *code, "{name} {input}: {error}"),
            }
        }
    }
}
