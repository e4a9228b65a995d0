//! Access keys of users and of the root.

use std::sync::Arc;

use drawbridge_aws_dialects::error::{AwsError, Family};
use drawbridge_session::iam::{AccessKey, FoundAccessKey, IamError, NewAccessKey};
use drawbridge_session::operation::Answer;
use drawbridge_session::{AccessKeyId, Audit, Call, Secret};
use drawbridge_store::KeyUse;
use drawbridge_store::credentials::{draw_secret, seal_secret};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::operation::{Asked, answer, read, write};
use crate::page::Paging;
use crate::shape::seconds;
use crate::whom::{Whom, Whose};
use crate::{Iam, Operation, error, needs, whom};

pub(crate) const CREATE: Operation = Operation {
    audit: Audit::WRITE.hiding(&["SecretAccessKey"]),
    ..write("iam:CreateAccessKey", whom::needs, |iam, call| {
        iam.change(call, |directory, input: Whose, at| {
            let whom = Whom::of(input.user_name, directory, at)?;
            let id = AccessKeyId::generate(at.random());
            let secret = draw_secret(at.random());
            let sealed_secret = seal_secret(&at.iam.root, &id, &secret, at.random());
            let new = NewAccessKey { id, sealed_secret };
            let key = directory.create_access_key(whom.key_owner(), new, at.now)?;
            let key = Key {
                secret_access_key: Some(secret),
                ..Key::of(&key, whom.name())
            };
            Ok(json!({"AccessKey": key}))
        })
    })
};

pub(crate) const UPDATE: Operation = write("iam:UpdateAccessKey", whom::needs, |iam, call| {
    iam.change(call, |directory, input: Update, at| {
        let active = match input.status.as_str() {
            "Active" => true,
            "Inactive" => false,
            other => {
                let message = format!("Status {other} cannot be set. It must be Active or Inactive.");
                return Err(IamError::InvalidInput(message));
            }
        };
        let whom = Whom::of(input.user_name, directory, at)?;
        directory.update_access_key(whom.key_owner(), &input.access_key_id, active)
    })
});

pub(crate) const DELETE: Operation = write("iam:DeleteAccessKey", whom::needs, |iam, call| {
    iam.change(call, |directory, input: OfOwner, at| {
        let whom = Whom::of(input.user_name, directory, at)?;
        directory.delete_access_key(whom.key_owner(), &input.access_key_id)
    })
});

pub(crate) const LIST: Operation = read("iam:ListAccessKeys", whom::needs, |iam, call| {
    iam.look(call, |directory, input: List, at| {
        let whom = Whom::of(input.user_name, directory, at)?;
        let keys = directory.access_keys(whom.key_owner())?;
        let part = input.paging.cut(at)?.by_place(keys.iter())?;
        let name = whom.name();
        Ok(part
            .map(|key| Key::of(key, name.clone()))
            .under("AccessKeyMetadata"))
    })
});

/// Whose key it is only the directory knows, so that the action cannot be granted on a user.
pub(crate) const LAST_USED: Operation = read("iam:GetAccessKeyLastUsed", needs::any, last_used);

fn last_used(iam: Arc<Iam>, call: Call) -> Answer<AwsError> {
    Box::pin(async move {
        let asked = Asked::<LastUsed>::read(call)?;
        let directory = iam.directory(&asked.caller)?;
        let named = &asked.input.access_key_id;
        let id = AccessKeyId::parse(named).ok();
        let Some(FoundAccessKey { user, key }) = id.and_then(|id| directory.find_access_key(&id)) else {
            // A key that is not the account's looks like one that may not be asked about, as on AWS.
            return Err(Family::Query.access_denied(&format!(
                "User: {} is not authorized to perform: {} on resource: access key {named}",
                asked.caller.principal.arn(),
                asked.action,
            )));
        };
        let usage = iam.store.last_use(&key.id).await.map_err(error::internal)?;
        answer(&LastUse {
            user_name: user.map(|user| user.name.clone()),
            access_key_last_used: Usage::of(usage),
        })
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Update {
    user_name: Option<String>,
    access_key_id: String,
    status: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct OfOwner {
    user_name: Option<String>,
    access_key_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct List {
    user_name: Option<String>,
    #[serde(flatten)]
    paging: Paging,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct LastUsed {
    access_key_id: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Key {
    /// The root has no name.
    #[serde(skip_serializing_if = "Option::is_none")]
    user_name: Option<String>,
    access_key_id: String,
    status: &'static str,
    /// Shown once, to whoever created it.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret_access_key: Option<Secret>,
    create_date: i64,
}

impl Key {
    fn of(key: &AccessKey, user_name: Option<String>) -> Self {
        Self {
            user_name,
            access_key_id: key.id.to_string(),
            status: if key.active { "Active" } else { "Inactive" },
            secret_access_key: None,
            create_date: seconds(key.created_at),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct LastUse {
    #[serde(skip_serializing_if = "Option::is_none")]
    user_name: Option<String>,
    access_key_last_used: Usage,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Usage {
    #[serde(skip_serializing_if = "Option::is_none")]
    last_used_date: Option<i64>,
    service_name: String,
    region: String,
}

impl Usage {
    fn of(usage: Option<KeyUse>) -> Self {
        match usage {
            Some(usage) => Self {
                last_used_date: Some(seconds(usage.at)),
                service_name: usage.service,
                region: usage.region.to_string(),
            },
            None => Self {
                last_used_date: None,
                service_name: "N/A".to_owned(),
                region: "N/A".to_owned(),
            },
        }
    }
}
