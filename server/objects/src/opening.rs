//! Opening the place of the blobs: a folder or a bucket, and whether it is the one with the blobs in it.

use std::io;
use std::path::Path;
use std::sync::{Arc, Weak};
use std::time::Duration;

use drawbridge_session::{Clock, Random};
use drawbridge_store::blobs::{self, BlobFolder, Blobs, PLACE_SETTING, is_away};
use drawbridge_store::{Store, StoreError};
use object_store::RetryConfig;

use crate::bucket::{BucketBlobs, retries};
use crate::config::{Backing, BucketConfig};
use crate::error::ConnectError;
use crate::late::LateBlobs;
use crate::owner::{OwnerId, claim};
use crate::uploads;

/// How long a place that is away is left alone before it is asked again.
const ASK_AGAIN: Duration = Duration::from_secs(5);

/// What people are told where no bucket is named.
const FOLDER: &str = "the data folder";

/// Why the place of the blobs cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// It is configured in a way that does not make a client.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// It belongs to another data folder.
    #[error("the objects at `{place}` are those of another data folder, `{owner}`")]
    Owned {
        /// Where.
        place: String,
        /// Whose.
        owner: OwnerId,
    },
    /// Blobs that the database refers to are not there, and it is not where they were.
    #[error("the bytes of objects lie in {before}, and {missing} of them are not in {place}")]
    Elsewhere {
        /// Where they were.
        before: String,
        /// Where they are looked for.
        place: String,
        /// How many are missing.
        missing: u64,
    },
    /// The place cannot be read or written.
    #[error("cannot use the place of the objects")]
    Blobs(#[from] io::Error),
    /// The database cannot be read or written.
    #[error("cannot read where the objects lie")]
    Store(#[from] StoreError),
}

impl OpenError {
    fn is_away(&self) -> bool {
        matches!(self, Self::Blobs(error) if is_away(error))
    }
}

/// Opens the folder inside a data folder.
///
/// # Errors
///
/// It cannot be used, or the blobs lie elsewhere.
pub async fn open_folder(data: &Path, store: &dyn Store) -> Result<BlobFolder, OpenError> {
    let folder = BlobFolder::open(&data.join(BlobFolder::NAME))?;
    settle(&folder, None, store).await?;
    Ok(folder)
}

/// Opens a bucket. One that cannot be reached now is opened as soon as it can be, and away until then.
///
/// # Errors
///
/// It is not configured rightly, refuses us, is another's, or does not have the blobs.
pub async fn open(
    backing: &Backing,
    store: Arc<dyn Store>,
    clock: &Arc<dyn Clock>,
    random: Arc<dyn Random>,
) -> Result<Arc<dyn Blobs>, OpenError> {
    open_with(backing, store, clock, random, Patience::default()).await
}

/// How long is waited for a place that is away.
pub(crate) struct Patience {
    pub(crate) retries: RetryConfig,
    pub(crate) ask_again: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            retries: retries(),
            ask_again: ASK_AGAIN,
        }
    }
}

pub(crate) async fn open_with(
    backing: &Backing,
    store: Arc<dyn Store>,
    clock: &Arc<dyn Clock>,
    random: Arc<dyn Random>,
    patience: Patience,
) -> Result<Arc<dyn Blobs>, OpenError> {
    let blobs = BucketBlobs::connect(backing, clock, patience.retries).await?;
    match prepare(&blobs, &backing.bucket, store.as_ref(), random.as_ref()).await {
        Ok(()) => Ok(Arc::new(blobs)),
        Err(error) if error.is_away() => {
            warn(&error, blobs.place());
            let late = Arc::new(LateBlobs::default());
            let opening = Opening {
                blobs,
                config: backing.bucket.clone(),
                store,
                random,
                ask_again: patience.ask_again,
            };
            tokio::spawn(opening.go_on(Arc::downgrade(&late)));
            Ok(late)
        }
        Err(error) => Err(error),
    }
}

/// Makes the place ready: nothing is written to it before.
async fn prepare(
    blobs: &BucketBlobs,
    config: &BucketConfig,
    store: &dyn Store,
    random: &dyn Random,
) -> Result<(), OpenError> {
    claim(blobs, store, config.take_over.as_ref(), random).await?;
    let aborted = uploads::abort_all(blobs).await?;
    if aborted > 0 {
        tracing::info!(uploads = aborted, "ended the uploads that a server had left");
    }
    settle(blobs, Some(blobs.place()), store).await
}

/// Checks that the blobs are in this place, keeps that they are, and removes what nobody refers to.
async fn settle(blobs: &dyn Blobs, place: Option<&str>, store: &dyn Store) -> Result<(), OpenError> {
    let before = store.setting(PLACE_SETTING).await?;
    if before.as_deref() != place {
        let missing = blobs::count_missing(blobs, store).await?;
        if missing > 0 {
            return Err(OpenError::Elsewhere {
                before: named(before.as_deref()),
                place: named(place),
                missing,
            });
        }
        match place {
            Some(place) => store.set_setting(PLACE_SETTING, place).await?,
            None => drop(store.remove_setting(PLACE_SETTING).await?),
        }
    }
    let swept = blobs::sweep(blobs, store).await?;
    if swept > 0 {
        tracing::info!(blobs = swept, "removed what unfinished uploads had left");
    }
    Ok(())
}

fn named(place: Option<&str>) -> String {
    place.map_or_else(|| FOLDER.to_owned(), |place| format!("`{place}`"))
}

/// A place that was away at the start.
struct Opening {
    blobs: BucketBlobs,
    config: BucketConfig,
    store: Arc<dyn Store>,
    random: Arc<dyn Random>,
    ask_again: Duration,
}

impl Opening {
    /// Asks until it is there, or nobody needs it any more.
    async fn go_on(self, late: Weak<LateBlobs>) {
        loop {
            tokio::time::sleep(self.ask_again).await;
            let Some(late) = late.upgrade() else {
                return;
            };
            let (store, random) = (self.store.as_ref(), self.random.as_ref());
            match prepare(&self.blobs, &self.config, store, random).await {
                Ok(()) => {
                    tracing::info!(place = self.blobs.place(), "the store of objects is there");
                    late.open(self.blobs);
                    return;
                }
                Err(error) => warn(&error, self.blobs.place()),
            }
        }
    }
}

fn warn(error: &OpenError, place: &str) {
    tracing::warn!(
        error = error as &dyn std::error::Error,
        place,
        "the store of objects cannot be used; requests for objects are told to come back"
    );
}
