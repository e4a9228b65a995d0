//! The conditions by which nodes are listed.

use std::cmp::Ordering;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::{ManagedNode, NodeId, PingStatus, Tag};
use serde::Deserialize;

use crate::error::invalid_instance_id;

/// A node with what is known of it outside its record.
pub(super) struct View {
    pub(super) node: ManagedNode,
    pub(super) status: PingStatus,
    /// Read only where a condition asks for them.
    pub(super) tags: Vec<Tag>,
}

impl View {
    /// Returns the wire's word for how the node came to be one.
    pub(super) fn resource_type(&self) -> &'static str {
        if self.node.id.is_registered() {
            "ManagedInstance"
        } else {
            "EC2Instance"
        }
    }
}

/// One condition: a property compares with one of the values.
#[derive(Debug)]
pub(super) struct Filter {
    property: Property,
    comparison: Comparison,
    values: Vec<String>,
}

/// How a property compares with a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub(super) enum Comparison {
    #[default]
    Equal,
    NotEqual,
    BeginWith,
    LessThan,
    GreaterThan,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Property {
    InstanceId,
    AgentVersion,
    PingStatus,
    PlatformType,
    ActivationId,
    IamRole,
    ResourceType,
    Name,
    ComputerName,
    IpAddress,
    PlatformName,
    PlatformVersion,
    TagKey,
    Tag(String),
    /// What no node here has: associations, and documents that ran by them.
    Absent,
}

impl Filter {
    /// Reads a condition; `invalid_value` is the operation's error for a value that the property cannot have.
    pub(super) fn new(
        key: &str,
        comparison: Comparison,
        values: Vec<String>,
        invalid_value: &'static str,
    ) -> Result<Self, AwsError> {
        let property = Property::parse(key).ok_or_else(|| {
            AwsError::new(
                "InvalidFilterKey",
                format!("{key} is not a key that nodes are listed by."),
            )
        })?;
        if matches!(comparison, Comparison::Equal | Comparison::NotEqual) {
            for value in &values {
                property.check(key, value, invalid_value)?;
            }
        }
        Ok(Self {
            property,
            comparison,
            values,
        })
    }

    /// Returns the ids that can match, where the condition says so.
    pub(super) fn ids(&self) -> Option<impl Iterator<Item = NodeId>> {
        (self.property == Property::InstanceId && self.comparison == Comparison::Equal)
            .then(|| self.values.iter().filter_map(|value| NodeId::parse(value).ok()))
    }

    /// Returns whether [`View::tags`] must be known.
    pub(super) fn needs_tags(&self) -> bool {
        matches!(self.property, Property::TagKey | Property::Tag(_))
    }

    pub(super) fn matches(&self, view: &View) -> bool {
        let actual = self.property.of(view);
        let any = |holds: fn(&str, &str) -> bool| {
            actual
                .iter()
                .any(|actual| self.values.iter().any(|value| holds(actual, value)))
        };
        match self.comparison {
            Comparison::Equal => any(|actual, value| actual == value),
            Comparison::NotEqual => !any(|actual, value| actual == value),
            Comparison::BeginWith => any(|actual, value| actual.starts_with(value)),
            Comparison::LessThan => any(|actual, value| compare(actual, value).is_lt()),
            Comparison::GreaterThan => any(|actual, value| compare(actual, value).is_gt()),
        }
    }
}

impl Property {
    fn parse(key: &str) -> Option<Self> {
        Some(match key {
            "InstanceIds" => Self::InstanceId,
            "AgentVersion" => Self::AgentVersion,
            "PingStatus" => Self::PingStatus,
            "PlatformTypes" => Self::PlatformType,
            "ActivationIds" => Self::ActivationId,
            "IamRole" => Self::IamRole,
            "ResourceType" => Self::ResourceType,
            "Name" => Self::Name,
            "ComputerName" => Self::ComputerName,
            "IPAddress" => Self::IpAddress,
            "PlatformName" => Self::PlatformName,
            "PlatformVersion" => Self::PlatformVersion,
            "AssociationStatus" | "DocumentName" => Self::Absent,
            "tag-key" => Self::TagKey,
            other => Self::Tag(
                other
                    .strip_prefix("tag:")
                    .filter(|key| !key.is_empty())?
                    .to_owned(),
            ),
        })
    }

    fn check(&self, key: &str, value: &str, invalid_value: &'static str) -> Result<(), AwsError> {
        let valid = match self {
            Self::InstanceId => {
                return NodeId::parse(value)
                    .map(drop)
                    .map_err(|_| invalid_instance_id(value));
            }
            Self::PingStatus => ["Online", "ConnectionLost", "Inactive"].contains(&value),
            Self::PlatformType => ["Windows", "Linux", "MacOS"].contains(&value),
            Self::ResourceType => ["ManagedInstance", "EC2Instance"].contains(&value),
            Self::AgentVersion
            | Self::ActivationId
            | Self::IamRole
            | Self::Name
            | Self::ComputerName
            | Self::IpAddress
            | Self::PlatformName
            | Self::PlatformVersion
            | Self::TagKey
            | Self::Tag(_)
            | Self::Absent => true,
        };
        if valid {
            return Ok(());
        }
        Err(AwsError::new(
            invalid_value,
            format!("{value} is not a value that {key} can have."),
        ))
    }

    fn of<'a>(&self, view: &'a View) -> Vec<&'a str> {
        let View { node, status, tags } = view;
        let one = match self {
            Self::InstanceId => Some(node.id.as_str()),
            Self::AgentVersion => node.agent.version.as_deref(),
            Self::PingStatus => Some(status.as_str()),
            Self::PlatformType => node.agent.platform_type.as_deref(),
            Self::ActivationId => node.activation.as_ref().map(|id| id.as_str()),
            Self::IamRole => Some(node.iam_role.as_str()),
            Self::ResourceType => Some(view.resource_type()),
            Self::Name => node.name.as_deref(),
            Self::ComputerName => node.agent.computer_name.as_deref(),
            Self::IpAddress => node.agent.ip_address.as_deref(),
            Self::PlatformName => node.agent.platform_name.as_deref(),
            Self::PlatformVersion => node.agent.platform_version.as_deref(),
            Self::TagKey => return tags.iter().map(|tag| tag.key.as_str()).collect(),
            Self::Tag(key) => tags
                .iter()
                .find(|tag| tag.key == *key)
                .map(|tag| tag.value.as_str()),
            Self::Absent => None,
        };
        one.into_iter().collect()
    }
}

/// Compares versions number by number, and other texts letter by letter.
fn compare(a: &str, b: &str) -> Ordering {
    let numbers = |text: &str| {
        text.split('.')
            .map(str::parse::<u64>)
            .collect::<Result<Vec<_>, _>>()
    };
    match (numbers(a), numbers(b)) {
        (Ok(a), Ok(b)) => a.cmp(&b),
        _ => a.cmp(b),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compares_versions_by_their_numbers() {
        assert!(compare("3.10.0", "3.9.0").is_gt());
        assert!(compare("3.9.0", "3.9.0").is_eq());
        assert!(compare("bookworm", "bullseye").is_lt());
    }
}
