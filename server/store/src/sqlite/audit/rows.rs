//! Events and checkpoints as rows, and what events are found by.

use drawbridge_session::AuditEvent;
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Row as _, SqliteConnection};
use uuid::Uuid;

use super::super::{moment, ms, parsed};
use crate::Checkpoint;
use crate::audit::{Hash, Head, Mark, Signer};

/// What an event is found by.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found {
    account: String,
    region: String,
    at: i64,
    id: String,
    name: String,
    source: String,
    read_only: bool,
    user_name: Option<String>,
    access_key: Option<String>,
}

/// One resource that an event is found by; several of one name and type are one.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct FoundResource {
    name: String,
    kind: String,
    account: String,
    region: String,
    at: i64,
}

impl Found {
    pub(super) fn of(event: &AuditEvent) -> Self {
        Self {
            account: event.account().to_string(),
            region: event.region().to_string(),
            at: ms(event.at()),
            id: event.id().to_string(),
            name: event.name().to_owned(),
            source: event.source().to_owned(),
            read_only: event.is_read_only(),
            user_name: event.user_name().map(str::to_owned),
            access_key: event.access_key_id().map(str::to_owned),
        }
    }

    pub(super) fn read(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            account: row.try_get("account")?,
            region: row.try_get("region")?,
            at: row.try_get("at")?,
            id: row.try_get("id")?,
            name: row.try_get("name")?,
            source: row.try_get("source")?,
            read_only: row.try_get("read_only")?,
            user_name: row.try_get("user_name")?,
            access_key: row.try_get("access_key")?,
        })
    }
}

impl FoundResource {
    /// Lists those of an event, in order, each once.
    pub(super) fn of(event: &AuditEvent) -> Vec<Self> {
        let mut all: Vec<_> = event
            .resources()
            .iter()
            .map(|resource| Self {
                name: resource.name().to_owned(),
                kind: resource.kind().unwrap_or_default().to_owned(),
                account: event.account().to_string(),
                region: event.region().to_string(),
                at: ms(event.at()),
            })
            .collect();
        all.sort();
        all.dedup();
        all
    }

    pub(super) fn read(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            name: row.try_get("name")?,
            kind: row.try_get("kind")?,
            account: row.try_get("account")?,
            region: row.try_get("region")?,
            at: row.try_get("at")?,
        })
    }
}

/// An event at its place in the chain.
pub(super) struct Chained<'a> {
    pub(super) head: Head,
    pub(super) event: &'a AuditEvent,
    pub(super) text: &'a str,
}

pub(super) async fn insert_events(
    connection: &mut SqliteConnection,
    events: &[Chained<'_>],
) -> Result<(), sqlx::Error> {
    for some in groups(events) {
        let sql = format!("INSERT INTO audit_events VALUES {}", marks(some.len(), EVENT));
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for Chained { head, event, text } in some {
            let found = Found::of(event);
            query = query
                .bind(from_index(head.index))
                .bind(head.hash.to_vec())
                .bind(found.account)
                .bind(found.region)
                .bind(found.at)
                .bind(found.id)
                .bind(found.name)
                .bind(found.source)
                .bind(found.read_only)
                .bind(found.user_name)
                .bind(found.access_key)
                .bind(*text);
        }
        query.execute(&mut *connection).await?;
    }
    let of = |it: &Chained<'_>| {
        let index = it.head.index;
        let resources = FoundResource::of(it.event).into_iter();
        resources.map(move |resource| (index, resource))
    };
    let resources: Vec<_> = events.iter().flat_map(of).collect();
    for some in groups(&resources) {
        let sql = format!(
            "INSERT INTO audit_resources VALUES {}",
            marks(some.len(), RESOURCE)
        );
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for (index, resource) in some {
            query = query
                .bind(from_index(*index))
                .bind(resource.name.as_str())
                .bind(resource.kind.as_str())
                .bind(resource.account.as_str())
                .bind(resource.region.as_str())
                .bind(resource.at);
        }
        query.execute(&mut *connection).await?;
    }
    Ok(())
}

/// Stores intents, each an id and its text.
pub(super) async fn insert_intents(
    connection: &mut SqliteConnection,
    signer: &Signer,
    intents: &[(Uuid, String)],
) -> Result<(), sqlx::Error> {
    for some in groups(intents) {
        let sql = format!(
            "INSERT INTO audit_intents VALUES {}",
            marks(some.len(), "(?, ?, ?)")
        );
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for (id, text) in some {
            query = query.bind(id.to_string()).bind(text).bind(signer.tag(text));
        }
        query.execute(&mut *connection).await?;
    }
    Ok(())
}

pub(super) async fn delete_intents(
    connection: &mut SqliteConnection,
    ids: &[Uuid],
) -> Result<(), sqlx::Error> {
    for some in groups(ids) {
        let sql = format!(
            "DELETE FROM audit_intents WHERE id IN ({})",
            marks(some.len(), "?")
        );
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for id in some {
            query = query.bind(id.to_string());
        }
        query.execute(&mut *connection).await?;
    }
    Ok(())
}

/// Divides rows into groups of a few sizes: each group is one statement, and each size is one that stays prepared.
fn groups<T>(mut rows: &[T]) -> impl Iterator<Item = &[T]> {
    const SIZES: [usize; 3] = [32, 4, 1];
    std::iter::from_fn(move || {
        let size = SIZES.into_iter().find(|size| *size <= rows.len())?;
        let (group, rest) = rows.split_at(size);
        rows = rest;
        Some(group)
    })
}

fn marks(count: usize, row: &str) -> String {
    vec![row; count].join(", ")
}

const EVENT: &str = "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
const RESOURCE: &str = "(?, ?, ?, ?, ?, ?)";

pub(super) async fn insert_checkpoint(
    connection: &mut SqliteConnection,
    checkpoint: &Checkpoint,
) -> Result<(), sqlx::Error> {
    sqlx::query("INSERT INTO audit_checkpoints VALUES (?, ?, ?, ?, ?)")
        .bind(from_index(checkpoint.head.index))
        .bind(checkpoint.mark.as_str())
        .bind(checkpoint.head.hash.as_slice())
        .bind(ms(checkpoint.at))
        .bind(checkpoint.signature.as_slice())
        .execute(connection)
        .await?;
    Ok(())
}

/// Removes the checkpoint of an event that was the last one when it was signed.
pub(super) async fn delete_head(connection: &mut SqliteConnection, index: u64) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM audit_checkpoints WHERE idx = ? AND kind = ?")
        .bind(from_index(index))
        .bind(Mark::Head.as_str())
        .execute(connection)
        .await?;
    Ok(())
}

pub(super) fn checkpoint(row: &SqliteRow, writer: Uuid) -> Result<Checkpoint, sqlx::Error> {
    Ok(Checkpoint {
        writer,
        mark: parsed(row, "kind")?,
        head: head(row)?,
        at: moment(row, "at")?,
        signature: row.try_get("signature")?,
    })
}

/// Reads `idx` and `hash`, of an event or a checkpoint.
pub(super) fn head(row: &SqliteRow) -> Result<Head, sqlx::Error> {
    let hash: &[u8] = row.try_get("hash")?;
    Ok(Head {
        index: index(row)?,
        // A hash of another length is one that no chain has.
        hash: Hash::try_from(hash).unwrap_or_default(),
    })
}

pub(super) fn index(row: &SqliteRow) -> Result<u64, sqlx::Error> {
    let index: i64 = row.try_get("idx")?;
    Ok(u64::try_from(index).unwrap_or(0))
}

pub(super) fn from_index(index: u64) -> i64 {
    i64::try_from(index).unwrap_or(i64::MAX)
}
