//! A document as a caller may see it.

use aws_lc_rs::digest;
use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::document::{DocumentFormat, Platform, Provider, builtin};
use drawbridge_session::{AccountId, Caller};
use drawbridge_store::{Document, DocumentAt, DocumentVersion, FoundDocument, SharedVersions, WantedVersion};
use jiff::Timestamp;

use super::error::{does_not_exist, invalid_version};
use super::named::Named;
use super::own;
use crate::Ssm;
use crate::error::internal;

/// A version of a document with its content.
#[derive(Debug, Clone)]
pub(super) struct View {
    pub(super) facts: Facts,
    pub(super) content: String,
}

/// What is told of a version of a document.
#[derive(Debug, Clone)]
pub(super) struct Facts {
    /// The name, or the ARN of what another account shares.
    pub(super) name: String,
    pub(super) owner: Owner,
    pub(super) default_version: u32,
    pub(super) latest_version: u32,
    pub(super) version: DocumentVersion,
}

/// Whose a document is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Owner {
    Caller(AccountId),
    Provider(Provider),
    Other(AccountId),
}

impl Owner {
    /// Returns the word of the wire.
    pub(super) fn as_str(&self) -> &str {
        match self {
            Self::Caller(account) | Self::Other(account) => account.as_str(),
            Self::Provider(provider) => provider.as_str(),
        }
    }
}

impl View {
    pub(super) fn of(caller: &Caller, found: FoundDocument) -> Self {
        Self {
            facts: Facts::of(caller, found.document, found.version),
            content: found.content,
        }
    }

    /// Finds the version that a request names by a number, `$LATEST` or `$DEFAULT`, by its name, or by both.
    pub(super) async fn find(
        ssm: &Ssm,
        caller: &Caller,
        name: &str,
        version: Option<&str>,
        version_name: Option<&str>,
    ) -> Result<Self, AwsError> {
        let wanted = match (version, version_name) {
            (None, Some(name)) => WantedVersion::Named(name),
            (version, _) => wanted(version)?,
        };
        let view = Self::find_wanted(ssm, caller, name, wanted).await?;
        match version_name {
            Some(name) if view.facts.version.name.as_deref() != Some(name) => Err(invalid_version()),
            _ => Ok(view),
        }
    }

    /// Finds a version of a document; one that the caller may not see is not there.
    pub(super) async fn find_wanted(
        ssm: &Ssm,
        caller: &Caller,
        name: &str,
        wanted: WantedVersion<'_>,
    ) -> Result<Self, AwsError> {
        let found = match Named::parse(caller, name) {
            Named::Own(own_name) => read(ssm, own(caller, own_name), name, wanted).await?,
            Named::Provided(known) => return Self::provided(known, wanted),
            Named::Foreign {
                account,
                name: foreign,
            } => {
                let at = DocumentAt {
                    account: &account,
                    region: &caller.region,
                    name: foreign,
                };
                let shared = ssm.store.document_share(at, &caller.account).await;
                let shared = shared.map_err(internal)?.ok_or_else(|| does_not_exist(name))?;
                let found = read(ssm, at, name, within(shared, wanted)).await?;
                if !sees(shared, &found.document, found.version.number) {
                    return Err(invalid_version());
                }
                found
            }
            Named::Nowhere => return Err(does_not_exist(name)),
        };
        Ok(Self::of(caller, found))
    }

    fn provided(name: &'static str, wanted: WantedVersion<'_>) -> Result<Self, AwsError> {
        match wanted {
            WantedVersion::Default | WantedVersion::Latest | WantedVersion::Number(1) => {}
            WantedVersion::Number(_) | WantedVersion::Named(_) => return Err(invalid_version()),
        }
        let facts = Facts::provided(name).ok_or_else(|| does_not_exist(name))?;
        let (text, _) = builtin(name).ok_or_else(|| does_not_exist(name))?;
        Ok(Self {
            facts,
            content: text.to_owned(),
        })
    }
}

impl Facts {
    pub(super) fn of(caller: &Caller, document: Document, version: DocumentVersion) -> Self {
        let (owner, name) = if document.account == caller.account {
            (Owner::Caller(document.account), document.name)
        } else {
            let (region, account) = (&document.region, &document.account);
            let arn = format!("arn:aws:ssm:{region}:{account}:document/{}", document.name);
            (Owner::Other(document.account), arn)
        };
        Self {
            name,
            owner,
            default_version: document.default_version,
            latest_version: document.latest_version,
            version,
        }
    }

    /// Tells of a document that is in every account.
    pub(super) fn provided(name: &str) -> Option<Self> {
        let (text, content) = builtin(name)?;
        Some(Self {
            name: name.to_owned(),
            owner: Owner::Provider(Provider::of(name)?),
            default_version: 1,
            latest_version: 1,
            version: DocumentVersion {
                number: 1,
                name: None,
                display_name: None,
                target_type: None,
                format: DocumentFormat::Json,
                platforms: content.platforms().to_vec(),
                sha256: hex(digest::digest(&digest::SHA256, text.as_bytes()).as_ref()),
                created_at: PROVIDED_SINCE,
            },
        })
    }

    pub(super) fn platform_names(&self) -> Vec<&'static str> {
        self.version
            .platforms
            .iter()
            .map(|it| Platform::name(*it))
            .collect()
    }
}

/// When the documents of every account came to be here: 2026-01-01T00:00:00Z.
const PROVIDED_SINCE: Timestamp = Timestamp::constant(1_767_225_600, 0);

/// Says which versions somebody sees.
fn sees(shared: SharedVersions, document: &Document, number: u32) -> bool {
    match shared {
        SharedVersions::All => true,
        SharedVersions::Default => number == document.default_version,
        SharedVersions::Latest => number == document.latest_version,
    }
}

/// Whoever names no version gets the one that is shared.
fn within(shared: SharedVersions, wanted: WantedVersion<'_>) -> WantedVersion<'_> {
    match (shared, wanted) {
        (SharedVersions::Latest, WantedVersion::Default) => WantedVersion::Latest,
        _ => wanted,
    }
}

/// Reads a version from a request.
pub(super) fn wanted(version: Option<&str>) -> Result<WantedVersion<'_>, AwsError> {
    match version {
        None | Some("$DEFAULT") => Ok(WantedVersion::Default),
        Some("$LATEST") => Ok(WantedVersion::Latest),
        Some(number) => {
            let number = number.parse().map_err(|_| invalid_version())?;
            Ok(WantedVersion::Number(number))
        }
    }
}

async fn read(
    ssm: &Ssm,
    at: DocumentAt<'_>,
    called: &str,
    wanted: WantedVersion<'_>,
) -> Result<FoundDocument, AwsError> {
    if let Some(found) = ssm.store.document_version(at, wanted).await.map_err(internal)? {
        return Ok(found);
    }
    let there = ssm.store.document(at).await.map_err(internal)?;
    Err(match there {
        Some(_) => invalid_version(),
        None => does_not_exist(called),
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
