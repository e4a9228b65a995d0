use async_trait::async_trait;
use drawbridge_session::iam::SealedSecret;
use drawbridge_session::{AccessKeyId, AccountId, Activation, AgentReport, ManagedNode, NodeId, Region, Tag};
use jiff::Timestamp;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, SqliteConnection};

use super::{Durability, Sqlite, activations, json, moment, ms, parsed, tags, to_json};
use crate::{NodeAccessKey, Nodes, Registration, RegistrationError, StoreError, TagsOf};

#[async_trait]
impl Nodes for Sqlite {
    async fn register_node(
        &self,
        registration: &Registration,
        now: Timestamp,
    ) -> Result<ManagedNode, RegistrationError> {
        let failed = || StoreError::doing("register a node");
        // Anyone may ask: whoever does not know a code must not keep the writer from others.
        let mut reader = self.readers.acquire().await.map_err(failed())?;
        admit(&mut reader, registration, now).await?;
        drop(reader);
        let mut transaction = self.write(Durability::Synced).await?;
        let activation = admit(&mut transaction, registration, now).await?;
        count(&mut transaction, &activation).await.map_err(failed())?;
        let node = ManagedNode {
            id: registration.node.clone(),
            account: activation.account,
            region: activation.region,
            activation: Some(activation.id),
            iam_role: activation.iam_role,
            instance_profile: None,
            name: activation.default_instance_name,
            public_key: Some(registration.public_key.clone()),
            fingerprint: registration.fingerprint.clone(),
            registered_at: now,
            last_ping_at: None,
            agent: AgentReport::default(),
        };
        insert(&mut transaction, &node)
            .await
            .map_err(|error| key_taken(error, failed()))?;
        tags::insert(&mut transaction, TagsOf::node(&node), &activation.tags)
            .await
            .map_err(failed())?;
        transaction.commit().await.map_err(failed())?;
        Ok(node)
    }

    async fn enrol_node(
        &self,
        node: &ManagedNode,
        key: &NodeAccessKey,
        tags: &[Tag],
    ) -> Result<bool, StoreError> {
        let failed = || StoreError::doing("enrol a node");
        let mut transaction = self.write(Durability::Synced).await?;
        if exists(&mut transaction, &node.id).await.map_err(failed())? {
            return Ok(false);
        }
        insert(&mut transaction, node).await.map_err(failed())?;
        insert_key(&mut transaction, key).await.map_err(failed())?;
        tags::insert(&mut transaction, TagsOf::node(node), tags)
            .await
            .map_err(failed())?;
        transaction.commit().await.map_err(failed())?;
        Ok(true)
    }

    async fn renew_node(
        &self,
        key: &NodeAccessKey,
        iam_role: &str,
        instance_profile: Option<&str>,
    ) -> Result<bool, StoreError> {
        let failed = || StoreError::doing("renew a node's access key");
        let mut transaction = self.write(Durability::Synced).await?;
        let removed = remove_key(&mut transaction, &key.node).await.map_err(failed())?;
        if !removed {
            return Ok(false);
        }
        insert_key(&mut transaction, key).await.map_err(failed())?;
        sqlx::query("UPDATE nodes SET iam_role = ?, instance_profile = ? WHERE id = ?")
            .bind(iam_role)
            .bind(instance_profile)
            .bind(key.node.as_str())
            .execute(&mut *transaction)
            .await
            .map_err(failed())?;
        transaction.commit().await.map_err(failed())?;
        self.snapshots.access_changed();
        Ok(true)
    }

    async fn node_access_key(&self, id: &AccessKeyId) -> Result<Option<NodeAccessKey>, StoreError> {
        let failed = || StoreError::doing("read a node's access key");
        let row = sqlx::query("SELECT * FROM node_access_keys WHERE id = ?")
            .bind(id.as_str())
            .fetch_optional(&self.readers)
            .await
            .map_err(failed())?;
        row.as_ref().map(read_key).transpose().map_err(failed())
    }

    async fn node(&self, id: &NodeId) -> Result<Option<ManagedNode>, StoreError> {
        let failed = || StoreError::doing("read a node");
        let row = sqlx::query("SELECT * FROM nodes WHERE id = ?")
            .bind(id.as_str())
            .fetch_optional(&self.readers)
            .await
            .map_err(failed())?;
        row.as_ref().map(read).transpose().map_err(failed())
    }

    async fn nodes_after(
        &self,
        account: &AccountId,
        region: &Region,
        after: Option<&NodeId>,
        limit: u32,
    ) -> Result<Vec<ManagedNode>, StoreError> {
        let failed = || StoreError::doing("list nodes");
        let rows = sqlx::query(
            "SELECT * FROM nodes WHERE account = ? AND region = ? AND id > ? ORDER BY id LIMIT ?",
        )
        .bind(account.as_str())
        .bind(region.as_str())
        .bind(after.map_or("", NodeId::as_str))
        .bind(limit)
        .fetch_all(&self.readers)
        .await
        .map_err(failed())?;
        rows.iter().map(read).collect::<Result<_, _>>().map_err(failed())
    }

    async fn report_node(
        &self,
        id: &NodeId,
        report: AgentReport,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let failed = || StoreError::doing("take a node's report");
        let mut transaction = self.write(Durability::Buffered).await?;
        let row = sqlx::query("SELECT agent FROM nodes WHERE id = ?")
            .bind(id.as_str())
            .fetch_optional(&mut *transaction)
            .await
            .map_err(failed())?;
        let Some(row) = row else { return Ok(false) };
        let mut agent: AgentReport = json(&row, "agent").map_err(failed())?;
        agent.update(report);
        sqlx::query("UPDATE nodes SET agent = ?, last_ping_at = ? WHERE id = ?")
            .bind(to_json(&agent))
            .bind(ms(now))
            .bind(id.as_str())
            .execute(&mut *transaction)
            .await
            .map_err(failed())?;
        transaction.commit().await.map_err(failed())?;
        Ok(true)
    }

    async fn set_node_role(&self, id: &NodeId, iam_role: &str) -> Result<bool, StoreError> {
        let failed = || StoreError::doing("change a node's role");
        let mut transaction = self.write(Durability::Synced).await?;
        let changed = sqlx::query("UPDATE nodes SET iam_role = ? WHERE id = ?")
            .bind(iam_role)
            .bind(id.as_str())
            .execute(&mut *transaction)
            .await
            .map_err(failed())?;
        transaction.commit().await.map_err(failed())?;
        self.snapshots.access_changed();
        Ok(changed.rows_affected() > 0)
    }

    async fn set_node_key(&self, id: &NodeId, public_key: &[u8]) -> Result<bool, RegistrationError> {
        let failed = || StoreError::doing("change a node's key");
        let mut transaction = self.write(Durability::Synced).await?;
        let changed = sqlx::query("UPDATE nodes SET public_key = ? WHERE id = ? AND public_key IS NOT NULL")
            .bind(public_key)
            .bind(id.as_str())
            .execute(&mut *transaction)
            .await
            .map_err(|error| key_taken(error, failed()))?;
        transaction.commit().await.map_err(failed())?;
        Ok(changed.rows_affected() > 0)
    }

    async fn remove_node(&self, id: &NodeId) -> Result<bool, StoreError> {
        let failed = || StoreError::doing("remove a node");
        let mut transaction = self.write(Durability::Synced).await?;
        let row = sqlx::query("DELETE FROM nodes WHERE id = ? RETURNING *")
            .bind(id.as_str())
            .fetch_optional(&mut *transaction)
            .await
            .map_err(failed())?;
        let Some(node) = row.as_ref().map(read).transpose().map_err(failed())? else {
            return Ok(false);
        };
        tags::remove_all(&mut transaction, TagsOf::node(&node))
            .await
            .map_err(failed())?;
        remove_key(&mut transaction, &node.id).await.map_err(failed())?;
        sqlx::query("DELETE FROM tokens WHERE subject = ?")
            .bind(id.as_str())
            .execute(&mut *transaction)
            .await
            .map_err(failed())?;
        transaction.commit().await.map_err(failed())?;
        self.snapshots.access_changed();
        Ok(true)
    }
}

/// Finds the activation, if it admits one more node of whoever knows its code.
async fn admit(
    connection: &mut SqliteConnection,
    registration: &Registration,
    now: Timestamp,
) -> Result<Activation, RegistrationError> {
    let failed = || StoreError::doing("register a node");
    let row = sqlx::query("SELECT * FROM activations WHERE id = ?")
        .bind(registration.activation.as_str())
        .fetch_optional(connection)
        .await
        .map_err(failed())?
        .ok_or(RegistrationError::UnknownActivation)?;
    let code: &[u8] = row.try_get("code_hash").map_err(failed())?;
    if !registration.code.equals(code) {
        return Err(RegistrationError::UnknownActivation);
    }
    let activation = activations::read(&row).map_err(failed())?;
    if activation.is_expired(now) {
        return Err(RegistrationError::Expired);
    }
    if activation.registrations_count >= activation.registration_limit {
        return Err(RegistrationError::LimitReached);
    }
    Ok(activation)
}

async fn count(connection: &mut SqliteConnection, activation: &Activation) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE activations SET registrations_count = registrations_count + 1 WHERE id = ?")
        .bind(activation.id.as_str())
        .execute(connection)
        .await?;
    Ok(())
}

async fn exists(connection: &mut SqliteConnection, id: &NodeId) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM nodes WHERE id = ?)")
        .bind(id.as_str())
        .fetch_one(connection)
        .await
}

async fn insert(connection: &mut SqliteConnection, node: &ManagedNode) -> Result<(), sqlx::Error> {
    sqlx::query("INSERT INTO nodes VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL, ?)")
        .bind(node.id.as_str())
        .bind(node.account.as_str())
        .bind(node.region.as_str())
        .bind(node.activation.as_ref().map(|id| id.as_str()))
        .bind(node.iam_role.as_str())
        .bind(node.instance_profile.as_deref())
        .bind(node.name.as_deref())
        .bind(node.public_key.as_deref())
        .bind(node.fingerprint.as_str())
        .bind(ms(node.registered_at))
        .bind(to_json(&node.agent))
        .execute(connection)
        .await?;
    Ok(())
}

async fn insert_key(connection: &mut SqliteConnection, key: &NodeAccessKey) -> Result<(), sqlx::Error> {
    sqlx::query("INSERT INTO node_access_keys VALUES (?, ?, ?, ?)")
        .bind(key.id.as_str())
        .bind(key.node.as_str())
        .bind(key.sealed_secret.as_bytes())
        .bind(ms(key.created_at))
        .execute(connection)
        .await?;
    Ok(())
}

async fn remove_key(connection: &mut SqliteConnection, node: &NodeId) -> Result<bool, sqlx::Error> {
    let removed = sqlx::query("DELETE FROM node_access_keys WHERE node = ?")
        .bind(node.as_str())
        .execute(connection)
        .await?;
    Ok(removed.rows_affected() > 0)
}

/// Tells a key that another node has from every other failure.
fn key_taken(error: sqlx::Error, failed: impl FnOnce(sqlx::Error) -> StoreError) -> RegistrationError {
    let taken = error
        .as_database_error()
        .is_some_and(|error| error.is_unique_violation() && error.message().contains("nodes.public_key"));
    if taken {
        RegistrationError::PublicKeyInUse
    } else {
        failed(error).into()
    }
}

fn read_key(row: &SqliteRow) -> Result<NodeAccessKey, sqlx::Error> {
    Ok(NodeAccessKey {
        id: parsed(row, "id")?,
        node: parsed(row, "node")?,
        sealed_secret: SealedSecret::new(row.try_get("secret")?),
        created_at: moment(row, "created_at")?,
    })
}

fn read(row: &SqliteRow) -> Result<ManagedNode, sqlx::Error> {
    let activation: Option<&str> = row.try_get("activation")?;
    let last_ping_at: Option<i64> = row.try_get("last_ping_at")?;
    Ok(ManagedNode {
        id: parsed(row, "id")?,
        account: parsed(row, "account")?,
        region: parsed(row, "region")?,
        activation: activation
            .is_some()
            .then(|| parsed(row, "activation"))
            .transpose()?,
        iam_role: row.try_get("iam_role")?,
        instance_profile: row.try_get("instance_profile")?,
        name: row.try_get("name")?,
        public_key: row.try_get("public_key")?,
        fingerprint: row.try_get("fingerprint")?,
        registered_at: moment(row, "registered_at")?,
        last_ping_at: last_ping_at
            .is_some()
            .then(|| moment(row, "last_ping_at"))
            .transpose()?,
        agent: json(row, "agent")?,
    })
}
