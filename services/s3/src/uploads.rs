//! Uploads of objects in parts.

mod abort;
mod assemble;
mod complete;
mod copy_part;
mod create;
mod list;
mod part;
mod parts;

pub(crate) use abort::ABORT_MULTIPART_UPLOAD;
pub(crate) use complete::COMPLETE_MULTIPART_UPLOAD;
pub(crate) use copy_part::UPLOAD_PART_COPY;
pub(crate) use create::CREATE_MULTIPART_UPLOAD;
pub(crate) use list::LIST_MULTIPART_UPLOADS;
pub(crate) use part::UPLOAD_PART;
pub(crate) use parts::LIST_PARTS;

/// The highest number of a part (S3's documented limit).
const MAX_PART: u32 = 10_000;
