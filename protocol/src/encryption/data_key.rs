//! The key of one session.

use std::fmt;

use zeroize::Zeroizing;

/// Bytes of a data key: a half for each direction.
pub const DATA_KEY_BYTES: usize = 64;

/// Holds the data key of a session, and keeps it out of logs and errors.
///
/// `Debug` prints `DataKey(..)`. The bytes are overwritten when it is dropped.
#[derive(Clone)]
pub struct DataKey(Zeroizing<[u8; DATA_KEY_BYTES]>);

/// Says that something has another length than a data key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a data key of a session has {DATA_KEY_BYTES} bytes, this one has {0}")]
pub struct NotADataKey(pub usize);

impl DataKey {
    /// Takes the bytes that a key service gave.
    ///
    /// # Errors
    ///
    /// There are not 64 of them.
    pub fn new(bytes: &[u8]) -> Result<DataKey, NotADataKey> {
        let mut key = Zeroizing::new([0; DATA_KEY_BYTES]);
        if bytes.len() != DATA_KEY_BYTES {
            return Err(NotADataKey(bytes.len()));
        }
        key.copy_from_slice(bytes);
        Ok(DataKey(key))
    }

    /// What encrypts on the way from the node to the client.
    pub(super) fn node_half(&self) -> &[u8; 32] {
        self.0.first_chunk().expect("the key has 64 bytes")
    }

    /// What encrypts on the way from the client to the node.
    pub(super) fn client_half(&self) -> &[u8; 32] {
        self.0.last_chunk().expect("the key has 64 bytes")
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DataKey(..)")
    }
}
