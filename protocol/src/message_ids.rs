//! Names for messages.

use uuid::{Builder, Uuid};

/// Draws message ids that never repeat within one sequence.
///
/// The first half of every id is the seed's, the second a counter that starts at the seed's value, so two sequences with
/// random seeds do not meet. The ids carry no secret.
#[derive(Clone, Debug)]
pub struct MessageIds {
    prefix: [u8; 8],
    counter: u64,
}

impl MessageIds {
    /// Starts a sequence; give every core 16 random bytes of its own.
    pub fn new(seed: [u8; 16]) -> MessageIds {
        let seed = u128::from_be_bytes(seed);
        MessageIds {
            prefix: ((seed >> 64) as u64).to_be_bytes(),
            counter: seed as u64,
        }
    }

    /// Draws the next id, a version 4 UUID in form.
    #[expect(
        clippy::should_implement_trait,
        reason = "a sequence without an end is not an iterator to loop over"
    )]
    pub fn next(&mut self) -> Uuid {
        self.counter = self.counter.wrapping_add(1);
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.prefix);
        // The UUID's variant overwrites the two highest bits, which 2^62 messages never reach.
        bytes[8..].copy_from_slice(&self.counter.to_be_bytes());
        Builder::from_random_bytes(bytes).into_uuid()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::MessageIds;

    #[test]
    fn never_repeats() {
        let mut ids = MessageIds::new([0xff; 16]);
        let drawn: HashSet<_> = (0..10_000).map(|_| ids.next()).collect();
        assert_eq!(drawn.len(), 10_000);
    }

    #[test]
    fn same_seed_draws_same_ids() {
        let (mut one, mut two) = (MessageIds::new([7; 16]), MessageIds::new([7; 16]));
        assert!((0..100).all(|_| one.next() == two.next()));
    }

    #[test]
    fn draws_version_four() {
        assert_eq!(MessageIds::new([0; 16]).next().get_version_num(), 4);
    }
}
