//! A set of sequence numbers that is nearly always a prefix.

use std::collections::BTreeMap;

/// Holds every number below `next` and a few ranges above it.
#[derive(Clone, Debug, Default)]
pub(super) struct SequenceSet {
    next: i64,
    /// Start to end (exclusive) of ranges above `next`; they neither touch nor overlap.
    ahead: BTreeMap<i64, i64>,
}

impl SequenceSet {
    /// Makes the set of all numbers below `next`.
    pub(super) fn below(next: i64) -> SequenceSet {
        SequenceSet {
            next,
            ahead: BTreeMap::new(),
        }
    }

    /// Returns the first number that is missing.
    pub(super) fn next(&self) -> i64 {
        self.next
    }

    /// Says whether numbers beyond the first missing one are there.
    pub(super) fn has_gaps(&self) -> bool {
        !self.ahead.is_empty()
    }

    /// Counts the ranges above the first missing number.
    pub(super) fn ranges_ahead(&self) -> usize {
        self.ahead.len()
    }

    pub(super) fn contains(&self, number: i64) -> bool {
        number < self.next
            || self
                .ahead
                .range(..=number)
                .next_back()
                .is_some_and(|(_, end)| number < *end)
    }

    /// Adds a number that is not negative; `false` if it was there.
    pub(super) fn insert(&mut self, number: i64) -> bool {
        if self.contains(number) {
            return false;
        }
        if number == self.next {
            self.next += 1;
            if let Some(end) = self.ahead.remove(&self.next) {
                self.next = end;
            }
            return true;
        }
        let mut start = number;
        if let Some((before, end)) = self.ahead.range(..number).next_back()
            && *end == number
        {
            start = *before;
        }
        let end = self.ahead.remove(&(number + 1)).unwrap_or(number + 1);
        self.ahead.insert(start, end);
        true
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::{prop, proptest};

    use super::SequenceSet;

    #[test]
    fn closing_a_gap_joins_what_is_ahead() {
        let mut set = SequenceSet::default();
        for number in [0, 2, 3, 5] {
            assert!(set.insert(number));
        }
        assert_eq!((set.next(), set.ranges_ahead()), (1, 2));
        assert!(set.insert(1));
        assert_eq!(set.next(), 4);
        assert!(!set.insert(2));
        assert!(set.insert(4));
        assert_eq!(set.next(), 6);
        assert!(!set.has_gaps());
    }

    proptest! {
        #[test]
        fn behaves_like_a_plain_set(numbers in prop::collection::vec(0_i64..60, 0..120)) {
            let (mut set, mut model) = (SequenceSet::default(), BTreeSet::new());
            for number in numbers {
                assert_eq!(set.insert(number), model.insert(number));
                let missing = (0..).find(|candidate| !model.contains(candidate));
                assert_eq!(Some(set.next()), missing);
                assert!((0..61).all(|candidate| set.contains(candidate) == model.contains(&candidate)));
                assert_eq!(set.has_gaps(), model.iter().any(|held| *held > set.next()));
            }
        }
    }
}
