//! What a request needs to be allowed: actions on resources, with the facts that conditions may ask about.

use serde::{Deserialize, Serialize};

use crate::ids::AccountId;
use crate::policy::{Context, Resource};
use crate::tag::Tag;

/// What must be allowed before an operation is carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Needs {
    /// A valid signature is enough, whatever policies say: asking who one is.
    Signature,
    /// Every one of these, and there is at least one.
    All(Vec<Need>),
}

/// One action on one resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Need {
    /// `None` stands for the operation's own action.
    action: Option<String>,
    resource: Resource,
    /// Facts of this request, such as `iam:PassedToService`.
    #[serde(default)]
    context: Context,
}

impl Need {
    /// Needs the operation's own action on a resource.
    pub fn on(resource: Resource) -> Self {
        Self {
            action: None,
            resource,
            context: Context::new(),
        }
    }

    /// Needs another action as well, such as `iam:PassRole`.
    pub fn also(action: &str, resource: Resource) -> Self {
        Self {
            action: Some(action.to_owned()),
            ..Self::on(resource)
        }
    }

    /// Adds a fact.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<String>) -> Self {
        self.context.add(key, value);
        self
    }

    /// Adds `aws:RequestTag/…` and `aws:TagKeys` for the tags that the request would set.
    #[must_use]
    pub fn with_request_tags<'a>(mut self, tags: impl IntoIterator<Item = &'a Tag>) -> Self {
        for tag in tags {
            self.context
                .add(&format!("aws:RequestTag/{}", tag.key), tag.value.as_str());
            self.context.add("aws:TagKeys", tag.key.as_str());
        }
        self
    }

    /// Adds `aws:TagKeys` for the tags that the request would remove.
    #[must_use]
    pub fn with_tag_keys<'a>(mut self, keys: impl IntoIterator<Item = &'a str>) -> Self {
        for key in keys {
            self.context.add("aws:TagKeys", key);
        }
        self
    }

    /// Names the operation's own action where no other was named.
    #[must_use]
    pub fn or_action(mut self, own: &str) -> Self {
        self.action.get_or_insert_with(|| own.to_owned());
        self
    }

    /// Puts the resource at the ARN that it really has.
    #[must_use]
    pub fn found_at(mut self, arn: impl Into<String>) -> Self {
        self.resource = self.resource.found_at(arn);
        self
    }

    /// Gives the account that owns the resource, where its ARN does not tell.
    #[must_use]
    pub fn owned_by(mut self, account: AccountId) -> Self {
        self.resource = self.resource.owned_by(account);
        self
    }

    /// Returns the action, empty until [`Need::or_action`] named the operation's.
    pub fn action(&self) -> &str {
        self.action.as_deref().unwrap_or_default()
    }

    /// Returns the resource.
    pub fn resource(&self) -> &Resource {
        &self.resource
    }

    /// Returns the facts of this request.
    pub fn context(&self) -> &Context {
        &self.context
    }
}

impl From<Need> for Needs {
    fn from(need: Need) -> Self {
        Self::All(vec![need])
    }
}

impl From<Vec<Need>> for Needs {
    fn from(needs: Vec<Need>) -> Self {
        Self::All(needs)
    }
}

impl From<Resource> for Needs {
    fn from(resource: Resource) -> Self {
        Need::on(resource).into()
    }
}
