//! Bytes in flight: a ring that grows up to a bound, so that its memory is used again and never given back
//! and forth.

use std::io::IoSlice;

/// A queue of bytes that is read into and written from in place.
pub(super) struct Ring {
    bytes: Vec<u8>,
    first: usize,
    held: usize,
    bound: usize,
}

impl Ring {
    /// A ring that never holds more than `bound` bytes.
    pub(super) fn new(bound: usize) -> Self {
        Self {
            bytes: vec![0; bound.min(FIRST_BYTES)],
            first: 0,
            held: 0,
            bound,
        }
    }

    /// Room for more, in one piece; empty when the bound is reached.
    pub(super) fn room(&mut self) -> &mut [u8] {
        if self.held == self.bytes.len() {
            self.grow();
        }
        let free = self.bytes.len() - self.held;
        let begin = self.wrapped(self.held);
        let end = self.bytes.len().min(begin + free);
        &mut self.bytes[begin..end]
    }

    /// Counts the first `count` bytes of the room as held.
    pub(super) fn fill(&mut self, count: usize) {
        debug_assert!(self.held + count <= self.bytes.len());
        self.held += count;
    }

    /// The oldest `count` bytes, in the two pieces that they may lie in.
    pub(super) fn oldest(&self, count: usize) -> [IoSlice<'_>; 2] {
        let count = count.min(self.held);
        let before_end = count.min(self.bytes.len() - self.first);
        [
            IoSlice::new(&self.bytes[self.first..self.first + before_end]),
            IoSlice::new(&self.bytes[..count - before_end]),
        ]
    }

    /// Lets go of the oldest `count` bytes.
    pub(super) fn forget(&mut self, count: usize) {
        debug_assert!(count <= self.held);
        self.first = self.wrapped(count);
        self.held -= count;
        if self.held == 0 {
            // The same few pages again, which are still in the cache.
            self.first = 0;
        }
    }

    fn wrapped(&self, offset: usize) -> usize {
        let position = self.first + offset;
        if position >= self.bytes.len() {
            position - self.bytes.len()
        } else {
            position
        }
    }

    fn grow(&mut self) {
        let size = (self.bytes.len() * 2).min(self.bound);
        if size > self.bytes.len() {
            let mut larger = vec![0; size];
            let [one, two] = self.oldest(self.held);
            larger[..one.len()].copy_from_slice(&one);
            larger[one.len()..self.held].copy_from_slice(&two);
            self.bytes = larger;
            self.first = 0;
        }
    }
}

const FIRST_BYTES: usize = 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_stay_in_order_while_the_ring_wraps_and_grows() {
        let mut ring = Ring::new(usize::MAX);
        let (mut put, mut got) = (0_u64, 0_u64);
        // Puts more than it takes at first, so that it grows while it is wrapped, then less until it is
        // empty.
        for round in 0..400 {
            let (puts, takes) = if round < 200 {
                (30_011, 20_011)
            } else {
                (10_007, 20_017)
            };
            for _ in 0..puts {
                ring.room()[0] = byte(put);
                ring.fill(1);
                put += 1;
            }
            let taken: Vec<u8> = ring
                .oldest(takes)
                .iter()
                .flat_map(|piece| piece.to_vec())
                .collect();
            for one in &taken {
                assert_eq!(*one, byte(got), "byte {got} of {put}");
                got += 1;
            }
            ring.forget(taken.len());
        }
        assert!(put > 2 * FIRST_BYTES as u64, "it never grew");
    }

    #[test]
    fn there_is_no_room_beyond_the_bound() {
        let mut ring = Ring::new(10);
        assert_eq!(ring.room().len(), 10);
        ring.fill(10);
        assert!(ring.room().is_empty());
        ring.forget(4);
        assert_eq!(ring.room().len(), 4);
        let [one, two] = ring.oldest(usize::MAX);
        assert_eq!(one.len() + two.len(), 6);
    }

    fn byte(number: u64) -> u8 {
        (number % 251) as u8
    }
}
