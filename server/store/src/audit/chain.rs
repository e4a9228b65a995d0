//! The chain: what each event adds to the hash of all before it.

use aws_lc_rs::digest::{Context, SHA256, SHA256_OUTPUT_LEN};
use uuid::Uuid;

/// SHA-256.
pub(crate) type Hash = [u8; SHA256_OUTPUT_LEN];

/// The end of a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    /// The index of the last event; 0 before the first.
    pub(crate) index: u64,
    pub(crate) hash: Hash,
}

impl Head {
    /// The chain of a writer before its first event.
    pub(crate) fn origin(writer: Uuid) -> Self {
        Self {
            index: 0,
            hash: sha256(&[b"drawbridge audit log 1", writer.as_bytes()]),
        }
    }

    /// Appends an event: SHA-256 of the hash before it, its index (8 bytes, big-endian) and its text.
    #[must_use]
    pub(crate) fn then(self, event: &str) -> Self {
        let index = self.index + 1;
        Self {
            index,
            hash: sha256(&[&self.hash, &index.to_be_bytes(), event.as_bytes()]),
        }
    }
}

fn sha256(parts: &[&[u8]]) -> Hash {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(part);
    }
    context
        .finish()
        .as_ref()
        .try_into()
        .expect("SHA-256 has 32 bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depends_on_the_writer_the_order_and_every_event() {
        let of = |writer, events: &[&str]| {
            events
                .iter()
                .fold(Head::origin(Uuid::from_u128(writer)), |head, event| {
                    head.then(event)
                })
        };
        let chain = of(1, &["a", "b", "c"]);
        assert_eq!(chain.index, 3);
        for other in [
            of(2, &["a", "b", "c"]),
            of(1, &["b", "a", "c"]),
            of(1, &["a", "b", "x"]),
            of(1, &["ab", "", "c"]),
            of(1, &["a", "b"]),
        ] {
            assert_ne!(chain.hash, other.hash);
        }
    }
}
