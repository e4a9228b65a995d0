use async_trait::async_trait;
use drawbridge_session::{AccessKeyId, AccountId, Principal, Secret};
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::{Durability, Sqlite, moment, ms, parsed, undecodable};
use crate::{AccessKey, AccessKeys, RootKey, SealError, StoreError};

const PURPOSE: &str = "access keys 1";

#[async_trait]
impl AccessKeys for Sqlite {
    async fn create_access_key(&self, key: &AccessKey) -> Result<(), StoreError> {
        let failed = || StoreError::doing("create an access key");
        let (user_name, user_id) = match &key.principal {
            Principal::Root { .. } => (None, None),
            Principal::User { name, id, .. } => (Some(name), Some(id)),
            Principal::AssumedRole { .. } | Principal::Node { .. } | Principal::Anonymous { .. } => {
                return Err(StoreError::new(
                    "create an access key",
                    "only users and the root of an account have access keys",
                ));
            }
        };
        let id = key.id.as_str();
        let sealed = self.root.seal(
            PURPOSE,
            id.as_bytes(),
            key.secret.expose().as_bytes(),
            self.random.as_ref(),
        );
        let mut transaction = self.write(Durability::Synced).await?;
        sqlx::query("INSERT INTO access_keys VALUES (?, ?, ?, ?, ?, ?, ?)")
            .bind(id)
            .bind(key.principal.account().as_str())
            .bind(user_name)
            .bind(user_id)
            .bind(sealed)
            .bind(key.active)
            .bind(ms(key.created_at))
            .execute(&mut *transaction)
            .await
            .map_err(failed())?;
        transaction.commit().await.map_err(failed())
    }

    async fn access_key(&self, id: &AccessKeyId) -> Result<Option<AccessKey>, StoreError> {
        let failed = || StoreError::doing("read an access key");
        let row = sqlx::query("SELECT * FROM access_keys WHERE id = ?")
            .bind(id.as_str())
            .fetch_optional(&self.readers)
            .await
            .map_err(failed())?;
        row.map(|row| read(&row, &self.root))
            .transpose()
            .map_err(failed())
    }
}

fn read(row: &SqliteRow, root: &RootKey) -> Result<AccessKey, sqlx::Error> {
    let id: AccessKeyId = parsed(row, "id")?;
    let account: AccountId = parsed(row, "account")?;
    let principal = match (row.try_get("user_name")?, row.try_get("user_id")?) {
        (Some(name), Some(user_id)) => Principal::User {
            account,
            name,
            id: user_id,
        },
        (_, _) => Principal::Root { account },
    };
    let sealed: &[u8] = row.try_get("secret")?;
    let plain = root
        .open(PURPOSE, id.as_str().as_bytes(), sealed)
        .map_err(|error| undecodable("secret", error))?;
    let secret = std::str::from_utf8(&plain).map_err(|_| undecodable("secret", SealError))?;
    Ok(AccessKey {
        secret: Secret::new(secret),
        id,
        principal,
        active: row.try_get("active")?,
        created_at: moment(row, "created_at")?,
    })
}
