//! What a document demands of the places for its logs, asked before anything is started.

use std::sync::Arc;

use drawbridge_session::{Clock, Random};

use super::attempts::Pace;
use super::bucket::BucketCalls;
use super::destinations::{BucketPlan, Destinations, GroupPlan};
use super::group::GroupCalls;
use crate::identity::{NodeError, PresentNode};

/// Why a session may not start: its log would lie open, or nobody knows. `Display` is shown to the person who asked for it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CheckError {
    #[error(
        "encryption is not set up on the selected Amazon S3 bucket `{0}`, and the session document demands it"
    )]
    BucketOpen(String),
    #[error("encryption is not set up on the selected Amazon S3 bucket `{name}` as far as this node can see")]
    BucketUnknown { name: String, source: NodeError },
    #[error(
        "encryption is not set up on the selected CloudWatch Logs log group `{0}`, and the session document demands it"
    )]
    GroupOpen(String),
    #[error(
        "encryption is not set up on the selected CloudWatch Logs log group `{name}` as far as this node can see"
    )]
    GroupUnknown { name: String, source: NodeError },
    #[error(
        "the selected CloudWatch Logs log group `{0}` does not exist, and the session document demands that it encrypts"
    )]
    GroupMissing(String),
    #[error("whether the places for the session's log encrypt was not answered within {0} s")]
    Silent(u64),
}

/// Checks what the document demands. Asks nobody when it demands nothing.
pub(crate) async fn check(
    destinations: &Destinations,
    node: &Arc<PresentNode>,
    clock: &Arc<dyn Clock>,
    random: &Arc<dyn Random>,
    pace: &Pace,
) -> Result<(), CheckError> {
    // Somebody waits, and is to be told what is wrong rather than that something is.
    let pace = &Pace {
        attempts: pace.attempts.min(ATTEMPTS),
        ..pace.clone()
    };
    let checked = async {
        if let Some(bucket) = destinations.bucket.as_ref().filter(|bucket| bucket.must_encrypt) {
            let calls = BucketCalls::new(Arc::clone(node), &bucket.name, pace, random);
            check_bucket(bucket, calls).await?;
        }
        if let Some(group) = destinations.group.as_ref().filter(|group| group.must_encrypt) {
            let calls = GroupCalls::new(Arc::clone(node), &group.name, clock, random, pace);
            check_group(group, &calls).await?;
        }
        Ok(())
    };
    tokio::time::timeout(pace.check, checked)
        .await
        .unwrap_or(Err(CheckError::Silent(pace.check.as_secs())))
}

/// Attempts of one call while somebody waits.
const ATTEMPTS: u32 = 3;

async fn check_bucket(bucket: &BucketPlan, mut calls: BucketCalls) -> Result<(), CheckError> {
    let name = bucket.name.clone();
    match calls.encryption().await {
        Ok(Some(_)) => Ok(()),
        Ok(None) => Err(CheckError::BucketOpen(name)),
        Err(source) => Err(CheckError::BucketUnknown { name, source }),
    }
}

async fn check_group(group: &GroupPlan, calls: &GroupCalls) -> Result<(), CheckError> {
    let name = group.name.clone();
    match calls.find().await {
        Ok(Some(found)) if found.is_encrypted => Ok(()),
        Ok(Some(_)) => Err(CheckError::GroupOpen(name)),
        Ok(None) => Err(CheckError::GroupMissing(name)),
        Err(source) => Err(CheckError::GroupUnknown { name, source }),
    }
}
