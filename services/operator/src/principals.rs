//! The principals that a question is about, as people name them.

use std::sync::Arc;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::iam::{Directory, Listing, Role, User};
use drawbridge_session::{
    AccountId, Caller, EntityName, ManagedNode, NodeId, Principal, Resource, SessionGrant, SignedWith,
};

use crate::Operator;
use crate::error::{absent, internal};

/// The name of a role's session where the question gives none.
const SESSION: &str = "explain";

/// A principal by name; it may not be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Named<'a> {
    Root,
    User(&'a str),
    Role { name: &'a str, session: &'a str },
}

impl<'a> Named<'a> {
    /// Reads `root`, `user/NAME`, `role/NAME`, `role/NAME/SESSION` or an ARN of the account.
    pub(crate) fn parse(text: &'a str, account: &AccountId) -> Option<Self> {
        let Some(arn) = text.strip_prefix("arn:aws:") else {
            let (kind, name) = text.split_once('/').unwrap_or((text, ""));
            return match (kind, name.split_once('/')) {
                ("root", None) if name.is_empty() => Some(Self::Root),
                ("user", None) => Self::user(name),
                ("role", None) => Self::role(name, SESSION),
                ("role", Some((name, session))) => Self::role(name, session),
                _ => None,
            };
        };
        let parts: Vec<&str> = arn.splitn(4, ':').collect();
        let [service, "", owner, path] = parts[..] else {
            return None;
        };
        if owner != account.as_str() {
            return None;
        }
        // Names are unique whatever the path is.
        let last = path.rsplit('/').next().unwrap_or_default();
        match (service, path.split_once('/')) {
            ("iam", None) if path == "root" => Some(Self::Root),
            ("iam", Some(("user", _))) => Self::user(last),
            ("iam", Some(("role", _))) => Self::role(last, SESSION),
            ("sts", Some(("assumed-role", rest))) => {
                let (name, session) = rest.split_once('/')?;
                Self::role(name, session)
            }
            _ => None,
        }
    }

    fn user(name: &'a str) -> Option<Self> {
        (!name.is_empty()).then_some(Self::User(name))
    }

    fn role(name: &'a str, session: &'a str) -> Option<Self> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_+=,.@-".contains(&byte);
        let valid = (2..=64).contains(&session.len()) && session.bytes().all(plain);
        (valid && !name.is_empty()).then_some(Self::Role { name, session })
    }

    /// Returns what `iam:SimulatePrincipalPolicy` is asked about.
    pub(crate) fn resource(&self, account: &AccountId) -> Resource {
        match self {
            Self::Root => Resource::plain(format!("arn:aws:iam::{account}:root")),
            Self::User(name) => Resource::user(account, name),
            Self::Role { name, .. } => Resource::role(account, name),
        }
    }
}

impl Operator {
    /// Imagines that a principal asks now, from where the caller is.
    ///
    /// A role's session that is called like a node which has the role is that node.
    pub(crate) async fn imagine(&self, named: &Named<'_>, caller: &Caller) -> Result<Caller, AwsError> {
        let directory = self.directory(caller)?;
        match *named {
            Named::Root => {
                let account = caller.account.clone();
                Ok(imagined(caller, Principal::Root { account }))
            }
            Named::User(name) => {
                let user = directory
                    .user(name)
                    .map_err(|_| absent(&format!("user `{name}`")))?;
                Ok(as_user(user, caller))
            }
            Named::Role { name, session } => {
                let role = directory
                    .role(name)
                    .map_err(|_| absent(&format!("role `{name}`")))?;
                let mut imagined = as_role(role, session, caller);
                if let Some(node) = self.node_in(role, session, caller).await? {
                    imagined.principal = Principal::Node {
                        account: caller.account.clone(),
                        role: role_name(role),
                        node,
                    };
                }
                Ok(imagined)
            }
        }
    }

    pub(crate) fn directory(&self, caller: &Caller) -> Result<Arc<Directory>, AwsError> {
        let directory = self.store.directory(&caller.account);
        directory.ok_or_else(|| absent(&format!("account `{}`", caller.account)))
    }

    async fn node_in(&self, role: &Role, session: &str, caller: &Caller) -> Result<Option<NodeId>, AwsError> {
        let Ok(id) = NodeId::parse(session) else {
            return Ok(None);
        };
        let node = self.store.node(&id).await.map_err(internal)?;
        let has_role = |node: &ManagedNode| node.account == caller.account && node.iam_role == role.name;
        Ok(node.filter(has_role).map(|node| node.id))
    }
}

/// Imagines every user and then every role of the account, in the order of their names, after one of them.
pub(crate) fn everyone(
    directory: &Directory,
    after: Option<&Named<'_>>,
    caller: &Caller,
) -> impl Iterator<Item = Caller> {
    let (users_after, roles_after) = match after {
        Some(Named::User(name)) => (Some(Some(*name)), None),
        Some(Named::Role { name, .. }) => (None, Some(*name)),
        Some(Named::Root) | None => (Some(None), None),
    };
    let listing = |after| Listing {
        after,
        ..Listing::default()
    };
    let users = users_after
        .into_iter()
        .flat_map(move |after| directory.users(listing(after)))
        .map(|user| as_user(user, caller));
    let roles = directory
        .roles(listing(roles_after))
        .map(|role| as_role(role, SESSION, caller));
    users.chain(roles)
}

/// Names a principal of [`everyone`] for [`Named::parse`].
pub(crate) fn place_of(principal: &Principal) -> String {
    match principal {
        Principal::User { user, .. } => format!("user/{}", user.name),
        Principal::AssumedRole { role, .. } | Principal::Node { role, .. } => format!("role/{}", role.name),
        Principal::Root { .. } | Principal::Service { .. } | Principal::Anonymous { .. } => "root".to_owned(),
    }
}

fn as_user(user: &User, caller: &Caller) -> Caller {
    let account = caller.account.clone();
    let user = EntityName::at(user.path.as_str(), user.name.as_str(), user.id.as_str());
    imagined(caller, Principal::User { account, user })
}

fn as_role(role: &Role, session: &str, caller: &Caller) -> Caller {
    let principal = Principal::AssumedRole {
        account: caller.account.clone(),
        role: role_name(role),
        session_name: session.to_owned(),
    };
    Caller {
        grant: Some(Arc::new(SessionGrant::plain(caller.received_at))),
        ..imagined(caller, principal)
    }
}

fn role_name(role: &Role) -> EntityName {
    EntityName::at(role.path.as_str(), role.name.as_str(), role.id.as_str())
}

fn imagined(caller: &Caller, principal: Principal) -> Caller {
    Caller {
        principal,
        signed_with: SignedWith::AccessKey,
        access_key_id: None,
        grant: None,
        ..caller.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_short_names_and_arns_of_the_account() {
        let account = AccountId::parse("123456789012").expect("valid");
        let role = |session| Some(Named::Role { name: "Ops", session });
        for (text, expected) in [
            ("root", Some(Named::Root)),
            ("arn:aws:iam::123456789012:root", Some(Named::Root)),
            ("user/alice", Some(Named::User("alice"))),
            (
                "arn:aws:iam::123456789012:user/team/x/alice",
                Some(Named::User("alice")),
            ),
            ("role/Ops", role(SESSION)),
            ("role/Ops/bob@x", role("bob@x")),
            ("arn:aws:iam::123456789012:role/team/Ops", role(SESSION)),
            ("arn:aws:sts::123456789012:assumed-role/Ops/bob", role("bob")),
            ("", None),
            ("alice", None),
            ("user/", None),
            ("user/a/b", None),
            ("role/Ops/b", None),
            ("role/Ops/b c", None),
            ("arn:aws:iam::210987654321:user/alice", None),
            ("arn:aws:iam::123456789012:group/ops", None),
            ("arn:aws:sts::123456789012:assumed-role/Ops", None),
            ("arn:aws:iam:us-east-1:123456789012:user/alice", None),
        ] {
            assert_eq!(Named::parse(text, &account), expected, "{text}");
        }
    }
}
