//! Operations on buckets.

mod acl;
mod create;
mod delete;
mod encryption;
mod head;
mod lifecycle;
mod list;
mod location;
mod object_lock;
mod ownership;
mod policy;
mod public_access;
mod resource_tags;
mod tagging;
mod unset;
mod versioning;

pub(crate) use acl::{GET_BUCKET_ACL, PUT_BUCKET_ACL, is_owners, no_lists, owner, owners_grant};
pub(crate) use create::{CREATE_BUCKET, NewBucket, tags_of_new_bucket};
pub(crate) use delete::DELETE_BUCKET;
pub(crate) use encryption::{DELETE_BUCKET_ENCRYPTION, GET_BUCKET_ENCRYPTION, PUT_BUCKET_ENCRYPTION};
pub(crate) use head::HEAD_BUCKET;
pub(crate) use lifecycle::{DELETE_BUCKET_LIFECYCLE, GET_BUCKET_LIFECYCLE, PUT_BUCKET_LIFECYCLE};
pub(crate) use list::LIST_BUCKETS;
pub(crate) use location::GET_BUCKET_LOCATION;
pub(crate) use object_lock::{GET_OBJECT_LOCK_CONFIGURATION, PUT_OBJECT_LOCK_CONFIGURATION};
pub(crate) use ownership::{
    DELETE_BUCKET_OWNERSHIP_CONTROLS, GET_BUCKET_OWNERSHIP_CONTROLS, PUT_BUCKET_OWNERSHIP_CONTROLS,
};
pub(crate) use policy::{
    DELETE_BUCKET_POLICY, GET_BUCKET_POLICY, GET_BUCKET_POLICY_STATUS, PUT_BUCKET_POLICY,
};
pub(crate) use public_access::{
    DELETE_PUBLIC_ACCESS_BLOCK, GET_PUBLIC_ACCESS_BLOCK, PUT_PUBLIC_ACCESS_BLOCK,
};
pub(crate) use resource_tags::{
    LIST_TAGS_FOR_RESOURCE, ListTagsForResource, TAG_RESOURCE, TagResource, Tagged, UNTAG_RESOURCE,
    UntagResource, no_such_resource,
};
pub(crate) use tagging::{DELETE_BUCKET_TAGGING, GET_BUCKET_TAGGING, PUT_BUCKET_TAGGING};
pub(crate) use unset::{
    DELETE_BUCKET_CORS, DELETE_BUCKET_REPLICATION, DELETE_BUCKET_WEBSITE, GET_BUCKET_ACCELERATE,
    GET_BUCKET_CORS, GET_BUCKET_LOGGING, GET_BUCKET_NOTIFICATION, GET_BUCKET_REPLICATION,
    GET_BUCKET_REQUEST_PAYMENT, GET_BUCKET_WEBSITE, PUT_BUCKET_ACCELERATE, PUT_BUCKET_CORS,
    PUT_BUCKET_LOGGING, PUT_BUCKET_NOTIFICATION, PUT_BUCKET_REPLICATION, PUT_BUCKET_REQUEST_PAYMENT,
    PUT_BUCKET_WEBSITE,
};
pub(crate) use versioning::{GET_BUCKET_VERSIONING, PUT_BUCKET_VERSIONING};
