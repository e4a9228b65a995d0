//! Calls about the accounts of a server.

use drawbridge_aws_client::Service;
use drawbridge_session::Secret;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Api, ApiError};

/// The request of `CreateAccount`.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct CreateAccount {
    /// Its name, for people.
    pub name: String,
    /// Whom to write to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Whether it belongs to the organization of the account that makes it.
    pub join_organization: bool,
}

/// A new account, with the key of its administrator, which is shown this once.
///
/// It serializes with the secret, for whoever asked for it.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct CreatedAccount {
    /// The account.
    pub account_id: String,
    /// The administrator's name.
    pub user_name: String,
    /// The administrator's access key.
    pub access_key_id: String,
    /// Its secret.
    pub secret_access_key: Secret,
}

/// One account as `ListAccounts` shows it; what the server leaves out is empty.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct AccountSummary {
    /// The account.
    pub account_id: String,
    /// Its name.
    pub name: String,
    /// Whom to write to.
    pub email: String,
    /// The organization that it belongs to; empty for none.
    pub organization_id: String,
    /// Whether it is the one that looks after the others.
    pub is_management: bool,
    /// When it was made, in seconds since the epoch.
    pub created_at: Option<f64>,
}

impl Api {
    /// Makes an account.
    pub async fn create_account(&self, request: &CreateAccount) -> Result<CreatedAccount, ApiError> {
        let input = json!(request);
        self.call(Service::DRAWBRIDGE, "CreateAccount", &input).await
    }

    /// Lists every account of the server, the oldest first.
    pub async fn accounts(&self) -> Result<Vec<AccountSummary>, ApiError> {
        let listed: Listed = self
            .call(
                Service::DRAWBRIDGE,
                "ListAccounts",
                &Value::Object(serde_json::Map::new()),
            )
            .await?;
        Ok(listed.accounts)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Listed {
    #[serde(default)]
    accounts: Vec<AccountSummary>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_says_only_what_was_asked() {
        let request = CreateAccount {
            name: "lab".to_owned(),
            email: None,
            join_organization: true,
        };
        assert_eq!(json!(request), json!({"Name": "lab", "JoinOrganization": true}));
    }

    #[test]
    fn a_sparse_listing_can_be_read() {
        let listed: Listed =
            serde_json::from_value(json!({"Accounts": [{"AccountId": "1", "New": []}]})).expect("read");
        assert_eq!(listed.accounts[0].account_id, "1");
        assert_eq!(listed.accounts[0].created_at, None);
    }
}
