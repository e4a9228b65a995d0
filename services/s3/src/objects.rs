//! Operations on objects.

mod delete;
mod get;
mod head;
mod list;
mod listing;
mod put;

pub(crate) use delete::DELETE_OBJECT;
pub(crate) use get::GET_OBJECT;
pub(crate) use head::HEAD_OBJECT;
pub(crate) use list::LIST_OBJECTS_V2;
pub(crate) use put::PUT_OBJECT;
