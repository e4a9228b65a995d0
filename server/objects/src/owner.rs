//! Whose blobs lie in the bucket: two servers on one place would each remove what the other wrote.

use std::fmt;

use drawbridge_session::{Random, RandomArray as _};
use drawbridge_store::Store;
use drawbridge_store::blobs::OWNER_SETTING;
use serde::Deserialize;

use crate::bucket::BucketBlobs;
use crate::opening::OpenError;

/// The data folder that a place belongs to; a folder that is restored from a backup is another.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct OwnerId(String);

/// Why a text names no data folder.
#[derive(Debug, thiserror::Error)]
#[error("must be 32 hex digits, is `{0}`")]
pub struct NoOwner(String);

impl TryFrom<String> for OwnerId {
    type Error = NoOwner;

    fn try_from(text: String) -> Result<Self, NoOwner> {
        if drawbridge_store::blobs::is_drawn(&text) {
            Ok(Self(text))
        } else {
            Err(NoOwner(text))
        }
    }
}

impl fmt::Display for OwnerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Makes the place this data folder's, unless it is another's.
pub(crate) async fn claim(
    blobs: &BucketBlobs,
    store: &dyn Store,
    take_over: Option<&OwnerId>,
    random: &dyn Random,
) -> Result<(), OpenError> {
    let own = own_id(store, random).await?;
    let owners = blobs.owners().await?;
    check_others(blobs, &owners, &own, take_over)?;
    if !owners.contains(&own.0) {
        blobs.add_owner(&own.0).await?;
    }
    let left = take_over.filter(|other| **other != own && owners.contains(&other.0));
    if let Some(other) = left {
        tracing::warn!(owner = %other, "took the place of objects over from another data folder");
        blobs.remove_owner(&other.0).await?;
    }
    // Of two that came at one time neither has it.
    check_others(blobs, &blobs.owners().await?, &own, None)
}

fn check_others(
    blobs: &BucketBlobs,
    owners: &[String],
    own: &OwnerId,
    but: Option<&OwnerId>,
) -> Result<(), OpenError> {
    let known = |owner: &&String| **owner == own.0 || but.is_some_and(|but| but.0 == **owner);
    match owners.iter().find(|owner| !known(owner)) {
        None => Ok(()),
        Some(other) => Err(OpenError::Owned {
            place: blobs.place().to_owned(),
            owner: OwnerId(other.clone()),
        }),
    }
}

/// The id of this data folder, drawn when it first needs one.
async fn own_id(store: &dyn Store, random: &dyn Random) -> Result<OwnerId, OpenError> {
    let kept = store.setting(OWNER_SETTING).await?;
    if let Some(own) = kept.and_then(|text| OwnerId::try_from(text).ok()) {
        return Ok(own);
    }
    let own = OwnerId(hex::encode(random.array::<16>()));
    store.set_setting(OWNER_SETTING, &own.0).await?;
    Ok(own)
}
