//! Session documents, their versions, and with whom they are shared.

use std::str::FromStr;

use async_trait::async_trait;
use drawbridge_session::document::{DocumentFormat, Platform};
use drawbridge_session::{AccountId, Region, Tag};
use jiff::Timestamp;

use crate::StoreError;

/// The most documents of one account in one region (SSM's documented quota).
pub const MAX_DOCUMENTS: u32 = 500;

/// The most versions of one document (SSM's documented quota).
pub const MAX_DOCUMENT_VERSIONS: u32 = 1000;

/// The most accounts that one document is shared with (SSM's documented quota).
pub const MAX_DOCUMENT_SHARES: u32 = 1000;

/// Where a document is.
#[derive(Debug, Clone, Copy)]
pub struct DocumentAt<'a> {
    /// The account that owns it.
    pub account: &'a AccountId,
    /// The region.
    pub region: &'a Region,
    /// Its name.
    pub name: &'a str,
}

/// A document without its versions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// The account that owns it.
    pub account: AccountId,
    /// The region.
    pub region: Region,
    /// Its name, 3 to 128 characters.
    pub name: String,
    /// Whether it was made at first use, and nobody has changed it since.
    pub automatic: bool,
    /// The version that is used where none is named.
    pub default_version: u32,
    /// The newest version.
    pub latest_version: u32,
}

impl Document {
    /// Returns where it is.
    pub fn at(&self) -> DocumentAt<'_> {
        DocumentAt {
            account: &self.account,
            region: &self.region,
            name: &self.name,
        }
    }
}

/// A version of a document without its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentVersion {
    /// Counts from 1; the number of a version that was removed is not given again.
    pub number: u32,
    /// What its author calls the version, unique within the document.
    pub name: Option<String>,
    /// What people call the document.
    pub display_name: Option<String>,
    /// The type of resource that it is for.
    pub target_type: Option<String>,
    /// The format of the content.
    pub format: DocumentFormat,
    /// The platforms that its sessions can run on.
    pub platforms: Vec<Platform>,
    /// SHA-256 of the content, in hex.
    pub sha256: String,
    /// When the version was made.
    pub created_at: Timestamp,
}

/// A version of a document with its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundDocument {
    /// The document.
    pub document: Document,
    /// The version.
    pub version: DocumentVersion,
    /// The text as it was given.
    pub content: String,
}

/// A version to come.
#[derive(Debug, Clone, Copy)]
pub struct NewDocumentVersion<'a> {
    /// What its author calls the version.
    pub name: Option<&'a str>,
    /// What people call the document; `None` keeps what the version before has.
    pub display_name: Option<&'a str>,
    /// The type of resource that it is for; `None` keeps what the version before has.
    pub target_type: Option<&'a str>,
    /// The format of the content.
    pub format: DocumentFormat,
    /// The platforms that its sessions can run on.
    pub platforms: &'a [Platform],
    /// The text.
    pub content: &'a str,
    /// The time.
    pub created_at: Timestamp,
}

/// Which version is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WantedVersion<'a> {
    /// The default.
    Default,
    /// The newest.
    Latest,
    /// The one with this number.
    Number(u32),
    /// The one with this name.
    Named(&'a str),
}

/// Those whom a document is shared with.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum SharedWith {
    /// Every account of this server.
    All,
    /// One account.
    Account(AccountId),
}

impl SharedWith {
    /// Returns the word of the wire.
    pub fn as_str(&self) -> &str {
        match self {
            Self::All => "all",
            Self::Account(account) => account.as_str(),
        }
    }
}

impl FromStr for SharedWith {
    type Err = drawbridge_session::ParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.eq_ignore_ascii_case("all") {
            return Ok(Self::All);
        }
        text.parse().map(Self::Account)
    }
}

/// The versions that somebody may see of a document that is shared with them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SharedVersions {
    /// The default one.
    Default,
    /// The newest one.
    Latest,
    /// Every one.
    All,
}

impl SharedVersions {
    /// Returns the word of the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Default => "$DEFAULT",
            Self::Latest => "$LATEST",
            Self::All => "$ALL",
        }
    }
}

/// Says that a text is none of the words for shared versions.
#[derive(Debug, thiserror::Error)]
#[error("shared versions are `$DEFAULT`, `$LATEST` or `$ALL`")]
pub struct UnknownSharedVersions;

impl FromStr for SharedVersions {
    type Err = UnknownSharedVersions;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let known = [Self::Default, Self::Latest, Self::All];
        let found = known.into_iter().find(|it| it.as_str() == text);
        found.ok_or(UnknownSharedVersions)
    }
}

/// With whom a document is shared, and what they see of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentShare {
    /// With whom.
    pub with: SharedWith,
    /// What they see.
    pub versions: SharedVersions,
}

/// A change of whom a document is shared with.
#[derive(Debug, Clone, Copy)]
pub struct ShareChange<'a> {
    /// Those to share it with; the versions of who is there already are replaced.
    pub add: &'a [SharedWith],
    /// Those to share it with no longer; who is not there does not matter.
    pub remove: &'a [SharedWith],
    /// What those who are added see.
    pub versions: SharedVersions,
}

/// Why a document was not made.
#[derive(Debug, thiserror::Error)]
pub enum CreateDocumentError {
    /// There is one of that name, and somebody made it.
    #[error("a document of that name is there")]
    Exists,
    /// There are [`MAX_DOCUMENTS`].
    #[error("an account has at most 500 documents in a region")]
    TooMany,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a document was not changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangeDocumentError {
    /// It is not there.
    #[error("the document is not there")]
    Unknown,
    /// The version is not there, or not the one that can be changed.
    #[error("the version is not there, or not the one that can be changed")]
    WrongVersion,
    /// The newest version has the same content and format.
    #[error("the newest version has the same content")]
    SameContent,
    /// Another version has the name.
    #[error("another version has that name")]
    SameName,
    /// There would be more versions or shares than [`MAX_DOCUMENT_VERSIONS`] or [`MAX_DOCUMENT_SHARES`].
    #[error("a document has at most 1000 versions and 1000 shares")]
    TooMany,
    /// It is shared, and cannot be removed while it is.
    #[error("the document is shared")]
    Shared,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Remembers session documents.
#[async_trait]
pub trait Documents: Send + Sync {
    /// Makes a document with its first version.
    ///
    /// One that was made at first use, and that nobody changed, tagged or shared since, gives way.
    async fn create_document(
        &self,
        at: DocumentAt<'_>,
        first: NewDocumentVersion<'_>,
        tags: &[Tag],
    ) -> Result<Document, CreateDocumentError>;

    /// Makes a document at its first use, unless one of that name is there; returns the newest version of the one that
    /// is there then.
    async fn ensure_document(
        &self,
        at: DocumentAt<'_>,
        first: NewDocumentVersion<'_>,
    ) -> Result<FoundDocument, StoreError>;

    /// Finds a document.
    async fn document(&self, at: DocumentAt<'_>) -> Result<Option<Document>, StoreError>;

    /// Finds a version of a document.
    async fn document_version(
        &self,
        at: DocumentAt<'_>,
        wanted: WantedVersion<'_>,
    ) -> Result<Option<FoundDocument>, StoreError>;

    /// Lists up to `limit` versions of a document with numbers below `before`, the newest first.
    async fn document_versions(
        &self,
        at: DocumentAt<'_>,
        before: Option<u32>,
        limit: u32,
    ) -> Result<Vec<DocumentVersion>, StoreError>;

    /// Lists up to `limit` documents after a name, in the order of their names, with their default versions.
    async fn documents_after(
        &self,
        account: &AccountId,
        region: &Region,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<(Document, DocumentVersion)>, StoreError>;

    /// Lists up to `limit` documents that others share with `with` after an account and a name, in that order, with the
    /// versions that are seen where none is named. Those of `not` are left out.
    async fn documents_shared_with(
        &self,
        with: &SharedWith,
        not: &AccountId,
        region: &Region,
        after: Option<(&AccountId, &str)>,
        limit: u32,
    ) -> Result<Vec<(Document, DocumentVersion)>, StoreError>;

    /// Adds a version, which becomes the newest; the default stays.
    ///
    /// `base` is the version that was changed, which must be the newest.
    async fn add_document_version(
        &self,
        at: DocumentAt<'_>,
        base: WantedVersion<'_>,
        version: NewDocumentVersion<'_>,
    ) -> Result<FoundDocument, ChangeDocumentError>;

    /// Chooses the default version.
    async fn set_default_document_version(
        &self,
        at: DocumentAt<'_>,
        number: u32,
    ) -> Result<FoundDocument, ChangeDocumentError>;

    /// Removes a document with its versions and tags.
    async fn remove_document(&self, at: DocumentAt<'_>) -> Result<(), ChangeDocumentError>;

    /// Removes one version, which must not be the default.
    async fn remove_document_version(
        &self,
        at: DocumentAt<'_>,
        wanted: WantedVersion<'_>,
    ) -> Result<(), ChangeDocumentError>;

    /// Changes with whom a document is shared.
    async fn share_document(
        &self,
        at: DocumentAt<'_>,
        change: ShareChange<'_>,
    ) -> Result<(), ChangeDocumentError>;

    /// Lists up to `limit` of those whom a document is shared with, after one of them, in the order of their words.
    async fn document_shares(
        &self,
        at: DocumentAt<'_>,
        after: Option<&SharedWith>,
        limit: u32,
    ) -> Result<Vec<DocumentShare>, StoreError>;

    /// Says what an account sees of a document of another one; `None` where it is not shared with it, or not there.
    async fn document_share(
        &self,
        at: DocumentAt<'_>,
        with: &AccountId,
    ) -> Result<Option<SharedVersions>, StoreError>;
}
