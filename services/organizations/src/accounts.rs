//! The accounts of an organization.

use std::sync::Arc;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::{Account, AccountId, Audit, Call, Organization, Resource, SignedWith};
use serde_json::{Map, Value, json};

use crate::{Operation, Organizations, roots};

pub(crate) const DESCRIBE: Operation = Operation {
    name: "DescribeAccount",
    action: "organizations:DescribeAccount",
    signed_with: SignedWith::AccessKey,
    needs: |_, _| Resource::any().into(),
    audit: Audit::READ,
    handler: |service, call| Box::pin(async move { describe(&service, call) }),
};

pub(crate) const LIST: Operation = Operation {
    name: "ListAccounts",
    action: "organizations:ListAccounts",
    signed_with: SignedWith::AccessKey,
    needs: |_, _| Resource::any().into(),
    audit: Audit::READ,
    handler: |service, call| Box::pin(async move { list(&service, call) }),
};

/// The most accounts of a page, which is also the default.
const PAGE: u64 = 20;

fn describe(service: &Arc<Organizations>, call: Call) -> Result<Value, AwsError> {
    let (caller, _, input) = call.into_parts();
    let organization = service.managed(&caller)?;
    let id = input["AccountId"].as_str().unwrap_or_default();
    let found = organization.accounts().iter().find(|it| it.id.as_str() == id);
    let account = found.ok_or_else(|| {
        AwsError::new(
            "AccountNotFoundException",
            "You specified an account that doesn't exist.",
        )
    })?;
    Ok(json!({"Account": shown(&organization, account)}))
}

fn list(service: &Arc<Organizations>, call: Call) -> Result<Value, AwsError> {
    let (caller, _, input) = call.into_parts();
    let organization = service.managed(&caller)?;
    let size = input["MaxResults"].as_u64().unwrap_or(PAGE).clamp(1, PAGE);
    let size = usize::try_from(size).expect("20 at most");
    let rest = match input["NextToken"].as_str() {
        Some(token) => after(&organization, token)?,
        None => organization.accounts(),
    };
    let page = &rest[..size.min(rest.len())];
    let shown: Vec<_> = page.iter().map(|account| shown(&organization, account)).collect();
    let mut answer = json!({"Accounts": shown});
    if let Some(last) = page.last().filter(|_| page.len() < rest.len()) {
        answer["NextToken"] = last.id.as_str().into();
    }
    Ok(answer)
}

/// The accounts behind the one that a page ended with, which its token names.
fn after<'a>(organization: &'a Organization, token: &str) -> Result<&'a [Account], AwsError> {
    let accounts = organization.accounts();
    let last = accounts.iter().position(|account| account.id.as_str() == token);
    let rest = last.and_then(|last| accounts.get(last + 1..));
    rest.ok_or_else(|| {
        AwsError::new(
            "InvalidInputException",
            "You specified an invalid value for NextToken.",
        )
    })
}

fn shown(organization: &Organization, account: &Account) -> Map<String, Value> {
    let (id, root) = (&organization.id, roots::id(organization));
    let is_management = account.id == organization.management().id;
    let mut shown = Map::new();
    shown.insert("Id".to_owned(), json!(account.id));
    shown.insert("Arn".to_owned(), arn(organization, account).into());
    if !account.email.is_empty() {
        shown.insert("Email".to_owned(), account.email.as_str().into());
    }
    shown.insert("Name".to_owned(), account.name.as_str().into());
    shown.insert("Status".to_owned(), "ACTIVE".into());
    shown.insert("State".to_owned(), "ACTIVE".into());
    let path = format!("{id}/{root}/{}/", account.id);
    shown.insert("Paths".to_owned(), json!([path]));
    // As AWS tells it: the management account is a guest of its own organization.
    let joined = if is_management { "INVITED" } else { "CREATED" };
    shown.insert("JoinedMethod".to_owned(), joined.into());
    shown.insert(
        "JoinedTimestamp".to_owned(),
        account.created_at.as_second().into(),
    );
    shown
}

/// The ARN of an account, which names the management account as its owner.
pub(crate) fn arn(organization: &Organization, account: &Account) -> String {
    let management: &AccountId = &organization.management().id;
    format!(
        "arn:aws:organizations::{management}:account/{}/{}",
        organization.id, account.id
    )
}
