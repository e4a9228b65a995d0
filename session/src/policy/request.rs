//! What is asked: who, what, on which resource, under which circumstances.

use super::arn::Arn;
use super::context::Context;
use super::identity::Identity;
use super::resource::Resource;
use crate::ids::AccountId;

/// One action on one resource.
#[derive(Debug, Clone)]
pub struct Request<'a> {
    identity: &'a Identity,
    action: String,
    resource: Arn<'a>,
    owner: Option<&'a AccountId>,
    context: &'a Context,
}

impl<'a> Request<'a> {
    /// Asks for an action, such as `ssm:StartSession`, on a resource's ARN or `*`.
    ///
    /// The resource belongs to the account in its ARN, or to the asker's where the ARN names none, until
    /// [`Request::owned_by`] says otherwise; a bucket's ARN never names one.
    pub fn new(identity: &'a Identity, action: &str, resource: &'a str, context: &'a Context) -> Self {
        Self {
            identity,
            action: action.to_ascii_lowercase(),
            resource: Arn::new(resource),
            owner: None,
            context,
        }
    }

    /// Asks for an action on an object that was looked up.
    pub fn on(identity: &'a Identity, action: &str, resource: &'a Resource, context: &'a Context) -> Self {
        Self {
            owner: resource.owner(),
            ..Self::new(identity, action, resource.arn(), context)
        }
    }

    /// Names the account that owns the resource.
    #[must_use]
    pub fn owned_by(mut self, account: &'a AccountId) -> Self {
        self.owner = Some(account);
        self
    }

    /// Returns who asks.
    pub fn identity(&self) -> &'a Identity {
        self.identity
    }

    /// Returns the action in lower case.
    pub fn action(&self) -> &str {
        &self.action
    }

    /// Returns the ARN of the resource.
    pub fn resource(&self) -> &'a str {
        self.resource.text()
    }

    pub(super) fn arn(&self) -> &Arn<'a> {
        &self.resource
    }

    /// Returns the facts that conditions and variables read.
    pub fn context(&self) -> &'a Context {
        self.context
    }

    /// Says whether the resource belongs to another account than the one whose identity policies count.
    pub fn crosses_accounts(&self) -> bool {
        let Some(own) = self.identity.account() else {
            return false;
        };
        match self.owner {
            Some(owner) => owner != own,
            None => {
                let named = self.resource.account();
                named.is_some_and(|account| AccountId::parse(account).is_ok_and(|account| account != *own))
            }
        }
    }
}
