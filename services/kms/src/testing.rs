//! The house of the tests, with this service in it.

use std::ops::Deref;
use std::sync::Arc;

use drawbridge_aws_dialects::model;
use drawbridge_house::Stage;
use drawbridge_session::{AccountId, Caller, KeyUser};
use serde_json::{Value, json};

use crate::Kms;

/// Another account of the same organization.
pub(crate) const OTHER: &str = "210987654321";

pub(crate) struct House {
    stage: Stage<Kms>,
}

impl Deref for House {
    type Target = Stage<Kms>;

    fn deref(&self) -> &Self::Target {
        &self.stage
    }
}

impl House {
    pub(crate) async fn new() -> Self {
        let house = drawbridge_house::House::new().await;
        let kms = Kms::new(house.foundation(), Arc::new(house.access.clone()));
        house.found(&other(), "o-exampleorgid").await;
        let stage = Stage::new(house, kms, |name| Some((Kms::operation(name)?, model::kms())));
        Self { stage }
    }

    /// Makes a key as the administrator; returns its ARN.
    pub(crate) async fn key(&self) -> String {
        self.key_with(json!({})).await
    }

    pub(crate) async fn key_with(&self, input: Value) -> String {
        let created = self.done("CreateKey", input).await;
        text(&created["KeyMetadata"]["Arn"])
    }

    /// Makes a key with a policy of these statements, and one that leaves administration to the account.
    pub(crate) async fn key_for(&self, statements: Value) -> String {
        self.key_with(json!({"Policy": policy(statements)})).await
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
