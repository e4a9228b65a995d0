//! Chance as an argument.

use std::sync::atomic::{AtomicU64, Ordering};

use aws_lc_rs::digest;
use uuid::Uuid;

/// Draws random bytes.
pub trait Random: Send + Sync {
    /// Fills `bytes`, each bit independent and unpredictable.
    fn fill(&self, bytes: &mut [u8]);

    /// Draws a version 4 UUID.
    fn uuid(&self) -> Uuid {
        let mut bytes = [0; 16];
        self.fill(&mut bytes);
        uuid::Builder::from_random_bytes(bytes).into_uuid()
    }
}

/// Draws arrays from any [`Random`], trait objects included.
pub trait RandomArray: Random {
    /// Draws `N` bytes.
    fn array<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.fill(&mut bytes);
        bytes
    }
}

impl<R: Random + ?Sized> RandomArray for R {}

/// Draws from the operating system's generator.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemRandom;

impl Random for SystemRandom {
    fn fill(&self, bytes: &mut [u8]) {
        aws_lc_rs::rand::fill(bytes).expect("the operating system's random source answers");
    }
}

/// Repeats the same bytes for the same seed: for tests, never for secrets.
#[derive(Debug)]
pub struct SeededRandom {
    seed: u64,
    counter: AtomicU64,
}

impl SeededRandom {
    /// Creates a source that depends on `seed` only.
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            counter: AtomicU64::new(0),
        }
    }
}

impl Random for SeededRandom {
    fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(digest::SHA256_OUTPUT_LEN) {
            let count = self.counter.fetch_add(1, Ordering::Relaxed);
            let block = digest::digest(
                &digest::SHA256,
                &[self.seed.to_be_bytes(), count.to_be_bytes()].concat(),
            );
            chunk.copy_from_slice(&block.as_ref()[..chunk.len()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeats_itself_for_the_same_seed_only() {
        let draw = |seed| SeededRandom::new(seed).array::<40>();
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
        assert_ne!(draw(1)[..8], draw(1)[32..]);
    }

    #[test]
    fn draws_version_4_uuids() {
        let random: &dyn Random = &SystemRandom;
        assert_eq!(random.uuid().get_version_num(), 4);
        assert_ne!(random.array::<32>(), random.array::<32>());
    }
}
