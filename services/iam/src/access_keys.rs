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

#[cfg(test)]
mod tests {
    use drawbridge_session::iam::KeyOwner;
    use drawbridge_session::{AccessKeyId, AccountId, Clock as _};
    use drawbridge_store::credentials::open_secret;
    use drawbridge_store::{Directories as _, KeyUse, KeyUses as _};
    use serde_json::{Value, json};

    use crate::testing::{Desk, NOW};

    fn id_of(created: &Value) -> AccessKeyId {
        let id = created["AccessKey"]["AccessKeyId"].as_str().expect("a text");
        AccessKeyId::parse(id).expect("an id")
    }

    #[tokio::test]
    async fn a_secret_is_shown_once_and_kept_sealed() {
        let desk = Desk::new().await;
        let created = desk.ask("CreateAccessKey", json!({"UserName": "ADMIN"})).await;
        let id = id_of(&created);
        let secret = created["AccessKey"]["SecretAccessKey"].as_str().expect("a text");
        assert_eq!(secret.len(), 40);
        let listed = json!({
            "UserName": "admin",
            "AccessKeyId": id,
            "Status": "Active",
            "CreateDate": NOW,
        });
        let mut shown = listed.clone();
        shown["SecretAccessKey"] = json!(secret);
        assert_eq!(created, json!({"AccessKey": shown}));
        assert_eq!(
            desk.ask("ListAccessKeys", json!({})).await,
            json!({"AccessKeyMetadata": [listed], "IsTruncated": false})
        );

        let directory = desk
            .house
            .store
            .directory(&desk.house.account)
            .expect("an account");
        let key = directory.find_access_key(&id).expect("a key").key;
        let opened = open_secret(&desk.house.root, &id, &key.sealed_secret).expect("opens");
        assert!(opened.equals(secret));
        assert!(super::CREATE.audit.hides.contains(&"SecretAccessKey"));
    }

    #[tokio::test]
    async fn a_key_is_switched_off_and_deleted_by_its_owner() {
        let desk = Desk::new().await;
        let id = id_of(&desk.ask("CreateAccessKey", json!({})).await);
        desk.tell(
            "UpdateAccessKey",
            json!({"AccessKeyId": id, "Status": "Inactive"}),
        )
        .await;
        let listed = desk.ask("ListAccessKeys", json!({})).await;
        assert_eq!(listed["AccessKeyMetadata"][0]["Status"], "Inactive");
        desk.tell("DeleteAccessKey", json!({"AccessKeyId": id})).await;
        let none = json!({"AccessKeyMetadata": [], "IsTruncated": false});
        assert_eq!(desk.ask("ListAccessKeys", json!({})).await, none);
    }

    #[tokio::test]
    async fn the_root_has_keys_of_its_own() {
        let desk = Desk::new().await;
        let root = || desk.house.root_user();
        let created = desk
            .ask_as(root(), "CreateAccessKey", json!({}))
            .await
            .expect("created");
        assert_eq!(created["AccessKey"].get("UserName"), None);
        let directory = desk
            .house
            .store
            .directory(&desk.house.account)
            .expect("an account");
        assert_eq!(directory.access_keys(KeyOwner::Root).map(<[_]>::len), Ok(1));
        let named = json!({"AccessKeyId": id_of(&created)});
        let used = desk.ask_as(root(), "GetAccessKeyLastUsed", named.clone()).await;
        assert_eq!(used.expect("answered").get("UserName"), None);
        let deleted = desk.ask_as(root(), "DeleteAccessKey", named).await;
        assert_eq!(deleted, Ok(json!({})));
    }

    #[tokio::test]
    async fn tells_when_and_for_what_a_key_was_used() {
        let desk = Desk::new().await;
        let id = id_of(&desk.ask("CreateAccessKey", json!({})).await);
        let named = || json!({"AccessKeyId": id});
        assert_eq!(
            desk.ask("GetAccessKeyLastUsed", named()).await,
            json!({"UserName": "admin", "AccessKeyLastUsed": {"ServiceName": "N/A", "Region": "N/A"}})
        );
        let usage = KeyUse {
            at: desk.house.clock.now(),
            service: "ssm".to_owned(),
            region: desk.house.region.clone(),
        };
        desk.house.store.access_key_used(&id, usage);
        assert_eq!(
            desk.ask("GetAccessKeyLastUsed", named()).await,
            json!({
                "UserName": "admin",
                "AccessKeyLastUsed": {"LastUsedDate": NOW, "ServiceName": "ssm", "Region": "us-east-1"},
            })
        );
    }

    #[tokio::test]
    async fn the_key_of_another_account_looks_like_none() {
        let desk = Desk::new().await;
        let other = AccountId::parse("210987654321").expect("valid");
        desk.house.found(&other, "o-exampleorgid").await;
        let theirs = desk.house.user_of(&other, "admin");
        let id = id_of(
            &desk
                .ask_as(theirs, "CreateAccessKey", json!({}))
                .await
                .expect("created"),
        );
        for id in [id.as_str(), "AKIAAAAAAAAAAAAAAAAA", "not_an_access_key"] {
            let refused = desk
                .refused("GetAccessKeyLastUsed", json!({"AccessKeyId": id}))
                .await;
            let message = format!(
                "User: arn:aws:iam::123456789012:user/admin is not authorized to perform: iam:GetAccessKeyLastUsed on \
                 resource: access key {id}"
            );
            assert_eq!(refused, (403, "AccessDenied".to_owned(), message));
        }
    }
}
