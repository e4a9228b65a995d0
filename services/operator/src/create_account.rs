//! `CreateAccount`: an account with an administrator and a role for its nodes.

use std::sync::Arc;

use drawbridge_aws_dialects::error::{AwsError, Family};
use drawbridge_session::iam::{ADMINISTRATOR, Directory, IamError, NewAccessKey};
use drawbridge_session::{AccessKeyId, Account, AccountId, Audit, Call, Resource, Secret, SignedWith};
use drawbridge_store::credentials::{draw_secret, seal_secret};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::error::internal;
use crate::{Operation, Operator};

pub(crate) const OPERATION: Operation = Operation {
    name: "CreateAccount",
    action: "drawbridge:CreateAccount",
    signed_with: SignedWith::AccessKey,
    needs: |_, _| Resource::any().into(),
    audit: Audit::WRITE.hiding(&["SecretAccessKey"]),
    handler: |operator, call| Box::pin(create(operator, call)),
};

/// The most accounts of a server: the directory of each is kept in memory.
const MAX_ACCOUNTS: usize = 1000;

/// How often a new id is drawn; each is taken already with a chance of one in 900 million at most.
const DRAWS: usize = 4;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Asked {
    name: String,
    #[serde(default)]
    email: String,
    join_organization: Option<bool>,
}

/// The administrator's access key.
struct Key {
    id: AccessKeyId,
    secret: Secret,
}

async fn create(operator: Arc<Operator>, call: Call) -> Result<Value, AwsError> {
    let (caller, _, input) = call.into_parts();
    let asked: Asked = serde_json::from_value(input).map_err(internal)?;
    let (accounts, management) = operator.accounts(&caller)?;
    if accounts.len() >= MAX_ACCOUNTS {
        return Err(AwsError::new(
            "LimitExceededException",
            format!("Cannot exceed quota for Accounts: {MAX_ACCOUNTS}"),
        ));
    }
    let joins = asked.join_organization.unwrap_or(true);
    let mut account = Account {
        id: AccountId::generate(operator.random.as_ref()),
        name: asked.name,
        email: asked.email,
        organization: management.organization.clone().filter(|_| joins),
        created_at: after(&management, operator.clock.now()),
    };
    for _ in 0..DRAWS {
        let (directory, key) = operator.furnished(&account).map_err(internal)?;
        let created = operator.store.create_account_with(&account, directory).await;
        if created.map_err(internal)? {
            return Ok(json!({
                "AccountId": account.id,
                "UserName": ADMINISTRATOR,
                "AccessKeyId": key.id,
                "SecretAccessKey": key.secret,
            }));
        }
        account.id = AccountId::generate(operator.random.as_ref());
    }
    Err(Family::Json.internal())
}

impl Operator {
    fn furnished(&self, account: &Account) -> Result<(Directory, Key), IamError> {
        let random = self.random.as_ref();
        let key = Key {
            id: AccessKeyId::generate(random),
            secret: draw_secret(random),
        };
        let new = NewAccessKey {
            id: key.id.clone(),
            sealed_secret: seal_secret(&self.root, &key.id, &key.secret, random),
        };
        let mut directory = Directory::new(account.id.clone());
        directory.add_node_role(account.created_at, random)?;
        directory.give_administrator_key(new, account.created_at, random)?;
        Ok((directory, key))
    }
}

/// The oldest account is the one that looks after the others, so none may be older, whatever the clock says.
fn after(management: &Account, now: Timestamp) -> Timestamp {
    let next = management
        .created_at
        .saturating_add(SignedDuration::from_millis(1));
    now.max(next.expect("a duration in milliseconds has no calendar units"))
}
