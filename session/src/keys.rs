//! What other services ask of keys: data keys drawn and opened in a caller's name, as a service or a session needs them.

use std::collections::BTreeMap;

use async_trait::async_trait;
use zeroize::Zeroizing;

use crate::caller::Caller;

/// What a ciphertext is bound to: whoever opens it must name the same pairs.
pub type EncryptionContext = BTreeMap<String, String>;

/// In whose name a key is used.
#[derive(Debug, Clone, Copy)]
pub struct KeyUser<'a> {
    /// Whose policies, and whose region and account where the key's name has none.
    pub caller: &'a Caller,
    /// The service that uses the key for the caller, such as `s3`: policies see it as
    /// `kms:ViaService`, `s3.<region>.amazonaws.com`. `None` for whoever calls the service of keys itself.
    pub via: Option<&'static str>,
}

/// What a caller wants to do with a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyUse {
    /// `kms:GenerateDataKey`.
    GenerateDataKey,
    /// `kms:Decrypt`.
    Decrypt,
    /// `kms:DescribeKey`.
    Describe,
}

/// A data key, in the clear and wrapped.
#[derive(Debug)]
pub struct DataKey {
    /// The ARN of the key that wraps it.
    pub key_arn: String,
    /// The data key; never stored.
    pub plain: Zeroizing<Vec<u8>>,
    /// What to store.
    pub wrapped: Vec<u8>,
}

/// Why a key was not used. The texts name the key and the reason, and are for the user.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// There is no such key, or the ciphertext names none.
    #[error("{0}")]
    NotFound(String),
    /// The key is disabled.
    #[error("{0}")]
    Disabled(String),
    /// The key is about to be deleted, or in another state that does not allow it.
    #[error("{0}")]
    InvalidState(String),
    /// No policy allows it, or one denies it.
    #[error("{0}")]
    Denied(String),
    /// The ciphertext was changed, or is bound to another context or key.
    #[error("{0}")]
    InvalidCiphertext(String),
    /// The service's own trouble.
    #[error("cannot use the key")]
    Internal(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Uses keys in the name of callers; every use is decided on, and leaves an audit event.
#[async_trait]
pub trait Keys: Send + Sync {
    /// Says whether the caller might use a key in this way, in this context: the key's state and every policy. Answers
    /// the key's ARN. Leaves no audit event.
    ///
    /// # Errors
    /// What stands in the way.
    async fn check(
        &self,
        user: KeyUser<'_>,
        key: &str,
        usage: KeyUse,
        context: &EncryptionContext,
    ) -> Result<String, KeyError>;

    /// Draws a data key of `length` bytes; `key` is an id, an ARN, an alias or that one's ARN.
    ///
    /// # Errors
    /// What stands in the way.
    async fn generate_data_key(
        &self,
        user: KeyUser<'_>,
        key: &str,
        length: usize,
        context: &EncryptionContext,
    ) -> Result<DataKey, KeyError>;

    /// Opens a wrapped data key.
    ///
    /// # Errors
    /// What stands in the way.
    async fn decrypt(
        &self,
        user: KeyUser<'_>,
        wrapped: &[u8],
        context: &EncryptionContext,
    ) -> Result<Zeroizing<Vec<u8>>, KeyError>;
}
