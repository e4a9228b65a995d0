//! The data key of an encrypted session, as a client comes by it.

use std::future::Future;
use std::pin::Pin;

use drawbridge_protocol::encryption::DataKey;

use crate::api::ApiError;

/// A data key that was made for a session.
#[derive(Debug)]
pub struct MadeKey {
    /// The key.
    pub key: DataKey,
    /// What the node is sent of it.
    pub wrapped: Vec<u8>,
}

/// Why there is no data key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataKeyError {
    /// Data keys are bound to the node as the request names it, and whoever started this program did not say how.
    #[error("the request of this session names no target")]
    NoTarget,
    /// The key service was not reached, or refused.
    #[error(transparent)]
    Call(#[from] ApiError),
    /// It gave something else.
    #[error("the key service gave no data key of a session")]
    NotOne,
}

/// A data key in the making.
pub(crate) type Making<'a> = Pin<Box<dyn Future<Output = Result<MadeKey, DataKeyError>> + 'a>>;
