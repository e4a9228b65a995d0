//! The `s3` service: buckets and objects.
//!
//! ```text
//! HTTP ──s3s──▶ Front ──summary──▶ Gate (decision, audit) ──Asked──▶ handler ──▶ store (rows), blobs (bytes)
//! ```
//!
//! The crate `s3s` reads and writes the dialect. [`Front`] is all that it can reach, and knows operations only by their
//! declarations: what is not in [`DECLARATIONS`] cannot be called.

mod asked;
mod buckets;
mod checksum;
mod control;
mod encryption;
mod error;
mod facts;
mod front;
mod lifecycle;
mod objects;
mod receive;
mod settings;
mod shelf;
mod stored;
mod subresource;
mod uploads;

mod wire;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::keys::Keys;
use drawbridge_session::{Clock, Random};
use drawbridge_store::blobs::Blobs;
use drawbridge_store::{Foundation, Reserve, RootKey, Store};
use s3s::S3Response;

pub use asked::{Asked, Took};
pub use control::is_control;
pub use facts::RequestFacts;
pub use front::{DECLARATIONS, Document, Front, Gate, dialect};
pub use shelf::RecordingsShelf;

/// An operation of this service.
pub type Operation<I, O> = drawbridge_session::Operation<S3, AwsError, Asked<I>, S3Response<O>>;

/// The answer to come of a handler.
type Answer<O> = drawbridge_session::Answer<AwsError, O>;

/// The answer of an operation.
type Answered<O> = Result<S3Response<O>, AwsError>;

/// The `s3` service of one server.
#[derive(Clone)]
pub struct S3 {
    store: Arc<dyn Store>,
    blobs: Arc<dyn Blobs>,
    root: Arc<RootKey>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    /// What wraps data keys that are not the root key's to seal.
    keys: Arc<dyn Keys>,
    /// What uploads leave of the disk.
    reserve: Arc<Reserve>,
}

impl S3 {
    /// Brings the parts together.
    pub fn new(
        foundation: Foundation,
        blobs: Arc<dyn Blobs>,
        keys: Arc<dyn Keys>,
        reserve: Arc<Reserve>,
    ) -> Self {
        Self {
            store: foundation.store,
            blobs,
            root: foundation.root,
            clock: foundation.clock,
            random: foundation.random,
            keys,
            reserve,
        }
    }
}
