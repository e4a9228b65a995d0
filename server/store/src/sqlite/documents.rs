use async_trait::async_trait;
use drawbridge_session::{AccountId, Region, Tag};
use sqlx::SqliteConnection;

use super::{Durability, Sqlite, parsed, tags};
use crate::documents::{MAX_DOCUMENT_SHARES, MAX_DOCUMENT_VERSIONS, MAX_DOCUMENTS};
use crate::{
    ChangeDocumentError, CreateDocumentError, Document, DocumentAt, DocumentShare, DocumentVersion,
    Documents, FoundDocument, NewDocumentVersion, ShareChange, SharedVersions, SharedWith, StoreError,
    TagsOf, WantedVersion,
};

mod rows;

#[async_trait]
impl Documents for Sqlite {
    async fn create_document(
        &self,
        at: DocumentAt<'_>,
        first: NewDocumentVersion<'_>,
        tags: &[Tag],
    ) -> Result<Document, CreateDocumentError> {
        let failed = || StoreError::doing("create a document");
        let mut transaction = self.write(Durability::Synced).await?;
        if let Some(there) = rows::document(&mut *transaction, at).await.map_err(failed())? {
            let untouched = is_untouched(&mut transaction, &there).await.map_err(failed())?;
            if !untouched {
                return Err(CreateDocumentError::Exists);
            }
            rows::remove(&mut transaction, at).await.map_err(failed())?;
        }
        let others = rows::count(&mut transaction, at).await.map_err(failed())?;
        if others >= i64::from(MAX_DOCUMENTS) {
            return Err(CreateDocumentError::TooMany);
        }
        let document = rows::insert(&mut transaction, at, first, false)
            .await
            .map_err(failed())?;
        // Tags that came while one of that name was removed are not this one's.
        tags::remove_all(&mut transaction, TagsOf::document(at))
            .await
            .map_err(failed())?;
        tags::insert(&mut transaction, TagsOf::document(at), tags)
            .await
            .map_err(failed())?;
        transaction.commit().await.map_err(failed())?;
        self.snapshots.access_changed();
        Ok(document)
    }

    async fn ensure_document(
        &self,
        at: DocumentAt<'_>,
        first: NewDocumentVersion<'_>,
    ) -> Result<FoundDocument, StoreError> {
        let failed = || StoreError::doing("make a document at its first use");
        let newest = WantedVersion::Latest;
        if let Some(found) = self.document_version(at, newest).await? {
            return Ok(found);
        }
        let mut transaction = self.write(Durability::Synced).await?;
        let there = rows::document(&mut *transaction, at).await.map_err(failed())?;
        if there.is_none() {
            // Not counted: a full account can start sessions, too.
            rows::insert(&mut transaction, at, first, true)
                .await
                .map_err(failed())?;
        }
        let found = rows::version(&mut *transaction, at, newest)
            .await
            .map_err(failed())?;
        transaction.commit().await.map_err(failed())?;
        found.ok_or_else(|| StoreError::new("make a document at its first use", "it has no version"))
    }

    async fn document(&self, at: DocumentAt<'_>) -> Result<Option<Document>, StoreError> {
        rows::document(&self.readers, at)
            .await
            .map_err(StoreError::doing("read a document"))
    }

    async fn document_version(
        &self,
        at: DocumentAt<'_>,
        wanted: WantedVersion<'_>,
    ) -> Result<Option<FoundDocument>, StoreError> {
        rows::version(&self.readers, at, wanted)
            .await
            .map_err(StoreError::doing("read a document"))
    }

    async fn document_versions(
        &self,
        at: DocumentAt<'_>,
        before: Option<u32>,
        limit: u32,
    ) -> Result<Vec<DocumentVersion>, StoreError> {
        rows::versions(&self.readers, at, before, limit)
            .await
            .map_err(StoreError::doing("list the versions of a document"))
    }

    async fn documents_after(
        &self,
        account: &AccountId,
        region: &Region,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<(Document, DocumentVersion)>, StoreError> {
        rows::after(&self.readers, account, region, after, limit)
            .await
            .map_err(StoreError::doing("list documents"))
    }

    async fn documents_shared_with(
        &self,
        with: &SharedWith,
        not: &AccountId,
        region: &Region,
        after: Option<(&AccountId, &str)>,
        limit: u32,
    ) -> Result<Vec<(Document, DocumentVersion)>, StoreError> {
        rows::shared_after(&self.readers, (with, not), region, after, limit)
            .await
            .map_err(StoreError::doing("list shared documents"))
    }

    async fn add_document_version(
        &self,
        at: DocumentAt<'_>,
        base: WantedVersion<'_>,
        version: NewDocumentVersion<'_>,
    ) -> Result<FoundDocument, ChangeDocumentError> {
        const DOING: &str = "add a version to a document";
        let failed = || StoreError::doing(DOING);
        let mut transaction = self.write(Durability::Synced).await?;
        let latest = found(&mut transaction, at, WantedVersion::Latest, DOING).await?;
        if !names_the_latest(base, &latest) {
            return Err(ChangeDocumentError::WrongVersion);
        }
        if (latest.content.as_str(), latest.version.format) == (version.content, version.format) {
            return Err(ChangeDocumentError::SameContent);
        }
        if let Some(name) = version.name {
            let named = rows::version(&mut *transaction, at, WantedVersion::Named(name)).await;
            if named.map_err(failed())?.is_some() {
                return Err(ChangeDocumentError::SameName);
            }
        }
        let count = rows::count_versions(&mut transaction, at)
            .await
            .map_err(failed())?;
        if count >= i64::from(MAX_DOCUMENT_VERSIONS) {
            return Err(ChangeDocumentError::TooMany);
        }
        let version = NewDocumentVersion {
            display_name: version.display_name.or(latest.version.display_name.as_deref()),
            target_type: version.target_type.or(latest.version.target_type.as_deref()),
            ..version
        };
        rows::add_version(&mut transaction, at, version)
            .await
            .map_err(failed())?;
        let added = found(&mut transaction, at, WantedVersion::Latest, DOING).await?;
        transaction.commit().await.map_err(failed())?;
        Ok(added)
    }

    async fn set_default_document_version(
        &self,
        at: DocumentAt<'_>,
        number: u32,
    ) -> Result<FoundDocument, ChangeDocumentError> {
        const DOING: &str = "choose the default version of a document";
        let failed = || StoreError::doing(DOING);
        let mut transaction = self.write(Durability::Synced).await?;
        found(&mut transaction, at, WantedVersion::Number(number), DOING).await?;
        rows::set_default(&mut transaction, at, number)
            .await
            .map_err(failed())?;
        let chosen = found(&mut transaction, at, WantedVersion::Default, DOING).await?;
        transaction.commit().await.map_err(failed())?;
        Ok(chosen)
    }

    async fn remove_document(&self, at: DocumentAt<'_>) -> Result<(), ChangeDocumentError> {
        let failed = || StoreError::doing("remove a document");
        let mut transaction = self.write(Durability::Synced).await?;
        let there = rows::document(&mut *transaction, at).await.map_err(failed())?;
        if there.is_none() {
            return Err(ChangeDocumentError::Unknown);
        }
        if count_shares(&mut transaction, at).await.map_err(failed())? > 0 {
            return Err(ChangeDocumentError::Shared);
        }
        rows::remove(&mut transaction, at).await.map_err(failed())?;
        tags::remove_all(&mut transaction, TagsOf::document(at))
            .await
            .map_err(failed())?;
        transaction.commit().await.map_err(failed())?;
        self.snapshots.access_changed();
        Ok(())
    }

    async fn remove_document_version(
        &self,
        at: DocumentAt<'_>,
        wanted: WantedVersion<'_>,
    ) -> Result<(), ChangeDocumentError> {
        const DOING: &str = "remove a version of a document";
        let failed = || StoreError::doing(DOING);
        let mut transaction = self.write(Durability::Synced).await?;
        let FoundDocument {
            document, version, ..
        } = found(&mut transaction, at, wanted, DOING).await?;
        if version.number == document.default_version {
            return Err(ChangeDocumentError::WrongVersion);
        }
        rows::remove_version(&mut transaction, at, version.number)
            .await
            .map_err(failed())?;
        transaction.commit().await.map_err(failed())?;
        Ok(())
    }

    async fn share_document(
        &self,
        at: DocumentAt<'_>,
        change: ShareChange<'_>,
    ) -> Result<(), ChangeDocumentError> {
        let failed = || StoreError::doing("share a document");
        let mut transaction = self.write(Durability::Synced).await?;
        let there = rows::document(&mut *transaction, at).await.map_err(failed())?;
        if there.is_none() {
            return Err(ChangeDocumentError::Unknown);
        }
        change_shares(&mut transaction, at, change)
            .await
            .map_err(failed())?;
        if count_shares(&mut transaction, at).await.map_err(failed())? > i64::from(MAX_DOCUMENT_SHARES) {
            return Err(ChangeDocumentError::TooMany);
        }
        transaction.commit().await.map_err(failed())?;
        self.snapshots.access_changed();
        Ok(())
    }

    async fn document_shares(
        &self,
        at: DocumentAt<'_>,
        after: Option<&SharedWith>,
        limit: u32,
    ) -> Result<Vec<DocumentShare>, StoreError> {
        let failed = || StoreError::doing("list whom a document is shared with");
        let rows = sqlx::query(
            "SELECT shared_with, version FROM document_shares \
             WHERE account = ? AND region = ? AND document = ? AND shared_with > ? ORDER BY shared_with LIMIT ?",
        )
        .bind(at.account.as_str())
        .bind(at.region.as_str())
        .bind(at.name)
        .bind(after.map_or("", SharedWith::as_str))
        .bind(limit)
        .fetch_all(&self.readers)
        .await
        .map_err(failed())?;
        rows.iter()
            .map(|row| {
                Ok(DocumentShare {
                    with: parsed(row, "shared_with")?,
                    versions: parsed(row, "version")?,
                })
            })
            .collect::<Result<_, sqlx::Error>>()
            .map_err(failed())
    }

    async fn document_share(
        &self,
        at: DocumentAt<'_>,
        with: &AccountId,
    ) -> Result<Option<SharedVersions>, StoreError> {
        let failed = || StoreError::doing("read whom a document is shared with");
        // What is shared with the account itself comes before what is shared with all.
        let row = sqlx::query(
            "SELECT version FROM document_shares WHERE account = ? AND region = ? AND document = ? \
             AND shared_with IN (?, 'all') ORDER BY shared_with LIMIT 1",
        )
        .bind(at.account.as_str())
        .bind(at.region.as_str())
        .bind(at.name)
        .bind(with.as_str())
        .fetch_optional(&self.readers)
        .await
        .map_err(failed())?;
        row.map(|row| parsed(&row, "version"))
            .transpose()
            .map_err(failed())
    }
}

/// Finds a version inside a transaction that needs it.
async fn found(
    connection: &mut SqliteConnection,
    at: DocumentAt<'_>,
    wanted: WantedVersion<'_>,
    doing: &'static str,
) -> Result<FoundDocument, ChangeDocumentError> {
    let found = rows::version(&mut *connection, at, wanted).await;
    if let Some(found) = found.map_err(StoreError::doing(doing))? {
        return Ok(found);
    }
    let document = rows::document(connection, at).await;
    let document = document.map_err(StoreError::doing(doing))?;
    Err(match document {
        Some(_) => ChangeDocumentError::WrongVersion,
        None => ChangeDocumentError::Unknown,
    })
}

fn names_the_latest(base: WantedVersion<'_>, latest: &FoundDocument) -> bool {
    let number = latest.version.number;
    match base {
        WantedVersion::Latest => true,
        WantedVersion::Default => latest.document.default_version == number,
        WantedVersion::Number(named) => named == number,
        WantedVersion::Named(named) => latest.version.name.as_deref() == Some(named),
    }
}

/// Whether a document was made at first use, and is as it was made.
async fn is_untouched(connection: &mut SqliteConnection, document: &Document) -> Result<bool, sqlx::Error> {
    if !document.automatic || count_shares(connection, document.at()).await? > 0 {
        return Ok(false);
    }
    let of = TagsOf::document(document.at());
    let tags: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM tags WHERE account = ? AND region = ? AND resource_type = ? AND resource_id = ?",
    )
    .bind(of.account.as_str())
    .bind(of.region.as_str())
    .bind(of.target.as_str())
    .bind(of.id)
    .fetch_one(connection)
    .await?;
    Ok(tags == 0)
}

async fn count_shares(connection: &mut SqliteConnection, at: DocumentAt<'_>) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar(
        "SELECT count(*) FROM document_shares WHERE account = ? AND region = ? AND document = ?",
    )
    .bind(at.account.as_str())
    .bind(at.region.as_str())
    .bind(at.name)
    .fetch_one(connection)
    .await
}

async fn change_shares(
    connection: &mut SqliteConnection,
    at: DocumentAt<'_>,
    change: ShareChange<'_>,
) -> Result<(), sqlx::Error> {
    for with in change.remove {
        sqlx::query(
            "DELETE FROM document_shares WHERE account = ? AND region = ? AND document = ? AND shared_with = ?",
        )
        .bind(at.account.as_str())
        .bind(at.region.as_str())
        .bind(at.name)
        .bind(with.as_str())
        .execute(&mut *connection)
        .await?;
    }
    for with in change.add {
        sqlx::query(
            "INSERT INTO document_shares VALUES (?, ?, ?, ?, ?) \
             ON CONFLICT (account, region, document, shared_with) DO UPDATE SET version = excluded.version",
        )
        .bind(at.account.as_str())
        .bind(at.region.as_str())
        .bind(at.name)
        .bind(with.as_str())
        .bind(change.versions.as_str())
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}
