//! Operations on objects.

mod acl;
mod attributes;
mod conditions;
mod copy;
mod delete;
mod get;
mod head;
mod legal_hold;
mod list;
mod list_versions;
mod listing;
mod put;
mod retention;
mod source;
mod tagging;

pub(crate) use acl::{GET_OBJECT_ACL, PUT_OBJECT_ACL};
pub(crate) use attributes::GET_OBJECT_ATTRIBUTES;
pub(crate) use conditions::Conditions;
pub(crate) use copy::COPY_OBJECT;
pub(crate) use delete::DELETE_OBJECT;
pub(crate) use get::GET_OBJECT;
pub(crate) use head::HEAD_OBJECT;
pub(crate) use legal_hold::{GET_OBJECT_LEGAL_HOLD, PUT_OBJECT_LEGAL_HOLD};
pub(crate) use list::{LIST_OBJECTS, LIST_OBJECTS_V2, common_prefixes};
pub(crate) use list_versions::LIST_OBJECT_VERSIONS;
pub(crate) use listing::{rolled_up, successor, url_encoding};
pub(crate) use put::{PUT_OBJECT, check_acl, condition_of, named_version, needs as put_needs, read_version};
pub(crate) use retention::{GET_OBJECT_RETENTION, PUT_OBJECT_RETENTION};
pub(crate) use source::{Copied, check_size, named as named_source, reread as reread_source};
pub(crate) use tagging::{DELETE_OBJECT_TAGGING, GET_OBJECT_TAGGING, PUT_OBJECT_TAGGING};
