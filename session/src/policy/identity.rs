//! Who asks, as `Principal` elements name them.

use super::context::Context;
use crate::ids::AccountId;
use crate::principal::Principal;

/// Someone who makes a request, with every name that a policy may use for them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    kind: Kind,
    account: Option<AccountId>,
    arn: String,
    /// The role behind a session.
    role_arn: Option<String>,
    /// The unique id of the user or role, empty for others.
    id: String,
    /// The user's or the session's name, empty for others.
    name: String,
}

/// What kinds of requesters there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Root,
    User,
    Session,
    Service,
    Federated,
    Anonymous,
}

impl Identity {
    /// Names the root of an account.
    pub fn root(account: AccountId) -> Self {
        let arn = format!("arn:aws:iam::{account}:root");
        Self::new(Kind::Root, Some(account), arn)
    }

    /// Names a user by name and unique id; the path is `/` or `/…/`.
    pub fn user(account: AccountId, path: &str, name: &str, id: &str) -> Self {
        let arn = format!("arn:aws:iam::{account}:user{path}{name}");
        Self {
            id: id.to_owned(),
            name: name.to_owned(),
            ..Self::new(Kind::User, Some(account), arn)
        }
    }

    /// Names a session of a role by the role's path, name and unique id and the session's name.
    ///
    /// A role without a unique id is not there: what is granted to one of its name is not granted to its session.
    pub fn role_session(account: AccountId, path: &str, role: &str, session: &str, id: &str) -> Self {
        let role_arn = format!("arn:aws:iam::{account}:role{path}{role}");
        let arn = format!("arn:aws:sts::{account}:assumed-role/{role}/{session}");
        Self {
            role_arn: (!id.is_empty()).then_some(role_arn),
            id: id.to_owned(),
            name: session.to_owned(),
            ..Self::new(Kind::Session, Some(account), arn)
        }
    }

    /// Names a service, such as `ssm.amazonaws.com`.
    pub fn service(name: &str) -> Self {
        Self::new(Kind::Service, None, name.to_owned())
    }

    /// Names whoever an identity provider vouches for, by the provider's ARN or domain.
    pub fn federated(provider: &str) -> Self {
        Self::new(Kind::Federated, None, provider.to_owned())
    }

    /// Names nobody: the request carries no signature.
    pub fn anonymous() -> Self {
        Self::new(Kind::Anonymous, None, "anonymous".to_owned())
    }

    fn new(kind: Kind, account: Option<AccountId>, arn: String) -> Self {
        Self {
            kind,
            account,
            arn,
            role_arn: None,
            id: String::new(),
            name: String::new(),
        }
    }

    /// Returns the ARN that denials show; a service or provider has its name instead.
    pub fn arn(&self) -> &str {
        &self.arn
    }

    /// Returns the account whose identity policies count, `None` for services, providers and nobody.
    pub fn account(&self) -> Option<&AccountId> {
        self.account.as_ref()
    }

    /// Returns the condition keys that follow from who asks, such as `aws:username` and `aws:PrincipalArn`.
    ///
    /// `aws:PrincipalArn` is the role's ARN for a session of it, not the session's.
    pub fn context(&self) -> Context {
        let mut context = Context::new();
        let Some(account) = &self.account else {
            if self.kind == Kind::Anonymous {
                context.add("aws:PrincipalType", "Anonymous");
            }
            return context;
        };
        let (kind, user_id) = match self.kind {
            Kind::User => ("User", self.id.clone()),
            Kind::Session => ("AssumedRole", format!("{}:{}", self.id, self.name)),
            // Only the root is left: what has no account was answered above.
            Kind::Root | Kind::Service | Kind::Federated | Kind::Anonymous => {
                ("Account", account.to_string())
            }
        };
        context.add("aws:PrincipalAccount", account.to_string());
        context.add("aws:PrincipalArn", self.role_arn.as_ref().unwrap_or(&self.arn));
        context.add("aws:PrincipalType", kind);
        context.add("aws:userid", user_id);
        if self.kind == Kind::User {
            context.add("aws:username", &self.name);
        }
        context
    }

    pub(super) fn kind(&self) -> Kind {
        self.kind
    }

    pub(super) fn role_arn(&self) -> Option<&str> {
        self.role_arn.as_deref()
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }
}

impl From<&Principal> for Identity {
    fn from(principal: &Principal) -> Self {
        match principal {
            Principal::Root { account } => Self::root(account.clone()),
            Principal::User { account, user } => {
                Self::user(account.clone(), &user.path, &user.name, &user.id)
            }
            Principal::AssumedRole {
                account,
                role,
                session_name,
            } => Self::role_session(account.clone(), &role.path, &role.name, session_name, &role.id),
            Principal::Node { account, role, node } => {
                Self::role_session(account.clone(), &role.path, &role.name, node.as_str(), &role.id)
            }
            Principal::Service { name, .. } => Self::service(name),
            Principal::Anonymous { .. } => Self::anonymous(),
        }
    }
}
