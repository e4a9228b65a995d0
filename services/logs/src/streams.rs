//! The operations on streams.

pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod describe;

/// Writes the token that AWS once demanded with the next batch; its agent still asks for it.
pub(crate) fn sequence_token(last_batch: i64) -> String {
    format!("{last_batch:056}")
}
