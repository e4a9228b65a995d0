//! `PutSessionFloor`, `GetSessionFloor`, `DeleteSessionFloor`: what every session must have.
//!
//! An account sets its own. Whoever manages an organization sets one over all of its accounts, or over one of them, which
//! no account can see through or remove: what counts is the strictest of all that lie over an account.

use std::sync::Arc;

use drawbridge_aws_dialects::error::{AwsError, Family};
use drawbridge_session::floor::Requirement;
use drawbridge_session::{
    AccountId, Audit, Call, Caller, Floor, FloorScope, Organization, Resource, SignedWith,
};
use drawbridge_store::{floors_over, remove_floor, set_floor};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::error::internal;
use crate::{Operation, Operator, question};

pub(crate) const PUT: Operation = Operation {
    name: "PutSessionFloor",
    action: "drawbridge:PutSessionFloor",
    signed_with: SignedWith::AccessKey,
    needs: |_, _| Resource::any().into(),
    audit: Audit::WRITE,
    handler: |operator, call| Box::pin(put(operator, call)),
};

pub(crate) const GET: Operation = Operation {
    name: "GetSessionFloor",
    action: "drawbridge:GetSessionFloor",
    signed_with: SignedWith::AccessKey,
    needs: |_, _| Resource::any().into(),
    audit: Audit::READ,
    handler: |operator, call| Box::pin(get(operator, call)),
};

pub(crate) const DELETE: Operation = Operation {
    name: "DeleteSessionFloor",
    action: "drawbridge:DeleteSessionFloor",
    signed_with: SignedWith::AccessKey,
    needs: |_, _| Resource::any().into(),
    audit: Audit::WRITE,
    handler: |operator, call| Box::pin(delete(operator, call)),
};

/// Whose floor is meant: the caller's account's own where nothing is said.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Over {
    #[serde(default)]
    organization: bool,
    account_id: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Asked {
    #[serde(flatten)]
    over: Over,
    #[serde(default)]
    requirements: Vec<Requirement>,
    max_session_minutes: Option<u16>,
    idle_minutes: Option<u16>,
    #[serde(default)]
    allow_port: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Shown {
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<&'static str>,
    requirements: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_session_minutes: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    idle_minutes: Option<u16>,
}

async fn put(operator: Arc<Operator>, call: Call) -> Result<Value, AwsError> {
    let (caller, _, input) = call.into_parts();
    let asked: Asked = question::read(input)?;
    let scope = operator.scope(&caller, &asked.over)?;
    if asked.allow_port && asked.requirements.contains(&Requirement::NoPort) {
        return Err(AwsError::validation(
            "A floor cannot require no-port and allow tunnels: leave one of them out.",
        ));
    }
    let floor = asked.floor();
    if floor.is_empty() {
        return Err(AwsError::validation(
            "A floor without a rule is none: name a requirement or a limit, or remove the floor.",
        ));
    }
    let stored = set_floor(operator.store.as_ref(), &scope, &floor).await;
    stored.map_err(internal)?;
    let shown = Shown::of(Some(&scope), &floor);
    tracing::info!(
        floor.scope = %scope, floor.requires = shown.requirements.join(","), floor.max_minutes = floor.max_minutes,
        floor.idle_minutes = floor.idle_minutes, principal.arn = caller.principal.arn(), "session floor set"
    );
    Ok(json!({ "SessionFloor": shown }))
}

async fn get(operator: Arc<Operator>, call: Call) -> Result<Value, AwsError> {
    let (caller, _, input) = call.into_parts();
    let over: Over = question::read(input)?;
    let account = match operator.scope(&caller, &over)? {
        FloorScope::Account(account) | FloorScope::Member(_, account) => account,
        FloorScope::Organization(_) => caller.account.clone(),
    };
    let floors = floors_over(operator.store.as_ref(), &account).await;
    let floors = floors.map_err(internal)?;
    let effective = Floor::strictest(floors.iter().map(|(_, floor)| floor));
    let shown: Vec<_> = floors
        .iter()
        .map(|(scope, floor)| Shown::of(Some(scope), floor))
        .collect();
    Ok(json!({
        "AccountId": account, "Effective": Shown::of(None, &effective), "SessionFloors": shown,
    }))
}

async fn delete(operator: Arc<Operator>, call: Call) -> Result<Value, AwsError> {
    let (caller, _, input) = call.into_parts();
    let over: Over = question::read(input)?;
    let scope = operator.scope(&caller, &over)?;
    let removed = remove_floor(operator.store.as_ref(), &scope).await;
    if !removed.map_err(internal)? {
        return Err(AwsError::new(
            "DoesNotExistException",
            format!("There is no session floor of this {}.", scope.as_str()),
        ));
    }
    tracing::info!(floor.scope = %scope, principal.arn = caller.principal.arn(), "session floor removed");
    Ok(json!({}))
}

impl Operator {
    /// Says which floor a request means, if the caller's account looks after it.
    fn scope(&self, caller: &Caller, over: &Over) -> Result<FloorScope, AwsError> {
        let own = caller.principal.account();
        let named = over.account_id.as_deref().filter(|id| *id != own.as_str());
        match (over.organization, named) {
            (true, _) if over.account_id.is_some() => Err(AwsError::validation(
                "A floor is for an organization or for an account, not for both.",
            )),
            (true, _) => {
                let organization = self.managed_by(own)?;
                Ok(FloorScope::Organization(organization.id))
            }
            (false, Some(id)) => {
                let organization = self.managed_by(own)?;
                let member = organization.accounts().iter().find(|it| it.id.as_str() == id);
                let member = member.map(|it| it.id.clone()).ok_or_else(|| not_a_member(id))?;
                Ok(FloorScope::Member(organization.id, member))
            }
            (false, None) => Ok(FloorScope::Account(own.clone())),
        }
    }

    fn managed_by(&self, account: &AccountId) -> Result<Organization, AwsError> {
        let organization = Organization::of(account, self.store.accounts());
        organization
            .filter(|organization| organization.management().id == *account)
            .ok_or_else(not_managed)
    }
}

/// Refuses alike what is not there and what is somebody else's, to whoever manages an organization.
fn not_a_member(account: &str) -> AwsError {
    Family::Json.access_denied(&format!("Account {account} is none of your organization."))
}

/// The same, to whoever manages none.
fn not_managed() -> AwsError {
    Family::Json.access_denied(
        "The floor of an organization, and of its accounts, is set from the account that manages it.",
    )
}

impl Asked {
    fn floor(self) -> Floor {
        let floor = Floor {
            requires: self.requirements.into_iter().collect(),
            max_minutes: self.max_session_minutes,
            idle_minutes: self.idle_minutes,
        };
        if self.allow_port {
            floor
        } else {
            floor.refusing_tunnels()
        }
    }
}

impl Shown {
    fn of(scope: Option<&FloorScope>, floor: &Floor) -> Self {
        Self {
            scope: scope.map(FloorScope::as_str),
            requirements: floor.requires.iter().map(|it| it.as_str()).collect(),
            max_session_minutes: floor.max_minutes,
            idle_minutes: floor.idle_minutes,
        }
    }
}

#[cfg(test)]
mod tests;
