//! A house with roles, and callers who sign with what the service gave them.

use std::sync::Arc;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_aws_dialects::model;
use drawbridge_aws_dialects::query::{self, Form};
use drawbridge_house::House;
use drawbridge_session::iam::{Directory, Holder, NewRole, NewUser, Tagged};
use drawbridge_session::{
    AccessKeyId, AccountId, Authority as _, Caller, Clock as _, Decision, Need, Resource, SignedWith, Tag,
};
use drawbridge_store::credentials::credential;
use drawbridge_store::{Credential, CredentialError};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use crate::Sts;

pub(super) struct World {
    pub(super) house: House,
    sts: Arc<Sts>,
}

/// Of the house.
pub(super) const ACCOUNT: &str = "123456789012";

/// Trusts all of the account, whose identity policies then decide.
pub(super) const TRUSTS_ACCOUNT: &str = r#"{"AWS": "arn:aws:iam::123456789012:root"}"#;

/// What a user or role needs to assume roles, and nothing of what goes into a session.
pub(super) const MAY_ASSUME: &str =
    r#"{"Statement": {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*"}}"#;

impl World {
    /// Has a user `alice` and a role `Ops` that trusts the account; neither has a policy.
    pub(super) async fn new() -> Self {
        let house = House::new().await;
        let sts = Sts::new(house.foundation());
        let world = Self {
            house,
            sts: Arc::new(sts),
        };
        world.add_user("alice").await;
        world.add_role("Ops", TRUSTS_ACCOUNT).await;
        world
    }

    pub(super) fn other_account() -> AccountId {
        AccountId::parse("210987654321").expect("valid")
    }

    pub(super) async fn add_user(&self, name: &str) {
        let (now, random) = (self.house.clock.now(), self.house.random.as_ref());
        let new = NewUser {
            name,
            ..NewUser::default()
        };
        self.house
            .change(|directory| directory.create_user(new, now, random))
            .await;
    }

    /// Makes a role that lets a principal (an element in JSON) do all of `sts:`.
    pub(super) async fn add_role(&self, name: &str, principal: &str) {
        self.add_role_trusting(name, &trust(principal, "sts:*")).await;
    }

    pub(super) async fn add_role_trusting(&self, name: &str, trust: &str) {
        let account = self.house.account.clone();
        self.add_role_in(&account, name, trust).await;
    }

    pub(super) async fn add_role_in(&self, account: &AccountId, name: &str, trust: &str) {
        let (now, random) = (self.house.clock.now(), self.house.random.as_ref());
        let (path, name) = name
            .rsplit_once('/')
            .map_or(("/".to_owned(), name), |(path, name)| (format!("{path}/"), name));
        let new = NewRole {
            name,
            path: Some(&path),
            trust,
            ..NewRole::default()
        };
        self.house
            .change_in(account, |directory| {
                directory.create_role(new, &|_| true, now, random)
            })
            .await;
    }

    pub(super) async fn give(&self, holder: Holder<'_>, document: &str) {
        self.house
            .change(|directory: &mut Directory| directory.put_inline_policy(holder, "inline", document))
            .await;
    }

    pub(super) async fn tag(&self, entity: Tagged<'_>, key: &str, value: &str) {
        let tags = vec![Tag::new(key, value)];
        self.house
            .change(|directory: &mut Directory| directory.tag(entity, tags))
            .await;
    }

    pub(super) fn alice(&self) -> Caller {
        self.house.user("alice")
    }

    /// Asks in the query dialect, as the gateway does.
    pub(super) async fn ask(&self, caller: &Caller, fields: &[(&str, &str)]) -> Result<Value, AwsError> {
        let escape = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let mut body = String::from("Version=2011-06-15");
        for (name, value) in fields {
            body.push_str(&format!("&{}={}", escape(name), escape(value)));
        }
        let form = Form::parse(body.as_bytes())?;
        let modelled = query::operation(model::sts(), &form)?;
        let input = query::read(modelled, &form)?;
        let operation = Sts::operation(modelled.name()).expect("handled");
        let caller = Caller {
            received_at: self.house.clock.now(),
            ..caller.clone()
        };
        self.house
            .ask(&self.sts, model::sts(), operation, caller, input)
            .await
    }

    /// Asks for the role of an ARN under the session name `work`, with more fields.
    pub(super) async fn assume_arn(
        &self,
        caller: &Caller,
        arn: &str,
        more: &[(&str, &str)],
    ) -> Result<Value, AwsError> {
        let mut fields = vec![("Action", "AssumeRole"), ("RoleArn", arn)];
        if !more.iter().any(|(name, _)| *name == "RoleSessionName") {
            fields.push(("RoleSessionName", "work"));
        }
        fields.extend(more);
        self.ask(caller, &fields).await
    }

    /// Asks for a role of the account.
    pub(super) async fn assume(
        &self,
        caller: &Caller,
        role: &str,
        more: &[(&str, &str)],
    ) -> Result<Value, AwsError> {
        self.assume_arn(caller, &role_arn(role), more).await
    }

    /// Assumes a role, and signs with what it gets.
    pub(super) async fn becomes(&self, caller: &Caller, role: &str, more: &[(&str, &str)]) -> Caller {
        let answer = self.assume(caller, role, more).await.expect("assumed");
        self.signed(&answer).await.expect("signs")
    }

    /// Whoever signs with the credentials of an answer.
    pub(super) async fn signed(&self, answer: &Value) -> Result<Caller, CredentialError> {
        let given = |member: &str| answer["Credentials"][member].as_str().expect("a text");
        let house = &self.house;
        let found = credential(
            house.store.as_ref(),
            &house.root,
            given("AccessKeyId"),
            Some(given("SessionToken")),
            &house.region,
            house.clock.now(),
        );
        let Credential::Secret {
            secret,
            principal,
            grant,
        } = found.await?
        else {
            panic!("a node's key");
        };
        assert!(secret.equals(given("SecretAccessKey")));
        Ok(Caller {
            access_key_id: AccessKeyId::parse(given("AccessKeyId")).ok(),
            grant: grant.map(Arc::new),
            ..house.caller(principal, SignedWith::AccessKey)
        })
    }

    /// Says whether the decisions let a caller do something.
    pub(super) async fn may(&self, caller: &Caller, action: &str, resource: Resource) -> bool {
        let need = Need::on(resource).or_action(action);
        let decided = self.house.access.decide(caller, &[need]).await.expect("decided");
        matches!(decided, Decision::Allow(_))
    }

    /// Says whether a caller may do something that has no resource.
    pub(super) async fn may_any(&self, caller: &Caller, action: &str) -> bool {
        self.may(caller, action, Resource::any()).await
    }
}

pub(super) fn role_arn(role: &str) -> String {
    format!("arn:aws:iam::{ACCOUNT}:role/{}", role.trim_start_matches('/'))
}

pub(super) fn trust(principal: &str, action: &str) -> String {
    format!(r#"{{"Statement": {{"Effect": "Allow", "Principal": {principal}, "Action": "{action}"}}}}"#)
}

pub(super) fn allow(action: &str) -> String {
    json!({"Statement": {"Effect": "Allow", "Action": action, "Resource": "*"}}).to_string()
}

/// Expects a code and a part of the message.
pub(super) fn refused(answered: Result<Value, AwsError>, code: &str, why: &str) {
    let error = answered.expect_err("refused");
    assert_eq!(error.code(), code, "{error}");
    assert!(error.message().contains(why), "{error}");
}
