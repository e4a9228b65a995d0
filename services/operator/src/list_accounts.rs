//! `ListAccounts`: every account of the server, the oldest first.

use drawbridge_session::{Account, Audit, Resource, SignedWith};
use serde::Serialize;
use serde_json::json;

use crate::Operation;

pub(crate) const OPERATION: Operation = Operation {
    name: "ListAccounts",
    action: "drawbridge:ListAccounts",
    signed_with: SignedWith::AccessKey,
    needs: |_, _| Resource::any().into(),
    audit: Audit::READ,
    handler: |operator, call| {
        Box::pin(async move {
            let (mut accounts, management) = operator.accounts(call.caller())?;
            accounts.sort_by_key(|account| (account.created_at, account.id.clone()));
            let shown: Vec<_> = accounts.iter().map(|it| Shown::of(it, &management)).collect();
            Ok(json!({"Accounts": shown}))
        })
    },
};

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Shown<'a> {
    account_id: &'a str,
    name: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    email: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    organization_id: Option<&'a str>,
    is_management: bool,
    created_at: i64,
}

impl<'a> Shown<'a> {
    fn of(account: &'a Account, management: &Account) -> Self {
        Self {
            account_id: account.id.as_str(),
            name: &account.name,
            email: &account.email,
            organization_id: account.organization.as_ref().map(|id| id.as_str()),
            is_management: account.id == management.id,
            created_at: account.created_at.as_second(),
        }
    }
}
