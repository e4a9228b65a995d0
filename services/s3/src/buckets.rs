//! Operations on buckets.

mod create;
mod delete;
mod head;
mod list;
mod location;

pub(crate) use create::CREATE_BUCKET;
pub(crate) use delete::DELETE_BUCKET;
pub(crate) use head::HEAD_BUCKET;
pub(crate) use list::LIST_BUCKETS;
pub(crate) use location::GET_BUCKET_LOCATION;
