//! Blobs in a folder and in a bucket keep the same promises; a bucket keeps them when the network and the store do not.

mod contract;
mod fake;
mod faults;
mod opening;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use drawbridge_aws_client::Environment;
use drawbridge_session::{Clock, FixedClock};
use drawbridge_store::blobs::Blobs;
use jiff::Timestamp;
use object_store::{BackoffConfig, RetryConfig};
use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;

use crate::Backing;
use crate::bucket::BucketBlobs;
use fake::Fake;

/// More than one part, and a bit of another.
const LONG: usize = 17 * 1024 * 1024 + 3;

fn clock() -> Arc<dyn Clock> {
    Arc::new(FixedClock::new(Timestamp::UNIX_EPOCH))
}

/// Names a bucket of a fake store, with more keys of the section.
fn backing(fake: &Fake, more: &Value) -> Backing {
    let mut section = json!({
        "bucket": "blobs", "region": "us-east-1", "prefix": "bridge/", "endpoint": fake.endpoint(),
    });
    for (key, value) in more.as_object().into_iter().flatten() {
        section[key] = value.clone();
    }
    let keys = [
        ("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
    ];
    Backing {
        bucket: serde_json::from_value(section).expect("a section"),
        environment: keys.into_iter().collect::<Environment>(),
    }
}

/// Gives up soon.
fn impatient() -> RetryConfig {
    RetryConfig {
        backoff: BackoffConfig {
            init_backoff: Duration::from_millis(1),
            max_backoff: Duration::from_millis(2),
            base: 2.0,
        },
        max_retries: 2,
        retry_timeout: Duration::from_secs(20),
    }
}

async fn bucket(fake: &Fake) -> BucketBlobs {
    let backing = backing(fake, &Value::Null);
    let connected = BucketBlobs::connect(&backing, &clock(), impatient()).await;
    connected.expect("a client")
}

fn id(number: u32) -> String {
    format!("{:02x}{number:030x}", number % 256)
}

fn some_bytes(length: usize) -> Bytes {
    (0..length).map(|at| (at * 31 % 251) as u8).collect()
}

async fn put(blobs: &dyn Blobs, id: &str, bytes: &Bytes) {
    let mut writer = blobs.create(id).await.expect("begun");
    for at in (0..bytes.len()).step_by(65_552) {
        let some = bytes.slice(at..bytes.len().min(at + 65_552));
        writer.write(some).await.expect("written");
    }
    writer.finish().await.expect("finished");
}

async fn read(blobs: &dyn Blobs, id: &str, from: u64) -> std::io::Result<Bytes> {
    let mut all = Vec::new();
    blobs.open(id, from).await?.read_to_end(&mut all).await?;
    Ok(all.into())
}
