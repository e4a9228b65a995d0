//! SHA-256, by which both ends prove what they have.

use std::io::{self, Read};

use aws_lc_rs::digest::{Context, SHA256};

/// The SHA-256 of a file or of its beginning.
pub type Sum = [u8; 32];

/// Hashes what goes by.
#[derive(Clone)]
pub struct Hasher(Context);

impl Hasher {
    /// Begins with nothing.
    #[expect(clippy::new_without_default, reason = "there is nothing to default to")]
    pub fn new() -> Self {
        Self(Context::new(&SHA256))
    }

    /// Takes bytes in.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// What has been taken in so far.
    pub fn sum(&self) -> Sum {
        let mut sum = [0; 32];
        sum.copy_from_slice(self.0.clone().finish().as_ref());
        sum
    }

    /// Takes in the next `length` bytes of `file`, and returns how many there were.
    pub(crate) fn read(&mut self, file: &mut impl Read, length: u64) -> io::Result<u64> {
        let mut buffer = vec![0; crate::frame::MAX_DATA];
        let mut file = file.take(length);
        let mut total = 0;
        loop {
            let count = file.read(&mut buffer)?;
            if count == 0 {
                return Ok(total);
            }
            self.update(&buffer[..count]);
            total += count as u64;
        }
    }
}
