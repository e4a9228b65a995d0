//! The bytes of objects in a bucket of another store: any that speaks S3.
//!
//! ```text
//! bytes ──seal (store)──▶ BucketBlobs ──S3──▶ <prefix>blobs/ab/abcd…   one object for each blob
//!                                             <prefix>uploads/abcd…    notes of uploads that are not complete
//!                                             <prefix>owner/123456…    the data folder whose blobs these are
//! ```
//!
//! The crate owns how blobs lie there, who may use them, and when they may be used: [`open`] claims the place, checks that
//! every blob that the database refers to is in it, and removes what a server that died has left. It refuses to know what
//! a blob holds. What the other store sees is sealed, named at random.

mod bucket;
mod config;
mod credentials;
mod error;
mod exchange;
mod late;
mod opening;
mod owner;
mod reader;
mod uploads;
mod writer;

#[cfg(test)]
mod tests;

pub use config::{Backing, BucketConfig, BucketName, Prefix, StoreEndpoint, StoreRegion, ValueError};
pub use error::ConnectError;
pub use opening::{OpenError, open, open_folder};
pub use owner::{NoOwner, OwnerId};
