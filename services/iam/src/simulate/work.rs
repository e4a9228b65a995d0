//! How much work a simulation is, counted before any of it is done.

use drawbridge_session::policy::Context;

/// The most that one answer costs, in comparisons of a character of a policy with one of a request: a few hundred
/// milliseconds at the worst.
pub(super) const MOST_WORK: usize = 100_000_000;

/// What each byte of a policy costs at least, however short the texts are that it is compared with.
const LEAST_REACH: usize = 64;

/// The size of all policies that each pair of action and resource is compared with.
#[derive(Debug, Default)]
pub(super) struct Work {
    bytes: usize,
    /// At least as many as there are: they grow to what stands for them.
    variables: usize,
}

impl Work {
    /// Counts in the text of one more policy.
    pub(super) fn add(&mut self, policy: &str) {
        self.bytes += policy.len();
        // JSON may write the start of a variable with an escape.
        self.variables += policy.matches("${").count() + policy.matches("\\u").count();
    }

    /// Returns what one pair costs at most, whose action and resource have no more than so many bytes.
    ///
    /// A pattern costs at most its length, with its variables filled in, times that of the text; and each of a key's
    /// values is compared anew.
    pub(super) fn of_pair(&self, context: &Context, longest_name: usize) -> usize {
        let values = || context.iter().map(|(_, values)| values);
        let longest = values().flatten().map(String::len).max().unwrap_or_default();
        let widest = values()
            .map(|values| values.iter().map(|value| value.len() + 1).sum())
            .max()
            .unwrap_or_default();
        let reach = LEAST_REACH.max(longest_name).max(widest);
        let filled_in = self.variables.saturating_mul(longest);
        self.bytes.saturating_add(filled_in).saturating_mul(reach)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn work(policies: &[&str]) -> Work {
        let mut work = Work::default();
        for policy in policies {
            work.add(policy);
        }
        work
    }

    #[test]
    fn a_pair_costs_every_policy_times_the_longest_text_that_it_meets() {
        let none = Context::new();
        assert_eq!(work(&["12345", "67890"]).of_pair(&none, 2000), 10 * 2000);
        assert_eq!(work(&["12345"]).of_pair(&none, 1), 5 * LEAST_REACH);
        let context = Context::new().with("a:b", "x".repeat(3000)).with("a:c", "");
        assert_eq!(work(&["12345"]).of_pair(&context, 2000), 5 * 3001);
    }

    #[test]
    fn each_value_of_a_key_costs_even_an_empty_one() {
        let mut context = Context::new();
        context.set("a:b", vec![String::new(); 5000]);
        assert_eq!(work(&["12345"]).of_pair(&context, 1), 5 * 5000);
    }

    #[test]
    fn a_variable_costs_what_may_stand_for_it_however_it_is_written() {
        let context = Context::new().with("a:b", "x".repeat(99));
        assert_eq!(work(&["${a:b}"]).of_pair(&context, 1), (6 + 99) * 100);
        assert_eq!(work(&[r"\u0024{a:b}"]).of_pair(&context, 1), (11 + 99) * 100);
        assert_eq!(work(&[r"$\u007ba:b}"]).of_pair(&context, 1), (11 + 99) * 100);
    }

    #[test]
    fn what_does_not_fit_into_a_number_is_too_much() {
        let huge = Work {
            bytes: usize::MAX / 2,
            variables: 0,
        };
        assert!(huge.of_pair(&Context::new(), 1) > MOST_WORK);
    }
}
