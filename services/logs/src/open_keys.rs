//! Data keys that KMS unwrapped a moment ago: a session that writes every second would have its group's key unwrapped, and
//! an audit event of that put on the disk, as often.
//!
//! Whether a key may still be used is asked at every use all the same (`Logs::open_key`).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};

use crate::sealing::DataKey;

/// How long a data key stays open. KMS's `Decrypt`, with its audit event, comes as often as this while a group is in use.
pub(crate) const OPEN_FOR: SignedDuration = SignedDuration::from_mins(5);

/// How many are open at once.
const MOST: usize = 1000;

/// A wrapped data key with the ARN of the group that it is bound to: what lies in another group's row is another.
pub(crate) type Wrapped<'a> = (&'a str, &'a [u8]);

/// Data keys by what they were unwrapped from.
#[derive(Default)]
pub(crate) struct OpenKeys(Mutex<Keys>);

type Keys = HashMap<(String, Vec<u8>), Open>;

struct Open {
    key: Arc<DataKey>,
    until: Timestamp,
}

impl OpenKeys {
    /// Finds a key that is open still.
    pub(crate) fn find(&self, wrapped: Wrapped<'_>, now: Timestamp) -> Option<Arc<DataKey>> {
        let keys = self.keys();
        let open = keys.get(&owned(wrapped)).filter(|open| now < open.until);
        open.map(|open| Arc::clone(&open.key))
    }

    /// Keeps a key open for its time.
    pub(crate) fn keep(&self, wrapped: Wrapped<'_>, key: &Arc<DataKey>, now: Timestamp) {
        let mut keys = self.keys();
        keys.retain(|_, open| now < open.until);
        if keys.len() >= MOST {
            keys.clear();
        }
        let until = now.saturating_add(OPEN_FOR).unwrap_or(Timestamp::MAX);
        let key = Arc::clone(key);
        keys.insert(owned(wrapped), Open { key, until });
    }

    /// Closes a key before its time.
    pub(crate) fn close(&self, wrapped: Wrapped<'_>) {
        self.keys().remove(&owned(wrapped));
    }

    fn keys(&self) -> MutexGuard<'_, Keys> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn owned((arn, wrapped): Wrapped<'_>) -> (String, Vec<u8>) {
    (arn.to_owned(), wrapped.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_past_is_forgotten_first() {
        let keys = OpenKeys::default();
        let key = Arc::new(DataKey::new(&[7; 32]).expect("a key"));
        let start = Timestamp::UNIX_EPOCH;
        let later = start + OPEN_FOR;
        keys.keep(("past", b"1"), &key, start);
        for number in 1..MOST {
            keys.keep(("group", &number.to_le_bytes()), &key, later);
        }
        keys.keep(("last", b"1"), &key, later);
        assert_eq!(keys.keys().len(), MOST);
        assert!(keys.find(("past", b"1"), start).is_none());
        assert!(keys.find(("last", b"1"), later).is_some());
        keys.keep(("one more", b"1"), &key, later);
        assert_eq!(keys.keys().len(), 1);
    }
}
