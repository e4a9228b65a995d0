//! Numbers used once.

use aws_lc_rs::aead::NONCE_LEN;
use aws_lc_rs::hmac;

/// Gives one nonce after the other, none twice.
pub(super) enum Nonces {
    /// The next of a count of 96 bits, least significant byte first, as AWS's agent has it.
    Counting([u8; NONCE_LEN]),
    /// Drawn by a secret seed: AWS's plugin draws each at random, and nobody can tell the difference.
    Drawn { seed: Box<hmac::Key>, drawn: u64 },
}

impl Nonces {
    pub(super) fn counting(first: [u8; NONCE_LEN]) -> Nonces {
        Nonces::Counting(first)
    }

    pub(super) fn drawn(seed: [u8; 32]) -> Nonces {
        Nonces::Drawn {
            seed: Box::new(hmac::Key::new(hmac::HMAC_SHA256, &seed)),
            drawn: 0,
        }
    }

    pub(super) fn next(&mut self) -> [u8; NONCE_LEN] {
        match self {
            Nonces::Counting(next) => {
                let present = *next;
                for byte in next.iter_mut() {
                    let carried;
                    (*byte, carried) = byte.overflowing_add(1);
                    if !carried {
                        break;
                    }
                }
                present
            }
            Nonces::Drawn { seed, drawn } => {
                let tag = hmac::sign(seed, &drawn.to_be_bytes());
                *drawn += 1;
                *tag.as_ref().first_chunk().expect("SHA-256 has 32 bytes")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::Nonces;

    #[test]
    fn a_count_carries_over_and_wraps() {
        let mut first = [0xff; 12];
        first[11] = 0xfe;
        let mut nonces = Nonces::counting(first);
        assert_eq!(nonces.next(), first);
        let mut expected = [0; 12];
        expected[11] = 0xff;
        assert_eq!(nonces.next(), expected);
        let mut last = Nonces::counting([0xff; 12]);
        last.next();
        assert_eq!(last.next(), [0; 12]);
    }

    #[test]
    fn drawn_ones_differ_within_a_seed_and_between_seeds() {
        let mut seen = HashSet::new();
        for seed in 0..4 {
            let mut nonces = Nonces::drawn([seed; 32]);
            assert!((0..10_000).all(|_| seen.insert(nonces.next())));
        }
    }
}
