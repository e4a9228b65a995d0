//! The conditions by which documents are listed.

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::Tag;
use drawbridge_session::document::Provider;

use super::view::Facts;
use super::{SCHEMA_VERSION, SESSION};

/// Whose documents are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Group {
    /// The caller's own.
    Own,
    /// Those that are in every account.
    Provided(Provider),
    /// Those that others share with the caller's account.
    Private,
    /// Those that others share with all.
    Public,
}

impl Group {
    /// Every group, in the order in which they are listed.
    pub(super) const ALL: [Self; 5] = [
        Self::Own,
        Self::Provided(Provider::Amazon),
        Self::Provided(Provider::Drawbridge),
        Self::Private,
        Self::Public,
    ];

    /// What is listed where a request does not say.
    const DEFAULT: [Self; 4] = [
        Self::Own,
        Self::Provided(Provider::Amazon),
        Self::Provided(Provider::Drawbridge),
        Self::Private,
    ];

    /// Reads a value of the key `Owner`.
    fn named(value: &str) -> Result<&'static [Self], AwsError> {
        match value {
            "Self" => Ok(&[Self::Own]),
            "Amazon" => Ok(&[Self::Provided(Provider::Amazon)]),
            "Drawbridge" => Ok(&[Self::Provided(Provider::Drawbridge)]),
            "Private" => Ok(&[Self::Private]),
            "Public" => Ok(&[Self::Public]),
            "All" => Ok(&Self::ALL),
            // Nobody sells documents here.
            "ThirdParty" => Ok(&[]),
            other => Err(invalid(format!(
                "{other} is no owner that documents are listed by: Self, Amazon, Drawbridge, Private, Public, ThirdParty \
                 or All."
            ))),
        }
    }
}

/// What documents to list: those of some groups for which every condition holds.
#[derive(Debug)]
pub(super) struct Filters {
    groups: Vec<Group>,
    conditions: Vec<(Property, Vec<String>)>,
    /// Tags by their keys.
    tags: Vec<(String, Vec<String>)>,
}

#[derive(Debug, Clone, Copy)]
enum Property {
    Name,
    DocumentType,
    PlatformTypes,
    SchemaVersion,
    TargetType,
    SearchKeyword,
}

impl Filters {
    /// Reads keys with their values, of which one must match.
    pub(super) fn new(keys: impl IntoIterator<Item = (String, Vec<String>)>) -> Result<Self, AwsError> {
        let mut filters = Self {
            groups: Group::DEFAULT.to_vec(),
            conditions: Vec::new(),
            tags: Vec::new(),
        };
        let mut owned = None::<Vec<Group>>;
        for (key, values) in keys {
            if values.is_empty() {
                return Err(invalid(format!("Filter key {key} has no values.")));
            }
            if key == "Owner" {
                let named = values.iter().map(|value| Group::named(value));
                let named: Vec<_> = named.collect::<Result<Vec<_>, _>>()?.concat();
                let before = owned.take().unwrap_or_else(|| Group::ALL.to_vec());
                owned = Some(before.into_iter().filter(|group| named.contains(group)).collect());
            } else if let Some(tag) = key.strip_prefix("tag:").filter(|tag| !tag.is_empty()) {
                filters.tags.push((tag.to_owned(), values));
            } else {
                filters.conditions.push((Property::parse(&key)?, values));
            }
        }
        if let Some(owned) = owned {
            filters.groups = owned;
        }
        Ok(filters)
    }

    /// Returns the groups to list, in order.
    pub(super) fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// Says whether a document passes, its tags aside.
    pub(super) fn match_facts(&self, facts: &Facts) -> bool {
        self.conditions
            .iter()
            .all(|(property, values)| values.iter().any(|value| property.matches(value, facts)))
    }

    /// Says whether a document with these tags passes.
    pub(super) fn match_tags(&self, tags: &[Tag]) -> bool {
        self.tags.iter().all(|(key, values)| {
            let holds = |tag: &Tag| tag.key == *key && values.contains(&tag.value);
            tags.iter().any(holds)
        })
    }
}

impl Property {
    fn parse(key: &str) -> Result<Self, AwsError> {
        Ok(match key {
            "Name" => Self::Name,
            "DocumentType" => Self::DocumentType,
            "PlatformTypes" => Self::PlatformTypes,
            "SchemaVersion" => Self::SchemaVersion,
            "TargetType" => Self::TargetType,
            "SearchKeyword" => Self::SearchKeyword,
            other => {
                return Err(invalid(format!(
                    "{other} is not a key that documents are listed by."
                )));
            }
        })
    }

    fn matches(self, value: &str, facts: &Facts) -> bool {
        match self {
            Self::Name => facts.name.starts_with(value),
            Self::DocumentType => value == SESSION,
            Self::PlatformTypes => facts.platform_names().contains(&value),
            Self::SchemaVersion => value == SCHEMA_VERSION,
            Self::TargetType => facts.version.target_type.as_deref() == Some(value),
            Self::SearchKeyword => {
                let value = value.to_lowercase();
                facts.name.to_lowercase().contains(&value)
            }
        }
    }
}

fn invalid(message: String) -> AwsError {
    AwsError::new("InvalidFilterKey", message)
}
