//! Documents and their versions as rows.

use aws_lc_rs::digest;
use drawbridge_session::document::{DocumentFormat, Platform};
use drawbridge_session::{AccountId, Region};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, SqliteConnection, SqliteExecutor};

use super::super::{moment, ms, parsed, undecodable};
use crate::{
    Document, DocumentAt, DocumentVersion, FoundDocument, NewDocumentVersion, SharedWith, WantedVersion,
};

/// Selects versions with their documents; `$more` names further columns.
macro_rules! select {
    ($more:literal, $rest:literal) => {
        concat!(
            "SELECT d.account, d.region, d.name, d.automatic, d.default_version, d.latest_version, v.number, \
             v.name AS version_name, v.display_name, v.target_type, v.format, v.platforms, v.sha256, v.created_at",
            $more,
            " FROM documents d JOIN document_versions v \
             ON v.account = d.account AND v.region = d.region AND v.document = d.name ",
            $rest
        )
    };
}

pub(super) async fn document(
    executor: impl SqliteExecutor<'_>,
    at: DocumentAt<'_>,
) -> Result<Option<Document>, sqlx::Error> {
    let row = sqlx::query("SELECT * FROM documents WHERE account = ? AND region = ? AND name = ?")
        .bind(at.account.as_str())
        .bind(at.region.as_str())
        .bind(at.name)
        .fetch_optional(executor)
        .await?;
    row.as_ref().map(read_document).transpose()
}

pub(super) async fn version(
    executor: impl SqliteExecutor<'_>,
    at: DocumentAt<'_>,
    wanted: WantedVersion<'_>,
) -> Result<Option<FoundDocument>, sqlx::Error> {
    const BY_DEFAULT: &str = select!(
        ", v.content",
        "WHERE d.account = ? AND d.region = ? AND d.name = ? AND v.number = d.default_version"
    );
    const LATEST: &str = select!(
        ", v.content",
        "WHERE d.account = ? AND d.region = ? AND d.name = ? AND v.number = d.latest_version"
    );
    const NUMBERED: &str = select!(
        ", v.content",
        "WHERE d.account = ? AND d.region = ? AND d.name = ? AND v.number = ?"
    );
    const NAMED: &str = select!(
        ", v.content",
        "WHERE d.account = ? AND d.region = ? AND d.name = ? AND v.name = ?"
    );
    let sql = match wanted {
        WantedVersion::Default => BY_DEFAULT,
        WantedVersion::Latest => LATEST,
        WantedVersion::Number(_) => NUMBERED,
        WantedVersion::Named(_) => NAMED,
    };
    let query = sqlx::query(sql)
        .bind(at.account.as_str())
        .bind(at.region.as_str())
        .bind(at.name);
    let query = match wanted {
        WantedVersion::Default | WantedVersion::Latest => query,
        WantedVersion::Number(number) => query.bind(number),
        WantedVersion::Named(name) => query.bind(name),
    };
    let row = query.fetch_optional(executor).await?;
    row.as_ref()
        .map(|row| {
            Ok(FoundDocument {
                document: read_document(row)?,
                version: read_version(row)?,
                content: row.try_get("content")?,
            })
        })
        .transpose()
}

pub(super) async fn versions(
    executor: impl SqliteExecutor<'_>,
    at: DocumentAt<'_>,
    before: Option<u32>,
    limit: u32,
) -> Result<Vec<DocumentVersion>, sqlx::Error> {
    let rows = sqlx::query(select!(
        "",
        "WHERE d.account = ? AND d.region = ? AND d.name = ? AND v.number < ? ORDER BY v.number DESC LIMIT ?"
    ))
    .bind(at.account.as_str())
    .bind(at.region.as_str())
    .bind(at.name)
    .bind(before.map_or(i64::MAX, i64::from))
    .bind(limit)
    .fetch_all(executor)
    .await?;
    rows.iter().map(read_version).collect()
}

pub(super) async fn after(
    executor: impl SqliteExecutor<'_>,
    account: &AccountId,
    region: &Region,
    after: Option<&str>,
    limit: u32,
) -> Result<Vec<(Document, DocumentVersion)>, sqlx::Error> {
    let rows = sqlx::query(select!(
        "",
        "WHERE d.account = ? AND d.region = ? AND d.name > ? AND v.number = d.default_version \
         ORDER BY d.name LIMIT ?"
    ))
    .bind(account.as_str())
    .bind(region.as_str())
    .bind(after.unwrap_or(""))
    .bind(limit)
    .fetch_all(executor)
    .await?;
    rows.iter().map(read_both).collect()
}

pub(super) async fn shared_after(
    executor: impl SqliteExecutor<'_>,
    (with, not): (&SharedWith, &AccountId),
    region: &Region,
    after: Option<(&AccountId, &str)>,
    limit: u32,
) -> Result<Vec<(Document, DocumentVersion)>, sqlx::Error> {
    let (after_account, after_name) = after.map_or(("", ""), |(account, name)| (account.as_str(), name));
    let rows = sqlx::query(select!(
        "",
        "JOIN document_shares s ON s.account = d.account AND s.region = d.region AND s.document = d.name \
         WHERE s.shared_with = ? AND s.region = ? AND s.account <> ? AND (s.account, s.document) > (?, ?) \
         AND v.number = iif(s.version = '$LATEST', d.latest_version, d.default_version) \
         ORDER BY s.account, s.document LIMIT ?"
    ))
    .bind(with.as_str())
    .bind(region.as_str())
    .bind(not.as_str())
    .bind(after_account)
    .bind(after_name)
    .bind(limit)
    .fetch_all(executor)
    .await?;
    rows.iter().map(read_both).collect()
}

/// Counts the documents where one is.
pub(super) async fn count(connection: &mut SqliteConnection, at: DocumentAt<'_>) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar("SELECT count(*) FROM documents WHERE account = ? AND region = ?")
        .bind(at.account.as_str())
        .bind(at.region.as_str())
        .fetch_one(connection)
        .await
}

pub(super) async fn count_versions(
    connection: &mut SqliteConnection,
    at: DocumentAt<'_>,
) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar(
        "SELECT count(*) FROM document_versions WHERE account = ? AND region = ? AND document = ?",
    )
    .bind(at.account.as_str())
    .bind(at.region.as_str())
    .bind(at.name)
    .fetch_one(connection)
    .await
}

/// Inserts a document with its first version.
pub(super) async fn insert(
    connection: &mut SqliteConnection,
    at: DocumentAt<'_>,
    first: NewDocumentVersion<'_>,
    automatic: bool,
) -> Result<Document, sqlx::Error> {
    sqlx::query("INSERT INTO documents VALUES (?, ?, ?, ?, 1, 1, 2)")
        .bind(at.account.as_str())
        .bind(at.region.as_str())
        .bind(at.name)
        .bind(automatic)
        .execute(&mut *connection)
        .await?;
    insert_version(connection, at, 1, first).await?;
    Ok(Document {
        account: at.account.clone(),
        region: at.region.clone(),
        name: at.name.to_owned(),
        automatic,
        default_version: 1,
        latest_version: 1,
    })
}

/// Inserts a version after all others. Whoever does so has made the document their own.
pub(super) async fn add_version(
    connection: &mut SqliteConnection,
    at: DocumentAt<'_>,
    version: NewDocumentVersion<'_>,
) -> Result<(), sqlx::Error> {
    let number: u32 = sqlx::query_scalar(
        "UPDATE documents SET automatic = 0, latest_version = next_version, next_version = next_version + 1 \
         WHERE account = ? AND region = ? AND name = ? RETURNING latest_version",
    )
    .bind(at.account.as_str())
    .bind(at.region.as_str())
    .bind(at.name)
    .fetch_one(&mut *connection)
    .await?;
    insert_version(connection, at, number, version).await
}

async fn insert_version(
    connection: &mut SqliteConnection,
    at: DocumentAt<'_>,
    number: u32,
    version: NewDocumentVersion<'_>,
) -> Result<(), sqlx::Error> {
    let platforms: Vec<_> = version.platforms.iter().map(|platform| platform.name()).collect();
    let sha256 = digest::digest(&digest::SHA256, version.content.as_bytes());
    sqlx::query("INSERT INTO document_versions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
        .bind(at.account.as_str())
        .bind(at.region.as_str())
        .bind(at.name)
        .bind(number)
        .bind(version.name)
        .bind(version.display_name)
        .bind(version.target_type)
        .bind(version.format.name())
        .bind(platforms.join(","))
        .bind(hex::encode(sha256))
        .bind(ms(version.created_at))
        .bind(version.content)
        .execute(connection)
        .await?;
    Ok(())
}

pub(super) async fn set_default(
    connection: &mut SqliteConnection,
    at: DocumentAt<'_>,
    number: u32,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE documents SET automatic = 0, default_version = ? WHERE account = ? AND region = ? AND name = ?",
    )
    .bind(number)
    .bind(at.account.as_str())
    .bind(at.region.as_str())
    .bind(at.name)
    .execute(connection)
    .await?;
    Ok(())
}

/// Removes a document with its versions; tags and shares are elsewhere.
pub(super) async fn remove(connection: &mut SqliteConnection, at: DocumentAt<'_>) -> Result<(), sqlx::Error> {
    for sql in [
        "DELETE FROM documents WHERE account = ? AND region = ? AND name = ?",
        "DELETE FROM document_versions WHERE account = ? AND region = ? AND document = ?",
    ] {
        sqlx::query(sql)
            .bind(at.account.as_str())
            .bind(at.region.as_str())
            .bind(at.name)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

/// Removes a version; the newest that is left is the latest then.
pub(super) async fn remove_version(
    connection: &mut SqliteConnection,
    at: DocumentAt<'_>,
    number: u32,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "DELETE FROM document_versions WHERE account = ? AND region = ? AND document = ? AND number = ?",
    )
    .bind(at.account.as_str())
    .bind(at.region.as_str())
    .bind(at.name)
    .bind(number)
    .execute(&mut *connection)
    .await?;
    sqlx::query(
        "UPDATE documents SET automatic = 0, latest_version = (SELECT max(number) FROM document_versions \
         WHERE account = ?1 AND region = ?2 AND document = ?3) WHERE account = ?1 AND region = ?2 AND name = ?3",
    )
    .bind(at.account.as_str())
    .bind(at.region.as_str())
    .bind(at.name)
    .execute(connection)
    .await?;
    Ok(())
}

fn read_both(row: &SqliteRow) -> Result<(Document, DocumentVersion), sqlx::Error> {
    Ok((read_document(row)?, read_version(row)?))
}

fn read_document(row: &SqliteRow) -> Result<Document, sqlx::Error> {
    Ok(Document {
        account: parsed(row, "account")?,
        region: parsed(row, "region")?,
        name: row.try_get("name")?,
        automatic: row.try_get("automatic")?,
        default_version: row.try_get("default_version")?,
        latest_version: row.try_get("latest_version")?,
    })
}

fn read_version(row: &SqliteRow) -> Result<DocumentVersion, sqlx::Error> {
    let word: &str = row.try_get("format")?;
    let format = [DocumentFormat::Json, DocumentFormat::Yaml]
        .into_iter()
        .find(|format| format.name() == word);
    let unknown = || undecodable("format", std::io::Error::other(format!("no format `{word}`")));
    Ok(DocumentVersion {
        number: row.try_get("number")?,
        name: row.try_get("version_name")?,
        display_name: row.try_get("display_name")?,
        target_type: row.try_get("target_type")?,
        format: format.ok_or_else(unknown)?,
        platforms: read_platforms(row.try_get("platforms")?),
        sha256: row.try_get("sha256")?,
        created_at: moment(row, "created_at")?,
    })
}

fn read_platforms(text: &str) -> Vec<Platform> {
    let named = |platform: &Platform| text.split(',').any(|name| name == platform.name());
    Platform::ALL.into_iter().filter(named).collect()
}
