//! The `Principal` and `NotPrincipal` elements.

use super::error::PolicyError;
use super::identity::{Identity, Kind};
use super::json::Node;
use crate::ids::AccountId;

/// How closely a statement names who asks.
///
/// The closer, the more a grant is worth: an account only passes the question on to its own identity policies, and a
/// role's sessions stay within the role's boundary and their session policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Closeness {
    Account,
    Role,
    Direct,
}

/// One entry of a principal element.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Grantee {
    Anyone,
    Account(AccountId),
    /// A user, a role or one session of a role.
    Arn(String),
    /// The unique id of a user or role.
    Id(String),
    Service(String),
    Federated(String),
    /// An S3 canonical user, which nobody here is.
    Canonical,
}

/// A parsed principal element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Grantees {
    entries: Vec<Grantee>,
    /// Whether it is a `NotPrincipal`.
    negated: bool,
}

impl Grantees {
    pub(super) fn parse(node: &Node, negated: bool) -> Result<Self, PolicyError> {
        let entries = match node {
            Node::Text(text) if text == "*" => vec![Grantee::Anyone],
            Node::Object(kinds) if !kinds.is_empty() => {
                let mut entries = Vec::new();
                for (kind, names) in kinds {
                    entries.extend(parse_kind(kind, names).map_err(|error| error.within(kind))?);
                }
                entries
            }
            _ => {
                return Err(PolicyError::new(
                    "expected \"*\" or an object such as {\"AWS\": …}",
                ));
            }
        };
        Ok(Self { entries, negated })
    }

    /// Returns the users, roles and sessions that are named one by one.
    pub(super) fn named(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().filter_map(|entry| match entry {
            Grantee::Arn(name) | Grantee::Id(name) => Some(name.as_str()),
            Grantee::Anyone
            | Grantee::Account(_)
            | Grantee::Service(_)
            | Grantee::Federated(_)
            | Grantee::Canonical => None,
        })
    }

    /// Says whether everyone is named, or everyone but a few.
    pub(super) fn include_everyone(&self) -> bool {
        self.negated || self.entries.contains(&Grantee::Anyone)
    }

    /// Returns how closely the element names who asks, `None` where it does not.
    pub(super) fn names(&self, identity: &Identity) -> Option<Closeness> {
        let closest = self
            .entries
            .iter()
            .filter_map(|entry| entry.names(identity))
            .max();
        match (self.negated, closest) {
            (false, closest) => closest,
            (true, None) => Some(Closeness::Direct),
            (true, Some(_)) => None,
        }
    }
}

impl Grantee {
    fn names(&self, identity: &Identity) -> Option<Closeness> {
        let closeness = |named: bool, closeness| named.then_some(closeness);
        match self {
            Self::Anyone if identity.kind() == Kind::Session => Some(Closeness::Role),
            Self::Anyone => Some(Closeness::Direct),
            Self::Account(account) if identity.account() == Some(account) => {
                Some(if identity.kind() == Kind::Root {
                    Closeness::Direct
                } else {
                    Closeness::Account
                })
            }
            Self::Arn(arn) if arn == identity.arn() => Some(Closeness::Direct),
            Self::Arn(arn) => closeness(identity.role_arn() == Some(arn), Closeness::Role),
            Self::Id(id) if identity.kind() == Kind::Session => {
                closeness(id == identity.id(), Closeness::Role)
            }
            Self::Id(id) => closeness(id == identity.id(), Closeness::Direct),
            Self::Service(name) => closeness(
                identity.kind() == Kind::Service && name == identity.arn(),
                Closeness::Direct,
            ),
            Self::Federated(name) => closeness(
                identity.kind() == Kind::Federated && name == identity.arn(),
                Closeness::Direct,
            ),
            Self::Account(_) | Self::Canonical => None,
        }
    }
}

fn parse_kind(kind: &str, names: &Node) -> Result<Vec<Grantee>, PolicyError> {
    let parse: fn(&str) -> Result<Grantee, PolicyError> = match kind {
        "AWS" => parse_aws,
        "Service" => parse_service,
        "Federated" => |name| Ok(Grantee::Federated(name.to_owned())),
        "CanonicalUser" => |_| Ok(Grantee::Canonical),
        _ => return Err(PolicyError::new("unknown kind of principal")),
    };
    match names {
        Node::Text(name) => Ok(vec![parse(name)?]),
        Node::List(names) if !names.is_empty() => names
            .iter()
            .enumerate()
            .map(|(index, name)| match name {
                Node::Text(name) => parse(name).map_err(|error| error.at(index)),
                _ => Err(PolicyError::new("expected a string").at(index)),
            })
            .collect(),
        _ => Err(PolicyError::new("expected a string or a list of strings")),
    }
}

fn parse_service(name: &str) -> Result<Grantee, PolicyError> {
    if name.contains(['*', '?']) || !name.contains('.') {
        return Err(PolicyError::new(format!("`{name}` is not a service")));
    }
    Ok(Grantee::Service(name.to_owned()))
}

fn parse_aws(name: &str) -> Result<Grantee, PolicyError> {
    let invalid = || PolicyError::new(format!("Invalid principal in policy: \"AWS\":\"{name}\""));
    if name == "*" {
        return Ok(Grantee::Anyone);
    }
    if name.contains(['*', '?']) {
        return Err(invalid());
    }
    if let Ok(account) = AccountId::parse(name) {
        return Ok(Grantee::Account(account));
    }
    let is_id = |name: &str| {
        (name.starts_with("AIDA") || name.starts_with("AROA"))
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    if is_id(name) {
        return Ok(Grantee::Id(name.to_owned()));
    }
    let parts: Vec<_> = name.splitn(6, ':').collect();
    let ["arn", _, service, "", account, resource] = parts.as_slice() else {
        return Err(invalid());
    };
    let account = AccountId::parse(account).map_err(|_| invalid())?;
    let known: &[&str] = match *service {
        "iam" => &["user/", "role/"],
        "sts" => &["assumed-role/", "federated-user/"],
        _ => return Err(invalid()),
    };
    if (*service, *resource) == ("iam", "root") {
        return Ok(Grantee::Account(account));
    }
    let named = |kind: &&str| resource.len() > kind.len() && resource.starts_with(*kind);
    if !known.iter().any(named) {
        return Err(invalid());
    }
    Ok(Grantee::Arn(name.to_owned()))
}
