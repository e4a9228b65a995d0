//! Where an event is among all the others of its group.

use std::fmt;

/// The place of an event: its time, then the batch that it came in, then its index there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Position {
    pub(crate) time_ms: i64,
    pub(crate) batch: i64,
    pub(crate) index: u32,
}

/// The digits of the parts; 56 in all, as AWS's ids of events have.
const WIDTHS: [usize; 3] = [20, 20, 16];

impl Position {
    /// Before every event.
    pub(crate) const FIRST: Self = Self::at(0);

    /// Before every event of a time.
    pub(crate) const fn at(time_ms: i64) -> Self {
        Self {
            time_ms,
            batch: 0,
            index: 0,
        }
    }

    /// Right behind an event.
    pub(crate) fn next(self) -> Self {
        Self {
            index: self.index.saturating_add(1),
            ..self
        }
    }

    /// Reads what [`fmt::Display`] wrote.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let [time, batch, index] = WIDTHS;
        if text.len() != time + batch + index || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        Some(Self {
            time_ms: text.get(..time)?.parse().ok()?,
            batch: text.get(time..time + batch)?.parse().ok()?,
            index: text.get(time + batch..)?.parse().ok()?,
        })
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [time, batch, index] = WIDTHS;
        let Self {
            time_ms: at,
            batch: of,
            index: nth,
        } = self;
        write!(f, "{at:0time$}{of:0batch$}{nth:0index$}")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_is_read_and_sorts_alike(
            a in (0..=i64::MAX, 0..=i64::MAX, 0..=u32::MAX),
            b in (0..=i64::MAX, 0..=i64::MAX, 0..=u32::MAX),
        ) {
            let [a, b] = [a, b].map(|(time_ms, batch, index)| Position { time_ms, batch, index });
            prop_assert_eq!(Position::parse(&a.to_string()), Some(a));
            prop_assert_eq!(a.to_string().len(), 56);
            prop_assert_eq!(a.cmp(&b), a.to_string().cmp(&b.to_string()));
        }

        #[test]
        fn nothing_else_is_read(text in "\\PC{0,60}") {
            if let Some(position) = Position::parse(&text) {
                prop_assert_eq!(position.to_string(), text);
            }
        }
    }

    #[test]
    fn too_large_numbers_are_no_position() {
        assert_eq!(Position::parse(&"9".repeat(56)), None);
        assert_eq!(Position::parse(&"0".repeat(56)), Some(Position::FIRST));
    }
}
