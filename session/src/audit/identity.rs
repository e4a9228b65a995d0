//! Who called, as CloudTrail's `userIdentity`.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::caller::{Caller, SessionGrant};
use crate::ids::AccountId;
use crate::principal::{EntityName, Principal};
use crate::record::Session;

/// Who called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct UserIdentity {
    #[serde(rename = "type")]
    kind: Kind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    principal_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    arn: Option<String>,
    account_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    access_key_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user_name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    session_context: Option<SessionContext>,
    /// The service that calls in the caller's name, such as `s3.amazonaws.com`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) invoked_by: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Kind {
    Root,
    #[serde(rename = "IAMUser")]
    User,
    AssumedRole,
    /// An account that CloudTrail knows nothing more of; also how it writes a caller without a signature.
    #[serde(rename = "AWSAccount")]
    Account,
    #[serde(rename = "AWSService")]
    Service,
}

/// What temporary credentials stand on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct SessionContext {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    session_issuer: Option<SessionIssuer>,
    attributes: SessionAttributes,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    source_identity: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct SessionIssuer {
    #[serde(rename = "type")]
    kind: String,
    principal_id: String,
    arn: String,
    account_id: AccountId,
    user_name: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct SessionAttributes {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    creation_date: Option<Timestamp>,
    /// A text on the wire.
    mfa_authenticated: String,
}

/// The account of those who have none.
const NOBODY: &str = "ANONYMOUS_PRINCIPAL";

impl UserIdentity {
    pub(super) fn of(caller: &Caller) -> Self {
        let principal = &caller.principal;
        let grant = caller.grant.as_deref();
        let identity = |kind| Self {
            kind,
            principal_id: Some(principal.user_id()),
            arn: Some(principal.arn()),
            account_id: principal.account().to_string(),
            access_key_id: caller.access_key_id.as_ref().map(ToString::to_string),
            user_name: None,
            session_context: grant.map(|grant| SessionContext::of(None, Some(grant))),
            invoked_by: None,
        };
        match principal {
            Principal::Root { .. } => identity(Kind::Root),
            Principal::User { user, .. } => Self {
                user_name: Some(user.name.clone()),
                ..identity(Kind::User)
            },
            Principal::AssumedRole { account, role, .. } | Principal::Node { account, role, .. } => {
                let issuer = SessionIssuer::of(account, role);
                Self {
                    session_context: Some(SessionContext::of(Some(issuer), grant)),
                    ..identity(Kind::AssumedRole)
                }
            }
            Principal::Service { name, .. } => Self {
                principal_id: None,
                arn: None,
                invoked_by: Some(name.clone()),
                ..identity(Kind::Service)
            },
            Principal::Anonymous { .. } => Self {
                kind: Kind::Account,
                principal_id: None,
                arn: None,
                account_id: NOBODY.to_owned(),
                access_key_id: None,
                user_name: None,
                session_context: None,
                invoked_by: None,
            },
        }
    }

    /// Leaves what another account may know of a caller: the account and the unique id, as in CloudTrail.
    pub(super) fn as_seen_elsewhere(&self) -> Self {
        Self {
            kind: Kind::Account,
            principal_id: self.principal_id.clone(),
            arn: None,
            account_id: self.account_id.clone(),
            access_key_id: None,
            user_name: None,
            session_context: None,
            invoked_by: self.invoked_by.clone(),
        }
    }

    /// Names whoever started a session.
    pub(super) fn of_owner(session: &Session) -> Self {
        if let Some(grounds) = &session.grounds {
            return Self::of(&grounds.caller);
        }
        let arn = &session.owner_arn;
        let user = arn.rsplit('/').next().filter(|_| arn.contains(":user/"));
        let kind = match user {
            Some(_) => Kind::User,
            None if arn.contains(":assumed-role/") => Kind::AssumedRole,
            None if arn.ends_with(":root") => Kind::Root,
            None => Kind::Account,
        };
        Self {
            kind,
            principal_id: Some(session.owner_id.clone()),
            arn: Some(arn.clone()),
            account_id: session.account.to_string(),
            access_key_id: None,
            user_name: user.map(str::to_owned),
            session_context: None,
            invoked_by: None,
        }
    }

    /// Returns what `LookupEvents` calls the user name.
    pub(super) fn lookup_name(&self) -> Option<&str> {
        match self.kind {
            Kind::Root => Some("root"),
            Kind::User => self.user_name.as_deref(),
            // A session's name holds no slash.
            Kind::AssumedRole => self.arn.as_deref()?.rsplit('/').next(),
            Kind::Account | Kind::Service => None,
        }
    }

    pub(super) fn access_key_id(&self) -> Option<&str> {
        self.access_key_id.as_deref()
    }
}

impl SessionContext {
    fn of(session_issuer: Option<SessionIssuer>, grant: Option<&SessionGrant>) -> Self {
        let whole_seconds = |at: Timestamp| Timestamp::from_second(at.as_second()).unwrap_or(at);
        Self {
            session_issuer,
            attributes: SessionAttributes {
                creation_date: grant.map(|grant| whole_seconds(grant.issued_at)),
                mfa_authenticated: "false".to_owned(),
            },
            source_identity: grant.and_then(|grant| grant.source_identity.clone()),
        }
    }
}

impl SessionIssuer {
    fn of(account: &AccountId, role: &EntityName) -> Self {
        Self {
            kind: "Role".to_owned(),
            principal_id: role.id.clone(),
            arn: format!("arn:aws:iam::{account}:role{}{}", role.path, role.name),
            account_id: account.clone(),
            user_name: role.name.clone(),
        }
    }
}
