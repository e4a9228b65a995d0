//! Actions that do not exist.

use std::sync::LazyLock;

use super::{Finding, Severity, Subject};
use crate::policy::document::Effect;

/// The actions of the services whose list is complete, one `vendor:Name` a line: the operations of their public models,
/// those of the agent, and those that only policies know, such as `iam:PassRole`.
static KNOWN: LazyLock<Vec<Known>> = LazyLock::new(|| {
    let lines = include_str!("known_actions.txt").lines();
    let known = |line: &'static str| {
        let lower = line.to_ascii_lowercase();
        Known { text: line, lower }
    };
    lines.map(known).collect()
});
/// A longer name is not a mistyped one.
const MAX_NAME: usize = 64;
/// How many letters may be wrong in a mistyped name.
const MAX_DISTANCE: usize = 2;

struct Known {
    text: &'static str,
    lower: String,
}

pub(super) fn check(subject: &Subject<'_>, findings: &mut Vec<Finding>) {
    for placed in subject.statements() {
        let actions = &placed.statement.actions;
        for pattern in &actions.entries {
            let Some(vendor) = pattern.vendor().filter(|vendor| is_known(vendor)) else {
                continue;
            };
            if KNOWN.iter().any(|known| pattern.covers(&known.lower)) {
                continue;
            }
            let narrows = (placed.statement.effect == Effect::Deny) != actions.negated;
            let (severity, hint) = match nearest(vendor, pattern.text()) {
                None => (
                    Severity::Note,
                    "check the name: it may be newer than this list".to_owned(),
                ),
                Some(near) if narrows => (Severity::Danger, format!("write `{near}`")),
                Some(near) => (Severity::Warning, format!("write `{near}`")),
            };
            let message = format!("names `{}`, which no action matches", pattern.text());
            findings.push(placed.finding(severity, "unknown-action", message, hint));
        }
    }
}

/// Says whether all actions of a vendor, in lower case and with its colon, are known.
fn is_known(vendor: &str) -> bool {
    KNOWN.iter().any(|known| known.lower.starts_with(vendor))
}

/// Returns the known action that differs least from what was written.
fn nearest(vendor: &str, written: &str) -> Option<&'static str> {
    if written.len() > MAX_NAME {
        return None;
    }
    let written = written.to_ascii_lowercase();
    let of_vendor = KNOWN.iter().filter(|known| known.lower.starts_with(vendor));
    let by_distance = of_vendor.map(|known| (distance(&written, &known.lower), known.text));
    let near = by_distance.filter(|(distance, _)| *distance <= MAX_DISTANCE);
    near.min_by_key(|(distance, _)| *distance).map(|(_, text)| text)
}

/// Counts the letters to insert, delete or replace to make one text of the other.
fn distance(left: &str, right: &str) -> usize {
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (above, letter) in left.bytes().enumerate() {
        let mut diagonal = above;
        let mut before = above + 1;
        for (cell, other) in row.iter_mut().skip(1).zip(right.bytes()) {
            let replaced = diagonal + usize::from(letter != other);
            diagonal = *cell;
            before = replaced.min(before + 1).min(diagonal + 1);
            *cell = before;
        }
        if let Some(first) = row.first_mut() {
            *first = above + 1;
        }
    }
    row.last().copied().unwrap_or(left.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_the_letters_that_differ() {
        for (left, right, expected) in [("", "", 0), ("a", "", 1), ("", "ab", 2), ("kitten", "sitting", 3)] {
            assert_eq!(distance(left, right), expected, "{left} {right}");
            assert_eq!(distance(right, left), expected, "{right} {left}");
        }
    }

    #[test]
    fn suggests_the_nearest_of_the_same_service() {
        assert_eq!(nearest("ssm:", "ssm:StartSessions"), Some("ssm:StartSession"));
        assert_eq!(
            nearest("ssm:", "ssm:TermniateSession"),
            Some("ssm:TerminateSession")
        );
        assert_eq!(nearest("ssm:", "ssm:SomethingElse"), None);
        assert_eq!(nearest("ssm:", &format!("ssm:{}", "a".repeat(100_000))), None);
    }
}
