//! The tags of a session: those that the request gives, and those that the calling session hands on.

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::{SessionGrant, Tag};

use crate::error::{too_long, unsuitable};

/// The most tags of a session, handed on or given.
const MAX_TAGS: usize = 50;

/// What a session has for tags, and which of them the next one inherits.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct SessionTags {
    pub(crate) tags: Vec<Tag>,
    pub(crate) transitive_keys: Vec<String>,
}

impl SessionTags {
    /// Returns what the session that calls hands on: transitive tags, which stay so.
    pub(crate) fn inherited(calling: Option<&SessionGrant>) -> Self {
        let Some(calling) = calling else {
            return Self::default();
        };
        let handed_on = |tag: &&Tag| contains(&calling.transitive_tag_keys, &tag.key);
        Self {
            tags: calling.tags.iter().filter(handed_on).cloned().collect(),
            transitive_keys: calling.transitive_tag_keys.clone(),
        }
    }

    /// Adds what the request gives; keys are the same whatever their case.
    pub(crate) fn with(mut self, given: Vec<Tag>, transitive: Vec<String>) -> Result<Self, AwsError> {
        for (at, tag) in given.iter().enumerate() {
            let reserved = tag
                .key
                .get(..4)
                .is_some_and(|start| start.eq_ignore_ascii_case("aws:"));
            if reserved {
                return Err(unsuitable(
                    "Tag keys that begin with aws: are reserved for system use.",
                ));
            }
            if given[..at]
                .iter()
                .any(|before| before.key.eq_ignore_ascii_case(&tag.key))
            {
                return Err(unsuitable(
                    "Duplicate tag keys found. Please note that Tag keys are case insensitive.",
                ));
            }
            if contains(&self.transitive_keys, &tag.key) {
                return Err(unsuitable(
                    "One of the specified transitive tag keys can't be set because it conflicts with a transitive tag \
                     key from the calling session.",
                ));
            }
        }
        for key in transitive {
            if contains(&self.transitive_keys, &key) {
                continue;
            }
            if !given.iter().any(|tag| tag.key.eq_ignore_ascii_case(&key)) {
                return Err(unsuitable(
                    "The specified transitive tag key must be included in the requested tags.",
                ));
            }
            self.transitive_keys.push(key);
        }
        self.tags.extend(given);
        if self.tags.len() > MAX_TAGS {
            return Err(too_long("tags", MAX_TAGS));
        }
        Ok(self)
    }
}

fn contains(keys: &[String], key: &str) -> bool {
    keys.iter().any(|held| held.eq_ignore_ascii_case(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(pairs: &[(&str, &str)]) -> Vec<Tag> {
        pairs.iter().map(|(key, value)| Tag::new(*key, *value)).collect()
    }

    fn keys(keys: &[&str]) -> Vec<String> {
        keys.iter().map(|key| (*key).to_owned()).collect()
    }

    fn calling() -> SessionTags {
        SessionTags {
            tags: tags(&[("Project", "x")]),
            transitive_keys: keys(&["Project"]),
        }
    }

    #[test]
    fn given_tags_stand_beside_inherited_ones() {
        let all = calling()
            .with(tags(&[("Cost", "1"), ("Team", "a")]), keys(&["team"]))
            .expect("suitable");
        assert_eq!(all.tags, tags(&[("Project", "x"), ("Cost", "1"), ("Team", "a")]));
        assert_eq!(all.transitive_keys, keys(&["Project", "team"]));
    }

    #[test]
    fn a_key_that_is_handed_on_may_be_named_again() {
        let all = calling().with(Vec::new(), keys(&["PROJECT"])).expect("suitable");
        assert_eq!(all, calling());
    }

    #[test]
    fn refuses_tags_that_clash() {
        for (given, transitive, why) in [
            (tags(&[("aws:a", "")]), keys(&[]), "reserved"),
            (tags(&[("AWS:a", "")]), keys(&[]), "reserved"),
            (tags(&[("a", ""), ("A", "")]), keys(&[]), "Duplicate tag keys"),
            (
                tags(&[("PROJECT", "y")]),
                keys(&[]),
                "conflicts with a transitive",
            ),
            (tags(&[("a", "")]), keys(&["b"]), "must be included"),
        ] {
            let error = calling().with(given, transitive).expect_err(why);
            assert_eq!(error.code(), "InvalidParameterValue");
            assert!(error.message().contains(why), "{error}");
        }
    }

    #[test]
    fn fifty_tags_are_the_most_inherited_ones_included() {
        let numbered = |count: usize| (0..count).map(|n| Tag::new(format!("k{n}"), "")).collect();
        assert!(calling().with(numbered(49), Vec::new()).is_ok());
        let error = calling().with(numbered(50), Vec::new()).expect_err("too many");
        assert_eq!(error.code(), "ValidationError");
    }
}
