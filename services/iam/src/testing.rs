//! What the tests of this crate stand on.

use std::sync::Arc;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_aws_dialects::query::{self, Form};
use drawbridge_aws_dialects::{model, query::error_response};
use drawbridge_house::House;
use drawbridge_session::Caller;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use crate::Iam;

/// What the clock of the tests shows, in seconds since the epoch.
pub(crate) const NOW: i64 = 1_767_323_045;

/// A policy that allows something.
pub(crate) const ALLOW: &str = r#"{"Statement":{"Effect":"Allow","Action":"ssm:*","Resource":"*"}}"#;

/// A trust policy.
pub(crate) const TRUST: &str = r#"{"Statement":{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}}"#;

/// A policy of AWS's.
pub(crate) const AWS_POLICY: &str = "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore";

/// The ARN of an account's policy without a path.
pub(crate) fn policy_arn(name: &str) -> String {
    format!("arn:aws:iam::123456789012:policy/{name}")
}

/// The service over a house; inputs travel to it as forms.
pub(crate) struct Desk {
    pub(crate) house: House,
    pub(crate) iam: Arc<Iam>,
}

impl Desk {
    pub(crate) async fn new() -> Self {
        let house = House::new().await;
        let iam = Iam::new(house.foundation());
        Self {
            house,
            iam: Arc::new(iam),
        }
    }

    /// Asks as the administrator, who must be answered.
    pub(crate) async fn ask(&self, operation: &str, input: Value) -> Value {
        let answered = self.ask_as(self.house.admin(), operation, input).await;
        answered.unwrap_or_else(|error| panic!("{operation}: {error}"))
    }

    /// Asks as the administrator for what changes something and answers nothing.
    pub(crate) async fn tell(&self, operation: &str, input: Value) {
        let answer = self.ask(operation, input).await;
        assert_eq!(answer, serde_json::json!({}), "{operation}");
    }

    /// Asks as the administrator, who must be refused; returns status, code and message.
    pub(crate) async fn refused(&self, operation: &str, input: Value) -> (u16, String, String) {
        let answered = self.ask_as(self.house.admin(), operation, input).await;
        let error = answered.expect_err(operation);
        let (status, _) = error_response(model::iam(), &error, "request");
        (
            status.as_u16(),
            error.code().to_owned(),
            error.message().to_owned(),
        )
    }

    /// Asks as the gateway does, with a form.
    pub(crate) async fn ask_as(
        &self,
        caller: Caller,
        operation: &str,
        input: Value,
    ) -> Result<Value, AwsError> {
        let form = Form::parse(form(operation, &input).as_bytes())?;
        let modelled = query::operation(model::iam(), &form)?;
        let read = query::read(modelled, &form)?;
        assert_eq!(read, input, "{operation} takes everything that the test gives it");
        let operation = Iam::operation(operation).expect("an operation");
        self.house
            .ask(&self.iam, model::iam(), operation, caller, read)
            .await
    }
}

/// Writes an input as clients of the query dialect do.
fn form(operation: &str, input: &Value) -> String {
    let mut fields = format!("Action={operation}&Version=2010-05-08");
    flatten("", input, &mut fields);
    fields
}

fn flatten(name: &str, value: &Value, into: &mut String) {
    match value {
        Value::Object(members) => {
            for (member, value) in members {
                let dot = if name.is_empty() { "" } else { "." };
                flatten(&format!("{name}{dot}{member}"), value, into);
            }
        }
        Value::Array(elements) => {
            for (at, value) in elements.iter().enumerate() {
                flatten(&format!("{name}.member.{}", at + 1), value, into);
            }
        }
        Value::String(text) => {
            let text = utf8_percent_encode(text, NON_ALPHANUMERIC);
            into.push_str(&format!("&{name}={text}"));
        }
        other => into.push_str(&format!("&{name}={other}")),
    }
}
